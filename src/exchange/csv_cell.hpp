#pragma once
// How one cell of CSV says one JSON value, without loss. Private to exchange.
//   (empty)                 the member is absent
//   1.10 true null [1] {}   JSON other than a string, spelled as it is
//   "1"                     (with the quotes, which CSV doubles) a string that would read as one of
//                           these, is empty, begins with a quote, or holds control characters
//   anything else           a string, as it is

#include <string>
#include <string_view>

namespace taskstore::exchange {

std::string cell_of_raw(std::string_view raw);
/// Of a cell that is not empty. UTF-8 without U+0000.
std::string raw_of_cell(std::string_view cell);
/// Appends the cell, in quotes where RFC 4180 or a spreadsheet needs them.
void append_cell(std::string& out, std::string_view cell);
/// Valid JSON without line ends between its parts.
std::string on_one_line(std::string_view raw);

}  // namespace taskstore::exchange
