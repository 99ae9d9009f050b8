#pragma once
// A file's lines, one after the other. Private to ledger.

#include <cstring>
#include <string_view>

namespace taskstore::ledger {

/// Calls each(line with its end, line without it).
template <typename Each>
void each_line(std::string_view file, const Each& each) {
    while (!file.empty()) {
        const void* const lf = std::memchr(file.data(), '\n', file.size());
        const std::size_t end =
            lf == nullptr
                ? file.size()
                : static_cast<std::size_t>(static_cast<const char*>(lf) - file.data()) + 1;
        std::string_view text = file.substr(0, end);
        if (text.ends_with('\n')) text.remove_suffix(1);
        if (text.ends_with('\r')) text.remove_suffix(1);
        each(file.substr(0, end), text);
        file.remove_prefix(end);
    }
}

}  // namespace taskstore::ledger
