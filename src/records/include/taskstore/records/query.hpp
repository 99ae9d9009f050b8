#pragma once
// Filters, order and pages of lists (floor 4).

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::records {

enum class Op : std::uint8_t { eq, ne, lt, le, gt, ge, contains, in };

/// A comparison of one member, or a group of filters. Values are raw JSON (null, true, 5, 1.5,
/// "text"). Text compares by bytes; `contains` is a plain, case-sensitive substring; numbers
/// compare with numbers, text with text; a missing member is null; `ne` is true for null unless the
/// value is null.
struct Filter {
    enum class Kind : std::uint8_t { compare, all_of, any_of };
    Kind kind = Kind::all_of;  ///< An all_of without parts holds for every record.
    std::string field;
    Op op = Op::eq;
    std::vector<std::string> values;  ///< One; for `in` any number.
    std::vector<Filter> parts;

    static Filter compare(std::string field, Op op, std::string raw_value);
    static Filter all_of(std::vector<Filter> parts);
    static Filter any_of(std::vector<Filter> parts);
};

/// "FIELD OP VALUE" as people write it: status=ready, review_passes>=2, title~word, status!=draft.
/// The value is JSON if it reads as a number, true, false or null, else text; in double quotes it
/// is text always. invalid: no operator.
Result<Filter> parse_filter(std::string_view text);

struct Query {
    std::string collection;
    Filter filter;
    std::string order_field;  ///< Empty: the kind's own order. Ties go by id.
    bool descending = false;  ///< Counts only with an order_field.
    std::int64_t limit = 0;   ///< 0: all.
    std::string cursor;       ///< From Page::next_cursor of the same query.
};

}  // namespace taskstore::records
