#pragma once
// Three-way merge of ledger files, as git asks for it (floor 3).
//
// States are merged, not texts. Of each record the three versions are folded (fold.hpp), and:
//   - lines that one side dropped from the base are dropped, all others stay, ours first;
//   - a member that one side alone changed takes that side's value, even with an older stamp;
//   - changed on both sides: arrays, objects and text of several lines are merged part by part
//     where that is clean; else the rule decides (the larger stamp; of lines without stamps the
//     later time), and what lost stays listed;
//   - what lost to an edit without stamps, or is one, is told of by no line: the line of the merge
//     lists it (`lost` in line.hpp); in a file of another program the caller is told;
//   - where the lines that stay do not say so by themselves a correcting line is added, stamped
//     later than all of them, its replica a hash of the inputs: every merger writes the same one;
//     where such a line only says again what the base says, a later merge takes it for no change;
//   - a record of which one side has no line, and the other nothing that the base has not, is gone:
//     deleted, or compacted; or it never was there, as git picks a commit without the one before,
//     so no tombstone is written, and a merge with the commit that made it brings it;
//   - live in the base and changed on the other side, it was deleted, and a tombstone is written;
//     deleted in the base, what is new stays with its tombstone;
//   - such a tombstone of a merge goes where the base has no line of the record, and one side has
//     the lines that it buried: a commit was picked, and here is the branch that it came from;
//   - a record of one unstamped line on each side (a tracker that rewrites its lines) keeps one
//     line;
//   - a side without a line of a record, but with new lines that cannot be read, deleted nothing;
//   - lines of batches, which count when they are whole, get no correction: the rule decides;
//   - only unlike values of equal time, where nothing tells which is later, are a clash: the lines
//     of that record that the sides do not share stand between markers, on each side with all of
//     the other one that does not clash, so that who takes a side loses nothing else.
// For files to which both sides only appended, and no values merged in parts, the result is the
// union of their lines, and so its fold is the fold of all lines.
//
// Lines that are no records (damage, leftover markers) are merged by their text and never dropped
// unless one side did. Markers in the base, which git makes of criss-cross merges, are skipped, and
// the records between them count as having no base. A line may end in LF or CRLF; those that stay
// keep their bytes.

#include <taskstore/ledger/line.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::ledger {

struct MergeInput {
    std::string_view base;
    std::string_view ours;
    std::string_view theirs;
};

struct MergeOptions {
    Shape shape;
    /// The file lies in a store's folder. Otherwise it is one of ours if any of its lines has
    /// stamps, and else another program's: nothing is added to its records.
    bool in_store = false;
    std::size_t marker_bytes = 7;  ///< Fewer than 7 count as 7, or nobody would know them again.
    std::string ours_label = "ours";
    std::string theirs_label = "theirs";
};

/// A value that lost to an edit beside it, and is listed nowhere.
struct UnlistedValue {
    std::string id;
    std::string member;
    std::string raw_value;  ///< Empty: it was removed.
};

struct Merged {
    std::string text;
    std::vector<std::string> clashes;    ///< Ids of the records between markers.
    std::vector<std::string> corrected;  ///< Ids of those that got a line of the merge.
    /// Ids of records with stamps that are live in the base and of which one side has no line:
    /// deleted there so long ago that a compaction dropped the tombstone too, or taken out by hand.
    /// They got a tombstone.
    std::vector<std::string> buried;
    /// Of files of other programs, and of records with lines of batches.
    std::vector<UnlistedValue> unlisted;
};

/// Costs: one look at every line, and a fold of each record that both sides changed, on up to 8
/// threads where there are thousands. Reads nothing but its input, which must not change meanwhile.
/// Never fails: what is no record is merged as text. std::bad_alloc is the only exception, thrown
/// here whichever thread ran out of memory; nothing is left behind. Thread-safe.
Merged merge_files(const MergeInput& input, const MergeOptions& options);

}  // namespace taskstore::ledger
