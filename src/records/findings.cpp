// What `state --hash` and `doctor` tell of a whole plan.

#include "plan_impl.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::records {
namespace {

constexpr std::size_t kListedMax = 100;
constexpr std::size_t kListedOfSchema = 20;
constexpr std::size_t kReasonsMax = 5;

/// Findings of one sort: the first hundred are listed, how many more there are is said.
class Listing {
  public:
    explicit Listing(std::vector<Finding>& out, std::size_t listed_max = kListedMax)
        : x_out(out), x_listed_max(listed_max) {}
    void add(Finding finding) {
        if (++x_count <= x_listed_max) {
            x_out.push_back(std::move(finding));
            return;
        }
        if (x_count == x_listed_max + 1) x_out.push_back({"more", finding.what, {}, {}});
        x_out.back().why = std::to_string(x_count - x_listed_max) + " more like the " +
                           std::to_string(x_listed_max) + " above are not listed";
        x_out.back().mend = "settle those above, then look again";
    }

  private:
    std::vector<Finding>& x_out;
    std::size_t x_listed_max;
    std::size_t x_count = 0;
};

/// What of the record does not fit the schema of its collection.
Status check_declared(const CollectionSchema& schema, std::string_view id, std::string_view data,
                      Listing& listing) {
    TASKSTORE_LET(const auto why, reasons_of(schema, data, kReasonsMax));
    if (why.empty()) return ok();
    std::string all;
    for (const std::string& reason : why) all += (all.empty() ? "" : "; ") + reason;
    const std::string collection(schema.kind().collection);
    listing.add({"misfit", collection + " " + std::string(id), std::move(all),
                 "set what does not fit, or let the schema take it: 'taskstore collection set " +
                     collection + " --schema FILE'"});
    return ok();
}

/// What of the record does not fit its kind: the checks of a write, on what stands.
void check_record(const Kind& kind, std::string_view id, const std::vector<JsonMember>& members,
                  Listing& listing) {
    const std::string where = std::string(kind.noun) + " " + std::string(id);
    if (const Status status = check_id(id); !status)
        listing.add({"misfit", where, status.error().message,
                     "create it again under another id, then delete this one"});
    for (const Field& field : kind.fields) {
        const auto found = std::ranges::find(members, field.name, &JsonMember::name);
        const bool absent = found == members.end();
        const std::string raw(absent ? std::string_view("null") : found->raw_value);
        const std::string name(field.name);
        std::string why;
        if (raw == "null" && field.setter != FieldSetter::user) continue;
        if (absent) {
            // What is absent stands for its initial value; a status is never taken for granted.
            if (!field.required && field.name != "status") continue;
            why = "it has no " + name;
        } else if (const auto value = declared_value(kind, field, raw); !value) {
            why = value.error().message;
        } else if (field.type == FieldType::choice && *value != raw) {
            why = "its " + name + " is spelled " + raw + ", not " + *value;
        }
        if (why.empty()) continue;
        std::string choices;
        for (const std::string_view choice :
             field.type == FieldType::choice ? field.choices : std::span<const std::string_view>())
            choices += (choices.empty() ? " to one of " : ", ") + std::string(choice);
        listing.add({"misfit", where, why,
                     field.setter == FieldSetter::user
                         ? "set " + name + (choices.empty() ? " to what fits" : choices)
                         : "mend it in the file, or create the record again"});
    }
}

}  // namespace

Result<std::string> PlanImpl::state_hash() {
    auto answer = read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<std::string> {
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_read(db));
        Sha256 hash;
        JsonSlicer slicer;
        const auto part = [&](std::string_view text) {
            hash.update(std::to_string(text.size()) + ":");
            hash.update(text);
        };
        std::string sql;
        for (const Kind& kind : catalogue.kinds()) {
            sql += "SELECT '" + std::string(kind.collection) + "' c, id, data FROM " +
                   table_of(&kind) + " UNION ALL ";
        }
        sql +=
            "SELECT collection, id, data FROM records UNION ALL SELECT collection, id, '' FROM "
            "taskstore_dead WHERE stamps<>'' ORDER BY 1, 2";
        std::int64_t total = 0;
        if (x_options.progress) {
            TASKSTORE_LET(auto live, db.prepare("SELECT sum(live) FROM taskstore_files"));
            TASKSTORE_LET(const bool row, live->step());
            if (row) total = live->column_int64(0);
        }
        TASKSTORE_LET(auto rows, db.prepare(sql));
        for (std::int64_t done = 1;; ++done) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) break;
            if (done % 1024 == 0 && x_options.progress)
                x_options.progress("hashing", done, std::max(done, total));
            part(rows->column_text(0));
            part(rows->column_text(1));
            const std::string_view data = rows->column_text(2);
            if (data.empty()) {
                part("deleted");
                continue;
            }
            const auto members = slicer.slice(data);
            if (!members) return fail(Code::corrupt, "the cache holds a damaged record");
            std::vector<JsonMember> sorted = **members;
            std::ranges::sort(sorted, {}, &JsonMember::name);
            for (const JsonMember& member : sorted) {
                if (member.name == "_stamps") continue;
                part(member.name);
                part(member.raw_value);
            }
        }
        return hash.finish_hex();
    });
    if (answer) TASKSTORE_TRY(check_own_files());
    return answer;
}

Result<std::vector<LostEntry>> PlanImpl::lost() {
    return read([&](sql::Connection& db) -> Result<std::vector<LostEntry>> {
        TASKSTORE_LET(auto rows,
                      db.prepare("SELECT collection,id,member,value,stamp,actor,lost_to,clash FROM "
                                 "taskstore_lost ORDER BY 1,2,3,5"));
        std::vector<LostEntry> out;
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return out;
            LostEntry entry{
                std::string(rows->column_text(0)), std::string(rows->column_text(1)), {}};
            entry.value.name = rows->column_text(2);
            entry.value.raw_value = rows->column_text(3);
            entry.value.stamp = parse_stamp(rows->column_text(4)).value_or(Stamp{});
            entry.value.by = rows->column_text(5);
            entry.value.lost_to =
                rows->column_int64(6) == 0 ? ledger::LostTo::edit : ledger::LostTo::deletion;
            entry.value.clash = rows->column_int64(7) != 0;
            out.push_back(std::move(entry));
        }
    });
}

Result<std::vector<Finding>> PlanImpl::findings() {
    TASKSTORE_LET(const auto histories, long_histories());
    TASKSTORE_LET(
        auto out,
        read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<std::vector<Finding>> {
            std::vector<Finding> found;
            {
                TASKSTORE_LET(const auto kept, look_at_markers(db, nullptr));
                const auto mend_marker = [&](std::string_view collection, std::int64_t line) {
                    bool broken = false;
                    for (const KeptBlock& block : kept) {
                        if (block.collection != collection) continue;
                        broken = broken || !block.whole;
                        if (line < block.first_line || line > block.last_line) continue;
                        return block.whole
                                   ? "set the members that clash (below) to the values that you "
                                     "want, then run 'taskstore sync'"
                                   : "its block lacks a marker, so perhaps a side: put the lines "
                                     "right in an editor and take the markers away";
                    }
                    return broken ? "another block of the file lacks a marker: put that right "
                                    "first, then 'taskstore sync' settles this one"
                                  : "run 'taskstore sync': both sides' lines stay, the markers go";
                };
                TASKSTORE_LET(auto rows, db.prepare("SELECT collection,line,col,what,reason,raw "
                                                    "FROM taskstore_damaged ORDER BY 1,2"));
                while (true) {
                    TASKSTORE_LET(const bool row, rows->step());
                    if (!row) break;
                    const std::string what(rows->column_text(3));
                    Finding finding{what,
                                    std::string(rows->column_text(0)) + ".jsonl, line " +
                                        std::to_string(rows->column_int64(1)) + ", column " +
                                        std::to_string(rows->column_int64(2)),
                                    std::string(rows->column_text(4)) + ": " +
                                        std::string(cut_utf8(rows->column_text(5), 80)),
                                    {}};
                    finding.mend =
                        what == "torn_tail"
                            ? "nothing to do: the next write saves it to run/torn and cuts it"
                        : what == "merge_marker"
                            ? mend_marker(rows->column_text(0), rows->column_int64(1))
                            : "mend the line in an editor, or take the file's last good version "
                              "from git";
                    found.push_back(std::move(finding));
                }
            }
            {
                TASKSTORE_LET(
                    auto rows,
                    db.prepare("SELECT name, n, (SELECT count(DISTINCT k) FROM taskstore_lines l "
                               "WHERE l.batch=b.batch) FROM taskstore_batches b WHERE complete=0"));
                while (true) {
                    TASKSTORE_LET(const bool row, rows->step());
                    if (!row) break;
                    found.push_back(
                        {"incomplete_batch", "batch " + std::string(rows->column_text(0)),
                         std::to_string(rows->column_int64(2)) + " of " +
                             std::to_string(rows->column_int64(1)) +
                             " lines are here: a write that did not finish, or files that were "
                             "committed apart; none of them counts",
                         "commit or merge the other files of the batch, or repeat the write"});
                }
            }
            {
                TASKSTORE_LET(auto rows,
                              db.prepare("SELECT collection,id,member,value,clash,lost_to,rid IN "
                                         "(SELECT rid FROM taskstore_dead) FROM taskstore_lost "
                                         "ORDER BY 1,2,3"));
                while (true) {
                    TASKSTORE_LET(const bool row, rows->step());
                    if (!row) break;
                    const bool clash = rows->column_int64(4) != 0;
                    found.push_back(
                        {"lost_value",
                         std::string(rows->column_text(0)) + " " +
                             std::string(rows->column_text(1)) + ", " +
                             std::string(rows->column_text(2)),
                         std::string(clash ? "two values have the same time, the larger by "
                                             "bytes stands; not shown: "
                                     : rows->column_int64(5) != 0 ? "edited beside a deletion: "
                                                                  : "lost to a concurrent edit: ") +
                             shown(rows->column_text(3)),
                         "'taskstore resolve " + std::string(rows->column_text(1)) +
                             "' settles it: --take ours or theirs, --edit, or --accept as it "
                             "stands"});
                }
            }
            for (const SchemaProblem& problem : catalogue.problems()) {
                const std::string name = problem.file.substr(0, problem.file.rfind('.'));
                std::string mend = problem.why.hint.empty() ? "" : problem.why.hint + ", or ";
                mend += check_declarable(name)
                            ? "mend the file, take its last good version from git, or give a new "
                              "one: 'taskstore collection set " +
                                  name + " --schema FILE'; until then the collection is untyped"
                            : "rename or remove the file: it declares nothing";
                found.push_back({"schema", os::join_path("schemas", problem.file),
                                 problem.why.message, std::move(mend)});
            }
            Listing orphans(found);
            for (const Kind& kind : catalogue.kinds()) {
                for (const Field& field : kind.fields) {
                    if (field.refers_to.empty()) continue;
                    const Kind& target = *find_collection(field.refers_to);
                    std::string unknown =
                        "SELECT t.id, t." + std::string(field.name) + " FROM " + table_of(&kind) +
                        " t WHERE t." + std::string(field.name) +
                        " IS NOT NULL AND NOT EXISTS (SELECT 1 FROM " + table_of(&target) +
                        " r WHERE r.id=t." + std::string(field.name) + ")";
                    for (const Field& other : target.fields) {
                        if (other.unique)
                            unknown += " AND NOT EXISTS (SELECT 1 FROM " + table_of(&target) +
                                       " r WHERE r." + std::string(other.name) + "=t." +
                                       std::string(field.name) + ")";
                    }
                    TASKSTORE_LET(auto rows, db.prepare(unknown));
                    while (true) {
                        TASKSTORE_LET(const bool row, rows->step());
                        if (!row) break;
                        orphans.add(
                            {"orphan",
                             std::string(kind.noun) + " " + std::string(rows->column_text(0)),
                             std::string(field.name) + " names " + std::string(target.noun) + " '" +
                                 std::string(rows->column_text(1)) + "', which is not here",
                             "it may come with another branch; else set " +
                                 std::string(field.name) + " to one that is"});
                    }
                }
            }
            Listing misfits(found);
            JsonSlicer slicer;
            std::int64_t checked = 0;
            TASKSTORE_LET(auto totals, db.prepare("SELECT sum(live) FROM taskstore_files"));
            TASKSTORE_TRY(totals->step());
            const std::int64_t total = totals->column_int64(0);
            for (const Kind& kind : catalogue.kinds()) {
                const CollectionSchema* const schema = catalogue.schema_of(kind.collection);
                Listing declared(found, kListedOfSchema);
                TASKSTORE_LET(auto rows, db.prepare("SELECT id,data FROM " + table_of(&kind)));
                while (true) {
                    TASKSTORE_LET(const bool row, rows->step());
                    if (!row) break;
                    if (++checked % 4096 == 0 && x_options.progress)
                        x_options.progress("doctor", checked, total);
                    if (schema != nullptr) {
                        TASKSTORE_TRY(check_declared(*schema, rows->column_text(0),
                                                     rows->column_text(1), declared));
                        continue;
                    }
                    TASKSTORE_LET(const auto* const members, slicer.slice(rows->column_text(1)));
                    check_record(kind, rows->column_text(0), *members, misfits);
                }
                for (const Field& field : kind.fields) {
                    if (!field.unique) continue;
                    const std::string name(field.name);
                    TASKSTORE_LET(auto twins,
                                  db.prepare("SELECT t.id, t." + name + ", min(o.id) FROM " +
                                             table_of(&kind) + " t JOIN " + table_of(&kind) +
                                             " o ON o." + name + "=t." + name +
                                             " AND o.id<t.id GROUP BY t.id ORDER BY 1"));
                    while (true) {
                        TASKSTORE_LET(const bool row, twins->step());
                        if (!row) break;
                        misfits.add(
                            {"misfit",
                             std::string(kind.noun) + " " + std::string(twins->column_text(0)),
                             "its " + name + " '" + std::string(twins->column_text(1)) +
                                 "' is that of " + std::string(kind.noun) + " " +
                                 std::string(twins->column_text(2)) + " too",
                             "set one of them to another " + name});
                    }
                }
            }
            const std::int64_t bound = x_clock.wall_ms() + x_options.ahead_ms_max;
            std::string ahead =
                "SELECT collection, id, updated_at FROM records WHERE updated_at>?1 UNION ALL "
                "SELECT collection, id, updated_at FROM taskstore_dead WHERE updated_at>?1 AND "
                "stamps<>''";
            for (const Kind& kind : catalogue.kinds())
                ahead += " UNION ALL SELECT '" + std::string(kind.collection) +
                         "', id, updated_at FROM " + table_of(&kind) + " WHERE updated_at>?1";
            TASKSTORE_LET(auto rows, db.prepare(ahead));
            TASKSTORE_TRY(rows->bind(1, bound));
            Listing early(found);
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                early.add(
                    {"clock_ahead",
                     std::string(rows->column_text(0)) + " " + std::string(rows->column_text(1)),
                     "it was stamped " + to_rfc3339(rows->column_int64(2)) +
                         ", far in the future: the clock of its writer was wrong",
                     "set that clock right; the next edit of the record still comes after it"});
            }
            return found;
        }));
    TASKSTORE_LET(const auto strangers, x_ledger.strangers());
    for (const std::string& stranger : strangers) {
        out.push_back({"stranger", stranger.substr(0, stranger.find(": ")),
                       stranger.substr(stranger.find(": ") + 2),
                       "rename or move it: it is not read"});
    }
    const std::string torn = os::join_path(os::join_path(x_options.folder, "run"), "torn");
    if (const auto saved = x_files.list(torn)) {
        for (const std::string& name : *saved) {
            out.push_back({"torn_tail", os::join_path(torn, name),
                           "the end of an append that did not finish was saved here",
                           "look at it; it was never acknowledged, so the file may go"});
        }
    }
    for (const LongHistory& one : histories) {
        out.push_back({"long_history", one.collection + ".jsonl",
                       std::to_string(one.lines) + " lines, " +
                           std::to_string(one.bytes / 1'000'000) + " MB, for " +
                           std::to_string(one.records) +
                           " records: every clone carries them, and reads them after a change",
                       "commit, then 'taskstore compact --dry-run' tells what folding each "
                       "record's lines into one saves; git keeps the history"});
    }
    return out;
}

}  // namespace taskstore::records
