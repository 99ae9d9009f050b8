#pragma once
// What became of records between states of a ledger's files (floor 4; `log`, `diff` and histories
// that go on in git use it). Works on bytes: it opens no plan, reads no file and writes nothing.

#include <taskstore/ledger/fold.hpp>
#include <taskstore/records/plan.hpp>

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace taskstore::records {

/// How lines of the collection name their record and their time. What a declared collection is made
/// of has no part in it: its shape is that of undeclared ones.
ledger::Shape shape_of(std::string_view collection);

/// A value for people: one line, cut after 60 bytes. Not yet harmless on a terminal.
std::string shown(std::string_view raw_value);

struct MemberChange {
    std::string name;
    std::string before;  ///< Raw JSON; empty: there was none.
    std::string after;   ///< Raw JSON; empty: there is none.
    friend bool operator==(const MemberChange&, const MemberChange&) = default;
};

/// Without the frame (id, updated_at, _stamps): those that stand now, in their order, then those
/// that are gone. A record that is not live has no members.
std::vector<MemberChange> member_changes(const ledger::Shape& shape, const ledger::State& before,
                                         const ledger::State& after);

/// "status: draft → ready"
std::string to_text(const MemberChange& change);

/// A version that a line made, and what its line did that the version does not show.
struct PastVersion {
    Version version;
    std::size_t line = 0;                 ///< Which of the lines that were given.
    Stamp at;                             ///< Of the line.
    std::vector<std::string> written;     ///< Members, also where their values stayed.
    std::vector<ledger::LostValue> lost;  ///< That were listed then.
    bool folded = false;                  ///< A compaction's line: what was before it is in git.
};

/// The versions that the lines of one record made, oldest first; a line that stands twice made one.
/// `progress`: now and then, with how many are done.
std::vector<PastVersion> past_of_lines(std::string_view collection,
                                       std::span<const ledger::Line> lines,
                                       const std::function<void(std::size_t done)>& progress = {});

/// The files of a ledger folder as they stood once.
struct Snapshot {
    /// By collection that has a file. Equal marks mean equal bytes (git's blob ids, say); an empty
    /// one equals none.
    std::map<std::string, std::string, std::less<>> marks;
    /// The bytes of one of them. Asked for only where they are needed.
    std::function<Result<std::shared_ptr<const std::string>>(const std::string& collection)> text;
};

enum class ChangeAction : std::uint8_t {
    created,
    changed,
    deleted,
    created_again,  ///< After a deletion.
    dropped,  ///< Its lines are gone and no deletion stands in their place: a file that was put
              ///< back, or edited by hand.
};
std::string_view to_text(ChangeAction action);

struct RecordChange {
    std::string collection;
    std::string id;
    std::string title;  ///< What people call it: its title, else its name, …; may be empty.
    ChangeAction action = ChangeAction::changed;
    /// Of a created record: all its members; of one that is gone: what they were.
    std::vector<MemberChange> members;
    std::vector<std::string> by;  ///< Who wrote the lines that are new, each once, oldest first.
    std::int64_t updated_at = 0;  ///< Of the newest of them (ms); 0: there are none.
    std::size_t lines = 0;        ///< How many lines are new.
    bool forced = false;          ///< One of them overrode a rule.
    std::vector<ledger::LostValue> lost;     ///< Listed now, and not before.
    std::vector<ledger::LostValue> settled;  ///< Listed before, and not any more.
};

/// A line that is no record: damaged, torn or a merge marker.
struct OddLine {
    std::string collection;
    std::int64_t number = 0;  ///< In the file that has it, from 1.
    bool added = false;       ///< Else it is gone.
    std::string what;         ///< damaged_line, torn_tail or merge_marker.
    std::string why;
    std::string text;
};

struct Changes {
    std::vector<RecordChange> records;  ///< By collection (founding ones first), then by id.
    std::vector<OddLine> odd;
    std::int64_t lines_added = 0;  ///< Against the first of the states before.
    std::int64_t lines_gone = 0;
    bool empty() const { return records.empty() && odd.empty(); }
};

/// What `after` has that none of `befores` has: of a merge, with its parents, that is what the
/// merge itself decided, and nothing that came from one of them. No `befores`: all of it is new.
/// Values before are those of the first of `befores` that has the record. Only the records with a
/// line in one and not in the other are folded; a file with equal marks is not read, unless it
/// holds lines of a batch that a change touches. Cost: the bytes of the files that differ, and the
/// lines of those records. Errors are those of Snapshot::text.
Result<Changes> changes_between(std::span<const Snapshot* const> befores, const Snapshot& after);

}  // namespace taskstore::records
