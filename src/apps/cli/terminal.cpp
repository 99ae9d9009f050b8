#include "terminal.hpp"

#include <taskstore/base/display.hpp>

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

std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace

std::string fit(std::string_view text, std::size_t width) {
    std::string clean = printable_line(text);
    if (display_width(clean) <= width) return clean;
    std::string out;
    std::size_t used = 0;
    for (std::size_t at = 0; at < clean.size() && width > 0;) {
        const Cluster cluster = cluster_at(clean, at);
        if (used + cluster.columns > width - 1) break;
        out += clean.substr(at, cluster.bytes);
        used += cluster.columns;
        at += cluster.bytes;
    }
    return width == 0 ? std::string() : out + "…";
}

Terminal Terminal::of_stdout() {
    Terminal terminal;
    if (isatty(STDOUT_FILENO) == 0) return terminal;
    const char* no_colour = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    terminal.x_coloured = (no_colour == nullptr || *no_colour == '\0') &&
                          (term == nullptr || std::string_view(term) != "dumb");
    winsize size{};
    terminal.x_width =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    const char* columns = std::getenv("COLUMNS");
    if (const long wanted = columns == nullptr ? 0 : std::strtol(columns, nullptr, 10);
        wanted > 0 && wanted <= 10'000)
        terminal.x_width = static_cast<std::size_t>(wanted);
    return terminal;
}

std::string Terminal::paint(Colour colour, std::string_view text) const {
    if (!x_coloured || colour == Colour::none) return std::string(text);
    constexpr std::array kCodes{"",         "\033[32m", "\033[33m", "\033[34m",
                                "\033[31m", "\033[36m", "\033[90m"};
    return kCodes[static_cast<std::size_t>(colour)] + std::string(text) + "\033[0m";
}

namespace {

std::vector<std::size_t> widths_of(const std::vector<std::string>& head,
                                   const std::vector<std::vector<Cell>>& rows) {
    std::vector<std::size_t> widths;
    for (const std::string& title : head) widths.push_back(display_width(fit(title, 200)));
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i],
                                 std::min<std::size_t>(display_width(fit(row[i].text, 200)), 200));
    }
    return widths;
}

std::size_t total_of(const std::vector<std::size_t>& widths) {
    std::size_t total = 2 * (widths.size() - 1);
    for (const std::size_t width : widths) total += width;
    return total;
}

}  // namespace

std::size_t table_width(const std::vector<std::string>& head,
                        const std::vector<std::vector<Cell>>& rows) {
    return total_of(widths_of(head, rows));
}

std::string format_table(const Terminal& terminal, const std::vector<std::string>& head,
                         const std::vector<std::vector<Cell>>& rows) {
    std::vector<std::size_t> widths = widths_of(head, rows);
    std::size_t total = total_of(widths);
    while (terminal.width() != 0 && total > terminal.width()) {
        auto widest = std::ranges::max_element(widths);
        if (*widest <= 8) break;
        --*widest;
        --total;
    }
    std::string out;
    std::size_t blanks = 0;  // Before the next text of the row: none stand at its end.
    const auto put = [&](std::size_t column, const std::string& text, Colour colour) {
        std::string shown = fit(text, widths[column]);
        shown.erase(shown.find_last_not_of(' ') + 1);
        if (column == 0) blanks = 0;
        if (!shown.empty()) {
            out.append(std::exchange(blanks, 0), ' ');
            out += terminal.paint(colour, shown);
        }
        blanks += widths[column] - display_width(shown) + 2;
    };
    for (std::size_t i = 0; i < head.size(); ++i) put(i, head[i], Colour::grey);
    out += '\n';
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) put(i, row[i].text, row[i].colour);
        out += '\n';
    }
    return out;
}

std::string short_number(double value) {
    std::array<char, 32> text{};
    if (value >= 1e6)
        std::snprintf(text.data(), text.size(), "%.1f M", value / 1e6);
    else if (value >= 1e3)
        std::snprintf(text.data(), text.size(), "%.1f k", value / 1e3);
    else
        std::snprintf(text.data(), text.size(), "%.0f ", value);
    return text.data();
}

Progress::Progress(bool wanted)
    : x_wanted(wanted && isatty(STDERR_FILENO) != 0), x_start_ms(now_ms()) {}

Progress::~Progress() {
    clear();
}

void Progress::clear() {
    if (x_shown_ms != 0) std::fputs("\r\033[K", stderr);
    x_shown_ms = 0;
}

void Progress::show(std::string_view what, std::int64_t done, std::int64_t total) {
    if (!x_wanted) return;
    const std::int64_t now = now_ms();
    if (what != x_what) {
        if (!x_what.empty()) x_start_ms = now;
        x_what = what;
    }
    if (now - x_start_ms < 1000 || now - x_shown_ms < 100) return;
    x_shown_ms = now;
    const double seconds = static_cast<double>(now - x_start_ms) / 1000.0;
    const double rate = static_cast<double>(done) / seconds;
    const double part =
        total > 0 ? std::min(1.0, static_cast<double>(done) / static_cast<double>(total)) : 0;
    const int filled = static_cast<int>(part * 30);
    const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                            std::string(static_cast<std::size_t>(30 - filled), '.');
    const double left = rate > 0 ? static_cast<double>(total - done) / rate : 0;
    std::fprintf(stderr, "\r\033[K%s [%s] %3.0f %%  %s/s  %.0f s left",
                 printable_line(what).c_str(), bar.c_str(), part * 100, short_number(rate).c_str(),
                 std::max(0.0, left));
    std::fflush(stderr);
}

}  // namespace taskstore::cli
