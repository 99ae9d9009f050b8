#pragma once
// Three-way merge of one JSON value that both sides changed. Private to ledger.
//
// Arrays merge element by element where their elements can be told apart: scalars by their text,
// objects by an id-like key (`id`, `key` or `uuid`; else all members that end with `_id`, with
// `type`; else `name`). The order is the one that one side alone changed; two new elements that
// were numbered alike both stay; gone on one side and changed on the other is not clean. Objects
// merge member by member. Text of several lines merges by lines, as diff3 does (Khanna, Kunal,
// Pierce: "A Formal Investigation of Diff3", 2007).

#include <optional>
#include <string>
#include <string_view>

namespace taskstore::ledger {

struct Joined {
    std::string raw;
    /// That side has marks (times, and who did it) which are not in it: of an element that the
    /// other side took away or numbered anew, or of a reference that both have drawn.
    bool first_lost = false;
    bool second_lost = false;
};

/// The merged value; nullopt: not clean, one of them must win. `base` empty: there was none.
/// `first` and `second` are valid JSON; what both added keeps that order.
std::optional<Joined> merge_values(std::string_view base, std::string_view first,
                                   std::string_view second);

/// Equal as JSON (an object's order and the spelling of white space and escapes do not count;
/// numbers must be spelled alike, so that none is taken for another). Empty: absent.
bool same_value(std::string_view a, std::string_view b);

}  // namespace taskstore::ledger
