// Any text as a device query: an answer that is JSON and names what it understood; nothing is
// opened for a request that is refused.
#include <taskstore/base/check.hpp>
#include <taskstore/base/code.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/query/query.hpp>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const FakeClock clock;
    SeededRandom random(1);
    bool opened = false;
    const auto open = [&]() -> Result<sql::Database*> {
        opened = true;
        return fail(Code::unavailable, "there are no tasks here");
    };
    const query::Answer answer = query::answer(text, open, clock, random);
    const auto json = Json::parse(answer.text);
    TASKSTORE_CHECK(json && !answer.status);
    query::Asked asked;
    TASKSTORE_CHECK(opened == static_cast<bool>(query::parse_request(text, asked)));
    TASKSTORE_CHECK(json->get("query_id").as_string() == asked.id);
    TASKSTORE_CHECK(json->get("status").as_string() == name_of(answer.status.error().code));
    return 0;
}
