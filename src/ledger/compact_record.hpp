#pragma once
// Compaction of one record's lines. Private to ledger.

#include <taskstore/ledger/fold.hpp>

#include <span>
#include <string>
#include <vector>

namespace taskstore::ledger {

/// A line that counts: not one that waits for the rest of its batch.
struct RecordLine {
    Line line;
    std::size_t piece = 0;   ///< Where it stands in the file.
    bool committed = false;  ///< It may be dropped.
    bool dropped = false;    ///< Set by compact_record().
};

struct RecordCompaction {
    bool buried = false;  ///< All of it may go; if it stays all the same:
    std::string added;    ///< Lines that stand for the dropped ones, each with LF.
};

/// `lines`: distinct, by stamp and text. `has_others`: the record has lines that do not count, or
/// cannot be read.
RecordCompaction compact_record(const Shape& shape, std::vector<RecordLine>& lines, bool has_others,
                                std::int64_t horizon_ms);

}  // namespace taskstore::ledger
