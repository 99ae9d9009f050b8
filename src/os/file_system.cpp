#include <taskstore/os/file_system.hpp>

#include "system_error.hpp"

#include <cerrno>
#include <utility>

namespace taskstore::os {
namespace {

std::string_view without_trailing_slashes(std::string_view path) {
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    return path;
}

/// Whether the handle is still what `path` names. Identity by device, inode and birth alone: the
/// rest changes as others write.
Result<bool> names_same_file(FileSystem& files, const std::string& path, File& file) {
    auto at_path = files.info(path);
    if (!at_path) {
        if (at_path.error().code == Code::not_found) return false;
        return fail(std::move(at_path).error());
    }
    TASKSTORE_LET(const FileInfo own, file.info());
    return own.identity.device == at_path->identity.device &&
           own.identity.inode == at_path->identity.inode &&
           own.identity.btime_ns == at_path->identity.btime_ns;
}

/// A new, locked temporary file. Its name is fixed, so that what a crash left is found and removed;
/// the lock tells such a remnant from the file of a writer that is still at work.
Result<std::unique_ptr<File>> make_temporary(FileSystem& files, const std::string& path,
                                             std::uint32_t permissions) {
    for (;;) {
        auto made = files.open(path, OpenMode::create_new, permissions);
        if (made) {
            TASKSTORE_LET(const bool locked, (*made)->try_lock_exclusive());
            if (!locked) continue;  // taken for a remnant between open and lock: it will be removed
            TASKSTORE_LET(const bool same, names_same_file(files, path, **made));
            if (same) return made;
            continue;
        }
        if (made.error().code != Code::exists) return made;
        auto other = files.open(path, OpenMode::read_write);
        if (!other) {
            if (other.error().code == Code::not_found) continue;
            return other;
        }
        TASKSTORE_TRY((*other)->lock_exclusive());
        TASKSTORE_LET(const bool same, names_same_file(files, path, **other));
        if (!same) continue;
        if (auto removed = files.unlink(path);
            !removed && removed.error().code != Code::not_found) {
            return fail(std::move(removed).error());
        }
    }
}

/// A rename may have happened although it was reported as failed (an I/O error, a lost answer of a
/// server). Success: it has not, as far as can be seen.
Status refused_rename(FileSystem& files, const std::string& path, File& file, Error error) {
    const auto arrived = names_same_file(files, path, file);
    if (arrived && !*arrived) return ok();
    error.code = Code::outcome_unknown;
    error.message = "whether '" + path + "' was replaced is unknown: " + error.message;
    return fail(std::move(error));
}

}  // namespace

std::string folder_of(std::string_view path) {
    path = without_trailing_slashes(path);
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return std::string(without_trailing_slashes(path.substr(0, slash == 0 ? 1 : slash)));
}

std::string name_of_path(std::string_view path) {
    path = without_trailing_slashes(path);
    if (path == "/") return "/";
    const std::size_t slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string join_path(std::string_view folder, std::string_view name) {
    std::string joined(folder);
    if (!joined.empty() && joined.back() != '/') joined += '/';
    return joined.append(name);
}

std::string temporary_path_of(std::string_view path) {
    return join_path(folder_of(path), "." + name_of_path(path) + ".tmp");
}

bool lacks_links(const Error& error) {
    return error.native == EPERM || error.native == EOPNOTSUPP || error.native == ENOSYS ||
           error.native == EMLINK;
}

Result<std::string> read_file(FileSystem& files, const std::string& path, std::size_t bytes_max) {
    TASKSTORE_LET(const auto file, files.open(path, OpenMode::read));
    TASKSTORE_LET(const FileInfo info, file->info());
    const auto too_large = [&] {
        return fail(Code::corrupt, "'" + path + "' is larger than the " +
                                       std::to_string(bytes_max) + " bytes that it may have");
    };
    if (static_cast<std::uint64_t>(info.identity.size) > bytes_max) return too_large();
    // One byte more than the size, so that one call shows the end; a file that grows meanwhile is
    // read on until it stops.
    std::string content;
    std::size_t wanted = static_cast<std::size_t>(info.identity.size) + 1;
    for (;;) {
        const std::size_t had = content.size();
        content.resize(had + wanted);
        TASKSTORE_LET(const std::size_t got,
                      file->read_at(static_cast<std::int64_t>(had), content.data() + had, wanted));
        content.resize(had + got);
        if (content.size() > bytes_max) return too_large();
        if (got < wanted) return content;
        wanted = 1U << 16;
    }
}

Result<Replacement> Replacement::begin(FileSystem& files, std::string path,
                                       std::uint32_t permissions) {
    TASKSTORE_LET(auto file, make_temporary(files, temporary_path_of(path), permissions));
    return Replacement(files, std::move(path), std::move(file));
}

Replacement::Replacement(Replacement&& other) noexcept
    : x_files(other.x_files),
      x_path(std::move(other.x_path)),
      x_file(std::move(other.x_file)),
      x_at(other.x_at) {}

Replacement::~Replacement() {
    // When this fails, the next attempt removes it.
    if (x_file) static_cast<void>(x_files.unlink(temporary_path_of(x_path)));
}

Status Replacement::write(std::string_view bytes) {
    TASKSTORE_TRY(x_file->write_at(x_at, bytes));
    x_at += static_cast<std::int64_t>(bytes.size());
    return ok();
}

Status Replacement::rewind() {
    x_at = 0;
    return x_file->truncate(0);
}

Status Replacement::flush() {
    TASKSTORE_TRY(x_file->sync_data());
    return x_files.sync_directory(folder_of(x_path));
}

Status Replacement::commit() {
    TASKSTORE_TRY(x_file->sync_data());
    if (auto renamed = x_files.rename(temporary_path_of(x_path), x_path); !renamed) {
        if (auto refused = refused_rename(x_files, x_path, *x_file, renamed.error()); !refused) {
            x_file.reset();
            return refused;
        }
        return renamed;
    }
    x_file.reset();
    if (auto flushed = x_files.sync_directory(folder_of(x_path)); !flushed) {
        Error error = std::move(flushed).error();
        error.message = "'" + x_path + "' was replaced, but whether that survives a power cut is " +
                        "unknown: " + error.message;
        error.code = Code::outcome_unknown;
        return fail(std::move(error));
    }
    return ok();
}

Status replace_file(FileSystem& files, const std::string& path, std::string_view content,
                    std::uint32_t permissions) {
    TASKSTORE_LET(Replacement replacement, Replacement::begin(files, path, permissions));
    TASKSTORE_TRY(replacement.write(content));
    return replacement.commit();
}

Status make_directories(FileSystem& files, const std::string& path, std::uint32_t permissions) {
    std::vector<std::string> missing;
    std::string at(without_trailing_slashes(path));
    for (;;) {
        auto info = files.info(at);
        if (info) {
            if (info->kind != FileKind::directory) {
                return system_failure("make the folder", path, ENOTDIR);
            }
            break;
        }
        if (info.error().code != Code::not_found) return fail(std::move(info).error());
        // A file in the middle also reads as "not found"; the folder above it tells.
        std::string up = folder_of(at);
        if (up == at) return fail(std::move(info).error());
        missing.push_back(std::exchange(at, std::move(up)));
    }
    // The deepest folder that is there may be the last act of a process that died before it could
    // flush the name. A parent that may not be read was not made by us.
    if (const std::string up = folder_of(at); up != at && at != ".") {
        if (auto flushed = files.sync_directory(up);
            !flushed && flushed.error().code != Code::denied) {
            return flushed;
        }
    }
    for (auto next = missing.rbegin(); next != missing.rend(); ++next) {
        if (auto made = files.make_directory(*next, permissions); !made) {
            if (made.error().code != Code::exists) return made;
            TASKSTORE_LET(const FileInfo there, files.info(*next));
            if (there.kind != FileKind::directory) return made;
        }
        TASKSTORE_TRY(files.sync_directory(folder_of(*next)));
    }
    return ok();
}

}  // namespace taskstore::os
