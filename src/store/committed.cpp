#include <taskstore/git/objects.hpp>
#include <taskstore/store/committed.hpp>

namespace taskstore::store {

Result<CommittedLines> committed_lines(os::FileSystem& files, const Place& place,
                                       const git::Environment& environment) {
    constexpr std::string_view kSuffix = ".jsonl";
    constexpr std::size_t kFileBytesMax = std::size_t{1} << 40U;
    TASKSTORE_LET(const git::Repository repository,
                  git::Repository::find(files, place.folder, environment));
    const auto path = repository.relative(place.folder);
    if (!path) return fail(Code::not_found, "'" + place.folder + "' is in no work tree of git");
    CommittedLines lines;
    TASKSTORE_LET(const auto head, git::head_commit(repository));
    if (!head) return lines;
    TASKSTORE_LET(const auto trees, git::folders_at(repository, {*head}, *path));
    if (!trees[0]) return lines;
    for (const git::TreeEntry& entry : *trees[0]) {
        if (!entry.is_file() || !entry.name.ends_with(kSuffix)) continue;
        const std::string collection = entry.name.substr(0, entry.name.size() - kSuffix.size());
        if (!ledger::is_collection_name(collection)) continue;
        // One by one: a file may be large.
        TASKSTORE_LET(const auto content, git::read_objects(repository, {entry.id}, kFileBytesMax));
        lines[collection].add_file(content[0]);
    }
    return lines;
}

}  // namespace taskstore::store
