#pragma once
// From the grammar of ECMA-262 section 22.2.1 (with the u flag) to RE2's.

#include <taskstore/base/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::schema {

struct TranslatedCondition {
    std::string machine;  ///< In RE2's syntax.
    bool wanted = true;
};

struct Translation {
    /// Outer: alternatives of the whole pattern. Inner: what must hold for one of them.
    std::vector<std::vector<TranslatedCondition>> alternatives;
    /// Names what RE2 cannot do; empty where there is nothing.
    std::string unsupported;
};

/// invalid: not a pattern; the message says where.
Result<Translation> translate_pattern(std::string_view source);

}  // namespace taskstore::schema
