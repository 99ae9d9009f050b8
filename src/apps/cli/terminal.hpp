#pragma once
// What a person sees: aligned tables, colours, a progress bar. Knows no store.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::cli {

/// One printable line (base/display.hpp) of at most `width` columns, with an ellipsis where
/// something was cut.
std::string fit(std::string_view text, std::size_t width);

enum class Colour : std::uint8_t { none, green, yellow, blue, red, cyan, grey };

class Terminal {
  public:
    /// Colours on a terminal without NO_COLOR; width from the terminal, or 0 (no bound) where there
    /// is none.
    static Terminal of_stdout();
    std::string paint(Colour colour, std::string_view text) const;
    std::size_t width() const { return x_width; }
    bool coloured() const { return x_coloured; }

  private:
    bool x_coloured = false;
    std::size_t x_width = 0;
};

struct Cell {
    std::string text;
    Colour colour = Colour::none;
};

/// What format_table() takes where nothing has to give way.
std::size_t table_width(const std::vector<std::string>& head,
                        const std::vector<std::vector<Cell>>& rows);

/// Columns as wide as their widest cell; where the terminal is too narrow the widest give way
/// first.
std::string format_table(const Terminal& terminal, const std::vector<std::string>& head,
                         const std::vector<std::vector<Cell>>& rows);

/// "12.3 M", "4.5 k", "78"
std::string short_number(double value);

/// One line on stderr with rate and remaining time, from one second on; nothing where stderr is no
/// terminal.
class Progress {
  public:
    explicit Progress(bool wanted);
    ~Progress();
    /// Takes the line away, for other output; the next show() draws it again.
    void clear();
    void show(std::string_view what, std::int64_t done, std::int64_t total);

  private:
    bool x_wanted;
    std::string x_what;  ///< Each piece of work is timed by itself.
    std::int64_t x_start_ms;
    std::int64_t x_shown_ms = 0;
};

}  // namespace taskstore::cli
