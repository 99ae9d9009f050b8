#pragma once
// Patterns of ECMA-262 (the grammar with the u flag) on RE2: matching takes time linear in the text
// whatever the pattern is. What has no linear machine is refused by name: backreferences,
// look-behind, and look-ahead other than right after a leading '^' (where it is a second pattern on
// the same text).
//
// The translation names every character by its code point, so that nothing of RE2's own syntax
// shows:   .  [^\n\r\u2028\u2029]     ^ $  \A \z     \d \w \s  ECMA's sets     groups  (?: )

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace taskstore::schema {

/// Immutable; safe to use from many threads.
class Pattern {
  public:
    /// invalid: not a pattern of ECMA-262. unsupported: a construct without a linear machine, or
    /// one that needs more than `bytes_max` of memory.
    static Result<Pattern> compile(std::string_view source, std::size_t bytes_max);
    /// Whether it matches anywhere in `text`.
    bool matches(std::string_view text) const;
    /// In steps, at worst: RE2 runs every instruction for every byte where its automaton outgrows
    /// the memory it may use.
    std::uint64_t cost(std::size_t text_bytes) const {
        return 1 + (text_bytes + 1) * x_instructions / kPerStep;
    }

  private:
    static constexpr std::uint64_t kPerStep = 64;
    struct Condition {
        std::shared_ptr<const re2::RE2> machine;
        bool wanted = true;
    };
    /// Matches when all conditions of one alternative hold.
    std::vector<std::vector<Condition>> x_alternatives;
    std::uint64_t x_instructions = 0;
};

/// invalid: `source` is not a pattern of ECMA-262. Look-around and backreferences are fine.
Status check_pattern(std::string_view source);

}  // namespace taskstore::schema
