// Any text as a filter of a declared and an undeclared collection: an error or SQL in which no
// quote stays open.
#include <taskstore/base/check.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/records/plan.hpp>

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (first_invalid_utf8(text)) return 0;
    auto filter = records::parse_filter(text);
    if (!filter) return 0;
    for (const char* collection : {"prds", "notes"}) {
        const auto sql = records::list_sql_for_testing(
            {.collection = collection, .filter = *filter, .limit = 5});
        if (!sql) continue;
        TASKSTORE_CHECK(std::ranges::count(*sql, '\'') % 2 == 0);
    }
    return 0;
}
