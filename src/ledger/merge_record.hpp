#pragma once
// Three-way merge of one record's lines. Private to ledger.

#include <taskstore/ledger/fold.hpp>

#include <string>
#include <vector>

namespace taskstore::ledger {

/// The distinct lines of one record on each side.
struct RecordVersions {
    std::vector<const Line*> base;
    std::vector<const Line*> ours;
    std::vector<const Line*> theirs;
    /// The base itself was a merge that left a conflict: it says nothing of this record.
    bool base_is_open = false;
};

struct RecordMerge {
    enum class Outcome : std::uint8_t {
        lines,     ///< What one side did not drop stays; `added` comes after it.
        replaced,  ///< One line, `added`, stands for the record.
        clash,     ///< What the sides do not share stands between markers.
    };
    Outcome outcome = Outcome::lines;
    std::string added;  ///< With LF; empty: nothing. Of `replaced` it may be one side's line.
};

RecordMerge merge_record(const Shape& shape, const RecordVersions& versions);

}  // namespace taskstore::ledger
