// Revisions go to git on its standard input, where nothing is an option.

#include <taskstore/git/objects.hpp>

#include <algorithm>
#include <charconv>
#include <set>

namespace taskstore::git {
namespace {

struct Object {
    std::string id;
    std::string type;  ///< commit, tree, blob or tag; missing, ambiguous: there is none.
};

/// The next piece up to `end`, which is taken away with it.
std::string_view cut(std::string_view& rest, char end) {
    const std::size_t at = std::min(rest.find(end), rest.size());
    const std::string_view piece = rest.substr(0, at);
    rest.remove_prefix(std::min(at + 1, rest.size()));
    return piece;
}

/// What each of the names is. They must hold no line end.
Result<std::vector<Object>> look_up(const Repository& repository,
                                    const std::vector<std::string>& names) {
    std::string input;
    for (const std::string& name : names) input += name + "\n";
    TASKSTORE_LET(
        const std::string printed,
        repository.output({"cat-file", "--batch-check=%(objectname) %(objecttype)"}, input));
    std::vector<Object> found;
    for (std::string_view rest = printed; !rest.empty();) {
        // ID SP TYPE, or NAME SP "missing", where the name may hold spaces.
        const std::string_view row = cut(rest, '\n');
        const std::size_t space = row.rfind(' ');
        if (space == std::string_view::npos) continue;
        found.push_back({std::string(row.substr(0, space)), std::string(row.substr(space + 1))});
    }
    if (found.size() != names.size())
        return fail(Code::failed, "git did not answer for every object that it was asked for");
    return found;
}

Result<Tree> parse_tree(std::string_view bytes, std::size_t id_bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    Tree tree;
    while (!bytes.empty()) {
        // MODE SP NAME NUL ID
        TreeEntry entry;
        const std::string_view mode = cut(bytes, ' ');
        const auto [end, error] =
            std::from_chars(mode.data(), mode.data() + mode.size(), entry.mode, 8);
        entry.name = cut(bytes, '\0');
        if (error != std::errc() || end != mode.data() + mode.size() || bytes.size() < id_bytes)
            return fail(Code::corrupt, "git printed a folder that ends early");
        for (const char c : bytes.substr(0, id_bytes)) {
            entry.id += kDigits[static_cast<unsigned char>(c) >> 4U];
            entry.id += kDigits[static_cast<unsigned char>(c) & 15U];
        }
        bytes.remove_prefix(id_bytes);
        tree.push_back(std::move(entry));
    }
    return tree;
}

Failure no_commit(const std::string& revision, const std::string& why) {
    return fail(Code::invalid, "'" + revision + "' " + why)
        .with_hint("name a commit, a branch or a tag of one: 'git log --oneline' shows commits");
}

std::set<std::string> ends_of_clone(const Repository& repository) {
    // As git itself, which made it, on the files of the system.
    os::SystemFileSystem files;
    std::set<std::string> ends;
    const auto text =
        os::read_file(files, os::join_path(repository.common_dir(), "shallow"), 64U << 20U);
    for (std::string_view rest = text ? std::string_view(*text) : std::string_view();
         !rest.empty();)
        ends.emplace(cut(rest, '\n'));
    return ends;
}

}  // namespace

Result<std::string> find_commit(const Repository& repository, const std::string& revision) {
    if (revision.empty()) return no_commit(revision, "names no revision");
    if (revision[0] == '-') return no_commit(revision, "is an option's spelling, not a revision");
    if (revision.find_first_of(std::string_view("\n\0", 2)) != std::string::npos)
        return no_commit(revision, "holds a line end, which no revision does");
    TASKSTORE_LET(const auto found, look_up(repository, {revision + "^{commit}", revision}));
    // As it stands first: "^{commit}" would be part of the words that ":/WORDS" looks for.
    if (found[1].type == "commit") return found[1].id;
    if (found[0].type == "commit") return found[0].id;
    if (found[0].type == "ambiguous" || found[1].type == "ambiguous")
        return fail(Code::conflict, "'" + revision + "' is the beginning of more than one object")
            .with_hint("give more of its digits");
    if (found[1].type != "missing")
        return no_commit(revision, "is a " + found[1].type + " and leads to no commit");
    return fail(Code::not_found, "git knows no revision '" + revision + "'")
        .with_hint(
            "'git log --oneline' shows commits, 'git branch -a' branches, 'git tag' tags; a "
            "shallow clone lacks older ones");
}

Result<std::optional<std::string>> head_commit(const Repository& repository) {
    TASKSTORE_LET(const auto found, look_up(repository, {"HEAD^{commit}"}));
    if (found[0].type != "commit") return std::optional<std::string>();
    return std::optional<std::string>(found[0].id);
}

Result<std::vector<std::optional<Tree>>> folders_at(const Repository& repository,
                                                    const std::vector<std::string>& commits,
                                                    const std::string& path) {
    std::vector<std::optional<Tree>> out(commits.size());
    if (commits.empty()) return out;
    if (path.find('\n') != std::string::npos)
        return fail(Code::unsupported, "the path of the store holds a line end")
            .with_hint("give its folder another name");
    std::vector<std::string> names;
    for (const std::string& commit : commits)
        names.push_back(path.empty() ? commit + "^{tree}" : commit + ":" + path);
    TASKSTORE_LET(const auto found, look_up(repository, names));
    std::map<std::string, Tree> trees;
    for (const Object& object : found) {
        if (object.type == "tree") trees[object.id];
    }
    std::vector<std::string> ids;
    for (const auto& [id, tree] : trees) ids.push_back(id);
    TASKSTORE_LET(const auto texts, read_objects(repository, ids));
    for (std::size_t i = 0; i < ids.size(); ++i) {
        TASKSTORE_LET(trees[ids[i]], parse_tree(texts[i], ids[i].size() / 2));
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i].type == "tree") out[i] = trees[found[i].id];
    }
    return out;
}

Result<std::vector<std::string>> read_objects(const Repository& repository,
                                              const std::vector<std::string>& ids,
                                              std::size_t bytes_max) {
    std::vector<std::string> out;
    if (ids.empty()) return out;
    std::string input;
    for (const std::string& id : ids) input += id + "\n";
    TASKSTORE_LET(std::string printed,
                  repository.output({"cat-file", "--batch=%(objectsize)"}, input, bytes_max));
    std::string_view rest = printed;
    for (const std::string& id : ids) {
        // BYTES LF CONTENT LF, or ID SP "missing" LF
        const std::string_view head = cut(rest, '\n');
        std::size_t bytes = 0;
        const auto [end, error] = std::from_chars(head.data(), head.data() + head.size(), bytes);
        if (error != std::errc() || end != head.data() + head.size() || bytes >= rest.size())
            return fail(Code::failed, "git does not have the object " + id)
                .with_hint("a partial clone asks its server for it; 'git fsck' tells what is lost");
        if (ids.size() == 1) {
            // The one large file, the usual case, is not copied.
            const std::size_t start = head.size() + 1;
            printed.resize(start + bytes);
            printed.erase(0, start);
            out.push_back(std::move(printed));
            return out;
        }
        out.emplace_back(rest.substr(0, bytes));
        rest.remove_prefix(bytes + 1);
    }
    return out;
}

Result<std::map<std::string, std::int64_t>> sizes_of(const Repository& repository,
                                                     const std::vector<std::string>& ids) {
    std::map<std::string, std::int64_t> sizes;
    if (ids.empty()) return sizes;
    std::string input;
    for (const std::string& id : ids) input += id + "\n";
    TASKSTORE_LET(const std::string printed,
                  repository.output({"cat-file", "--batch-check=%(objectsize)"}, input));
    std::string_view rest = printed;
    for (const std::string& id : ids) {
        const std::string_view row = cut(rest, '\n');
        const auto [end, error] = std::from_chars(row.data(), row.data() + row.size(), sizes[id]);
        if (error != std::errc() || end != row.data() + row.size())
            return fail(Code::failed, "git does not have the object " + id)
                .with_hint("a partial clone asks its server for it; 'git fsck' tells what is lost");
    }
    return sizes;
}

Result<std::vector<Commit>> commits(const Repository& repository, const CommitQuery& query) {
    std::vector<std::string> arguments{"log",
                                       "-z",
                                       "--no-show-signature",
                                       "--no-color",
                                       "--encoding=UTF-8",
                                       "--no-follow",
                                       "--full-history",
                                       "--format=tformat:%H%x00%P%x00%aN%x00%aE%x00%at%x00%s",
                                       "--no-patch",
                                       "-n" + std::to_string(query.limit),
                                       "--skip=" + std::to_string(query.skip),
                                       query.until};
    if (!query.since.empty()) arguments.push_back("^" + query.since);
    arguments.emplace_back("--");
    if (!query.path.empty()) arguments.push_back(query.path);
    TASKSTORE_LET(const std::string printed, repository.output(arguments));
    const std::set<std::string> ends = ends_of_clone(repository);
    std::vector<Commit> found;
    for (std::string_view rest = printed; !rest.empty();) {
        Commit commit;
        commit.id = cut(rest, '\0');
        for (std::string_view parents = cut(rest, '\0'); !parents.empty();)
            commit.parents.emplace_back(cut(parents, ' '));
        commit.author = cut(rest, '\0');
        commit.email = cut(rest, '\0');
        const std::string_view seconds = cut(rest, '\0');
        std::int64_t value = 0;
        std::from_chars(seconds.data(), seconds.data() + seconds.size(), value);
        commit.authored_at = value * 1000;
        commit.subject = cut(rest, '\0');
        commit.ends_clone = ends.contains(commit.id);
        found.push_back(std::move(commit));
    }
    return found;
}

Result<std::vector<MovedFile>> moved_files(const Repository& repository, const std::string& before,
                                           const std::string& after) {
    TASKSTORE_LET(const std::string printed,
                  repository.output({"diff-tree", "-r", "-M", "-z", "--name-status",
                                     "--diff-filter=R", "--no-ext-diff", before, after}));
    std::vector<MovedFile> moved;
    for (std::string_view rest = printed; !rest.empty();) {
        // R LIKENESS NUL FROM NUL TO NUL
        (void)cut(rest, '\0');
        MovedFile file;
        file.from = cut(rest, '\0');
        file.to = cut(rest, '\0');
        moved.push_back(std::move(file));
    }
    return moved;
}

Result<std::vector<std::string>> changed_in_work_tree(const Repository& repository,
                                                      const std::string& commit,
                                                      const std::string& path) {
    std::vector<std::string> arguments{
        "diff-index", "--name-only", "--no-renames", "-z", "--no-ext-diff", commit, "--"};
    if (!path.empty()) arguments.push_back(path);
    TASKSTORE_LET(const std::string printed, repository.output(arguments));
    std::vector<std::string> paths;
    for (std::string_view rest = printed; !rest.empty();) paths.emplace_back(cut(rest, '\0'));
    return paths;
}

}  // namespace taskstore::git
