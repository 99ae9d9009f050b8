#pragma once
// A JSON text checked and indexed in one pass: a flat array of cells that point into the text, with
// no copies. Both schemas and instances are read through it. RFC 8259 and UTF-8; a repeated member
// name is refused. Limits: 1 GiB of text, 512 levels, exponents of at most nine digits.

#include <taskstore/base/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::schema {

enum class CellKind : std::uint8_t { null, boolean, number, string, array, object };

/// One value or member name. A container's children follow it; a member is two cells, its name (a
/// string) and its value.
struct Cell {
    std::uint32_t start = 0;  ///< Offset of the first byte.
    std::uint32_t end = 0;    ///< Offset past the last byte.
    std::uint32_t next = 0;   ///< The cell after this value and all that is in it.
    std::uint32_t count = 0;  ///< Items of an array, members of an object, hash of a member's name.
    CellKind kind = CellKind::null;
    bool flag = false;  ///< Strings: holds escapes. Booleans: true. Numbers: an integer of at most
                        ///< 18 digits.
};

using CellIndex = std::uint32_t;
inline constexpr CellIndex kNoCell = UINT32_MAX;

std::uint32_t hash_of_name(std::string_view name);

class Tape {
  public:
    /// invalid, with line and column. `text` must live as long as the tape. Keeps its memory
    /// between calls.
    Status read(std::string_view text);

    std::string_view text() const { return x_text; }
    const Cell& at(CellIndex index) const { return x_cells[index]; }
    CellIndex size() const { return static_cast<CellIndex>(x_cells.size()); }
    std::string_view raw(CellIndex index) const {
        const Cell& cell = x_cells[index];
        return x_text.substr(cell.start, cell.end - cell.start);
    }
    /// A string's text; `buffer` holds it where there were escapes.
    std::string_view string(CellIndex index, std::string& buffer) const {
        const Cell& cell = x_cells[index];
        if (!cell.flag) return x_text.substr(cell.start + 1, cell.end - cell.start - 2);
        return unescaped(index, buffer);
    }
    /// The value of the member of that name, or kNoCell.
    CellIndex member(CellIndex object, std::string_view name) const;
    CellIndex member(CellIndex object, std::string_view name, std::uint32_t hash) const;
    /// RFC 6901, from the root to that cell.
    std::string pointer_to(CellIndex index) const;
    /// The characters of a string.
    std::uint64_t length(CellIndex string) const;
    /// Gives memory back when the last text was large.
    void shrink();

  private:
    class Reader;
    std::string_view unescaped(CellIndex index, std::string& buffer) const;
    std::string_view x_text;
    std::vector<Cell> x_cells;
};

/// What comparing has cost so far, in cells; compared work stops being done when it is used up.
struct Effort {
    std::uint64_t left = 0;
    bool spend(std::uint64_t steps) {
        if (left < steps) {
            left = 0;
            return false;
        }
        left -= steps;
        return true;
    }
};

/// Equal as JSON: numbers by value, objects without regard to order. False when the effort ran out.
bool equal_values(const Tape& a, CellIndex at_a, const Tape& b, CellIndex at_b, Effort& effort);
/// Equal values have equal hashes.
std::uint64_t hash_of_value(const Tape& tape, CellIndex at, Effort& effort);

}  // namespace taskstore::schema
