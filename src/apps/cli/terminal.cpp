#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace taskstore::cli {
namespace {

struct Range {
    char32_t first;
    char32_t last;
};

// Zero-width: combining marks, joiners, variation selectors (Unicode 15, categories Mn, Me, Cf that
// people meet).
constexpr std::array kZero{
    Range{0x0300, 0x036F}, Range{0x0483, 0x0489}, Range{0x0591, 0x05BD},  Range{0x0610, 0x061A},
    Range{0x064B, 0x065F}, Range{0x06D6, 0x06DC}, Range{0x0900, 0x0902},  Range{0x093C, 0x093C},
    Range{0x0941, 0x0948}, Range{0x0E31, 0x0E31}, Range{0x0E34, 0x0E3A},  Range{0x0E47, 0x0E4E},
    Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF}, Range{0x200B, 0x200F},  Range{0x202A, 0x202E},
    Range{0x2060, 0x2064}, Range{0x20D0, 0x20FF}, Range{0x3099, 0x309A},  Range{0xFE00, 0xFE0F},
    Range{0xFE20, 0xFE2F}, Range{0xFEFF, 0xFEFF}, Range{0xE0100, 0xE01EF}};
// Wide: East Asian Width W and F (UAX #11), and emoji presentation.
constexpr std::array kWide{
    Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x23E9, 0x23EC},
    Range{0x2614, 0x2615},   Range{0x2648, 0x2653},   Range{0x26AA, 0x26AB},
    Range{0x26BD, 0x26BE},   Range{0x2705, 0x2705},   Range{0x270A, 0x270B},
    Range{0x2728, 0x2728},   Range{0x274C, 0x274C},   Range{0x2753, 0x2755},
    Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},   Range{0x3400, 0x4DBF},
    Range{0x4E00, 0x9FFF},   Range{0xA000, 0xA4CF},   Range{0xA960, 0xA97F},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
    Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F},
    Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF}, Range{0x1FA70, 0x1FAFF},
    Range{0x20000, 0x3FFFD}};

template <std::size_t N>
bool holds(const std::array<Range, N>& ranges, char32_t code) {
    return std::ranges::any_of(
        ranges, [&](const Range& range) { return code >= range.first && code <= range.last; });
}

std::size_t width_of(char32_t code) {
    if (code < 0x20 || code == 0x7F || (code >= 0x80 && code < 0xA0)) return 0;
    if (code < 0x300) return 1;
    if (holds(kZero, code)) return 0;
    return holds(kWide, code) ? 2 : 1;
}

/// The character at `at` and its length in bytes.
std::pair<char32_t, std::size_t> decode(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead < 0x80    ? 1
                               : lead >= 0xF0 ? 4
                               : lead >= 0xE0 ? 3
                               : lead >= 0xC0 ? 2
                                              : 1;
    if (at + length > text.size()) return {U'?', 1};
    char32_t code = length == 1 ? lead : lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i)
        code = (code << 6U) | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
    return {code, length};
}

std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto [code, length] = decode(text, at);
        width += width_of(code);
        at += length;
    }
    return width;
}

std::string fit(std::string_view text, std::size_t width) {
    std::string clean(text);
    for (char& c : clean) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    }
    if (display_width(clean) <= width) return clean;
    std::string out;
    std::size_t used = 0;
    for (std::size_t at = 0; at < clean.size() && width > 0;) {
        const auto [code, length] = decode(clean, at);
        if (used + width_of(code) > width - 1) break;
        out += clean.substr(at, length);
        used += width_of(code);
        at += length;
    }
    return width == 0 ? std::string() : out + "…";
}

Terminal Terminal::of_stdout() {
    Terminal terminal;
    if (isatty(STDOUT_FILENO) == 0) return terminal;
    const char* no_colour = std::getenv("NO_COLOR");
    terminal.x_coloured = no_colour == nullptr || *no_colour == '\0';
    winsize size{};
    terminal.x_width =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    return terminal;
}

std::string Terminal::paint(Colour colour, std::string_view text) const {
    if (!x_coloured || colour == Colour::none) return std::string(text);
    constexpr std::array kCodes{"",         "\033[32m", "\033[33m", "\033[34m",
                                "\033[31m", "\033[36m", "\033[90m"};
    return kCodes[static_cast<std::size_t>(colour)] + std::string(text) + "\033[0m";
}

std::string format_table(const Terminal& terminal, const std::vector<std::string>& head,
                         const std::vector<std::vector<Cell>>& rows) {
    std::vector<std::size_t> widths;
    for (const std::string& title : head) widths.push_back(display_width(title));
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i],
                                 std::min<std::size_t>(display_width(fit(row[i].text, 200)), 200));
    }
    std::size_t total = 2 * (widths.size() - 1);
    for (const std::size_t width : widths) total += width;
    while (terminal.width() != 0 && total > terminal.width()) {
        auto widest = std::ranges::max_element(widths);
        if (*widest <= 8) break;
        --*widest;
        --total;
    }
    std::string out;
    const auto put = [&](std::size_t column, const std::string& text, Colour colour) {
        const std::string shown = fit(text, widths[column]);
        out += terminal.paint(colour, shown);
        if (column + 1 < widths.size()) out.append(widths[column] - display_width(shown) + 2, ' ');
    };
    for (std::size_t i = 0; i < head.size(); ++i) put(i, head[i], Colour::grey);
    out += '\n';
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) put(i, row[i].text, row[i].colour);
        out += '\n';
    }
    return out;
}

Progress::Progress(bool wanted)
    : x_wanted(wanted && isatty(STDERR_FILENO) != 0), x_start_ms(now_ms()) {}

Progress::~Progress() {
    if (x_shown_ms != 0) std::fputs("\r\033[K", stderr);
}

void Progress::show(std::string_view what, std::int64_t done, std::int64_t total) {
    if (!x_wanted) return;
    const std::int64_t now = now_ms();
    if (now - x_start_ms < 1000 || now - x_shown_ms < 100) return;
    x_shown_ms = now;
    const double seconds = static_cast<double>(now - x_start_ms) / 1000.0;
    const double rate = static_cast<double>(done) / seconds;
    const double part = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
    const int filled = static_cast<int>(part * 30);
    const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                            std::string(static_cast<std::size_t>(30 - filled), '.');
    const double left = rate > 0 ? static_cast<double>(total - done) / rate : 0;
    std::fprintf(stderr, "\r\033[K%.*s [%s] %3.0f %%  %.1f M/s  %.0f s left",
                 static_cast<int>(what.size()), what.data(), bar.c_str(), part * 100, rate / 1e6,
                 left);
    std::fflush(stderr);
}

}  // namespace taskstore::cli
