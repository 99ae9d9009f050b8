// What became of records between states of a ledger's files.

#include "line_difference.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <unordered_set>

namespace taskstore::records {
namespace {

using Names = std::set<std::string, std::less<>>;
using Text = std::shared_ptr<const std::string>;

/// Batches, with the lines of each that are there.
struct Census {
    struct Lines {
        std::uint32_t count = 0;
        std::set<std::uint32_t> numbers;
        bool whole() const { return count != 0 && numbers.size() >= count; }
    };
    std::map<std::string, Lines, std::less<>> batches;
    std::set<std::pair<std::string, std::string>> records;  ///< (collection, id) of their lines.

    void add(const ledger::Batch& batch) {
        Lines& lines = batches[batch.id];
        lines.count = std::max(lines.count, batch.count);
        lines.numbers.insert(batch.number);
    }
    /// The place of a line, and those of the lines that it stands for.
    void add(const ledger::Line& line) {
        if (line.batch) add(*line.batch);
        if (line.was == nullptr) return;
        for (const ledger::Batch& batch : line.was->batches) add(batch);
    }
    bool is_whole(std::string_view name) const {
        const auto found = batches.find(name);
        return found != batches.end() && found->second.whole();
    }
};

/// One state of the files, with what has been read of it.
class View {
  public:
    explicit View(const Snapshot& snapshot) : x_snapshot(snapshot) {}

    const Snapshot& snapshot() const { return x_snapshot; }
    bool has(std::string_view collection) const { return x_snapshot.marks.contains(collection); }
    /// No file: no lines.
    Result<std::string_view> text(const std::string& collection) {
        Text& text = x_texts[collection];
        if (!text && has(collection)) {
            TASKSTORE_LET(text, x_snapshot.text(collection));
        }
        return text ? std::string_view(*text) : std::string_view();
    }

    /// The lines of those records, decoded.
    Status gather(const std::string& collection, const Names& ids) {
        TASKSTORE_LET(const std::string_view bytes, text(collection));
        const ledger::Shape shape = shape_of(collection);
        const LinePicker picker(shape);
        ledger::LineDecoder decoder(shape);
        auto& records = x_records[collection];
        ledger::scan_text(bytes, 1, [&](const ledger::ScannedLine& scanned) {
            if (scanned.kind != ledger::LineKind::record) return true;
            const std::string_view id = picker.id_of(scanned.text);
            if (!id.empty() && !ids.contains(id)) return true;
            auto line = decoder.decode(scanned.text);
            if (!line || !ids.contains(line->id)) return true;
            x_census.add(*line);
            std::string key = line->id;
            records[std::move(key)].push_back(std::move(*line));
            return true;
        });
        return ok();
    }

    /// Looks for the lines of these batches in all files, until each is whole.
    Status count(const Names& wanted, Census& census) {
        const auto enough = [&] {
            return std::ranges::all_of(
                wanted, [&](const std::string& name) { return census.is_whole(name); });
        };
        for (const auto& [collection, mark] : x_snapshot.marks) {
            if (enough()) break;
            TASKSTORE_LET(const std::string_view bytes, text(collection));
            ledger::LineDecoder decoder(shape_of(collection));
            ledger::scan_text(bytes, 1, [&](const ledger::ScannedLine& scanned) {
                if (scanned.kind != ledger::LineKind::record) return true;
                const auto name = LinePicker::batch_of(scanned.text);
                if (name && (name->empty() || !wanted.contains(*name))) return true;
                if (const auto line = decoder.decode(scanned.text)) {
                    census.add(*line);
                    if (line->batch && wanted.contains(line->batch->id))
                        census.records.emplace(collection, line->id);
                } else if (const auto batch = ledger::batch_of_damaged(scanned.text)) {
                    census.add(*batch);
                }
                return true;
            });
        }
        return ok();
    }

    /// Once all is gathered: which of the batches count.
    Status settle_batches() {
        Names wanted;
        for (const auto& [name, lines] : x_census.batches) {
            if (!lines.whole()) wanted.insert(name);
        }
        return wanted.empty() ? ok() : count(wanted, x_census);
    }

    std::vector<ledger::Line> lines_of(const std::string& collection, const std::string& id) const {
        const auto records = x_records.find(collection);
        if (records == x_records.end()) return {};
        const auto found = records->second.find(id);
        if (found == records->second.end()) return {};
        std::vector<ledger::Line> lines;
        for (const ledger::Line& line : found->second) {
            if (!line.batch || x_census.is_whole(line.batch->id)) lines.push_back(line);
        }
        return lines;
    }

  private:
    const Snapshot& x_snapshot;
    std::map<std::string, Text> x_texts;
    std::map<std::string, std::map<std::string, std::vector<ledger::Line>, std::less<>>> x_records;
    Census x_census;
};

std::string title_of(const ledger::State& state) {
    constexpr std::array<std::string_view, 5> kTitles{"title", "name", "phase_name", "summary",
                                                      "subject"};
    for (const std::string_view name : kTitles) {
        const ledger::MemberState* const member = state.find(name);
        if (member == nullptr || kind_of_raw(member->raw_value) != JsonKind::string) continue;
        return unescape_json(member->raw_value).value_or("");
    }
    return {};
}

bool lists(const std::vector<ledger::LostValue>& values, const ledger::LostValue& one) {
    return std::ranges::any_of(values, [&](const ledger::LostValue& other) {
        return std::tie(one.name, one.raw_value, one.stamp) ==
               std::tie(other.name, other.raw_value, other.stamp);
    });
}

/// What `after` has that none of `befores` has; nothing where that is nothing.
std::optional<RecordChange> compare(const ledger::Shape& shape,
                                    const std::vector<ledger::State>& befores,
                                    const ledger::State& after) {
    RecordChange change;
    const auto live = [](const ledger::State& state) { return state.live(); };
    const auto first = std::ranges::find_if(befores, live);
    bool tells = false;
    if (after.live() && first == befores.end()) {
        const bool known = std::ranges::any_of(
            befores, [](const ledger::State& state) { return state.life != 0; });
        change.action = known ? ChangeAction::created_again : ChangeAction::created;
        change.members = member_changes(shape, {}, after);
        tells = true;
    } else if (after.live()) {
        change.members = member_changes(shape, *first, after);
        bool again = true;
        for (const ledger::State& before : befores) {
            if (!before.live()) continue;
            again = again && before.life < after.life;
            std::erase_if(change.members, [&](const MemberChange& member) {
                const ledger::MemberState* const old = before.find(member.name);
                return (old == nullptr ? std::string_view() : old->raw_value) == member.after;
            });
        }
        if (again) change.action = ChangeAction::created_again;
        tells = again || !change.members.empty();
    } else if (std::ranges::all_of(befores, live)) {
        change.action = after.deleted ? ChangeAction::deleted : ChangeAction::dropped;
        change.members = member_changes(shape, *first, after);
        tells = true;
    }
    for (const ledger::LostValue& lost : after.lost) {
        if (std::ranges::none_of(
                befores, [&](const ledger::State& before) { return lists(before.lost, lost); }))
            change.lost.push_back(lost);
    }
    for (const ledger::LostValue& lost : befores.front().lost) {
        const bool everywhere = std::ranges::all_of(
            befores, [&](const ledger::State& before) { return lists(before.lost, lost); });
        // With all of its lines it is gone, not settled.
        if (after.life != 0 && everywhere && !lists(after.lost, lost))
            change.settled.push_back(lost);
    }
    if (!tells && change.lost.empty() && change.settled.empty()) return std::nullopt;
    change.title = title_of(after.live() || first == befores.end() ? after : *first);
    return change;
}

/// Who wrote what is new, and when.
void name_writers(RecordChange& change, const std::vector<std::vector<ledger::Line>>& befores,
                  std::vector<ledger::Line> after) {
    std::unordered_set<std::string_view> known;
    for (const auto& lines : befores) {
        for (const ledger::Line& line : lines) known.insert(line.text);
    }
    std::ranges::sort(after, {}, &ledger::Line::at);
    for (const ledger::Line& line : after) {
        if (!known.insert(line.text).second) continue;
        ++change.lines;
        change.forced = change.forced || line.forced;
        change.updated_at = std::max(change.updated_at, line.updated_at);
        if (!line.by.empty() && std::ranges::find(change.by, line.by) == change.by.end())
            change.by.push_back(line.by);
    }
}

/// One of the states before, and in what the state after is unlike it.
struct Side {
    explicit Side(const Snapshot& snapshot) : view(snapshot) {}
    View view;
    std::map<std::string, Names> ids;  ///< Of records with unlike lines, by collection.
    std::vector<OddLine> odd;
    Census before;  ///< Of the lines that are gone
    Census after;   ///< and of those that were added.
    std::int64_t added = 0;
    std::int64_t gone = 0;

    void take(const std::string& collection, ledger::LineDecoder& decoder, const PlacedText& text,
              bool is_added) {
        using enum ledger::LineKind;
        ++(is_added ? added : gone);
        OddLine line{collection, text.number, is_added, {}, {}, std::string(text.text)};
        if (text.kind == torn) {
            line.what = "torn_tail";
            line.why = "the last line has no end: a write was cut off";
        } else if (text.kind != record) {
            line.what = "merge_marker";
            line.why = "a marker that a merge left";
        } else if (const auto decoded = decoder.decode(text.text); !decoded) {
            if (const auto batch = ledger::batch_of_damaged(text.text))
                (is_added ? after : before).add(*batch);
            line.what = "damaged_line";
            line.why = decoded.error().message;
        } else {
            (is_added ? after : before).add(*decoded);
            ids[collection].insert(decoded->id);
            return;
        }
        odd.push_back(std::move(line));
    }
};

class Comparison {
  public:
    Comparison(std::span<const Snapshot* const> befores, const Snapshot& after) : x_after(after) {
        static const Snapshot kNothing;
        for (const Snapshot* const before : befores) x_sides.emplace_back(*before);
        if (befores.empty()) x_sides.emplace_back(kNothing);
    }

    Result<Changes> run() {
        for (Side& side : x_sides) {
            TASKSTORE_TRY(look(side));
            TASKSTORE_TRY(look_at_batches(side));
        }
        std::map<std::string, Names> ids = shared_ids();
        for (const auto& [collection, wanted] : ids) {
            for (Side& side : x_sides) TASKSTORE_TRY(side.view.gather(collection, wanted));
            TASKSTORE_TRY(x_after.gather(collection, wanted));
        }
        for (Side& side : x_sides) TASKSTORE_TRY(side.view.settle_batches());
        TASKSTORE_TRY(x_after.settle_batches());
        Changes changes;
        for (const std::string& collection : in_order(ids)) {
            for (const std::string& id : ids[collection]) tell(collection, id, changes);
        }
        changes.odd = shared_odd();
        changes.lines_added = x_sides.front().added;
        changes.lines_gone = x_sides.front().gone;
        return changes;
    }

  private:
    /// Which lines are not in both.
    Status look(Side& side) {
        Names names;
        for (const auto& [name, mark] : side.view.snapshot().marks) names.insert(name);
        for (const auto& [name, mark] : x_after.snapshot().marks) names.insert(name);
        for (const std::string& name : names) {
            const auto before = side.view.snapshot().marks.find(name);
            const auto after = x_after.snapshot().marks.find(name);
            const bool both = before != side.view.snapshot().marks.end() &&
                              after != x_after.snapshot().marks.end();
            if (both && before->second == after->second && !after->second.empty()) continue;
            TASKSTORE_LET(const std::string_view old_text, side.view.text(name));
            TASKSTORE_LET(const std::string_view new_text, x_after.text(name));
            const LineDifference difference = difference_of(old_text, new_text);
            ledger::LineDecoder decoder(shape_of(name));
            for (const PlacedText& line : difference.gone) side.take(name, decoder, line, false);
            for (const PlacedText& line : difference.added) side.take(name, decoder, line, true);
        }
        return ok();
    }

    /// A line that completes a batch, or breaks it, changes what its other lines say.
    Status look_at_batches(Side& side) {
        Names parts;
        for (const Census* const census : {&side.before, &side.after}) {
            for (const auto& [name, lines] : census->batches) {
                if (!lines.whole()) parts.insert(name);
            }
        }
        if (parts.empty()) return ok();
        Census before;
        Census after;
        TASKSTORE_TRY(side.view.count(parts, before));
        TASKSTORE_TRY(x_after.count(parts, after));
        for (const Census* const census : {&before, &after}) {
            for (const auto& [collection, id] : census->records) side.ids[collection].insert(id);
        }
        return ok();
    }

    std::map<std::string, Names> shared_ids() const {
        std::map<std::string, Names> shared;
        for (const auto& [collection, ids] : x_sides.front().ids) {
            for (const std::string& id : ids) {
                const bool everywhere =
                    std::all_of(x_sides.begin() + 1, x_sides.end(), [&](const Side& side) {
                        const auto found = side.ids.find(collection);
                        return found != side.ids.end() && found->second.contains(id);
                    });
                if (everywhere) shared[collection].insert(id);
            }
        }
        return shared;
    }

    std::vector<OddLine> shared_odd() const {
        const auto key_of = [](const OddLine& line) {
            return std::make_tuple(std::string_view(line.collection), line.added,
                                   std::string_view(line.text));
        };
        std::vector<OddLine> shared = x_sides.front().odd;
        for (auto side = x_sides.begin() + 1; side != x_sides.end(); ++side) {
            std::set<decltype(key_of(shared.front()))> there;
            for (const OddLine& line : side->odd) there.insert(key_of(line));
            std::erase_if(shared,
                          [&](const OddLine& line) { return !there.contains(key_of(line)); });
        }
        return shared;
    }

    static std::vector<std::string> in_order(const std::map<std::string, Names>& ids) {
        std::vector<std::string> order;
        for (const Kind& kind : kinds()) {
            if (ids.contains(std::string(kind.collection))) order.emplace_back(kind.collection);
        }
        for (const auto& [collection, names] : ids) {
            if (find_collection(collection) == nullptr) order.push_back(collection);
        }
        return order;
    }

    void tell(const std::string& collection, const std::string& id, Changes& changes) const {
        const ledger::Shape shape = shape_of(collection);
        std::vector<std::vector<ledger::Line>> lines;
        std::vector<ledger::State> befores;
        for (const Side& side : x_sides) {
            lines.push_back(side.view.lines_of(collection, id));
            befores.push_back(ledger::fold(shape, lines.back()));
        }
        std::vector<ledger::Line> now = x_after.lines_of(collection, id);
        auto change = compare(shape, befores, ledger::fold(shape, now));
        if (!change) return;
        change->collection = collection;
        change->id = id;
        name_writers(*change, lines, std::move(now));
        changes.records.push_back(std::move(*change));
    }

    std::vector<Side> x_sides;
    View x_after;
};

}  // namespace

std::string_view to_text(ChangeAction action) {
    switch (action) {
        case ChangeAction::created:
            return "created";
        case ChangeAction::changed:
            return "changed";
        case ChangeAction::deleted:
            return "deleted";
        case ChangeAction::created_again:
            return "created_again";
        case ChangeAction::dropped:
            break;
    }
    return "dropped";
}

Result<Changes> changes_between(std::span<const Snapshot* const> befores, const Snapshot& after) {
    return Comparison(befores, after).run();
}

}  // namespace taskstore::records
