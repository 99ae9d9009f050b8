#pragma once
// The stamp that a line names once for most of its members. Private to ledger.

#include <taskstore/base/stamp.hpp>

#include <vector>

namespace taskstore::ledger {

/// Of the members' stamps the most frequent one, where naming it once saves room; else `at`.
Stamp common_stamp(std::vector<const Stamp*> stamps, const Stamp& at);

}  // namespace taskstore::ledger
