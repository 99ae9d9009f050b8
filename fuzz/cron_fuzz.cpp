// Any text as cron, in a zone whose clocks change: it is refused, or its ticks ascend, each at a
// full minute, and are found again from the end.
#include <taskstore/base/check.hpp>
#include <taskstore/tasks/ticks.hpp>

#include <string>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    constexpr std::int64_t kMinuteMs = 60'000;
    constexpr std::int64_t kBeforeSpringMs = 1'774'573'200'000;  // 2026-03-27, two days before
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const char* const zone : {"UTC", "Europe/Berlin", "Australia/Lord_Howe"}) {
        const auto ticks = tasks::Ticks::of({.cron = text, .zone = zone});
        if (!ticks) {
            TASKSTORE_CHECK(ticks.error().code == Code::invalid);
            continue;
        }
        std::int64_t last = kBeforeSpringMs;
        std::vector<std::int64_t> all;
        for (auto at = ticks->next(last); at && all.size() < 20; at = ticks->next(last)) {
            TASKSTORE_CHECK(*at > last && *at % kMinuteMs == 0);
            TASKSTORE_CHECK(ticks->next(*at - 1) == at);
            all.push_back(last = *at);
        }
        if (!all.empty())
            TASKSTORE_CHECK(
                ticks->last(kBeforeSpringMs + 1, last, 3) ==
                std::vector(all.end() - std::min<std::ptrdiff_t>(3, std::ssize(all)), all.end()));
    }
    return 0;
}
