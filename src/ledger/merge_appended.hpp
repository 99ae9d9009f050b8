#pragma once
// Records of which the lines say all that there is to say. Private to ledger.

#include "merge_record.hpp"

namespace taskstore::ledger {

/// Whether it is certain, without folding anything, that the union of the lines says what a merge
/// would: both sides only appended lines with stamps to one life of the record, of which none comes
/// of a merge or a compaction, and no member that both changed can be merged in parts. False: it
/// has to be looked at. This is the law of appended histories (merge_files()), and most of what
/// changes on both sides.
bool is_appended_plainly(const Shape& shape, const RecordVersions& versions);

}  // namespace taskstore::ledger
