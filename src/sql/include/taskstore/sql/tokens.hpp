#pragma once
// The words of a text, for search (floor 2). Databases split words each in their own way, so none
// of them is asked to: the tokens are made here and kept as plain text, and a search gives the same
// answer on every engine. How to keep them and to ask for them: README.md, "Searching".

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::sql {

/// A longer token is cut here, at a character: two words that differ behind it are one token.
inline constexpr std::size_t kTokenBytesMax = 64;

/// The distinct tokens of `text`, sorted by bytes. Of a search and of what it searches alike: text
/// is found by a query if it has all tokens of it. A query without tokens finds nothing: say so.
///
/// A token is a run of letters, digits and marks of Unicode 15 (general categories L, N, M), small
/// (simple case folding) and without accents (U+0300 to U+036F, composed or not), so that "Über",
/// "uber" and "ÜBER" are one; everything else divides, '_' and bytes that are no UTF-8 too. In
/// scripts that are written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) each character is
/// a token. Tokens hold no space, no '%', no '_' and no quote. Never fails; linear in the text.
std::vector<std::string> tokens_of(std::string_view text);

}  // namespace taskstore::sql
