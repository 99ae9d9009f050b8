#pragma once
// Three-way merge of one record's lines. Private to ledger.

#include <taskstore/ledger/fold.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::ledger {

/// The distinct lines of one record on each side; a line of several sides is one and the same.
struct RecordVersions {
    std::vector<const Line*> base;
    std::vector<const Line*> ours;
    std::vector<const Line*> theirs;
    /// That a side has no line may be because it cannot be read: it has new lines that are none.
    bool in_doubt = false;
};

/// What stands between the markers of a clash: each side with all of the other one that does not
/// clash, so that who takes a side loses that alone. Lines, each with LF.
struct ClashSides {
    std::string ours;
    std::string theirs;
};

struct RecordMerge {
    enum class Outcome : std::uint8_t {
        lines,      ///< What one side did not drop stays; `added` comes after it.
        all_lines,  ///< What either side has stays; `added` comes after it.
        replaced,   ///< One line, `added`, stands for the record.
        clash,      ///< What the sides do not share stands between markers, or `sides`.
    };
    Outcome outcome = Outcome::lines;
    std::string added;    ///< With LF; empty: nothing. Of `replaced` it may be one side's line.
    bool buried = false;  ///< `added` is a tombstone for what was dropped without one.
    std::vector<std::string_view> dropped = {};  ///< Lines of a side that go.
    std::vector<MemberState> unlisted = {};      ///< Values that lost and are listed nowhere.
    std::unique_ptr<const ClashSides> sides =
        nullptr;  ///< Of a clash; null: the lines as they are.
};

/// `decoder`: of that shape. `lists`: what lost may be noted in a line.
RecordMerge merge_record(LineDecoder& decoder, const Shape& shape, RecordVersions versions,
                         bool lists);

}  // namespace taskstore::ledger
