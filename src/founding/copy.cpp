#include <taskstore/founding/copy.hpp>

#include <array>
#include <string_view>

namespace taskstore::founding {
namespace {

constexpr std::array<std::string_view, 3> kSuffixes{"", "-wal", "-journal"};
constexpr std::string_view kMagic{"SQLite format 3\0", 16};
constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;
/// A writer that is in between each time is at work all the time.
constexpr int kTriesMax = 20;

Status copy_file(os::FileSystem& files, os::File& from, const std::string& to) {
    TASKSTORE_LET(const auto out, files.open(to, os::OpenMode::create, 0600));
    TASKSTORE_TRY(out->truncate(0));
    std::string piece(kPieceBytes, '\0');
    std::int64_t at = 0;
    while (true) {
        TASKSTORE_LET(const std::size_t got, from.read_at(at, piece.data(), piece.size()));
        if (got == 0) return ok();
        TASKSTORE_TRY(out->write_at(at, std::string_view(piece).substr(0, got)));
        at += static_cast<std::int64_t>(got);
    }
}

/// What was written within one tick of the file's clock shows in no time.
Result<bool> is_same(os::FileSystem& files, os::File& one, const std::string& copy) {
    TASKSTORE_LET(const auto other, files.open(copy, os::OpenMode::read));
    std::string piece(kPieceBytes, '\0');
    std::string there(kPieceBytes, '\0');
    for (std::int64_t at = 0;; at += static_cast<std::int64_t>(kPieceBytes)) {
        TASKSTORE_LET(const std::size_t got, one.read_at(at, piece.data(), piece.size()));
        TASKSTORE_LET(const std::size_t had, other->read_at(at, there.data(), there.size()));
        if (std::string_view(piece).substr(0, got) != std::string_view(there).substr(0, had))
            return false;
        if (got < kPieceBytes) return true;
    }
}

struct Part {
    std::unique_ptr<os::File> file;  ///< Null: there is none.
    os::FileIdentity identity;
};
using Parts = std::array<Part, kSuffixes.size()>;

Result<Parts> open_parts(os::FileSystem& files, const std::string& path) {
    Parts parts;
    for (std::size_t i = 0; i < kSuffixes.size(); ++i) {
        const std::string name = path + std::string(kSuffixes.at(i));
        auto readable = check_readable(files, name, kDatabaseBytesMax);
        if (!readable && i > 0 && readable.error().code == Code::not_found) continue;
        if (!readable) return fail(std::move(readable).error());
        TASKSTORE_LET(parts.at(i).file, files.open(name, os::OpenMode::read));
        TASKSTORE_LET(const os::FileInfo info, parts.at(i).file->info());
        parts.at(i).identity = info.identity;
    }
    return parts;
}

Result<bool> still_so(os::FileSystem& files, const std::string& path, const Parts& parts,
                      const std::string& copy) {
    for (std::size_t i = 0; i < kSuffixes.size(); ++i) {
        if (!parts.at(i).file) continue;
        TASKSTORE_LET(const bool same,
                      is_same(files, *parts.at(i).file, copy + std::string(kSuffixes.at(i))));
        if (!same) return false;
    }
    for (std::size_t i = 0; i < kSuffixes.size(); ++i) {
        const auto info = files.info(path + std::string(kSuffixes.at(i)));
        if (!info && info.error().code != Code::not_found) return fail(info.error());
        if (static_cast<bool>(info) != (parts.at(i).file != nullptr)) return false;
        if (info && info->identity != parts.at(i).identity) return false;
    }
    return true;
}

Status check_magic(os::File& file, const std::string& path) {
    std::string head(kMagic.size(), '\0');
    TASKSTORE_LET(const std::size_t got, file.read_at(0, head.data(), head.size()));
    if (got == kMagic.size() && head == kMagic) return ok();
    return fail(Code::invalid,
                "'" + path + "' is no SQLite database" + (got == 0 ? ": it is empty" : ""))
        .with_hint("look whether it is the file that was meant");
}

}  // namespace

Status check_readable(os::FileSystem& files, const std::string& path, std::int64_t bytes_max) {
    TASKSTORE_LET(const os::FileInfo info, files.link_info(path));
    if (info.kind == os::FileKind::directory)
        return fail(Code::invalid, "'" + path + "' is a folder, not a file");
    if (info.kind != os::FileKind::regular)
        return fail(Code::invalid, "'" + path + "' is a symbolic link, or no file at all")
            .with_hint("name the file itself");
    if (info.identity.size > bytes_max)
        return fail(Code::invalid, "'" + path + "' has " + std::to_string(info.identity.size) +
                                       " bytes; an import reads at most " +
                                       std::to_string(bytes_max))
            .with_hint("take old tasks out of it with the program that wrote it");
    return ok();
}

Result<CopiedDatabase> copy_database(os::FileSystem& files, const std::string& path,
                                     const std::string& folder) {
    CopiedDatabase copy{.path = os::join_path(folder, "copy-" + os::name_of_path(path))};
    for (int attempt = 0; attempt < kTriesMax; ++attempt) {
        TASKSTORE_LET(const Parts parts, open_parts(files, path));
        TASKSTORE_TRY(check_magic(*parts[0].file, path));
        for (std::size_t i = 0; i < kSuffixes.size(); ++i) {
            const std::string to = copy.path + std::string(kSuffixes.at(i));
            if (parts.at(i).file)
                TASKSTORE_TRY(copy_file(files, *parts.at(i).file, to));
            else if (files.info(to))
                TASKSTORE_TRY(files.unlink(to));
        }
        copy.has_journal = parts[2].file && parts[2].identity.size > 0;
        TASKSTORE_LET(const bool same, still_so(files, path, parts, copy.path));
        if (same) return copy;
    }
    return fail(Code::unavailable, "'" + path + "' changes all the time: somebody writes to it")
        .with_hint("end the program that does, and import again");
}

}  // namespace taskstore::founding
