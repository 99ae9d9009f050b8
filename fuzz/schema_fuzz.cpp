// Any bytes as a schema, a line end, and an instance: refused or answered within a budget, never a
// crash; both ways of asking agree, and what compiles once compiles the same again.
#include <taskstore/base/check.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/schema/schema.hpp>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view instance = text.substr(std::min(end + 1, text.size()));
    const schema::CompileOptions options{
        .dialect = size % 4 == 0 ? schema::Dialect::draft_07 : schema::Dialect::draft_2020_12,
        .assert_formats = true};
    const auto compiled = schema::Schema::compile(text.substr(0, end), options);
    if (!compiled) {
        TASKSTORE_CHECK(!compiled.error().message.empty());
        return 0;
    }
    for (const schema::Property& property : compiled->properties()) {
        TASKSTORE_CHECK(property.default_json.empty() || check_json(property.default_json));
    }
    const schema::ValidateOptions budget{.violations_max = 20, .steps_max = 20'000};
    const auto fits = compiled->fits(instance, budget);
    const auto told = compiled->validate(instance, budget);
    TASKSTORE_CHECK(fits.has_value() == told.has_value());
    if (!fits) return 0;
    TASKSTORE_CHECK(check_json(instance) && *fits == told->empty());
    TASKSTORE_CHECK(told->size() <= budget.violations_max);
    for (const schema::Violation& violation : *told) {
        TASKSTORE_CHECK(!violation.message.empty() && !to_text(violation).empty());
    }
    return 0;
}
