#pragma once
// Merges that git did not finish (floor 5; programs use it): files that its index still holds in
// three versions are merged here by the rule, and what is about to be committed is looked at.

#include <taskstore/git/repository.hpp>
#include <taskstore/ledger/merge.hpp>
#include <taskstore/os/lock.hpp>
#include <taskstore/store/place.hpp>

#include <string>
#include <vector>

namespace taskstore::store {

/// A ledger file that the index holds in several versions.
struct Unmerged {
    std::string path;  ///< From the root of the work tree.
    bool rewritten = false;
    std::vector<std::string> clashes;  ///< Ids of the records between markers.
    std::string left = {};             ///< Why it was not merged; empty: it was.
};

/// Merges the index's versions of each such file into the file of the work tree. What stands there
/// and in none of the versions stays (edits made meanwhile); a clash that somebody has settled
/// there stays settled. A file that is one side's as it was counts as settled where its markers
/// were there before: git's AUTO_MERGE has them, or an earlier call, which keeps a note of it in
/// the git folder. The index stays as it is. Nothing unmerged costs a look at the index's file and
/// no process. timed_out: another process holds a lock of the store; that file is as it was. Hold
/// no lock.
Result<std::vector<Unmerged>> settle_unmerged(os::FileSystem& files,
                                              const git::Repository& repository, const Place& place,
                                              const os::LockWait& wait);

/// The same without writing: `rewritten` says what would be.
Result<std::vector<Unmerged>> look_at_unmerged(os::FileSystem& files,
                                               const git::Repository& repository,
                                               const Place& place);

/// What settle_unmerged() puts in place of `work`; pure. `merged_before`: somebody was shown the
/// merge of these versions, so that one side alone is what they chose.
ledger::Merged settle_text(std::string_view work, const ledger::MergeInput& versions,
                           const ledger::MergeOptions& options, bool merged_before = false);

/// Whether the text holds something of both sides, or markers: more than one side as it was.
bool is_merged_text(std::string_view work, const ledger::MergeInput& versions);

/// Why a commit is to be refused.
struct StagedProblem {
    enum class What : std::uint8_t {
        marker,   ///< A conflict marker.
        damaged,  ///< A line that is no record and that HEAD does not have.
        dropped,  ///< A record of one side of an unfinished merge that is not there.
    };
    What what = What::marker;
    std::string path;
    std::int64_t line = 0;  ///< From 1; 0 for `dropped`.
    std::string why;        ///< Of `dropped`: the record's id.
};

/// Judges the blobs of the store's ledger files in the index, not the files of the work tree: those
/// that differ from HEAD. Where the same blobs were judged before, with the same notes of settled
/// merges in the index, it runs no git. Hold no lock.
Result<std::vector<StagedProblem>> check_staged(os::FileSystem& files,
                                                const git::Repository& repository,
                                                const Place& place);

/// Ids of records that `theirs` changed against the base, of which neither that change nor any
/// other line stands in `staged`, though the merge by the rule has it; pure.
std::vector<std::string> dropped_records(const ledger::MergeInput& versions,
                                         std::string_view staged, const ledger::Shape& shape);

}  // namespace taskstore::store
