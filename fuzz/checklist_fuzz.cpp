// Any bytes as a Markdown checklist: refused or read, never a crash; ids are unlike within a file
// and the same each time.
#include <taskstore/base/check.hpp>
#include <taskstore/exchange/checklist.hpp>

#include <set>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto sections = exchange::read_checklist(text, "f.md");
    if (!sections) return 0;
    std::set<std::string> ids;
    for (const auto& section : *sections) {
        TASKSTORE_CHECK(ids.insert(section.id).second && !section.title.empty());
        for (const auto& item : section.items)
            TASKSTORE_CHECK(ids.insert(item.id).second && !item.text.empty());
    }
    const auto again = exchange::read_checklist(text, "f.md");
    TASKSTORE_CHECK(again && again->size() == sections->size());
    return 0;
}
