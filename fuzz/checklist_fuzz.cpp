// Any bytes as a Markdown checklist: refused or read, never a crash; ids are unlike within a file
// and the same each time; what was read is written, and read again as the same.
#include <taskstore/base/check.hpp>
#include <taskstore/exchange/checklist.hpp>

#include <set>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto sections = exchange::read_checklist(text, "f.md");
    if (!sections) return 0;
    std::set<std::string> ids;
    std::string out;
    for (const auto& section : *sections) {
        TASKSTORE_CHECK(ids.insert(section.id).second && !section.title.empty());
        exchange::append_section(out, section);
        for (const auto& item : section.items) {
            TASKSTORE_CHECK(ids.insert(item.id).second && !item.text.empty());
            exchange::append_item(out, item);
        }
    }
    const auto again = exchange::read_checklist(out, "other.md");
    TASKSTORE_CHECK(again && again->size() == sections->size());
    for (std::size_t s = 0; s < sections->size(); ++s) {
        const auto& one = (*sections)[s];
        const auto& two = (*again)[s];
        TASKSTORE_CHECK(one.id == two.id && one.content == two.content);
        TASKSTORE_CHECK(exchange::title_in_checklist(one.title) == two.title);
        TASKSTORE_CHECK(one.items.size() == two.items.size());
        for (std::size_t i = 0; i < one.items.size(); ++i) {
            TASKSTORE_CHECK(one.items[i].id == two.items[i].id);
            TASKSTORE_CHECK(one.items[i].content == two.items[i].content);
            TASKSTORE_CHECK(one.items[i].checked == two.items[i].checked);
            TASKSTORE_CHECK(exchange::title_in_checklist(one.items[i].text) == two.items[i].text);
        }
    }
    return 0;
}
