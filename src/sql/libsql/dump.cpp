#include "hrana.hpp"
#include "http.hpp"

#include <taskstore/base/check.hpp>

namespace taskstore::libsql {
namespace {

constexpr long kOk = 200;

/// What the server's answer means where it is no dump.
Failure refusal(const Endpoint& endpoint, const Exchange& exchange) {
    const std::string said = parse_refusal(exchange.body).message;
    const std::string text = endpoint.shown + ": the server answers " +
                             std::to_string(exchange.status) + " to a question for its dump" +
                             (said.empty() ? "" : ": " + said);
    switch (exchange.status) {
        case 401:
            return fail(Code::denied, text)
                .with_hint(
                    "check the token: TASK_STORE_AUTH_TOKEN, TURSO_TOKEN or authToken in the URL")
                .with_native(401);
        case 408:
        case 425:
        case 429:
        case 502:
        case 503:
        case 504:
            return fail(Code::unavailable, text).with_native(static_cast<int>(exchange.status));
        default:
            return fail(Code::unsupported, text).with_native(static_cast<int>(exchange.status));
    }
}

}  // namespace

Status dump(const std::string& url, const Options& options,
            const std::function<Status(std::string_view)>& take) {
    TASKSTORE_CHECK(options.clock != nullptr);
    TASKSTORE_LET(Endpoint endpoint, parse_url(url));
    Transport transport(std::move(endpoint), options);
    Exchange exchange = transport.get("/dump", take, {});
    if (exchange.reach != Reach::answered) return fail(std::move(exchange.error));
    if (exchange.status != kOk) return refusal(transport.endpoint(), exchange);
    return ok();
}

}  // namespace taskstore::libsql
