#include <taskstore/base/check.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/ledger/files.hpp>

#include <algorithm>
#include <array>

namespace taskstore::ledger {
namespace {

constexpr std::string_view kSuffix = ".jsonl";
constexpr int kReplacedMax = 8;
constexpr std::int64_t kTailBytes = 65'536;
constexpr std::array<std::string_view, 5> kIgnored{"store.db*", "taskstore.db*", "lock", "run/",
                                                   ".*.tmp*"};

/// The bytes after the last LF before `size`.
Result<std::string> read_tail(os::File& file, std::int64_t size) {
    std::string tail;
    std::int64_t end = size;
    while (end > 0) {
        const std::int64_t start = std::max<std::int64_t>(0, end - kTailBytes);
        std::string block(static_cast<std::size_t>(end - start), '\0');
        TASKSTORE_LET(const std::size_t got, file.read_at(start, block.data(), block.size()));
        block.resize(got);
        if (const std::size_t lf = block.rfind('\n'); lf != std::string::npos)
            return block.substr(lf + 1) + tail;
        tail.insert(0, block);
        end = start;
    }
    return tail;
}

}  // namespace

bool is_collection_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
}

Status complete_gitignore(os::FileSystem& files, const std::string& folder) {
    const std::string path = os::join_path(folder, ".gitignore");
    const auto read = os::read_file(files, path, 1 << 20);
    if (!read && read.error().code != Code::not_found) return fail(read.error());
    std::string text = read ? *read : "";
    // As core.autocrlf checks it out; git passes over the CR at a line's end.
    const std::string_view end = text.find("\r\n") != std::string::npos ? "\r\n" : "\n";
    std::string plain = "\n" + text + "\n";
    std::erase(plain, '\r');
    std::string missing;
    for (const std::string_view line : kIgnored) {
        if (plain.find("\n" + std::string(line) + "\n") == std::string::npos)
            missing.append(line).append(end);
    }
    if (missing.empty()) return ok();
    if (!text.empty() && text.back() != '\n') text += end;
    return os::replace_file(files, path, text + missing);
}

Status complete_folder(os::FileSystem& files, const std::string& folder) {
    TASKSTORE_TRY(complete_gitignore(files, folder));
    const std::string version = os::join_path(folder, ".version");
    const auto there = files.link_info(version);
    if (there || there.error().code != Code::not_found) return ok();
    return os::replace_file(files, version, "1  # Current schema version\n");
}

LedgerFolder::LedgerFolder(os::FileSystem& files, std::string folder, const Clock& clock,
                           os::LockWait wait)
    : x_files(files),
      x_folder(std::move(folder)),
      x_clock(clock),
      x_lock(files, os::join_path(x_folder, "lock")),
      x_lock_wait(std::move(wait)) {}

std::string LedgerFolder::path_of(std::string_view collection) const {
    return os::join_path(x_folder, std::string(collection) + std::string(kSuffix));
}

Result<std::vector<std::string>> LedgerFolder::collections() {
    TASKSTORE_LET(const auto names, x_files.list(x_folder));
    std::vector<std::string> found;
    for (const std::string& name : names) {
        if (!name.ends_with(kSuffix)) continue;
        std::string collection = name.substr(0, name.size() - kSuffix.size());
        if (!is_collection_name(collection)) continue;
        const auto info = x_files.link_info(path_of(collection));
        if (info && info->kind == os::FileKind::regular) found.push_back(std::move(collection));
    }
    return found;
}

Result<std::vector<std::string>> LedgerFolder::strangers() {
    TASKSTORE_LET(const auto names, x_files.list(x_folder));
    std::vector<std::string> found;
    for (const std::string& name : names) {
        if (!name.ends_with(kSuffix)) continue;
        if (!is_collection_name(std::string_view(name).substr(0, name.size() - kSuffix.size()))) {
            found.push_back(name + ": not a collection's name (1-64 of A-Z a-z 0-9 _ -)");
        } else if (const auto info = x_files.link_info(os::join_path(x_folder, name));
                   !info || info->kind != os::FileKind::regular) {
            found.push_back(name + ": not a regular file");
        }
    }
    return found;
}

/// Where it is now.
Result<std::string> LedgerFolder::save_torn(std::string_view collection, std::string_view tail,
                                            std::int64_t at) {
    const std::string torn = os::join_path(x_folder, "run/torn");
    TASKSTORE_TRY(os::make_directories(x_files, torn));
    std::string saved =
        os::join_path(torn, std::string(collection) + "-" + std::to_string(x_clock.wall_ms()) +
                                "-" + std::to_string(at));
    TASKSTORE_TRY(os::replace_file(x_files, saved, tail));
    return saved;
}

Status LedgerFolder::mend_tail(os::File& file, std::string_view collection, std::int64_t& size,
                               Appended& appended) {
    char last = '\n';
    if (size > 0) TASKSTORE_TRY(file.read_at(size - 1, &last, 1));
    if (last == '\n') return ok();
    TASKSTORE_LET(const std::string tail, read_tail(file, size));
    JsonSlicer slicer;
    if (slicer.slice(tail)) {
        std::size_t written = 0;
        TASKSTORE_TRY(file.append("\n", written));
        ++size;
        return ok();
    }
    TASKSTORE_LET(const std::string saved, save_torn(collection, tail, size));
    // Whoever wrote the tail and knows no lock may go on with it: one last look, so that nothing is
    // cut but what was saved. What comes between the look and the cut is lost; no call of the
    // system cuts only what it was shown.
    TASKSTORE_LET(const std::string still, read_tail(file, size));
    TASKSTORE_LET(os::FileInfo now, file.info());
    const auto look_again = [&] {
        appended.before = now.identity;
        size = now.identity.size;
        return mend_tail(file, collection, size, appended);
    };
    if (now.identity.size != size || still != tail) return look_again();
    size -= static_cast<std::int64_t>(tail.size());
    TASKSTORE_TRY(file.truncate(size));
    appended.notes.push_back(std::string(collection) + ".jsonl ended in an incomplete line (" +
                             std::to_string(tail.size()) +
                             " bytes, never acknowledged); it was saved to " + saved);
    // The rest of the tail, where its writer goes on after the cut, is no line either.
    TASKSTORE_LET(now, file.info());
    return now.identity.size == size ? ok() : look_again();
}

Result<Appended> LedgerFolder::append(std::string_view collection, std::string_view lines) {
    TASKSTORE_CHECK(!lines.empty() && lines.back() == '\n');
    Appended appended;
    for (int attempt = 0; attempt < kReplacedMax; ++attempt) {
        TASKSTORE_LET(const bool stands, append_once(collection, lines, appended));
        if (stands) return appended;
        appended.notes.push_back(std::string(collection) +
                                 ".jsonl was replaced during the append: the lines were appended "
                                 "to the new file");
    }
    return fail(Code::outcome_unknown,
                "'" + path_of(collection) + "' is replaced again and again by another program")
        .with_hint("let that program finish, run 'taskstore sync' and look whether it is there");
}

/// False: somebody (a checkout, an editor) put another file in place of the one that was written.
Result<bool> LedgerFolder::append_once(std::string_view collection, std::string_view lines,
                                       Appended& appended) {
    const std::string path = path_of(collection);
    if (const auto there = x_files.link_info(path); there && there->kind != os::FileKind::regular)
        return fail(Code::denied, "'" + path + "' is not a regular file")
            .with_hint("put the file itself there, not a folder or a link");
    auto opened = x_files.open(path, os::OpenMode::read_write);
    appended.created = !opened && opened.error().code == Code::not_found;
    if (appended.created) opened = x_files.open(path, os::OpenMode::create);
    if (!opened) return fail(std::move(opened).error());
    os::File& file = **opened;
    TASKSTORE_TRY(file.lock_within(x_lock_wait));
    TASKSTORE_LET(const os::FileInfo before, file.info());
    appended.before = before.identity;
    std::int64_t size = before.identity.size;
    TASKSTORE_TRY(mend_tail(file, collection, size, appended));
    TASKSTORE_TRY(write_unflushed_again(file, collection, before.identity, size));
    std::size_t written = 0;
    if (auto appending = file.append(lines, written); !appending) {
        // A part may be there: take it back, so that an error means that nothing happened.
        const auto now = file.info();
        const bool ours_last =
            now && now->identity.size == size + static_cast<std::int64_t>(written);
        if (!ours_last || (written > 0 && !file.truncate(size))) {
            return fail(Code::outcome_unknown, appending.error().message +
                                                   "; and what was written could not be taken back")
                .with_native(appending.error().native);
        }
        return fail(std::move(appending).error());
    }
    auto as_written = file.info();
    if (as_written && as_written->identity.size != size + static_cast<std::int64_t>(lines.size())) {
        TASKSTORE_TRY(write_apart(file, size, as_written->identity.size, lines));
        as_written = file.info();
    }
    if (auto synced = file.sync_data(); !synced) {
        // What an older file of that name had left unflushed is gone with it.
        Unflushed& from = x_unflushed[std::string(collection)];
        if (from.inode != before.identity.inode || from.size > size)
            from = {before.identity.inode, size};
        // Once more at once, for the next writer may be another process: what it acknowledges must
        // not stand behind bytes that never reach the disk.
        const std::int64_t end =
            as_written ? as_written->identity.size : size + static_cast<std::int64_t>(lines.size());
        if (write_unflushed_again(file, collection, before.identity, end) && file.sync_data())
            x_unflushed.erase(std::string(collection));
        return fail(Code::outcome_unknown,
                    "the record may not have reached the disk: " + synced.error().message)
            .with_native(synced.error().native);
    }
    x_unflushed.erase(std::string(collection));
    if (appended.created) {
        if (auto synced = x_files.sync_directory(x_folder); !synced) {
            return fail(Code::outcome_unknown,
                        "the new file may not have reached the disk: " + synced.error().message);
        }
    }
    appended.offset = size;
    // From here on the lines are durable: nothing below may turn that into an error. The mark: an
    // mtime that a kernel, whose clock ticks in ms, gives nobody else; so a change by others shows
    // however soon it comes.
    const auto flushed = file.info();
    const bool untouched = flushed && as_written && flushed->identity == as_written->identity;
    appended.marked = false;
    if (flushed) {
        const std::int64_t mark = flushed->identity.mtime_ns / 1000 * 1000 + 7;
        appended.marked =
            file.set_mtime_ns(std::max(mark, before.identity.mtime_ns + 1)).has_value();
    }
    // The name is asked last: git takes no lock of ours, and a line in a file without a name is a
    // line lost.
    const auto after = x_files.info(path);
    appended.after = after ? after->identity : os::FileIdentity{};
    const bool stands = after ? after->identity.inode == before.identity.inode &&
                                    after->identity.device == before.identity.device
                              : after.error().code != Code::not_found;
    appended.chained = untouched && after && stands && appended.notes.empty() &&
                       after->identity.size == size + static_cast<std::int64_t>(lines.size());
    return stands;
}

/// Somebody who knows no lock wrote to the file beside us. Where it is half a line that came before
/// ours, ours is a part of it: it is written again on a line of its own, and that the other one
/// may hold it too changes nothing (a set of lines counts).
Status LedgerFolder::write_apart(os::File& file, std::int64_t from, std::int64_t size,
                                 std::string_view lines) {
    std::string there(static_cast<std::size_t>(std::max<std::int64_t>(0, size - from)), '\0');
    if (const auto got = file.read_at(from, there.data(), there.size())) there.resize(*got);
    const std::string apart = "\n" + std::string(lines);
    if (there.starts_with(lines) || there.find(apart) != std::string::npos) return ok();
    std::size_t written = 0;
    const auto again = file.append(apart, written);
    if (again) return ok();
    return fail(Code::outcome_unknown,
                "another program writes to the file: " + again.error().message)
        .with_native(again.error().native);
}

/// After a failed flush the kernel calls pages clean that never reached the disk: they are written
/// once more, so that the next flush means them too.
Status LedgerFolder::write_unflushed_again(os::File& file, std::string_view collection,
                                           const os::FileIdentity& identity, std::int64_t size) {
    const auto found = x_unflushed.find(std::string(collection));
    if (found == x_unflushed.end()) return ok();
    const Unflushed from = found->second;
    if (from.inode != identity.inode || from.size >= size) return ok();
    std::string bytes(static_cast<std::size_t>(size - from.size), '\0');
    TASKSTORE_LET(const std::size_t got, file.read_at(from.size, bytes.data(), bytes.size()));
    bytes.resize(got);
    return file.write_at(from.size, bytes);
}

}  // namespace taskstore::ledger
