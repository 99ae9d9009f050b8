#pragma once
// What git has of a plan's lines (floor 5; the programs use it before they compact). Runs git, so
// it is never used while a lock of taskstore is held (I12).

#include <taskstore/git/repository.hpp>
#include <taskstore/records/plan.hpp>
#include <taskstore/store/place.hpp>

namespace taskstore::store {

/// The lines of each collection's file in HEAD, by collection; none before the first commit.
/// not_found: the store is in no git repository.
using CommittedLines = std::map<std::string, ledger::LineSet, std::less<>>;
Result<CommittedLines> committed_lines(os::FileSystem& files, const Place& place,
                                       const git::Environment& environment);

}  // namespace taskstore::store
