#include "import_declarations.hpp"
#include "import_mapping.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/exchange/checklist.hpp>
#include <taskstore/exchange/outgoing.hpp>
#include <taskstore/store/import.hpp>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace taskstore::store {
namespace {

using exchange::Incoming;
using exchange::Kind;
using exchange::Meaning;

constexpr std::size_t kBatchRecords = 8192;
constexpr std::size_t kBatchBytes = 16U << 20U;
constexpr int kAncestorsMax = 64;

std::string without_ending(std::string name, std::initializer_list<std::string_view> endings) {
    for (const std::string_view ending : endings) {
        if (name.ends_with(ending) && name.size() > ending.size())
            name.resize(name.size() - ending.size());
    }
    return name;
}

std::string made_id(std::string_view prefix, const std::string& key) {
    return std::string(prefix) + sha256_hex(key).substr(0, 12);
}

bool is_id(std::string_view id) {
    return !id.empty() && id.size() <= 256 && std::ranges::none_of(id, [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
}

bool same_value(std::string_view a, std::string_view b) {
    if (a == b) return true;
    const auto left = Json::parse(a);
    const auto right = Json::parse(b);
    return left && right && *left == *right;
}

/// Members by name, as views into a record's text.
class Members {
  public:
    Status read(std::string_view data) {
        TASKSTORE_LET(const std::vector<JsonMember>* const members, x_slicer.slice(data));
        x_members = members;
        return ok();
    }
    /// Empty where absent.
    std::string_view raw_of(std::string_view name) const {
        const auto found = std::ranges::find(*x_members, name, &JsonMember::name);
        return found == x_members->end() ? std::string_view() : found->raw_value;
    }
    const std::vector<JsonMember>& all() const { return *x_members; }

  private:
    JsonSlicer x_slicer;
    const std::vector<JsonMember>* x_members = nullptr;
};

/// null and an absent member mean the same.
bool same_member(std::string_view a, std::string_view b) {
    return a == b || ((a.empty() || a == "null") && (b.empty() || b == "null"));
}

class Importer {
  public:
    Importer(records::Plan& plan, const Clock& clock, const ImportRequest& request)
        : x_plan(plan), x_clock(clock), x_request(request) {}

    Result<ImportReport> run() {
        TASKSTORE_TRY(find_format());
        TASKSTORE_LET(x_catalogue, x_plan.catalogue());
        if (x_report.format.kind != Kind::own) x_schema = x_catalogue->schema_of(x_request.to);
        x_key = without_ending(x_request.name, {".xz", ".zst", ".gz"});
        x_path = without_ending(
            x_key, {".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".md", ".markdown", ".txt"});
        TASKSTORE_TRY(read_all("reading", [&](const Incoming& record) -> Status {
            first_look(record);
            return ok();
        }));
        if (x_report.empty() && !x_request.strict) return std::move(x_report);
        if (x_report.empty())
            return fail(Code::failed, "there is nothing to import: the source holds no records")
                .with_hint("look whether it is the right file, or leave --strict away");
        if (x_nodes.empty() && x_ids.empty() && x_report.declarations == 0)
            return fail(Code::invalid, "nothing of it can be taken in: " + what_is_damaged())
                .with_hint("look whether the file is whole, and what --from says of it");
        if (x_request.strict && !x_report.complete()) return refusal();
        TASKSTORE_TRY(
            x_declarations.write(x_plan, x_request.dry_run, x_report.declared, x_report.notes));
        x_repeats.clear();
        x_second = true;
        TASKSTORE_TRY(read_all("importing", [&](const Incoming& record) { return take(record); }));
        TASKSTORE_TRY(flush());
        tell_notes();
        return std::move(x_report);
    }

  private:
    /// What pass one knows of a record that others may belong to.
    struct Node {
        std::string parent;
        bool is_group = false;
        bool taken = false;
    };
    struct Work {
        records::Write write;
        std::int64_t line = 0;
        std::int64_t column = 0;
    };

    bool planned() const {
        return x_request.to.empty() && x_report.format.kind != Kind::own &&
               x_report.format.kind != Kind::plain;
    }

    Result<std::unique_ptr<exchange::ByteSource>> open() {
        TASKSTORE_LET(auto packed, x_request.open());
        TASKSTORE_LET(exchange::Unpacked unpacked, exchange::unpacked(std::move(packed)));
        x_report.packing = unpacked.packing;
        return std::move(unpacked.bytes);
    }

    Status find_format() {
        TASKSTORE_LET(const auto source, open());
        std::string head;
        std::size_t wanted = 64U << 10U;
        bool whole = false;
        while (true) {
            while (!whole && head.size() < wanted) {
                const std::size_t had = head.size();
                head.resize(wanted);
                TASKSTORE_LET(const std::size_t got, source->read(head.data() + had, wanted - had));
                head.resize(had + got);
                whole = got == 0;
            }
            const bool enough = head.size() > exchange::kRecordBytesMax;
            TASKSTORE_LET(const auto format,
                          exchange::recognise(head, whole || enough, x_request.from));
            if (format) {
                x_report.format = *format;
                break;
            }
            wanted *= 4;
        }
        if (x_report.format.kind == Kind::plain && x_request.to.empty() && !x_report.format.empty) {
            return fail(Code::invalid, "these records are none that the import knows (" +
                                           exchange::describe(x_report.format) + ")")
                .with_hint(
                    "say where they go with --to COLLECTION, or what they are with --from KIND");
        }
        return ok();
    }

    template <typename Each>
    Status read_all(std::string_view what, Each&& each) {
        TASKSTORE_LET(auto source, open());
        exchange::ReaderOptions options{x_report.format, x_key, {}};
        options.on_damage = [this](const exchange::Damage& damage) {
            if (!x_second) damaged(damage.line, damage.column, damage.reason);
        };
        TASKSTORE_LET(const auto reader,
                      exchange::open_reader(std::move(source), std::move(options)));
        Incoming record;
        for (x_seen = 0;; ++x_seen) {
            TASKSTORE_LET(const bool got, reader->next(record));
            if (!got) break;
            if (x_seen % 1024 == 1023 && x_request.progress)
                x_request.progress(what, x_seen, x_second ? x_report.records : 0);
            TASKSTORE_TRY(each(record));
        }
        if (!x_second) x_report.records = x_seen - x_report.declarations;
        return ok();
    }

    void damaged(std::int64_t line, std::int64_t column, std::string reason) {
        if (++x_report.damaged_count <= static_cast<std::int64_t>(ImportReport::kDamagedMax))
            x_report.damaged.push_back({line, column, std::move(reason)});
    }
    void skip(const std::string& collection, const std::string& why) {
        ++x_report.collections[collection].skipped;
        ++x_report.skipped[why];
    }

    /// Empty: nothing.
    std::string what_is_damaged() const {
        if (x_report.damaged_count == 0) return {};
        const exchange::Damage& first = x_report.damaged.front();
        const std::string where = "line " + std::to_string(first.line) + " column " +
                                  std::to_string(first.column) + ": " + first.reason;
        if (x_report.damaged_count == 1) return "a damaged record, at " + where;
        return std::to_string(x_report.damaged_count) + " damaged records, the first at " + where;
    }
    Failure refusal() const {
        std::string what = what_is_damaged();
        for (const auto& [name, count] : x_report.no_place)
            what += (what.empty() ? "" : "; ") + name + ": " + std::to_string(count);
        return fail(Code::failed, "nothing was imported, for not all of it has a place: " + what)
            .with_hint("mend the file, or leave --strict away");
    }

    /// Of records that bring no id: by the file and the title, the same at every import.
    std::string id_of(const Meaning& meaning) {
        if (!meaning.id.empty() || !planned()) return meaning.id;
        const std::string key = x_key + "\nrow\n" + meaning.title.raw;
        const int repeat = x_repeats[key]++;
        return made_id(meaning.is_group ? "prd-" : "ts-",
                       key + (repeat == 0 ? "" : "\n#" + std::to_string(repeat)));
    }

    std::string_view collection_of_own(const Incoming& record) {
        if (!x_request.to.empty()) return x_request.to;
        x_collection = exchange::text_of_raw(record.raw_of(exchange::kCollectionMember));
        return x_collection;
    }
    static std::string_view id_member_of(std::string_view collection) {
        const records::Kind* kind = records::find_collection(collection);
        return kind != nullptr ? kind->id_member : "id";
    }
    std::string id_of_own(const Incoming& record, std::string_view collection) const {
        return exchange::text_of_raw(record.raw_of(id_member_of(collection)));
    }
    static std::uint64_t key_of(std::string_view collection, std::string_view id) {
        return xxh3_64(std::string(collection) + "\n" + std::string(id));
    }

    void first_look(const Incoming& record) {
        const Kind kind = x_report.format.kind;
        if (kind == Kind::own && Declarations::is_one(record)) return look_at_declaration(record);
        if (kind == Kind::own) {
            const std::string collection(collection_of_own(record));
            const std::string id = id_of_own(record, collection);
            if (!ledger::is_collection_name(collection))
                return damaged(record.line, record.column, "it names no collection");
            if (!is_id(id)) return damaged(record.line, record.column, "it has no id");
            if (!x_ids.insert(key_of(collection, id)).second) twice(record, id);
            return;
        }
        const Meaning meaning = exchange::interpret(kind, record);
        const std::string id = id_of(meaning);
        if (!is_id(id)) {
            return damaged(record.line, record.column,
                           id.empty() ? "it has no id" : "its id is too long or has controls");
        }
        if (!planned()) {
            if (!x_ids.insert(key_of(x_request.to, id)).second) return twice(record, id);
            const Mapped mapped = plain(record, meaning, id);
            const std::string misfit = mapped.missing.empty() ? misfit_of(mapped) : misses(mapped);
            if (misfit.empty()) return;
            x_ids.erase(key_of(x_request.to, id));
            damaged(record.line, record.column, misfit);
            return;
        }
        const bool gone = meaning.stage == exchange::Stage::deleted;
        if (!x_nodes
                 .try_emplace(node_of(meaning, id), Node{meaning.parent, meaning.is_group && !gone})
                 .second)
            return twice(record, id);
        if (!meaning.stage_known) ++x_unknown_words[exchange::text_of_raw(meaning.status.raw)];
    }
    void look_at_declaration(const Incoming& record) {
        ++x_report.declarations;
        if (!x_request.to.empty()) {
            ++x_report.no_place["a declaration of a collection, with --to"];
            return;
        }
        const std::string why = x_declarations.look_at(record);
        if (!why.empty()) damaged(record.line, record.column, why);
    }
    static std::string misses(const Mapped& mapped) {
        return records::with_article(records::find_collection(mapped.collection)->noun) +
               " needs " + mapped.missing;
    }
    /// Only in checklists a heading and an item may have one id: what we exported may.
    std::string node_of(const Meaning& meaning, const std::string& id) const {
        const bool item = x_report.format.kind == Kind::checklist && !meaning.is_group;
        return item ? "\n" + id : id;
    }
    void twice(const Incoming& record, const std::string& id) {
        damaged(record.line, record.column,
                "the id '" + id + "' stands twice; the first record is taken");
    }

    /// As it is, for the collection that was named.
    Mapped plain(const Incoming& record, const Meaning& meaning, const std::string& id) const {
        Meaning none;
        none.id_from = meaning.id_from;
        Mapped mapped = map_record(x_report.format.kind, record, none, x_request.to,
                                   records::find_collection(x_request.to), id, {});
        if (x_schema == nullptr) return mapped;
        // A file that knows only text means what the schema says.
        const records::Kind& kind = x_schema->kind();
        const auto is_typed = [&](const records::Field* field, const std::string& raw) {
            return field != nullptr && kind_of_raw(raw) == JsonKind::string &&
                   field->type != records::FieldType::text &&
                   field->type != records::FieldType::choice;
        };
        std::erase_if(mapped.members, [&](ledger::Change& member) {
            const records::Field* const field = kind.field(member.name);
            if (!is_typed(field, member.raw_value)) return false;
            if (member.raw_value == "\"\"") return true;
            auto raw =
                records::field_value(&kind, member.name, exchange::text_of_raw(member.raw_value));
            if (raw) member.raw_value = std::move(*raw);
            return false;
        });
        return mapped;
    }

    /// Why the record does not fit the schema of its collection; empty: it does, or there is none.
    std::string misfit_of(const Mapped& mapped) const {
        if (x_schema == nullptr) return {};
        std::string data = "{\"id\":";
        append_json_string(data, mapped.id);
        const auto put = [&](std::string_view name, std::string_view raw) {
            data += ',';
            append_json_string(data, name);
            data.append(":").append(raw);
        };
        for (const ledger::Change& member : mapped.members) put(member.name, member.raw_value);
        for (const auto& [name, raw] : defaults_for(mapped)) put(name, raw);
        const auto violations =
            x_schema->violations(data + ",\"updated_at\":" + std::to_string(x_now_ms) + "}", 5);
        if (!violations) return violations.error().message;
        std::string why;
        for (const schema::Violation& violation : *violations)
            why += (why.empty() ? "it does not fit the schema: " : "; ") +
                   records::reason_of(violation);
        return why;
    }
    std::vector<records::CollectionSchema::Default> defaults_for(const Mapped& mapped) const {
        std::vector<records::CollectionSchema::Default> missing;
        for (const auto& one : x_schema->defaults()) {
            if (std::ranges::find(mapped.members, one.name, &ledger::Change::name) ==
                mapped.members.end())
                missing.push_back(one);
        }
        return missing;
    }

    // --- pass two
    // --------------------------------------------------------------------------------

    Status take(const Incoming& record) {
        const Kind kind = x_report.format.kind;
        if (kind == Kind::own) return take_own(record);
        Meaning meaning = exchange::interpret(kind, record);
        const std::string id = id_of(meaning);
        if (!is_id(id)) return ok();
        if (!planned()) {
            if (x_ids.erase(key_of(x_request.to, id)) == 0) return ok();
            return add(plain(record, meaning, id));
        }
        Node& node = x_nodes[node_of(meaning, id)];
        if (std::exchange(node.taken, true)) return ok();
        if (meaning.is_group) {
            return add(map_record(kind, record, meaning, "prds", records::find_collection("prds"),
                                  id, {}));
        }
        TASKSTORE_LET(const Parent parent, parent_of(meaning));
        return add(map_record(kind, record, meaning, "task_specs",
                              records::find_collection("task_specs"), id, parent));
    }

    Result<Parent> parent_of(const Meaning& meaning) {
        std::string at = meaning.parent;
        for (int i = 0; i < kAncestorsMax && !at.empty(); ++i) {
            const auto found = x_nodes.find(at);
            if (found == x_nodes.end()) {
                TASKSTORE_LET(const bool is_prd, is_prd_here(at));
                if (is_prd) return Parent{at};
                break;
            }
            if (found->second.is_group) return Parent{at};
            at = found->second.parent;
        }
        const Kind kind = x_report.format.kind;
        if (meaning.group && meaning.stage != exchange::Stage::deleted) {
            const std::string word(exchange::kind_words()[static_cast<std::size_t>(kind)]);
            const std::string id = made_id("prd-", word + "\ngroup\n" + meaning.group->name);
            if (x_groups.insert(id).second) TASKSTORE_TRY(add(map_group(kind, *meaning.group, id)));
            return Parent{id};
        }
        return Parent{catch_all(), true};
    }

    /// The PRD of the file.
    std::string catch_all() const { return made_id("prd-", x_path + "\n"); }

    /// It is made when the first record needs it: those that stand here have a place.
    Status need_catch_all(std::vector<Work>& work) {
        if (std::exchange(x_catch_all_made, true)) return ok();
        std::string title;
        append_json_string(title, os::name_of_path(x_path));
        Mapped group =
            map_group(x_report.format.kind, {"", title, {}, exchange::Stage::open}, catch_all());
        TASKSTORE_LET(const auto standing, x_plan.look_up("prds", {group.id}));
        return decide(group, standing[0], work);
    }

    Status keep_parent(Mapped& mapped, const records::Standing& standing, std::vector<Work>& work) {
        const std::string raw(x_current.raw_of("prd_id"));
        if (kind_of_raw(raw.empty() ? "null" : raw) != JsonKind::string || raw == "\"\"") {
            std::erase(mapped.defaults, "prd_id");
            TASKSTORE_TRY(need_catch_all(work));
            return x_current.read(standing.record.data);
        }
        const auto member = std::ranges::find(mapped.members, "prd_id", &ledger::Change::name);
        if (member != mapped.members.end()) member->raw_value = raw;
        return ok();
    }

    Result<bool> is_prd_here(const std::string& id) {
        const auto known = x_here.find(id);
        if (known != x_here.end()) return known->second;
        TASKSTORE_LET(const auto standing, x_plan.look_up("prds", {id}));
        return x_here[id] = standing[0].live;
    }

    Status take_own(const Incoming& record) {
        if (Declarations::is_one(record)) return ok();
        Mapped mapped;
        mapped.collection = collection_of_own(record);
        mapped.id = id_of_own(record, mapped.collection);
        mapped.line = record.line;
        mapped.column = record.column;
        if (!is_id(mapped.id) || x_ids.erase(key_of(mapped.collection, mapped.id)) == 0)
            return ok();
        const records::Kind* kind = records::find_collection(mapped.collection);
        const ledger::Shape shape = kind != nullptr ? kind->shape() : ledger::Shape{};
        for (const exchange::Member& member : record.members) {
            if (member.name == exchange::kCollectionMember) continue;
            const std::string_view name = exchange::own_name(member.name);
            if (name == "updated_at") mapped.updated_at = member.raw;
            if (!ledger::is_frame_member(shape, name))
                mapped.members.push_back({std::string(name), std::string(member.raw)});
        }
        return add(std::move(mapped));
    }

    Status add(Mapped mapped) {
        if (!mapped.missing.empty()) {
            damaged(mapped.line, mapped.column, misses(mapped));
            return ok();
        }
        x_misfits += mapped.misfits;
        for (const ledger::Change& member : mapped.members)
            x_bytes += member.name.size() + member.raw_value.size() + 64;
        x_batch.push_back(std::move(mapped));
        if (x_batch.size() < kBatchRecords && x_bytes < kBatchBytes) return ok();
        return flush();
    }

    Status flush() {
        if (x_batch.empty()) return ok();
        std::map<std::string, std::vector<std::size_t>> by_collection;
        for (std::size_t i = 0; i < x_batch.size(); ++i)
            by_collection[x_batch[i].collection].push_back(i);
        std::vector<records::Standing> standing(x_batch.size());
        for (const auto& [collection, indexes] : by_collection) {
            std::vector<std::string> ids;
            ids.reserve(indexes.size());
            for (const std::size_t i : indexes) ids.push_back(x_batch[i].id);
            TASKSTORE_LET(auto found, x_plan.look_up(collection, ids));
            for (std::size_t k = 0; k < indexes.size(); ++k)
                standing[indexes[k]] = std::move(found[k]);
        }
        std::vector<Work> work;
        for (std::size_t i = 0; i < x_batch.size(); ++i)
            TASKSTORE_TRY(decide(x_batch[i], standing[i], work));
        x_batch.clear();
        x_bytes = 0;
        return write(std::move(work));
    }

    Status write(std::vector<Work> work) {
        if (work.empty() || x_request.dry_run) return ok();
        std::vector<records::Write> writes;
        writes.reserve(work.size());
        // The plan takes the writes away, and they may be needed once more.
        const bool alone = work.size() == 1;
        for (const Work& one : work) writes.push_back(one.write);
        auto written = x_plan.write(std::move(writes));
        if (written) {
            for (std::string& note : written->notes) x_notes.insert(std::move(note));
            return ok();
        }
        const Code code = written.error().code;
        if (code != Code::invalid && code != Code::exists && code != Code::not_found &&
            code != Code::conflict)
            return fail(std::move(written).error());
        if (alone) {
            ImportCounts& counts = x_report.collections[work[0].write.collection];
            const records::WriteKind kind = work[0].write.kind;
            --(kind == records::WriteKind::create   ? counts.created
               : kind == records::WriteKind::update ? counts.updated
                                                    : counts.deleted);
            damaged(work[0].line, work[0].column, written.error().message);
            return ok();
        }
        const auto middle = work.begin() + static_cast<std::ptrdiff_t>(work.size() / 2);
        std::vector<Work> rest(std::make_move_iterator(middle),
                               std::make_move_iterator(work.end()));
        work.erase(middle, work.end());
        TASKSTORE_TRY(write(std::move(work)));
        return write(std::move(rest));
    }

    Status decide(Mapped& mapped, const records::Standing& standing, std::vector<Work>& work) {
        ImportCounts& counts = x_report.collections[mapped.collection];
        if (mapped.gone) {
            if (!standing.live || standing.record.data.find("\"_import\":") == std::string::npos) {
                skip(mapped.collection, "deleted in the source");
                return ok();
            }
            ++counts.deleted;
            work.push_back({{.kind = records::WriteKind::remove,
                             .collection = mapped.collection,
                             .id = mapped.id},
                            mapped.line,
                            mapped.column});
            return ok();
        }
        if (!standing.live) {
            if (standing.deleted && !x_request.revive) {
                skip(mapped.collection, "deleted here (--revive takes them in again)");
                return ok();
            }
            if (mapped.parent_implied) TASKSTORE_TRY(need_catch_all(work));
            ++counts.created;
            create(mapped, work);
            return ok();
        }
        TASKSTORE_TRY(x_current.read(standing.record.data));
        if (mapped.parent_implied) TASKSTORE_TRY(keep_parent(mapped, standing, work));
        return x_report.format.kind == Kind::own ? decide_own(mapped, standing, counts, work)
                                                 : decide_again(mapped, counts, work);
    }

    void create(Mapped& mapped, std::vector<Work>& work) {
        const records::Kind* kind = records::find_collection(mapped.collection);
        const bool own = x_report.format.kind == Kind::own;
        ++x_created;
        if (x_schema != nullptr) {
            for (const auto& [name, raw] : defaults_for(mapped))
                mapped.members.push_back({name, raw});
        }
        for (std::size_t i = 0; kind != nullptr && !own && i < kind->fields.size(); ++i) {
            const records::Field& field = kind->fields[i];
            if (field.setter != records::FieldSetter::created ||
                std::ranges::find(mapped.members, field.name, &ledger::Change::name) !=
                    mapped.members.end())
                continue;
            // Lists show the newest PRD first and the oldest spec: both in the source's order.
            const std::int64_t offset =
                kind->order_descending ? -x_created : x_created - x_report.records;
            mapped.members.push_back({std::string(field.name), std::to_string(x_now_ms + offset)});
        }
        work.push_back({{.kind = records::WriteKind::create,
                         .collection = mapped.collection,
                         .id = mapped.id,
                         .changes = std::move(mapped.members),
                         .verbatim = true},
                        mapped.line,
                        mapped.column});
    }

    void update(const Mapped& mapped, std::vector<ledger::Change> changes,
                std::vector<Work>& work) {
        work.push_back({{.kind = records::WriteKind::update,
                         .collection = mapped.collection,
                         .id = mapped.id,
                         .changes = std::move(changes),
                         .verbatim = true},
                        mapped.line,
                        mapped.column});
    }

    /// An export: whoever is newer stands.
    Status decide_own(const Mapped& mapped, const records::Standing& standing, ImportCounts& counts,
                      std::vector<Work>& work) {
        const records::Kind* kind = records::find_collection(mapped.collection);
        const ledger::Shape shape = kind != nullptr ? kind->shape() : ledger::Shape{};
        std::vector<ledger::Change> changes;
        for (const ledger::Change& member : mapped.members) {
            const std::string_view current = x_current.raw_of(member.name);
            if (current.empty() || !same_value(current, member.raw_value))
                changes.push_back(member);
        }
        for (const JsonMember& member : x_current.all()) {
            if (!ledger::is_frame_member(shape, member.name) &&
                std::ranges::find(mapped.members, member.name, &ledger::Change::name) ==
                    mapped.members.end())
                changes.push_back({std::string(member.name), {}});
        }
        if (changes.empty()) {
            ++counts.unchanged;
        } else if (exchange::time_of_raw(mapped.updated_at).value_or(0) <=
                   standing.record.updated_at) {
            skip(mapped.collection, "newer here than in the export");
        } else {
            ++counts.updated;
            update(mapped, std::move(changes), work);
        }
        return ok();
    }

    /// A record that is here already.
    Status decide_again(const Mapped& mapped, ImportCounts& counts, std::vector<Work>& work) {
        const std::string_view mark = x_current.raw_of(kImportMember);
        const std::string_view entry = entry_of_import(mark, x_report.format.kind);
        const bool marked = !entry.empty();
        if (marked && hash_of_entry(entry) == mapped.hash) {
            ++counts.unchanged;
            return ok();
        }
        const auto counts_here = [&](const ledger::Change& member) {
            return member.name != kImportMember &&
                   (marked ||
                    std::ranges::find(mapped.defaults, member.name) == mapped.defaults.end());
        };
        const auto stands = [&](const ledger::Change& member) {
            return same_here(member, x_current.raw_of(member.name));
        };
        const bool differs = std::ranges::any_of(mapped.members, [&](const ledger::Change& member) {
            return counts_here(member) && !stands(member);
        });
        if (!marked && !differs) {
            ++counts.unchanged;
            return ok();
        }
        TASKSTORE_LET(const Base written, base_of(mapped));
        std::vector<ledger::Change> changes;
        for (const ledger::Change& member : mapped.members) {
            const std::string_view current = x_current.raw_of(member.name);
            const std::string_view base = written.raw_of(member.name);
            if (!counts_here(member) || stands(member) || same_here(member, base)) continue;
            if (!same_member(base, current)) told_replaced(mapped, member.name);
            changes.push_back(member);
        }
        for (const std::string& name : written.imported) {
            if (is_left_out(mapped, name) && x_current.raw_of(name) == written.raw_of(name))
                changes.push_back({name, {}});
        }
        if (!marked && changes.empty()) {
            ++counts.unchanged;
            return ok();
        }
        changes.push_back(
            {std::string(kImportMember),
             joined_import(mark, mapped.members.back().raw_value, x_report.format.kind)});
        ++counts.updated;
        update(mapped, std::move(changes), work);
        return ok();
    }

    /// Whether what the source says is what stands; a checklist holds titles in one line.
    bool same_here(const ledger::Change& member, std::string_view raw) const {
        if (same_member(raw, member.raw_value)) return true;
        return x_report.format.kind == Kind::checklist &&
               (member.name == "title" || member.name == "phase_name") &&
               kind_of_raw(raw) == JsonKind::string &&
               exchange::title_in_checklist(exchange::text_of_raw(raw)) ==
                   exchange::text_of_raw(member.raw_value);
    }

    /// A member of the last import that the source has no more.
    static bool is_left_out(const Mapped& mapped, std::string_view name) {
        const records::Kind* kind = records::find_collection(mapped.collection);
        const ledger::Shape shape = kind != nullptr ? kind->shape() : ledger::Shape{};
        return !ledger::is_frame_member(shape, name) &&
               (kind == nullptr || kind->field(name) == nullptr) &&
               std::ranges::find(mapped.members, name, &ledger::Change::name) ==
                   mapped.members.end();
    }

    /// What imports have written to the record, by member; what it was created with stands in for
    /// members that none has. `imported`: what this kind of source has.
    struct Base {
        std::map<std::string, std::string, std::less<>> raws;
        std::set<std::string, std::less<>> imported;
        std::string_view raw_of(std::string_view name) const {
            const auto found = raws.find(name);
            return found == raws.end() ? std::string_view() : std::string_view(found->second);
        }
    };
    Result<Base> base_of(const Mapped& mapped) {
        TASKSTORE_LET(const auto versions, x_plan.history(mapped.collection, mapped.id));
        Base base;
        std::map<std::string, std::string, std::less<>> before;
        bool live = false;
        for (const records::Version& version : versions) {
            if (!version.live) {
                base = {};
                before.clear();
                live = false;
                continue;
            }
            Members members;
            TASKSTORE_TRY(members.read(version.data));
            const std::string_view mark = members.raw_of(kImportMember);
            const std::string& mark_before = before[std::string(kImportMember)];
            const bool imports = !mark.empty() && mark != mark_before;
            const std::string entry(entry_of_import(mark, x_report.format.kind));
            const bool ours = imports && !entry.empty() &&
                              entry != entry_of_import(mark_before, x_report.format.kind);
            std::map<std::string, std::string, std::less<>> now;
            for (const JsonMember& member : members.all())
                now[std::string(member.name)] = member.raw_value;
            for (const auto& [name, raw] : now) {
                const auto was = before.find(name);
                const bool written = was == before.end() || was->second != raw;
                if (!live || (imports && written)) base.raws[name] = raw;
                if (ours && written) base.imported.insert(name);
            }
            for (const auto& [name, raw] : before) {
                if (imports && !now.contains(name)) {
                    base.raws.erase(name);
                    base.imported.erase(name);
                }
            }
            before = std::move(now);
            live = true;
        }
        return base;
    }

    void told_replaced(const Mapped& mapped, const std::string& member) {
        if (x_report.replaced.size() < ImportReport::kDamagedMax)
            x_report.replaced.push_back(mapped.collection + " " + mapped.id + " " + member);
    }

    void tell_notes() {
        for (const auto& [word, count] : x_unknown_words) {
            x_report.notes.push_back("the status '" + word +
                                     "' is not known: " + std::to_string(count) +
                                     " records stand as open, with their word in _import");
        }
        if (x_misfits > 0) {
            x_report.notes.push_back(std::to_string(x_misfits) +
                                     " values do not fit the field of their name; they are kept in "
                                     "_import");
        }
        for (const std::string& note : x_notes) x_report.notes.push_back(note);
    }

    records::Plan& x_plan;
    const Clock& x_clock;
    const ImportRequest& x_request;
    ImportReport x_report;
    std::string x_key;   ///< The file's name in made ids.
    std::string x_path;  ///< The same without what tells its kind.
    bool x_catch_all_made = false;
    Declarations x_declarations;
    std::int64_t x_now_ms = x_clock.wall_ms();
    bool x_second = false;
    std::int64_t x_seen = 0;
    std::int64_t x_created = 0;
    std::shared_ptr<const records::Catalogue> x_catalogue;
    const records::CollectionSchema* x_schema = nullptr;  ///< Of the collection that was named.
    std::int64_t x_misfits = 0;
    std::unordered_map<std::string, Node> x_nodes;
    std::unordered_set<std::uint64_t> x_ids;  ///< Hashes of what was seen and not taken yet.
    std::unordered_set<std::string> x_groups;
    std::unordered_map<std::string, bool> x_here;
    std::unordered_map<std::string, int> x_repeats;
    std::map<std::string, std::int64_t> x_unknown_words;
    std::set<std::string> x_notes;
    std::string x_collection;
    std::vector<Mapped> x_batch;
    std::size_t x_bytes = 0;
    Members x_current;
};

}  // namespace

Result<ImportReport> import_records(records::Plan& plan, const Clock& clock,
                                    const ImportRequest& request) {
    if (!request.to.empty() && !ledger::is_collection_name(request.to)) {
        return fail(Code::invalid,
                    "'" + request.to + "' is no collection's name: 1 to 64 of A-Z a-z 0-9 _ -");
    }
    return Importer(plan, clock, request).run();
}

}  // namespace taskstore::store
