#pragma once
// Work in parts, on several threads. Private to ledger.

#include <cstddef>
#include <functional>

namespace taskstore::ledger {

/// As many threads as this machine runs at once, at most 8, and no more than there is work for.
std::size_t parts_of(std::size_t items, std::size_t items_per_part);

/// Calls work(0) … work(parts - 1): the first one here, the others on threads of their own, or here
/// where the system has none left. Returns when all have ended, and throws then what the first of
/// them threw (no memory left): an exception that leaves a thread would end the process.
void run_in_parts(std::size_t parts, const std::function<void(std::size_t)>& work);

}  // namespace taskstore::ledger
