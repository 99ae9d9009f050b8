#pragma once
// Filters, order and pages of lists (floor 4).

#include <taskstore/base/result.hpp>
#include <taskstore/records/kind.hpp>

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
    enum class Kind : std::uint8_t { compare, all_of, any_of, none_of };
    Kind kind = Kind::all_of;  ///< An all_of without parts holds for every record.
    std::string field;
    Op op = Op::eq;
    std::vector<std::string> values;  ///< One; for `in` any number.
    std::vector<Filter> parts;

    static Filter compare(std::string field, Op op, std::string raw_value);
    static Filter all_of(std::vector<Filter> parts);
    static Filter any_of(std::vector<Filter> parts);
    /// Holds where none of them does, whether a value is missing or differs.
    static Filter none_of(std::vector<Filter> parts);
};

/// Filters as people write them: status=ready, review_passes>=2, title~word, status!=draft,
/// status in (draft,ready), status not in (…); joined by AND and OR (AND binds tighter), turned by
/// NOT (binds tightest), grouped by ( ). These words are taken in any case.
/// A value ends at AND, OR, or a ')' that nothing in it opened; in double quotes, with JSON's
/// escapes, it holds anything. Its type is that of the field (field_value). invalid, saying why.
Result<Filter> parse_filter(std::string_view text, const Kind* kind = nullptr);

/// The raw JSON that a written value means for a field of `kind` (null: undeclared). The declared
/// type decides: a text field takes 1.10 and true as text, a number refuses what is none (invalid),
/// a time takes RFC 3339 too. Undeclared members: numbers and booleans as JSON has them, else text.
/// `null` is null, unless `quoted`, which makes text of anything, as does `as_text`.
Result<std::string> field_value(const Kind* kind, std::string_view field, std::string_view text,
                                bool quoted = false, bool as_text = false);

struct Query {
    std::string collection;
    Filter filter;
    std::string order_field;  ///< Empty: the kind's own order. Ties go by id.
    bool descending = false;  ///< Counts only with an order_field.
    std::int64_t limit = 0;   ///< 0: all.
    std::string cursor;       ///< From Page::next_cursor of the same query.
};

}  // namespace taskstore::records
