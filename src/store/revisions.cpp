// A plan as git keeps it: its files at a revision, and what changed from commit to commit.

#include <taskstore/ledger/files.hpp>
#include <taskstore/ledger/line.hpp>
#include <taskstore/store/revisions.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace taskstore::store {
namespace {

constexpr std::size_t kKeptBytesMax = std::size_t{256} << 20;
/// Commits whose folders are looked up at once. Git walks up to a page from the beginning, so each
/// is twice as long as the one before.
constexpr std::size_t kPageMin = 32;
constexpr std::size_t kPageMax = 8192;
constexpr std::size_t kFileBytesMax = std::size_t{1} << 30;
constexpr std::string_view kLedgerEnd = ".jsonl";
constexpr std::string_view kSchemaEnd = ".json";

/// "prds" of "prds.jsonl"; empty: it is no collection's file.
std::string_view stem_of(std::string_view name, std::string_view end) {
    if (!name.ends_with(end)) return {};
    name.remove_suffix(end.size());
    return ledger::is_collection_name(name) ? name : std::string_view();
}

std::string joined(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
}

Status write_new(os::FileSystem& files, const std::string& path, std::string_view text) {
    TASKSTORE_LET(auto file, files.open(path, os::OpenMode::create_new));
    return file->write_at(0, text);
}

}  // namespace

Result<Revisions> Revisions::of(os::FileSystem& files, const Place& place,
                                const git::Environment& environment) {
    TASKSTORE_LET(git::Repository repository,
                  git::Repository::find(files, place.folder, environment));
    if (repository.work_tree().empty()) {
        // Nothing is checked out: the store is named by where it would be.
        const std::string inside = repository.git_dir() + "/";
        std::string path = place.folder.starts_with(inside) ? place.folder.substr(inside.size())
                                                            : os::name_of_path(place.folder);
        return Revisions(files, std::move(repository), std::move(path), {});
    }
    const auto path = repository.relative(place.folder);
    if (!path)
        return fail(Code::not_found, "'" + place.folder + "' is in no work tree of git")
            .with_hint("name a store inside a work tree with --store or -C");
    return Revisions(files, std::move(repository), *path, place.folder);
}

Result<std::string> Revisions::commit(const std::string& revision) const {
    TASKSTORE_LET(std::string id, git::find_commit(x_repository, revision));
    TASKSTORE_LET(const auto trees, git::folders_at(x_repository, {id}, x_path));
    if (trees[0]) return id;
    TASKSTORE_LET(const std::string others, store_folders(id));
    return fail(Code::not_found,
                "there is no folder '" + x_path + "' in '" + revision + "', so no plan")
        .with_hint(others.empty() ? "'taskstore log' shows the commits that changed the plan"
                                  : "it has a store at " + others + ": name that one with --store");
}

/// "'a/.taskstore' and 'b'": for whoever moved the store since.
Result<std::string> Revisions::store_folders(const std::string& commit) const {
    TASKSTORE_LET(
        const std::string listed,
        x_repository.output({"ls-tree", "-r", "-z", "--name-only", "--full-tree", commit}));
    std::string found;
    for (std::string_view rest = listed; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        const std::string path(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (os::name_of_path(path) != "prds.jsonl") continue;
        found += (found.empty() ? "'" : " and '") + os::folder_of(path) + "'";
    }
    return found;
}

Result<Revisions::Text> Revisions::blob(const std::string& id) {
    const auto found = std::ranges::find(x_blobs, id, &std::pair<std::string, Text>::first);
    if (found != x_blobs.end()) {
        std::rotate(found, found + 1, x_blobs.end());
        return x_blobs.back().second;
    }
    TASKSTORE_LET(auto texts, git::read_objects(x_repository, {id}));
    auto text = std::make_shared<const std::string>(std::move(texts[0]));
    x_blob_bytes += text->size();
    x_blobs.emplace_back(id, text);
    while (x_blob_bytes > kKeptBytesMax && x_blobs.size() > 1) {
        x_blob_bytes -= x_blobs.front().second->size();
        x_blobs.pop_front();
    }
    return text;
}

records::Snapshot Revisions::snapshot_of(const std::optional<git::Tree>& tree) {
    records::Snapshot snapshot;
    for (const git::TreeEntry& entry : tree ? *tree : git::Tree()) {
        const std::string_view collection = stem_of(entry.name, kLedgerEnd);
        if (!collection.empty() && entry.is_file()) snapshot.marks.emplace(collection, entry.id);
    }
    snapshot.text = [this, marks = snapshot.marks](const std::string& collection) {
        return blob(marks.at(collection));
    };
    return snapshot;
}

Result<records::Snapshot> Revisions::at(const std::string& commit) {
    TASKSTORE_LET(const auto trees, git::folders_at(x_repository, {commit}, x_path));
    return snapshot_of(trees[0]);
}

Result<records::Snapshot> Revisions::work_tree() {
    records::Snapshot snapshot;
    if (x_folder.empty()) return snapshot;
    // What git holds to be unchanged is not read.
    TASKSTORE_LET(const auto head, git::head_commit(x_repository));
    std::set<std::string> changed;
    if (head) {
        TASKSTORE_LET(snapshot, at(*head));
        TASKSTORE_LET(const auto paths, git::changed_in_work_tree(x_repository, *head, x_path));
        changed.insert(paths.begin(), paths.end());
    }
    std::erase_if(snapshot.marks, [&](const auto& file) {
        return changed.contains(joined(x_path, file.first + std::string(kLedgerEnd)));
    });
    if (const auto info = x_files.info(x_folder); info) {
        TASKSTORE_LET(const auto names, x_files.list(x_folder));
        for (const std::string& name : names) {
            const std::string_view collection = stem_of(name, kLedgerEnd);
            if (collection.empty()) continue;
            const auto file = x_files.link_info(os::join_path(x_folder, name));
            if (file && file->kind == os::FileKind::regular)
                snapshot.marks.emplace(collection, std::string());
        }
    }
    snapshot.text = [this, marks = snapshot.marks](const std::string& collection) -> Result<Text> {
        const std::string& mark = marks.at(collection);
        if (!mark.empty()) return blob(mark);
        TASKSTORE_LET(
            std::string text,
            os::read_file(x_files, os::join_path(x_folder, collection + std::string(kLedgerEnd)),
                          kFileBytesMax));
        return std::make_shared<const std::string>(std::move(text));
    };
    return snapshot;
}

Status Revisions::put_out(const std::string& commit, const std::string& folder) {
    TASKSTORE_LET(const auto trees, git::folders_at(x_repository, {commit}, x_path));
    if (!trees[0]) return ok();
    std::vector<std::pair<std::string, std::string>> wanted;  // name, id
    for (const git::TreeEntry& entry : *trees[0]) {
        if (entry.is_file() && (!stem_of(entry.name, kLedgerEnd).empty() ||
                                entry.name == ".version" || entry.name == "config.toml"))
            wanted.emplace_back(entry.name, entry.id);
        if (!entry.is_folder() || entry.name != "schemas") continue;
        TASKSTORE_LET(const auto schemas,
                      git::folders_at(x_repository, {commit}, joined(x_path, "schemas")));
        TASKSTORE_TRY(x_files.make_directory(os::join_path(folder, "schemas"), 0700));
        for (const git::TreeEntry& file : schemas[0] ? *schemas[0] : git::Tree()) {
            if (file.is_file() && !stem_of(file.name, kSchemaEnd).empty())
                wanted.emplace_back("schemas/" + file.name, file.id);
        }
    }
    // Large files one at a time; the small ones of a folder full of schemas by one process.
    std::vector<std::pair<std::string, std::string>> small;
    for (auto& file : wanted) {
        if (!file.first.ends_with(kLedgerEnd)) {
            small.push_back(std::move(file));
            continue;
        }
        TASKSTORE_LET(const auto texts, git::read_objects(x_repository, {file.second}));
        TASKSTORE_TRY(write_new(x_files, os::join_path(folder, file.first), texts[0]));
    }
    std::vector<std::string> ids;
    for (const auto& file : small) ids.push_back(file.second);
    TASKSTORE_LET(const auto texts, git::read_objects(x_repository, ids));
    for (std::size_t i = 0; i < small.size(); ++i)
        TASKSTORE_TRY(write_new(x_files, os::join_path(folder, small[i].first), texts[i]));
    return ok();
}

/// Nothing: it tells nothing of its own.
Result<std::optional<LogEntry>> Revisions::entry_of(const git::Commit& commit,
                                                    const std::map<std::string, git::Tree>& trees) {
    const auto snapshot = [&](const std::string& id) {
        const auto found = trees.find(id);
        return snapshot_of(found == trees.end() ? std::nullopt
                                                : std::optional<git::Tree>(found->second));
    };
    LogEntry entry{commit, {}};
    if (commit.ends_clone) return std::optional<LogEntry>(std::move(entry));
    const records::Snapshot after = snapshot(commit.id);
    std::vector<records::Snapshot> befores;
    for (const std::string& parent : commit.parents) {
        befores.push_back(snapshot(parent));
        // Whatever it holds came from there.
        if (befores.back().marks == after.marks) return std::optional<LogEntry>();
    }
    std::vector<const records::Snapshot*> sides;
    for (const records::Snapshot& before : befores) sides.push_back(&before);
    TASKSTORE_LET(entry.changes, records::changes_between(sides, after));
    if (commit.parents.size() > 1 && entry.changes.empty()) return std::optional<LogEntry>();
    return std::optional<LogEntry>(std::move(entry));
}

Result<bool> Revisions::log(const LogQuery& query, const std::function<Status(LogEntry&&)>& each) {
    TASKSTORE_LET(const auto head, git::head_commit(x_repository));
    std::string since;
    if (!query.since.empty()) {
        TASKSTORE_LET(since, git::find_commit(x_repository, query.since));
    }
    if (!x_folder.empty()) {
        records::Snapshot before;
        if (head) {
            TASKSTORE_LET(before, at(*head));
        }
        TASKSTORE_LET(const records::Snapshot now, work_tree());
        const records::Snapshot* const one = &before;
        TASKSTORE_LET(records::Changes changes, records::changes_between({&one, 1}, now));
        if (!changes.empty()) TASKSTORE_TRY(each({std::nullopt, std::move(changes)}));
    }
    if (!head) return false;
    std::size_t told = 0;
    std::set<std::string> looked;  // one that renamed the folder changed it under both names
    for (std::size_t name = 0; name < x_names.size(); ++name) {
        const git::CommitQuery all{.until = *head, .since = since, .path = x_names[name]};
        const auto look = [&](const git::Commit& commit, const auto& trees) -> Result<bool> {
            if (!looked.insert(commit.id).second) return true;
            if (told == query.limit) return false;
            TASKSTORE_LET(auto entry, entry_of(commit, trees));
            if (!entry) return true;
            ++told;
            TASKSTORE_TRY(each(std::move(*entry)));
            return true;
        };
        TASKSTORE_LET(const bool end, each_commit(all, look));
        if (!end) return true;
    }
    return false;
}

/// In pages. False: `look` did not want more.
Result<bool> Revisions::each_commit(git::CommitQuery query, const CommitLook& look) {
    query.limit = kPageMin;
    while (true) {
        TASKSTORE_LET(const auto page, git::commits(x_repository, query));
        TASKSTORE_LET(const auto trees, folders_of(page));
        for (const git::Commit& commit : page) {
            TASKSTORE_LET(const bool more, look(commit, trees));
            if (!more) return false;
        }
        if (page.size() < query.limit) return true;
        query.skip += std::exchange(query.limit, std::min(2 * query.limit, kPageMax));
    }
}

namespace {

/// Looks for lines of one record.
class LineSeeker {
  public:
    LineSeeker(std::string_view collection, std::string_view id,
               const std::vector<std::string>& known)
        : x_decoder(records::shape_of(collection)), x_id(id) {
        append_json_string(x_quoted, id);
        x_known.insert(known.begin(), known.end());
    }
    /// How many were new.
    std::size_t look(const std::string& text, const std::string& commit,
                     std::vector<OlderLine>& found) {
        const std::size_t before = found.size();
        // A program that spells ids with escapes is found line by line, ours in one go.
        for (std::size_t at = text.find(x_quoted); at != std::string::npos;
             at = text.find(x_quoted, at)) {
            const std::size_t start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
            const std::size_t end = std::min(text.find('\n', at), text.size());
            std::string_view line = std::string_view(text).substr(start, end - start);
            while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
            at = end;
            if (x_known.contains(line)) continue;
            const auto decoded = x_decoder.decode(line);
            if (!decoded || decoded->id != x_id) continue;
            x_known.emplace(line);
            found.push_back({std::string(line), commit});
        }
        return found.size() - before;
    }

  private:
    ledger::LineDecoder x_decoder;
    std::string x_id;
    std::string x_quoted;
    std::set<std::string, std::less<>> x_known;
};

}  // namespace

/// A version of one file, as a commit has it.
struct Revisions::FileVersion {
    std::string commit;
    std::string blob;                       ///< Empty: the commit has no such file.
    std::vector<FileVersion> dropped_from;  ///< Versions of parents that are larger than it.
};

/// The store's folder in each of them and in their parents, under the newest of its names there.
Result<std::map<std::string, git::Tree>> Revisions::trees_of(
    const std::vector<git::Commit>& commits) const {
    std::set<std::string> wanted;
    for (const git::Commit& commit : commits) {
        wanted.insert(commit.id);
        if (!commit.ends_clone) wanted.insert(commit.parents.begin(), commit.parents.end());
    }
    std::map<std::string, git::Tree> trees;
    for (const std::string& name : x_names) {
        const std::vector<std::string> ids(wanted.begin(), wanted.end());
        TASKSTORE_LET(auto folders, git::folders_at(x_repository, ids, name));
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (!folders[i]) continue;
            trees.emplace(ids[i], std::move(*folders[i]));
            wanted.erase(ids[i]);
        }
    }
    return trees;
}

Result<std::map<std::string, git::Tree>> Revisions::folders_of(
    const std::vector<git::Commit>& commits) {
    while (true) {
        TASKSTORE_LET(auto trees, trees_of(commits));
        TASKSTORE_LET(const bool more, find_earlier_names(commits, trees));
        if (!more) return trees;
    }
}

/// Where a commit has the folder and no parent has: whether its files lay in another one before,
/// that was not known yet.
Result<bool> Revisions::find_earlier_names(const std::vector<git::Commit>& commits,
                                           const std::map<std::string, git::Tree>& trees) {
    const std::size_t known = x_names.size();
    for (const git::Commit& commit : commits) {
        const auto has_none = [&](const std::string& id) { return !trees.contains(id); };
        if (commit.ends_clone || commit.parents.empty() || has_none(commit.id) ||
            !std::ranges::all_of(commit.parents, has_none) || !x_begun.insert(commit.id).second)
            continue;
        TASKSTORE_LET(const auto moved,
                      git::moved_files(x_repository, commit.parents[0], commit.id));
        for (const git::MovedFile& file : moved) {
            const std::string name = os::name_of_path(file.to);
            const auto at = std::ranges::find_if(x_names, [&](const std::string& folder) {
                return joined(folder, name) == file.to;
            });
            if (at == x_names.end() || stem_of(name, kLedgerEnd).empty() ||
                os::name_of_path(file.from) != name)
                continue;
            std::string folder = file.from.substr(0, file.from.size() - name.size());
            if (folder.ends_with('/')) folder.pop_back();
            if (std::ranges::find(x_names, folder) == x_names.end())
                x_names.push_back(std::move(folder));
        }
    }
    return x_names.size() > known;
}

/// Newest first, a page at a time; fewer than a page: these are the last.
Result<std::vector<Revisions::FileVersion>> Revisions::versions_of(const std::string& folder,
                                                                   const std::string& name,
                                                                   const std::string& head,
                                                                   std::size_t limit,
                                                                   std::size_t skip) {
    TASKSTORE_LET(
        const auto page,
        git::commits(x_repository,
                     {.until = head, .path = joined(folder, name), .limit = limit, .skip = skip}));
    TASKSTORE_LET(const auto trees, folders_of(page));
    const auto blob_in = [&](const std::string& commit) -> std::string {
        const auto tree = trees.find(commit);
        if (tree == trees.end()) return {};
        const auto entry = std::ranges::find(tree->second, name, &git::TreeEntry::name);
        return entry == tree->second.end() || !entry->is_file() ? std::string() : entry->id;
    };
    std::set<std::string> blobs;
    for (const auto& [commit, tree] : trees) {
        if (auto one = blob_in(commit); !one.empty()) blobs.insert(std::move(one));
    }
    TASKSTORE_LET(const auto sizes, git::sizes_of(x_repository, {blobs.begin(), blobs.end()}));
    std::vector<FileVersion> versions;
    for (const git::Commit& commit : page) {
        FileVersion& version = versions.emplace_back(commit.id, blob_in(commit.id));
        for (const std::string& parent : commit.parents) {
            std::string old = blob_in(parent);
            if (old.empty() || old == version.blob) continue;
            if (version.blob.empty() || sizes.at(old) > sizes.at(version.blob))
                version.dropped_from.push_back({parent, std::move(old), {}});
        }
    }
    return versions;
}

Result<std::vector<OlderLine>> Revisions::older_lines(
    std::string_view collection, std::string_view id, const std::vector<std::string>& known,
    Reach reach, const std::function<bool(const std::vector<OlderLine>&)>& enough) {
    std::vector<OlderLine> found;
    TASKSTORE_LET(const auto head, git::head_commit(x_repository));
    if (!head) return found;
    LineSeeker seeker(collection, id, known);
    std::set<std::string> looked;
    const auto look = [&](const FileVersion& version) -> Result<bool> {
        if (version.blob.empty() || !looked.insert(version.blob).second) return false;
        TASKSTORE_LET(const Text text, blob(version.blob));
        return seeker.look(*text, version.commit, found) > 0 && enough(found);
    };
    const std::string name = std::string(collection) + std::string(kLedgerEnd);
    std::vector<FileVersion> all;
    for (std::size_t folder = 0; folder < x_names.size(); ++folder) {
        bool last = false;
        std::size_t wanted = kPageMin;
        for (std::size_t skip = 0; !last;
             skip += std::exchange(wanted, std::min(2 * wanted, kPageMax))) {
            const std::string lay_in = x_names[folder];
            TASKSTORE_LET(auto page, versions_of(lay_in, name, *head, wanted, skip));
            last = page.size() < wanted;
            for (FileVersion& version : page) {
                // What is committed may not be in the work tree any more.
                std::vector<FileVersion> next = std::move(version.dropped_from);
                if (skip == 0 && &version == &page.front()) next.insert(next.begin(), version);
                for (const FileVersion& one : next) {
                    TASKSTORE_LET(const bool done, look(one));
                    if (done) return found;
                }
                if (reach == Reach::all) all.push_back(std::move(version));
            }
        }
    }
    for (const FileVersion& version : all) {
        TASKSTORE_LET(const bool done, look(version));
        if (done) return found;
    }
    return found;
}

}  // namespace taskstore::store
