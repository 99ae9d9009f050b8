// A collection's file replaced as a whole.

#include <taskstore/base/json.hpp>
#include <taskstore/ledger/files.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

namespace taskstore::ledger {
namespace {

constexpr int kAttemptsMax = 8;
/// How often the old file is looked at after it has lost its name: for about a second, and where
/// nobody tells who has it open for 60 ms.
constexpr int kLooksMax = 36;
constexpr int kBlindLooksMax = 6;
constexpr std::chrono::milliseconds kPauseMin{1};
constexpr std::chrono::milliseconds kPauseMax{32};
constexpr std::string_view kReplaced = "run/replaced";
/// How long a file may stay open that nobody writes to, where the system does not tell.
constexpr std::int64_t kOpenMsMax = 60'000;

Result<std::string> read_range(os::File& file, std::int64_t from, std::int64_t to) {
    std::string text(static_cast<std::size_t>(std::max<std::int64_t>(0, to - from)), '\0');
    std::size_t got = 0;
    while (got < text.size()) {
        TASKSTORE_LET(const std::size_t more, file.read_at(from + static_cast<std::int64_t>(got),
                                                           text.data() + got, text.size() - got));
        if (more == 0) break;
        got += more;
    }
    text.resize(got);
    return text;
}

}  // namespace

Result<LedgerFolder::Rewritten> LedgerFolder::rewrite(
    std::string_view collection,
    const std::function<Result<bool>(std::string_view content, const Put& put)>& make) {
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
        TASKSTORE_LET(auto rewritten, rewrite_once(collection, make));
        if (rewritten) return std::move(*rewritten);
    }
    return fail(Code::conflict,
                "'" + path_of(collection) + "' is changed again and again by another program")
        .with_hint("let that program finish, then repeat the command");
}

/// Nothing: somebody who knows no lock changed the file meanwhile.
Result<std::optional<LedgerFolder::Rewritten>> LedgerFolder::rewrite_once(
    std::string_view collection,
    const std::function<Result<bool>(std::string_view content, const Put& put)>& make) {
    const std::string path = path_of(collection);
    TASKSTORE_LET(const os::FileInfo link, x_files.link_info(path));
    if (link.kind != os::FileKind::regular)
        return fail(Code::denied, "'" + path + "' is not a regular file")
            .with_hint("put the file itself there, not a folder or a link");
    TASKSTORE_LET(const auto file, x_files.open(path, os::OpenMode::read));
    // Until the new file has its name: who appends to the old one then finds it gone.
    TASKSTORE_TRY(file->lock_within(x_lock_wait));
    TASKSTORE_LET(const os::FileInfo info, file->info());
    const std::int64_t seen = info.identity.size;
    Rewritten rewritten;
    std::optional<os::Replacement> replacement;
    {
        TASKSTORE_LET(const std::string content, read_range(*file, 0, seen));
        const bool whole = static_cast<std::int64_t>(content.size()) == seen;
        const auto put = [&](std::string_view piece) -> Status {
            if (!replacement) {
                TASKSTORE_LET(auto begun, os::Replacement::begin(x_files, path, info.mode));
                replacement.emplace(std::move(begun));
            }
            return replacement->write(piece);
        };
        if (!whole) return std::optional<Rewritten>();
        TASKSTORE_LET(const bool wanted, make(content, put));
        if (!wanted) return std::optional(std::move(rewritten));
    }
    if (!replacement) {
        TASKSTORE_LET(auto begun, os::Replacement::begin(x_files, path, info.mode));
        replacement.emplace(std::move(begun));
    }
    const auto unchanged = [&](bool linked) {
        auto now = x_files.link_info(path);
        // A second name moves the ctime alone.
        if (now && linked) now->identity.ctime_ns = info.identity.ctime_ns;
        return now && now->identity == info.identity;
    };
    if (!unchanged(false)) return std::optional<Rewritten>();
    TASKSTORE_LET(Old old, keep_old(collection, seen));
    if (!unchanged(true)) {
        TASKSTORE_TRY(let_go(old));
        return std::optional<Rewritten>();
    }
    if (auto committed = replacement->commit(); !committed) {
        if (committed.error().code != Code::outcome_unknown) (void)let_go(old).has_value();
        return fail(std::move(committed).error());
    }
    rewritten.done = true;
    const auto ended = follow(*file, old, rewritten.notes);
    if (!ended && old.path.empty()) return fail(ended.error());
    if (!ended)
        rewritten.notes.push_back("what another program appended to the old " + old.collection +
                                  ".jsonl waits in '" + old.path +
                                  "' for the next sync: " + ended.error().message);
    if (ended && *ended) (void)let_go(old).has_value();
    return std::optional(std::move(rewritten));
}

/// The file gets a second name, under which it is found after a stop, too.
Result<LedgerFolder::Old> LedgerFolder::keep_old(std::string_view collection, std::int64_t seen) {
    Old old{std::string(collection), seen, {}};
    const std::string folder = os::join_path(x_folder, kReplaced);
    TASKSTORE_TRY(os::make_directories(x_files, folder));
    for (std::int64_t number = 0;; ++number) {
        std::string path = os::join_path(
            folder, old.collection + "-" + std::to_string(number) + "-" + std::to_string(seen));
        auto linked = x_files.hard_link(path_of(collection), path);
        if (linked) {
            TASKSTORE_TRY(x_files.sync_directory(folder));
            old.path = std::move(path);
            return old;
        }
        if (os::lacks_links(linked.error())) return old;
        if (linked.error().code != Code::exists) return fail(std::move(linked).error());
    }
}

Status LedgerFolder::let_go(const Old& old) {
    return old.path.empty() ? ok() : x_files.unlink(old.path);
}

/// Whoever has the old file open, waiting for its lock or not, knows nothing of the new one: as
/// long as there is one, its lock is let go and what comes is appended to the new file. That ends
/// after a while: false, and what comes later is found under the second name.
Result<bool> LedgerFolder::follow(os::File& file, Old& old, std::vector<std::string>& notes) {
    auto pause = kPauseMin;
    for (int look = 0; look < kLooksMax; ++look) {
        file.unlock();
        const auto writers = file.has_other_writers();
        if (!writers || *writers) std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, kPauseMax);
        if (!file.lock_within(x_lock_wait)) break;
        const bool blind = !writers && look + 1 == kBlindLooksMax;
        const bool ended = (writers && !*writers) || (blind && old.path.empty());
        TASKSTORE_TRY(take_late(file, old, ended, notes));
        if (ended || blind) return ended;
    }
    notes.push_back("another program keeps the old " + old.collection +
                    ".jsonl open: let it open the file again" +
                    (old.path.empty() ? ", or what it writes is lost"
                                      : "; until then each sync takes in what it has written"));
    return false;
}

/// `ended`: nobody goes on with a line that has no end.
Status LedgerFolder::take_late(os::File& file, Old& old, bool ended,
                               std::vector<std::string>& notes) {
    TASKSTORE_LET(const os::FileInfo now, file.info());
    if (now.identity.size <= old.seen) return ok();
    TASKSTORE_LET(const std::string late, read_range(file, old.seen, now.identity.size));
    const std::size_t whole = late.rfind('\n') + 1;
    std::string lines = late.substr(0, whole);
    const std::string_view tail = std::string_view(late).substr(whole);
    JsonSlicer slicer;
    const bool torn = ended && !tail.empty() && !slicer.slice(tail);
    if (torn) {
        TASKSTORE_LET(const std::string saved, save_torn(old.collection, tail, now.identity.size));
        notes.push_back("another program left an incomplete line in the old " + old.collection +
                        ".jsonl; it was saved to " + saved);
    } else if (ended && !tail.empty()) {
        lines.append(tail).append("\n");
    }
    if (!lines.empty()) {
        TASKSTORE_LET(const Appended appended, append(old.collection, lines));
        notes.insert(notes.end(), appended.notes.begin(), appended.notes.end());
        notes.push_back("another program appended to " + old.collection +
                        ".jsonl while it was rewritten: its lines are in the new file");
    }
    old.seen += static_cast<std::int64_t>(ended ? late.size() : whole);
    return ok();
}

Result<std::vector<std::string>> LedgerFolder::take_in_replaced() {
    std::vector<std::string> notes;
    const auto names = x_files.list(os::join_path(x_folder, kReplaced));
    if (!names) {
        if (names.error().code == Code::not_found) return notes;
        return fail(names.error());
    }
    for (const std::string& name : *names) TASKSTORE_TRY(take_in(name, notes));
    return notes;
}

/// COLLECTION-NUMBER-SEEN; other names are somebody else's.
Status LedgerFolder::take_in(const std::string& name, std::vector<std::string>& notes) {
    const std::size_t last = name.rfind('-');
    const std::size_t first =
        last == 0 || last == name.npos ? name.npos : name.rfind('-', last - 1);
    if (first == name.npos) return ok();
    Old old{name.substr(0, first), 0, os::join_path(os::join_path(x_folder, kReplaced), name)};
    const std::string_view seen = std::string_view(name).substr(last + 1);
    const auto [end, error] = std::from_chars(seen.data(), seen.data() + seen.size(), old.seen);
    if (error != std::errc() || end != seen.data() + seen.size() ||
        !is_collection_name(old.collection))
        return ok();
    TASKSTORE_LET(const auto file, x_files.open(old.path, os::OpenMode::read));
    TASKSTORE_LET(const os::FileInfo info, file->info());
    // A stop between the second name and the new file: it is the one that counts.
    const auto current = x_files.link_info(path_of(old.collection));
    if (current && current->identity.inode == info.identity.inode &&
        current->identity.device == info.identity.device)
        return let_go(old);
    const auto writers = file->has_other_writers();
    const bool aged = x_clock.wall_ms() - info.identity.mtime_ns / 1'000'000 > kOpenMsMax;
    const bool ended = writers ? !*writers : aged;
    const std::int64_t before = old.seen;
    TASKSTORE_TRY(take_late(*file, old, ended, notes));
    if (ended) return let_go(old);
    if (old.seen == before) return ok();
    return x_files.rename(old.path,
                          os::join_path(os::join_path(x_folder, kReplaced),
                                        name.substr(0, last + 1) + std::to_string(old.seen)));
}

}  // namespace taskstore::ledger
