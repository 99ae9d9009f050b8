// Any bytes as a config file of a device and of a plan: an error or values, never a crash.
#include <taskstore/base/check.hpp>
#include <taskstore/config/config.hpp>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const bool plan : {false, true}) {
        auto layer = config::parse_toml(text, "f", plan);
        if (!layer) continue;
        const auto loaded = config::Config::from({std::move(*layer)});
        if (!loaded) continue;
        TASKSTORE_CHECK(loaded->integer("list.limit") >= 0 &&
                        (!plan || loaded->text("user.actor").empty()));
    }
    return 0;
}
