// What stands in the index, about to be committed.

#include "ledger_lines.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/ledger/scan.hpp>
#include <taskstore/records/kind.hpp>
#include <taskstore/store/unmerged.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace taskstore::store {
namespace {

constexpr std::size_t kListedMax = 20;
constexpr std::size_t kVerdictBytes = 64;

using Blobs = std::map<std::string, std::string>;  // by path

/// The folders and files by which git knows that something is going on.
bool in_the_middle(os::FileSystem& files, const git::Repository& repository) {
    return std::ranges::any_of(
        std::array{"MERGE_HEAD", "SQUASH_MSG", "AUTO_MERGE", "CHERRY_PICK_HEAD", "REVERT_HEAD",
                   "rebase-merge", "rebase-apply"},
        [&](const char* name) {
            return files.info(os::join_path(repository.git_dir(), name)).has_value();
        });
}

/// Whether the last thing that moved HEAD was a switch: `checkout -m` leaves conflicts, and no file
/// that tells of them.
bool has_just_switched(os::FileSystem& files, const git::Repository& repository) {
    constexpr std::int64_t kTailBytes = 4096;
    const auto file =
        files.open(os::join_path(repository.git_dir(), "logs/HEAD"), os::OpenMode::read);
    if (!file) return false;
    const auto info = (*file)->info();
    if (!info) return false;
    std::string tail(static_cast<std::size_t>(kTailBytes), '\0');
    const auto got = (*file)->read_at(std::max<std::int64_t>(0, info->identity.size - kTailBytes),
                                      tail.data(), tail.size());
    tail.resize(got ? *got : 0);
    // OLD SP NEW SP WHO TAB WHAT
    const std::size_t what = tail.rfind('\t');
    return what != std::string::npos && tail.compare(what + 1, 9, "checkout:") == 0;
}

/// Which blobs were found to be in order, and with which notes of merges that were settled: the
/// same blobs may be one side alone. A hash of all that, kept where our identity is kept.
class Verdict {
  public:
    Verdict(os::FileSystem& files, const git::Repository& repository, const Blobs& staged,
            std::string_view settled)
        : x_files(files), x_folder(os::join_path(repository.git_dir(), "taskstore")) {
        std::string list = std::to_string(settled.size()) + " ";
        list += settled;
        for (const auto& [path, blob] : staged) list += blob + " " + path + '\0';
        x_hash = sha256_hex(list);
    }
    bool is_known() const {
        const auto saved = os::read_file(x_files, path(), 4096);
        return saved && *saved == x_hash;
    }
    /// Not flushed, and a failure is none: what is not whole is judged again.
    void keep() {
        if (!x_files.info(x_folder)) return;
        auto file = x_files.open(path(), os::OpenMode::create, 0600);
        if (file) (void)(*file)->write_at(0, x_hash).has_value();
        static_assert(kVerdictBytes == 2 * 32);
    }

  private:
    std::string path() const { return os::join_path(x_folder, "staged"); }
    os::FileSystem& x_files;
    std::string x_folder;
    std::string x_hash;
};

/// "MODE TYPE ID TAB PATH NUL" of ls-tree.
Result<Blobs> tree_blobs(const git::Repository& repository, const std::string& revision,
                         const std::string& folder) {
    TASKSTORE_LET(const std::string listed,
                  repository.output({"ls-tree", "-r", "-z", revision, "--", folder + "/"}));
    Blobs out;
    for (std::string_view rest = listed; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        const std::string_view row = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::size_t tab = row.find('\t');
        const std::size_t id = row.rfind(' ', tab);
        if (tab == row.npos || id == row.npos) continue;
        const std::string path(row.substr(tab + 1));
        if (is_ledger_file(path, folder)) out[path] = std::string(row.substr(id + 1, tab - id - 1));
    }
    return out;
}

std::string blob_in(const Blobs& blobs, const std::string& path) {
    const auto found = blobs.find(path);
    return found == blobs.end() ? std::string() : found->second;
}

Result<std::string> text_of(const git::Repository& repository, const std::string& blob) {
    if (blob.empty()) return std::string();
    return repository.blob(blob);
}

class Judge {
  public:
    Judge(os::FileSystem& files, const git::Repository& repository, std::string folder,
          const Blobs& staged, bool unfinished)
        : x_files(files),
          x_repository(repository),
          x_folder(std::move(folder)),
          x_staged(staged),
          x_unfinished(unfinished) {}

    Result<std::vector<StagedProblem>> run() {
        TASKSTORE_LET(const os::Finished head,
                      x_repository.run({"rev-parse", "-q", "--verify", "HEAD^{commit}"}));
        Blobs in_head;
        if (head.exit_code == 0) {
            TASKSTORE_LET(in_head, tree_blobs(x_repository, "HEAD", x_folder));
        }
        for (const auto& [path, blob] : x_staged) {
            const std::string old = blob_in(in_head, path);
            if (blob != old) TASKSTORE_TRY(judge_lines(path, old, blob));
        }
        if (x_unfinished) TASKSTORE_TRY(judge_resolved());
        if (head.exit_code == 0) TASKSTORE_TRY(judge_merge(in_head));
        return std::move(x_out);
    }

  private:
    Status judge_lines(const std::string& path, const std::string& old_blob,
                       const std::string& new_blob) {
        TASKSTORE_LET(const std::string before, text_of(x_repository, old_blob));
        TASKSTORE_LET(const std::string now, text_of(x_repository, new_blob));
        const auto old_lines = lines_of(before);
        const LineSet known = set_of(old_lines);
        ledger::LineDecoder decoder(records::shape_of_file(path));
        std::int64_t number = 0;
        for (std::string_view rest = now; !rest.empty() && x_out.size() < kListedMax;) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            const auto lines = lines_of(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            ++number;
            if (lines.empty()) continue;
            if (ledger::marker_of(lines.front()).bytes != 0) {
                x_out.push_back({StagedProblem::What::marker, path, number, "a conflict marker"});
            } else if (!known.contains(lines.front())) {
                if (const auto decoded = decoder.decode(lines.front()); !decoded)
                    x_out.push_back(
                        {StagedProblem::What::damaged, path, number, decoded.error().message});
            }
        }
        return ok();
    }

    /// What was unmerged and has been added since: git keeps the versions, and keeps them for long
    /// after the commit too, when they are nobody's affair any more.
    Status judge_resolved() {
        TASKSTORE_LET(const std::string listed, x_repository.output({"ls-files", "--resolve-undo",
                                                                     "-z", "--", x_folder + "/"}));
        std::map<std::string, std::array<std::string, 4>> resolved;
        for (std::string_view rest = listed; !rest.empty();) {
            const std::size_t end = std::min(rest.find('\0'), rest.size());
            const std::string_view row = rest.substr(0, end);
            rest.remove_prefix(std::min(end + 1, rest.size()));
            const std::size_t id = row.find(' ');
            const std::size_t tab = row.find('\t');
            if (id == row.npos || tab == row.npos || tab < id + 3) continue;
            const auto stage = static_cast<std::size_t>(row[tab - 1] - '0');
            const std::string path(row.substr(tab + 1));
            if (stage > 3 || !is_ledger_file(path, x_folder)) continue;
            resolved[path].at(stage) = std::string(row.substr(id + 1, tab - id - 3));
        }
        for (const auto& [path, stages] : resolved)
            TASKSTORE_TRY(judge_sides(
                path, stages[1].empty() ? std::vector<std::string>() : std::vector{stages[1]},
                stages[2], stages[3]));
        return ok();
    }

    /// A merge that git holds for finished, though its driver may have kept one side alone.
    Status judge_merge(const Blobs& ours) {
        const auto heads =
            os::read_file(x_files, os::join_path(x_repository.git_dir(), "MERGE_HEAD"), 65536);
        if (!heads) return ok();
        for (const std::string_view head : lines_of(*heads)) {
            TASKSTORE_LET(const Blobs theirs,
                          tree_blobs(x_repository, std::string(head), x_folder));
            TASKSTORE_LET(const os::Finished found,
                          x_repository.run({"merge-base", "--all", "HEAD", std::string(head)}));
            std::vector<Blobs> bases;
            for (const std::string_view base : lines_of(found.output)) {
                TASKSTORE_LET(bases.emplace_back(),
                              tree_blobs(x_repository, std::string(base), x_folder));
            }
            for (const auto& [path, blob] : theirs) {
                std::vector<std::string> base;
                for (const Blobs& one : bases) {
                    if (std::string id = blob_in(one, path); !id.empty())
                        base.push_back(std::move(id));
                }
                if (std::ranges::find(base, blob) != base.end()) continue;
                TASKSTORE_TRY(judge_sides(path, base, blob_in(ours, path), blob));
            }
        }
        return ok();
    }

    Status judge_sides(const std::string& path, const std::vector<std::string>& bases,
                       const std::string& ours, const std::string& theirs) {
        // A side that removed the whole file says nothing of its records.
        if (theirs.empty() || (ours.empty() && !bases.empty())) return ok();
        const std::string staged = blob_in(x_staged, path);
        if (!x_judged.insert({path, theirs}).second) return ok();
        // Of several bases (criss-cross merges) the lines of all are old.
        std::string base_text;
        for (const std::string& base : bases) {
            TASKSTORE_LET(const std::string text, text_of(x_repository, base));
            base_text += text;
            if (!base_text.empty() && base_text.back() != '\n') base_text += '\n';
        }
        TASKSTORE_LET(const std::string our_text, text_of(x_repository, ours));
        TASKSTORE_LET(const std::string their_text, text_of(x_repository, theirs));
        TASKSTORE_LET(const std::string staged_text, text_of(x_repository, staged));
        const ledger::Shape shape = records::shape_of_file(path);
        std::set<std::string> ids;
        for (std::string& id :
             dropped_records({base_text, our_text, their_text}, staged_text, shape))
            ids.insert(std::move(id));
        for (std::string& id :
             dropped_records({base_text, their_text, our_text}, staged_text, shape))
            ids.insert(std::move(id));
        for (const std::string& id : ids) {
            if (x_out.size() >= kListedMax) break;
            x_out.push_back({StagedProblem::What::dropped, path, 0, id});
        }
        return ok();
    }

    os::FileSystem& x_files;
    const git::Repository& x_repository;
    std::string x_folder;
    const Blobs& x_staged;
    bool x_unfinished;
    std::set<std::pair<std::string, std::string>> x_judged;
    std::vector<StagedProblem> x_out;
};

}  // namespace

std::vector<std::string> dropped_records(const ledger::MergeInput& versions,
                                         std::string_view staged, const ledger::Shape& shape) {
    ledger::MergeOptions options;
    options.shape = shape;
    const ledger::Merged merged = ledger::merge_files(versions, options);
    const LineSet base = set_of(lines_of(versions.base));
    const LineSet ours = set_of(lines_of(versions.ours));
    const LineSet theirs = set_of(lines_of(versions.theirs));
    const LineSet chosen = set_of(lines_of(staged));
    ledger::LineDecoder decoder(shape);
    // What the merge takes from that side, by record; and what no version has.
    std::map<std::string, std::vector<std::string_view>> wanted;
    std::map<std::string, std::vector<std::string_view>> merged_own;
    for (const std::string_view line : lines_of(merged.text)) {
        if (ledger::marker_of(line).bytes != 0 || base.contains(line) || ours.contains(line))
            continue;
        std::string id = id_of(decoder, line);
        if (id.empty()) continue;
        (theirs.contains(line) ? wanted : merged_own)[std::move(id)].push_back(line);
    }
    std::set<std::string> changed_there;
    std::set<std::string> kept_there;  // of these, where the commit has any of it
    for (const std::string_view line : lines_of(versions.theirs)) {
        if (base.contains(line) || ours.contains(line)) continue;
        std::string id = id_of(decoder, line);
        if (chosen.contains(line)) kept_there.insert(id);
        changed_there.insert(std::move(id));
    }
    // Records about which the commit says something that no version says were decided on.
    std::set<std::string> decided(merged.clashes.begin(), merged.clashes.end());
    for (const std::string_view line : lines_of(staged)) {
        if (!base.contains(line) && !ours.contains(line) && !theirs.contains(line))
            decided.insert(id_of(decoder, line));
    }
    std::vector<std::string> out;
    for (const auto& [id, lines] : wanted) {
        const bool all = std::ranges::all_of(
            lines, [&](std::string_view line) { return chosen.contains(line); });
        if (!all && !decided.contains(id)) out.push_back(id);
    }
    for (const auto& [id, lines] : merged_own) {
        if (wanted.contains(id) || decided.contains(id) || !changed_there.contains(id)) continue;
        if (!kept_there.contains(id)) out.push_back(id);
    }
    return out;
}

Result<std::vector<StagedProblem>> check_staged(os::FileSystem& files,
                                                const git::Repository& repository,
                                                const Place& place) {
    const auto folder = repository.relative(place.folder);
    if (!folder || folder->empty()) return std::vector<StagedProblem>();
    TASKSTORE_LET(const auto entries, repository.entries(files, repository.index_path(), *folder));
    Blobs staged;
    for (const git::Entry& entry : entries) {
        if (entry.stage == 0 && is_ledger_file(entry.path, *folder))
            staged[entry.path] = entry.blob;
    }
    const bool anew = in_the_middle(files, repository);
    TASKSTORE_LET(const std::string settled,
                  git::resolve_undo_notes(files, repository.index_path()));
    Verdict verdict(files, repository, staged, settled);
    if (!anew && verdict.is_known()) return std::vector<StagedProblem>();
    const bool unfinished = anew || (!settled.empty() && has_just_switched(files, repository));
    TASKSTORE_LET(auto problems, Judge(files, repository, *folder, staged, unfinished).run());
    if (problems.empty() && !anew) verdict.keep();
    return problems;
}

}  // namespace taskstore::store
