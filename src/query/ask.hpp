#pragma once
// One store asked, as values: what an answer is made of.

#include <taskstore/base/json.hpp>
#include <taskstore/query/query.hpp>

#include <string>
#include <vector>

namespace taskstore::query {

struct Found {
    tasks::TaskPage page;  ///< Of get_task: that one.
    tasks::TaskStats stats;
    /// What a commit survives that was seen here.
    sql::DurabilityLevel level = sql::DurabilityLevel::server;
};

/// timed_out: `deadline_boot_ns` passed.
Result<Found> ask_store(const Request& request, const OpenDatabase& open,
                        std::int64_t deadline_boot_ns, const Clock& clock, Random& random);

/// When the answer to a request is to be there that was read now.
std::int64_t deadline_boot_ns(const Request& request, std::int64_t now_boot_ns);

/// The members that come first in any answer.
void put_asked(JsonWriter& writer, const Asked& asked);
/// `error` and its value.
void put_error(JsonWriter& writer, const Error& error);
/// `next_cursor` and its value.
void put_cursor(JsonWriter& writer, const std::string& cursor);

}  // namespace taskstore::query
