#include "token_table.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/sql/tokens.hpp>

#include <algorithm>

namespace taskstore::sql {
namespace {

template <typename Row, std::size_t N>
const Row* row_of(const std::array<Row, N>& rows, char32_t code) {
    const auto after = std::ranges::upper_bound(rows, code, {}, &Row::first);
    if (after == rows.begin() || code > std::prev(after)->last) return nullptr;
    return &*std::prev(after);
}

/// Accents, and what is in a word without being seen.
bool is_dropped(char32_t code) {
    return (code >= 0x300 && code <= 0x36F) || code == 0xAD || code == 0x200C || code == 0x200D ||
           code == 0x2060 || code == 0xFEFF || (code >= 0xFE00 && code <= 0xFE0F);
}

char32_t folded(char32_t code) {
    const FoldRun* const run = row_of(kFolds, code);
    if (run == nullptr || (code - run->first) % run->step != 0) return code;
    return run->to + (code - run->first);
}

class Tokens {
  public:
    void take(char32_t code) {
        if (code < 0x80) {
            const bool big = code >= 'A' && code <= 'Z';
            if (big || (code >= 'a' && code <= 'z') || (code >= '0' && code <= '9'))
                x_word += static_cast<char>(big ? code + ('a' - 'A') : code);
            else
                end_word();
        } else if (is_dropped(code)) {
            return;
        } else if (row_of(kInWords, code) != nullptr) {
            append_utf8(x_word, folded(code));
        } else {
            end_word();
            if (row_of(kAlone, code) == nullptr) return;
            append_utf8(x_word, code);
            end_word();
        }
    }

    std::vector<std::string> done() {
        end_word();
        std::ranges::sort(x_found);
        const auto again = std::ranges::unique(x_found);
        x_found.erase(again.begin(), again.end());
        return std::move(x_found);
    }

  private:
    void end_word() {
        if (x_word.empty()) return;
        x_found.emplace_back(cut_utf8(x_word, kTokenBytesMax));
        x_word.clear();
    }

    std::string x_word;
    std::vector<std::string> x_found;
};

}  // namespace

std::vector<std::string> tokens_of(std::string_view text) {
    Tokens tokens;
    for (std::size_t at = 0; at < text.size();) {
        const Glyph glyph = glyph_at(text, at);
        at += glyph.bytes;
        tokens.take(glyph.code);
    }
    return tokens.done();
}

}  // namespace taskstore::sql
