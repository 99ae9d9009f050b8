// Any bytes as what a libSQL server answers, and as SQL of a caller: read or told. What was read as
// a row has the width of its columns; statements are parts of their text.
#include "hrana.hpp"
#include "outcomes.hpp"
#include "sql_text.hpp"
#include "url.hpp"

#include <taskstore/base/check.hpp>

namespace taskstore::libsql {
namespace {

void check_answer(const Result<PipelineAnswer>& answer) {
    if (!answer) {
        TASKSTORE_CHECK(!answer.error().message.empty());
        return;
    }
    for (const RequestAnswer& result : answer->results) {
        (void)read_outcome(question_of({.writer = "w", .number = 1}), result);
        for (const StepAnswer& step : result.steps) {
            (void)code_of(step.error);
            for (const auto& row : step.rows.rows)
                TASKSTORE_CHECK(row.size() == step.rows.columns.size());
        }
    }
}

}  // namespace
}  // namespace taskstore::libsql

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore::libsql;
    constexpr std::size_t kSteps = 8;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_answer(parse_pipeline(text));
    const auto cursor = parse_cursor(text, kSteps);
    check_answer(cursor);
    if (cursor) TASKSTORE_CHECK(cursor->results.at(0).steps.size() == kSteps);
    (void)code_of(parse_refusal(text));
    if (const auto bytes = from_base64(text))
        TASKSTORE_CHECK(from_base64(to_base64(*bytes)) == bytes);
    const char* from = text.data();
    for (const StatementText& one : split_statements(text)) {
        TASKSTORE_CHECK(one.sql.data() >= from && !one.sql.empty());
        from = one.sql.data() + one.sql.size();
        TASKSTORE_CHECK(from <= text.data() + text.size());
        // A statement alone is itself.
        const auto again = split_statements(one.sql);
        TASKSTORE_CHECK(again.size() == 1 && again[0].sql == one.sql && again[0].kind == one.kind);
    }
    if (const auto url = parse_url(std::string(text)))
        TASKSTORE_CHECK(url->base.starts_with(url->secure ? "https://" : "http://"));
    return 0;
}
