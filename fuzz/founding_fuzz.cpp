// Any bytes as ADT's queue: an error, or every item is a task or refused by its place; what was
// read has one hash whatever zone it is read in.
#include <taskstore/base/check.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/founding/adt.hpp>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    using namespace taskstore::founding;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    Found here{.system = System::adt};
    Found there{.system = System::adt};
    const auto read = read_queue(text, "q", [](std::int64_t ms) { return ms; }, here);
    const auto again = read_queue(text, "q", [](std::int64_t ms) { return ms + 3'600'000; }, there);
    TASKSTORE_CHECK(static_cast<bool>(read) == static_cast<bool>(again));
    if (!read) return 0;
    TASKSTORE_CHECK(static_cast<std::size_t>(here.records) ==
                    here.tasks.size() + here.refused.size());
    for (std::size_t i = 0; i < here.tasks.size(); ++i) {
        const FoundTask& task = here.tasks[i];
        TASKSTORE_CHECK(!task.id.empty() && !task.title.empty());
        TASKSTORE_CHECK(!first_invalid_utf8(task.title));
        TASKSTORE_CHECK(static_cast<bool>(check_json(task.input)));
        TASKSTORE_CHECK(static_cast<bool>(check_json(task.metadata)));
        for (const auto& [name, raw] : task.others)
            TASKSTORE_CHECK(static_cast<bool>(check_json(raw)));
        if (i < there.tasks.size() && there.tasks.size() == here.tasks.size())
            TASKSTORE_CHECK(there.tasks[i].created_as_written == task.created_as_written);
    }
    return 0;
}
