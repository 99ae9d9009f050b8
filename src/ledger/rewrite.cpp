// A collection's file replaced as a whole.

#include <taskstore/ledger/files.hpp>

#include <algorithm>
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
    const auto now = x_files.link_info(path);
    if (!now || now->identity != info.identity) return std::optional<Rewritten>();
    TASKSTORE_TRY(replacement->commit());
    rewritten.done = true;
    TASKSTORE_TRY(follow_old_file(*file, collection, seen, rewritten));
    return std::optional(std::move(rewritten));
}

/// Whoever has the old file open, waiting for its lock or not, knows nothing of the new one: as
/// long as there is one, its lock is let go and what comes is appended to the new file. Where the
/// system does not tell, or somebody keeps it open, that ends after a while.
Status LedgerFolder::follow_old_file(os::File& file, std::string_view collection, std::int64_t seen,
                                     Rewritten& rewritten) {
    auto pause = kPauseMin;
    for (int look = 0; look < kLooksMax; ++look) {
        file.unlock();
        const auto writers = file.has_other_writers();
        if (!writers || *writers) std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, kPauseMax);
        if (!file.lock_within(x_lock_wait)) return ok();
        TASKSTORE_LET(const os::FileInfo now, file.info());
        if (now.identity.size > seen) {
            TASKSTORE_LET(std::string late, read_range(file, seen, now.identity.size));
            seen = now.identity.size;
            if (!late.ends_with('\n')) late += '\n';
            TASKSTORE_LET(const Appended appended, append(collection, late));
            rewritten.notes.insert(rewritten.notes.end(), appended.notes.begin(),
                                   appended.notes.end());
            rewritten.notes.push_back(
                "another program appended to " + std::string(collection) +
                ".jsonl while it was rewritten: its lines are in the new file");
        }
        if (writers && !*writers) return ok();
        if (!writers && look + 1 == kBlindLooksMax) return ok();
    }
    return ok();
}

}  // namespace taskstore::ledger
