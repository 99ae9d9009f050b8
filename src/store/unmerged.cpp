#include "ledger_lines.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/ledger/scan.hpp>
#include <taskstore/records/kind.hpp>
#include <taskstore/store/unmerged.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_set>

namespace taskstore::store {
namespace {

/// The blobs of one file's stages; empty: that stage is not there.
struct Stages {
    std::array<std::string, 4> blobs;
};

Result<std::map<std::string, Stages>> unmerged_entries(os::FileSystem& files,
                                                       const git::Repository& repository,
                                                       const std::string& folder) {
    // Not the index that a commit of single files prepares: in that one they count as settled.
    const std::string index = os::join_path(repository.git_dir(), "index");
    TASKSTORE_LET(const auto entries, repository.entries(files, index, folder));
    std::map<std::string, Stages> out;
    for (const git::Entry& entry : entries) {
        if (entry.stage == 0 || !is_ledger_file(entry.path, folder)) continue;
        out[entry.path].blobs.at(static_cast<std::size_t>(entry.stage)) = entry.blob;
    }
    return out;
}

/// What of the work tree's file counts beside the versions.
struct Work {
    std::vector<std::string_view> lines;
    std::vector<std::string_view> outside;  ///< Not between markers.
    std::vector<std::string_view> inside;
    bool markers = false;
};

Work look_at(std::string_view text) {
    Work out;
    bool inside = false;
    for (const std::string_view line : lines_of(text)) {
        const ledger::LineKind kind = ledger::marker_of(line).kind;
        if (kind == ledger::LineKind::ours_marker) inside = true;
        if (kind != ledger::LineKind::record) {
            out.markers = true;
        } else {
            out.lines.push_back(line);
            (inside ? out.inside : out.outside).push_back(line);
        }
        if (kind == ledger::LineKind::theirs_marker) inside = false;
    }
    return out;
}

/// Whether a line that only `side` has stands among the lines.
bool holds_some_of(const LineSet& lines, const std::vector<std::string_view>& side,
                   const LineSet& other, const LineSet& base) {
    return std::ranges::any_of(side, [&](std::string_view line) {
        return lines.contains(line) && !other.contains(line) && !base.contains(line);
    });
}

/// The text with blocks of settled clashes replaced by what stands for them in the work tree.
class Settling {
  public:
    Settling(const ledger::Shape& shape, std::set<std::string> settled, const LineSet& outside)
        : x_decoder(shape), x_settled(std::move(settled)), x_outside(outside) {}

    std::string run(std::string_view text) {
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
            take(text.substr(0, end));
            text.remove_prefix(end);
        }
        return x_out + x_block;
    }

  private:
    void take(std::string_view whole) {
        const auto lines = lines_of(whole);
        const std::string_view line = lines.empty() ? std::string_view() : lines.front();
        const ledger::LineKind kind = ledger::marker_of(line).kind;
        if (kind == ledger::LineKind::ours_marker) x_inside = true;
        if (!x_inside) {
            x_out += whole;
            return;
        }
        x_block += whole;
        if (kind == ledger::LineKind::record && !line.empty()) {
            if (!x_settled.contains(id_of(x_decoder, line))) x_all = false;
            if (x_outside.contains(line) && x_seen.insert(std::string(line)).second)
                x_lines.append(line).append("\n");
        }
        if (kind != ledger::LineKind::theirs_marker) return;
        x_out += x_all ? x_lines : x_block;
        x_block.clear();
        x_lines.clear();
        x_seen.clear();
        x_inside = false;
        x_all = true;
    }

    ledger::LineDecoder x_decoder;
    std::set<std::string> x_settled;
    const LineSet& x_outside;
    std::string x_out;
    std::string x_block;
    std::string x_lines;
    std::set<std::string> x_seen;
    bool x_inside = false;
    bool x_all = true;
};

/// The same lines and as many markers of each sort, in whatever order: nothing to rewrite.
bool says_the_same(std::string_view one, std::string_view other) {
    const auto sorted = [](std::string_view text) {
        std::vector<std::string> out;
        for (const std::string_view line : lines_of(text)) {
            const bool marker = ledger::marker_of(line).bytes != 0;
            out.emplace_back(marker ? line.substr(0, 1) : line);
        }
        std::ranges::sort(out);
        return out;
    };
    return sorted(one) == sorted(other);
}

struct Versions {
    std::string base;
    std::string ours;
    std::string theirs;
    bool shown = false;  ///< Their merge stood in the work tree before.
    ledger::MergeInput input() const { return {base, ours, theirs}; }
};

Result<Versions> versions_of(const git::Repository& repository, const Stages& stages) {
    Versions out;
    if (!stages.blobs[1].empty()) {
        TASKSTORE_LET(out.base, repository.blob(stages.blobs[1]));
    }
    TASKSTORE_LET(out.ours, repository.blob(stages.blobs[2]));
    TASKSTORE_LET(out.theirs, repository.blob(stages.blobs[3]));
    return out;
}

struct Settled {
    ledger::Merged merged;
    bool differs = false;
};

Settled settled_in(std::string_view work, const Versions& versions, const std::string& path) {
    ledger::MergeOptions options;
    options.shape = records::shape_of_file(path);
    options.in_store = true;
    Settled out{.merged = settle_text(work, versions.input(), options, versions.shown)};
    out.differs = out.merged.text != work && !says_the_same(out.merged.text, work);
    return out;
}

/// Which merges have stood in the work tree: a hash of each file's path and versions, kept where
/// our identity is kept. Without it, one side as it was is no choice but what git left.
class Shown {
  public:
    Shown(os::FileSystem& files, const git::Repository& repository)
        : x_files(files),
          x_repository(repository),
          x_path(os::join_path(repository.git_dir(), "taskstore/merged")) {
        if (auto saved = os::read_file(files, x_path, kBytesMax)) x_saved = std::move(*saved);
    }
    /// Runs git.
    bool has(const std::string& path, const Stages& stages, const Versions& versions) const {
        if (x_saved.find(name_of(path, stages)) != std::string::npos) return true;
        // The files as git's own merge left them; not of every git and every act.
        if (!x_files.info(os::join_path(x_repository.git_dir(), "AUTO_MERGE"))) return false;
        const auto left = x_repository.blob("AUTO_MERGE:" + path);
        return left && is_merged_text(*left, versions.input());
    }
    void add(const std::string& path, const Stages& stages) { x_now += name_of(path, stages); }
    /// Not flushed, and a failure is none: without the note the markers come up once more.
    void keep() {
        if (x_now == x_saved) return;
        if (!os::make_directories(x_files, os::folder_of(x_path))) return;
        auto file = x_files.open(x_path, os::OpenMode::create, 0600);
        if (!file || !(*file)->truncate(0)) return;
        (void)(*file)->write_at(0, x_now).has_value();
    }

  private:
    static constexpr std::size_t kBytesMax = std::size_t{1} << 20U;
    static std::string name_of(const std::string& path, const Stages& stages) {
        std::string text = path;
        for (const std::string& blob : stages.blobs) text += '\0' + blob;
        return sha256_hex(text) + "\n";
    }
    os::FileSystem& x_files;
    const git::Repository& x_repository;
    std::string x_path;
    std::string x_saved;
    std::string x_now;
};

/// The index's file as it was when its entries were read.
struct Index {
    std::string path;
    os::FileIdentity seen;
    bool changed(os::FileSystem& files) const {
        const auto now = files.info(path);
        return !now || now->identity != seen;
    }
};

/// Under the locks, so that nobody's line falls between the look and the new file.
Status rewrite(os::FileSystem& files, const std::string& path, const Versions& versions,
               const Index& index, const os::LockWait& wait, Unmerged& out) {
    os::FileLock lock(files, os::join_path(os::folder_of(path), "lock"));
    TASKSTORE_LET(const auto guard, lock.acquire(wait));
    // Git may have ended or given up the merge while a writer was waited for.
    if (index.changed(files)) {
        out.left = "git's index changed meanwhile; the next sync looks again";
        return ok();
    }
    auto file = files.open(path, os::OpenMode::read);
    if (!file && file.error().code != Code::not_found) return fail(std::move(file).error());
    if (file) TASKSTORE_TRY((*file)->lock_within(wait));
    std::uint32_t mode = 0644;
    std::string work;
    os::FileIdentity seen;
    if (file) {
        TASKSTORE_LET(const os::FileInfo info, (*file)->info());
        mode = info.mode;
        seen = info.identity;
        work.resize(static_cast<std::size_t>(info.identity.size));
        TASKSTORE_LET(const std::size_t got, (*file)->read_at(0, work.data(), work.size()));
        work.resize(got);
    }
    Settled settled = settled_in(work, versions, out.path);
    const auto now = files.link_info(path);
    if (index.changed(files) || (now ? now->identity != seen : file.has_value())) {
        out.left = "it changed while it was merged; the next sync looks again";
        return ok();
    }
    out.clashes = std::move(settled.merged.clashes);
    out.rewritten = settled.differs;
    return settled.differs ? os::replace_file(files, path, settled.merged.text, mode) : ok();
}

Result<std::vector<Unmerged>> go_through(os::FileSystem& files, const git::Repository& repository,
                                         const Place& place, const os::LockWait* wait) {
    std::vector<Unmerged> out;
    const auto folder = repository.relative(place.folder);
    if (!folder || folder->empty()) return out;
    Index index{repository.index_path(), {}};
    if (const auto info = files.info(index.path)) index.seen = info->identity;
    TASKSTORE_LET(const auto unmerged, unmerged_entries(files, repository, *folder));
    if (unmerged.empty()) return out;
    Shown shown(files, repository);
    for (const auto& [path, stages] : unmerged) {
        Unmerged one{.path = path};
        if (stages.blobs[2].empty() || stages.blobs[3].empty()) {
            // Taking the absence of a whole file for the deletion of all its records would be a
            // guess.
            one.left = "one side has the file, the other has removed it";
            out.push_back(std::move(one));
            continue;
        }
        TASKSTORE_LET(Versions versions, versions_of(repository, stages));
        versions.shown = shown.has(path, stages, versions);
        const std::string file = os::join_path(repository.work_tree(), path);
        if (const auto link = files.link_info(file); link && link->kind != os::FileKind::regular) {
            one.left = "it is no regular file in the work tree";
        } else if (wait != nullptr) {
            TASKSTORE_TRY(rewrite(files, file, versions, index, *wait, one));
            if (one.left.empty() || versions.shown) shown.add(path, stages);
        } else {
            const auto work = os::read_file(files, file);
            Settled settled = settled_in(work ? *work : std::string(), versions, path);
            one.clashes = std::move(settled.merged.clashes);
            one.rewritten = settled.differs;
        }
        out.push_back(std::move(one));
    }
    if (wait != nullptr) shown.keep();
    return out;
}

}  // namespace

bool is_merged_text(std::string_view work, const ledger::MergeInput& versions) {
    const Work there = look_at(work);
    if (there.markers) return true;
    const auto our_lines = lines_of(versions.ours);
    const auto their_lines = lines_of(versions.theirs);
    const LineSet base = set_of(lines_of(versions.base));
    const LineSet lines = set_of(there.lines);
    return holds_some_of(lines, our_lines, set_of(their_lines), base) &&
           holds_some_of(lines, their_lines, set_of(our_lines), base);
}

ledger::Merged settle_text(std::string_view work, const ledger::MergeInput& versions,
                           const ledger::MergeOptions& options, bool merged_before) {
    ledger::Merged merged = ledger::merge_files(versions, options);
    const auto base_lines = lines_of(versions.base);
    const auto our_lines = lines_of(versions.ours);
    const auto their_lines = lines_of(versions.theirs);
    const LineSet base = set_of(base_lines);
    const LineSet ours = set_of(our_lines);
    const LineSet theirs = set_of(their_lines);
    const Work there = look_at(work);
    const LineSet outside = set_of(there.outside);
    // A file without anything of one side was not merged yet, so nobody has chosen in it; a line
    // that the merge has put between markers comes from there alone.
    const auto has_line_of_block = [&] {
        const Work blocks = look_at(merged.text);
        return std::ranges::any_of(blocks.inside, [&](std::string_view line) {
            return outside.contains(line) && !ours.contains(line) && !theirs.contains(line) &&
                   !base.contains(line);
        });
    };
    const bool chosen_in = !merged.clashes.empty() &&
                           (merged_before || is_merged_text(work, versions) || has_line_of_block());
    std::set<std::string> settled;
    ledger::LineDecoder decoder(options.shape);
    if (chosen_in) {
        const std::unordered_set<std::string> clashing(merged.clashes.begin(),
                                                       merged.clashes.end());
        for (const std::string_view line : there.outside) {
            if (ours.contains(line) && theirs.contains(line)) continue;
            std::string id = id_of(decoder, line);
            if (clashing.contains(id)) settled.insert(std::move(id));
        }
    }
    if (!settled.empty()) {
        merged.text = Settling(options.shape, settled, outside).run(merged.text);
        std::erase_if(merged.clashes, [&](const std::string& id) { return settled.contains(id); });
    }
    const std::string text = merged.text;
    const LineSet known = set_of(lines_of(text));
    LineSet added;
    for (const std::string_view line : there.lines) {
        if (known.contains(line) || base.contains(line) || ours.contains(line) ||
            theirs.contains(line) || !added.insert(line).second)
            continue;
        if (!merged.text.empty() && merged.text.back() != '\n') merged.text += '\n';
        merged.text.append(line).append("\n");
    }
    return merged;
}

Result<std::vector<Unmerged>> settle_unmerged(os::FileSystem& files,
                                              const git::Repository& repository, const Place& place,
                                              const os::LockWait& wait) {
    return go_through(files, repository, place, &wait);
}

Result<std::vector<Unmerged>> look_at_unmerged(os::FileSystem& files,
                                               const git::Repository& repository,
                                               const Place& place) {
    return go_through(files, repository, place, nullptr);
}

}  // namespace taskstore::store
