#include "ledger_lines.hpp"

#include <taskstore/store/git_findings.hpp>

#include <algorithm>
#include <array>

namespace taskstore::store {
namespace {

constexpr std::string_view kInstall = "run 'taskstore install-hooks', or 'taskstore doctor --fix'";

std::string why_missing(const Piece& piece) {
    if (piece.what == "driver")
        return "git has no merge driver for ledger files and merges them line by line: both sides' "
               "additions come to stand between markers";
    if (piece.what == "textconv")
        return "'git diff' and 'git log -p' show ledger lines as they are";
    if (piece.what == "attributes")
        return "no rule tells git that ledger files have a merge driver, here and in other clones";
    if (piece.what == "info_attributes")
        return "on a branch without the rule in .gitattributes git merges ledger files line by "
               "line";
    return "git runs no " + piece.what +
           " hook of taskstore: what git changes is taken in by the next command" +
           (piece.what == "pre-commit" ? ", and a commit with conflict markers is not refused"
                                       : "");
}

bool is_hook(const Piece& piece) {
    return std::ranges::find(hook_names(), piece.what) != hook_names().end();
}

/// Hooks that are not ours to write are taken out of the pieces and told together.
void add_hooks_outside(const GitPlaces& places, std::vector<Piece>& pieces,
                       std::vector<records::Finding>& out) {
    std::string lacking;
    for (const Piece& piece : pieces) {
        if (is_hook(piece) && piece.state != Piece::State::in_place)
            lacking += (lacking.empty() ? "" : ", ") + piece.what;
    }
    std::erase_if(pieces, is_hook);
    if (lacking.empty()) return;
    out.push_back({"hooks_outside", places.hooks,
                   "core.hooksPath leads out of this repository, and what is there does not call "
                   "taskstore: " +
                       lacking + "; what git changes is taken in by the next command",
                   "'taskstore install-hooks' shows the line that goes into each of them"});
}

Status add_pieces(os::FileSystem& files, const git::Repository& repository, const GitPlaces& places,
                  std::vector<records::Finding>& out) {
    TASKSTORE_LET(auto pieces, look_at_pieces(files, places));
    for (Piece& piece : pieces) {
        if (piece.state != Piece::State::missing) continue;
        const char* const name = piece.what == "driver"     ? "merge.taskstore-merge.driver"
                                 : piece.what == "textconv" ? "diff.taskstore.textconv"
                                                            : nullptr;
        if (name == nullptr) continue;
        // The user's own settings may have it.
        TASKSTORE_LET(const auto told, repository.config(name));
        if (told) piece.state = Piece::State::in_place;
    }
    if (!places.hooks_are_ours) add_hooks_outside(places, pieces, out);
    const bool none = std::ranges::all_of(
        pieces, [](const Piece& piece) { return piece.state != Piece::State::in_place; });
    if (none) {
        out.push_back({"driver", places.config,
                       "git knows nothing of this store: it merges ledger files line by line, and "
                       "shows them as they are",
                       std::string(kInstall)});
        return ok();
    }
    for (const Piece& piece : pieces) {
        if (piece.state == Piece::State::in_place) continue;
        const bool off = piece.state == Piece::State::off;
        out.push_back(
            {is_hook(piece) ? "hook" : piece.what, piece.path,
             off || piece.state == Piece::State::other ? piece.why : why_missing(piece),
             off ? "make it executable again: 'chmod +x' with its name" : std::string(kInstall)});
    }
    return ok();
}

void add_programs(os::FileSystem& files, std::string_view path, const std::string& config,
                  std::vector<records::Finding>& out) {
    for (const char* const name : {"taskstore", "taskstore-merge"}) {
        bool found = false;
        for (std::string_view rest = path; !found && !rest.empty();) {
            const std::size_t end = std::min(rest.find(':'), rest.size());
            const auto info = files.info(os::join_path(rest.substr(0, end), name));
            found = info && info->kind == os::FileKind::regular && (info->mode & 0111U) != 0;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        if (found) continue;
        out.push_back(
            {"program", name,
             "it is not on PATH, so what '" + config + "' and the hooks call is not there",
             "install it, or put its folder on PATH"});
    }
}

Status add_files(os::FileSystem& files, const git::Repository& repository, const Place& place,
                 const std::string& folder, std::vector<records::Finding>& out) {
    TASKSTORE_LET(const auto entries, repository.entries(files, repository.index_path(), folder));
    for (const git::Entry& entry : entries) {
        const std::string_view name = std::string_view(entry.path).substr(folder.size() + 1);
        if (name.starts_with("store.db") || name.starts_with("taskstore.db") || name == "lock" ||
            name.starts_with("run/"))
            out.push_back({"tracked_cache", entry.path,
                           "git tracks it: it belongs to this device, changes with every command "
                           "and conflicts at every merge",
                           "take it out of the index and keep the file: 'git rm --cached " +
                               entry.path + "'"});
    }
    TASKSTORE_LET(const os::Finished ignored,
                  repository.run({"check-ignore", "-q", "--no-index", "--",
                                  os::join_path(folder, "store.db")}));
    if (ignored.exit_code == 1)
        out.push_back({"not_ignored", os::join_path(place.folder, ".gitignore"),
                       "git does not ignore store.db: the next 'git add' takes the cache in",
                       "run 'taskstore doctor --fix', which adds the lines that are missing"});
    std::string ledgers;
    if (const auto names = files.list(place.folder)) {
        for (const std::string& name : *names) {
            const std::string path = os::join_path(folder, name);
            if (is_ledger_file(path, folder)) ledgers += path + '\0';
        }
    }
    TASKSTORE_LET(const os::Finished hidden,
                  repository.run({"check-ignore", "-z", "--stdin"}, ledgers));
    for (std::string_view rest = hidden.output; hidden.exit_code == 0 && !rest.empty();) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        out.push_back({"ignored_ledger", std::string(rest.substr(0, end)),
                       "git ignores it, so it reaches nobody else and no commit keeps it",
                       "'git check-ignore -v' with its name tells the rule: except the file from "
                       "it, then 'git add' it"});
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return ok();
}

}  // namespace

Result<std::vector<records::Finding>> git_findings(os::FileSystem& files,
                                                   const git::Repository& repository,
                                                   const Place& place, const GitPlaces& places,
                                                   const std::string& path) {
    std::vector<records::Finding> out;
    TASKSTORE_TRY(add_pieces(files, repository, places, out));
    const bool installed = std::ranges::none_of(
        out, [](const records::Finding& finding) { return finding.what == "driver"; });
    if (installed) add_programs(files, path, places.config, out);
    TASKSTORE_TRY(add_files(files, repository, place, places.store, out));
    return out;
}

std::vector<records::Finding> findings_of(const std::vector<Unmerged>& unmerged) {
    std::vector<records::Finding> out;
    for (const Unmerged& one : unmerged) {
        const std::string add = "'git add " + one.path + "'";
        if (!one.left.empty()) {
            out.push_back({"unfinished_merge", one.path, "git left it unmerged: " + one.left,
                           "keep the file or remove it, then tell git with 'git add' or 'git rm'"});
        } else if (one.clashes.empty()) {
            out.push_back({"unfinished_merge", one.path,
                           "git left it unmerged; both sides' records are in the file now, merged "
                           "by the rule, and git waits to be told",
                           "look at it, then " + add});
        } else {
            std::string ids;
            for (const std::string& id : one.clashes) ids += (ids.empty() ? "" : ", ") + id;
            out.push_back({"unfinished_merge", one.path,
                           "git left it unmerged; all is merged by the rule but what clashes, and "
                           "stands between markers: " +
                               ids,
                           "keep one line of each block without its markers, then " + add});
        }
    }
    return out;
}

}  // namespace taskstore::store
