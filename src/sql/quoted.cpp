#include <taskstore/sql/quoted.hpp>

namespace taskstore::sql {

std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') out += c;
        out += c;
    }
    return out + "'";
}

}  // namespace taskstore::sql
