#include "input.hpp"

#include <cstring>

namespace taskstore::exchange {

Result<bool> Input::more() {
    constexpr std::size_t kStep = 32U << 10U;
    if (x_start > 0 && (x_start == x_end || x_buffer.size() - x_end < kStep)) {
        std::memmove(x_buffer.data(), x_buffer.data() + x_start, x_end - x_start);
        x_end -= x_start;
        x_start = 0;
    }
    if (x_buffer.size() - x_end < kStep) x_buffer.resize(std::max(2 * x_buffer.size(), 2 * kStep));
    TASKSTORE_LET(const std::size_t got,
                  x_source->read(x_buffer.data() + x_end, x_buffer.size() - x_end));
    x_end += got;
    return got > 0;
}

Result<Input::Line> Input::line() {
    std::size_t scanned = 0;
    while (true) {
        const std::string_view seen = rest();
        const std::size_t end = seen.find('\n', scanned);
        x_cut = end == std::string_view::npos && seen.size() > kRecordBytesMax;
        if (end != std::string_view::npos || x_cut) {
            x_line = x_cut ? seen.size() : end + 1;
            return Line{seen.substr(0, x_cut ? 64 : end), false, x_cut || end > kRecordBytesMax};
        }
        scanned = seen.size();
        TASKSTORE_LET(const bool got, more());
        if (!got) {
            x_line = scanned;
            return Line{rest(), scanned == 0, false};
        }
    }
}

Status Input::skip_line() {
    skip(x_line);
    x_line = 0;
    while (x_cut) {
        TASKSTORE_LET(const bool got, more());
        const std::size_t end = rest().find('\n');
        x_cut = got && end == std::string_view::npos;
        skip(end == std::string_view::npos ? rest().size() : end + 1);
    }
    return ok();
}

Status Input::skip_byte_order_mark() {
    bool got = true;
    while (got && rest().size() < 3) {
        TASKSTORE_LET(got, more());
    }
    if (rest().starts_with("\xEF\xBB\xBF")) skip(3);
    return ok();
}

}  // namespace taskstore::exchange
