// Any bytes as a text to search: tokens are well-formed, sorted, distinct, and their own tokens.
#include <taskstore/base/check.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/sql/tokens.hpp>

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    const auto tokens = sql::tokens_of({reinterpret_cast<const char*>(data), size});
    TASKSTORE_CHECK(std::ranges::adjacent_find(tokens, std::ranges::greater_equal()) ==
                    tokens.end());
    for (const std::string& token : tokens) {
        TASKSTORE_CHECK(token.size() <= sql::kTokenBytesMax && !first_invalid_utf8(token));
        TASKSTORE_CHECK(sql::tokens_of(token) == std::vector{token});
    }
    return 0;
}
