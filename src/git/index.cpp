// The index (gitformat-index(5)), read up to the entries that are wanted: they are sorted by path,
// so a store near the beginning costs a few blocks, however large the rest is.
//
//   "DIRC" version:u32 count:u32, then entries, all numbers big-endian:
//   40 bytes of stat, among them mode:u32 at 24 · id · flags:u16 (0x4000: 16 more bits follow;
//   0x3000: stage; 0x0fff: length of the path, that or more) · path
//   version 2, 3: NUL up to a multiple of eight · version 4: how much of the path before is cut off
//   its end, then the rest and a NUL

#include <taskstore/git/repository.hpp>

#include <algorithm>

namespace taskstore::git {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10;
constexpr std::size_t kStatBytes = 40;
constexpr std::size_t kModeAt = 24;
constexpr std::uint32_t kExtended = 0x4000;
constexpr std::size_t kPathBytesMax = std::size_t{1} << 20;
constexpr std::size_t kIndexBytesMax = std::size_t{4} << 30;

/// The file from its beginning, block by block.
class Bytes {
  public:
    explicit Bytes(os::File& file) : x_file(file) {}

    /// The next `count` bytes; they stay where they are until the next call.
    Result<std::string_view> take(std::size_t count) {
        while (x_text.size() - x_at < count) TASKSTORE_TRY(more());
        const std::string_view out = std::string_view(x_text).substr(x_at, count);
        x_at += count;
        return out;
    }
    /// Up to a NUL, which is taken too.
    Result<std::string> text() {
        std::size_t end = x_text.find('\0', x_at);
        while (end == std::string::npos) {
            if (x_text.size() - x_at > kPathBytesMax)
                return fail(Code::corrupt, "git's index holds a path without an end");
            TASKSTORE_TRY(more());
            end = x_text.find('\0', x_at);
        }
        std::string out = x_text.substr(x_at, end - x_at);
        x_at = end + 1;
        return out;
    }
    Result<std::uint64_t> number(std::size_t bytes) {
        TASKSTORE_LET(const std::string_view text, take(bytes));
        std::uint64_t out = 0;
        for (const char c : text) out = (out << 8U) | static_cast<unsigned char>(c);
        return out;
    }

  private:
    Status more() {
        x_text.erase(0, x_at);
        x_at = 0;
        const std::size_t had = x_text.size();
        x_text.resize(had + kBlock);
        TASKSTORE_LET(const std::size_t got, x_file.read_at(x_read, x_text.data() + had, kBlock));
        x_text.resize(had + got);
        x_read += static_cast<std::int64_t>(got);
        if (got == 0) return fail(Code::corrupt, "git's index ends in the middle");
        return ok();
    }

    os::File& x_file;
    std::string x_text;
    std::size_t x_at = 0;
    std::int64_t x_read = 0;
};

std::string hexadecimal(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += kDigits[byte >> 4U];
        out += kDigits[byte & 15U];
    }
    return out;
}

/// How much of the path before falls away: seven bits a byte, each further one counting one more.
Result<std::size_t> read_cut(Bytes& bytes) {
    TASKSTORE_LET(std::uint64_t byte, bytes.number(1));
    std::uint64_t out = byte & 127U;
    while ((byte & 128U) != 0) {
        if (out > kPathBytesMax) return fail(Code::corrupt, "git's index holds a wrong length");
        TASKSTORE_LET(byte, bytes.number(1));
        out = ((out + 1) << 7U) | (byte & 127U);
    }
    return static_cast<std::size_t>(out);
}

/// An entry; `before` is the path of the one before it.
Result<Entry> read_entry(Bytes& bytes, std::uint64_t version, std::size_t id_bytes,
                         const std::string& before) {
    Entry out;
    TASKSTORE_TRY(bytes.take(kModeAt));
    TASKSTORE_LET(const std::uint64_t mode, bytes.number(4));
    out.mode = static_cast<std::uint32_t>(mode);
    TASKSTORE_TRY(bytes.take(kStatBytes - kModeAt - 4));
    TASKSTORE_LET(const std::string_view id, bytes.take(id_bytes));
    out.blob = hexadecimal(id);
    TASKSTORE_LET(const std::uint64_t flags, bytes.number(2));
    out.stage = static_cast<int>((flags >> 12U) & 3U);
    std::size_t fixed = kStatBytes + id_bytes + 2;
    if ((flags & kExtended) != 0) {
        TASKSTORE_TRY(bytes.take(2));
        fixed += 2;
    }
    if (version == 4) {
        TASKSTORE_LET(const std::size_t cut, read_cut(bytes));
        if (cut > before.size()) return fail(Code::corrupt, "git's index holds a wrong length");
        TASKSTORE_LET(const std::string rest, bytes.text());
        out.path = before.substr(0, before.size() - cut) + rest;
        return out;
    }
    TASKSTORE_LET(out.path, bytes.text());
    // One NUL of the one to eight that fill up has been read.
    const std::size_t used = fixed + out.path.size() + 1;
    TASKSTORE_TRY(bytes.take((8 - used % 8) % 8));
    return out;
}

/// -1: before `path` and all in it; 0: it, or in it; 1: after.
int side_of(std::string_view entry, std::string_view path) {
    if (path.empty()) return 0;
    const int order = entry.substr(0, path.size()).compare(path);
    if (order != 0) return order < 0 ? -1 : 1;
    if (entry.size() == path.size() || entry[path.size()] == '/') return 0;
    return entry[path.size()] < '/' ? -1 : 1;
}

/// An index in parts keeps most entries in a file beside it.
bool in_parts(os::FileSystem& files, const std::string& index_path) {
    const auto names = files.list(os::folder_of(index_path));
    return !names || std::ranges::any_of(*names, [](const std::string& name) {
        return name.starts_with("sharedindex.");
    });
}

}  // namespace

Result<std::vector<Entry>> read_index(os::FileSystem& files, const std::string& index_path,
                                      std::string_view path, std::size_t id_bytes) {
    std::vector<Entry> out;
    auto file = files.open(index_path, os::OpenMode::read);
    if (!file) {
        if (file.error().code == Code::not_found) return out;
        return fail(file.error());
    }
    Bytes bytes(**file);
    TASKSTORE_LET(const std::string_view magic, bytes.take(4));
    if (magic != "DIRC") return fail(Code::corrupt, "'" + index_path + "' is no index of git");
    TASKSTORE_LET(const std::uint64_t version, bytes.number(4));
    if (version < 2 || version > 4 || in_parts(files, index_path))
        return fail(Code::unsupported, "git alone can read its index '" + index_path + "'");
    TASKSTORE_LET(const std::uint64_t count, bytes.number(4));
    std::string before;
    for (std::uint64_t at = 0; at < count; ++at) {
        TASKSTORE_LET(Entry entry, read_entry(bytes, version, id_bytes, before));
        before = entry.path;
        const int side = side_of(entry.path, path);
        if (side > 0) break;
        if (side == 0) out.push_back(std::move(entry));
    }
    return out;
}

Result<std::string> resolve_undo_notes(os::FileSystem& files, const std::string& index_path) {
    std::string out;
    auto text = os::read_file(files, index_path, kIndexBytesMax);
    if (!text && text.error().code == Code::not_found) return out;
    if (!text) return fail(std::move(text).error());
    // "REUC" bytes:u32, the notes; behind the entries, in which the same four bytes may stand: then
    // the length means nothing, and the rest of the file is taken, with the checksum at its end.
    constexpr std::string_view kName = "REUC";
    for (std::size_t at = text->find(kName); at != std::string::npos;
         at = text->find(kName, at + 1)) {
        const std::string_view rest = std::string_view(*text).substr(at + kName.size());
        std::uint64_t bytes = 0;
        for (const char c : rest.substr(0, 4))
            bytes = (bytes << 8U) | static_cast<unsigned char>(c);
        out += rest.substr(0, static_cast<std::size_t>(bytes) + 4);
        if (out.size() > text->size()) break;
    }
    return out;
}

}  // namespace taskstore::git
