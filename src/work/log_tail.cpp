#include "log_tail.hpp"

#include <taskstore/base/display.hpp>

#include <algorithm>

namespace taskstore::work {

std::optional<std::string> log_tail(os::FileSystem& files, const std::string& path,
                                    std::size_t bytes_max) {
    const auto file = files.open(path, os::OpenMode::read);
    if (!file) return std::nullopt;
    const auto info = (*file)->info();
    if (!info || info->identity.size <= 0) return std::nullopt;
    const auto size = static_cast<std::size_t>(info->identity.size);
    const std::size_t before = size > bytes_max ? size - bytes_max : 0;
    std::string text(size - before, '\0');
    const auto got = (*file)->read_at(static_cast<std::int64_t>(before), text.data(), text.size());
    if (!got) return std::nullopt;
    text.resize(*got);
    if (before > 0) {
        // A character that was cut in two says nothing.
        std::size_t whole = 0;
        while (whole < std::min<std::size_t>(text.size(), 4) &&
               (static_cast<unsigned char>(text[whole]) & 0xC0U) == 0x80U)
            ++whole;
        text.erase(0, whole);
    }
    text = repaired_utf8(text);
    for (std::size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at))
        text.replace(at, 1, "\xEF\xBF\xBD");
    if (before == 0) return text;
    return "[" + std::to_string(before) + " bytes before this are in " + path + "]\n" + text;
}

}  // namespace taskstore::work
