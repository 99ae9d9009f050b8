#pragma once
// What doctor finds about the repository around a store (floor 5; programs use it).

#include <taskstore/records/plan.hpp>
#include <taskstore/store/hooks.hpp>
#include <taskstore/store/unmerged.hpp>

#include <string>
#include <vector>

namespace taskstore::store {

/// Pieces that install_hooks() would bring in place, programs that they call and that are not on
/// `path` (a PATH), databases that git tracks or would, ledger files that it ignores. Runs git;
/// changes nothing.
Result<std::vector<records::Finding>> git_findings(os::FileSystem& files,
                                                   const git::Repository& repository,
                                                   const Place& place, const GitPlaces& places,
                                                   const std::string& path);

/// What is left to do for files that settle_unmerged() went through.
std::vector<records::Finding> findings_of(const std::vector<Unmerged>& unmerged);

}  // namespace taskstore::store
