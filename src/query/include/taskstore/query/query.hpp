#pragma once
// The device query protocol (floor 5; the program, and whatever carries it to other devices): one
// JSON request about a device's tasks, one JSON answer, the same bytes from every engine.
// docs/query.md has the format.

#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace taskstore::query {

inline constexpr std::int64_t kProtocol = 1;
inline constexpr std::size_t kRequestBytesMax = 1'048'576;
inline constexpr std::int64_t kTasksMax = 1'000;  ///< Of one answer.

enum class QueryType : std::uint8_t { list_tasks, get_task, get_task_stats, search_tasks };
std::string_view name_of(QueryType type);

/// What of a request is known although the rest of it may be wrong: an answer names it.
struct Asked {
    std::optional<std::string> id;
    std::optional<QueryType> type;
};

struct Request {
    Asked asked;
    std::int64_t deadline_ms = 30'000;   ///< 1..600'000, from when it was read.
    tasks::TaskFilter filter;            ///< Of list_tasks and search_tasks.
    std::string task_id;                 ///< Of get_task: a part of it is enough.
    std::optional<std::string> project;  ///< Of get_task_stats.
};

/// invalid: what member is wrong, and what it may be; unsupported: another protocol. `asked` is
/// what was understood in either case.
Result<Request> parse_request(std::string_view text, Asked& asked);

struct Answer {
    std::string text;  ///< One JSON object, without a line's end.
    /// The same for the people of the device, with places and paths: the text names those to
    /// nobody.
    Status status = ok();
};

/// Opens the tasks of the device, once; they must stay while the answer is made.
using OpenDatabase = std::function<Result<sql::Database*>()>;

/// Never without an answer. The database is opened only for a request that is none of `invalid` and
/// `unsupported`, and read only. timed_out: the deadline passed before the answer was there.
Answer answer(std::string_view request, const OpenDatabase& open, const Clock& clock,
              Random& random);

/// One of several that are asked.
struct Store {
    std::string name;  ///< In answers: of its own among them, and nothing secret.
    /// As OpenDatabase; given up at this time of the clock's boot_ns().
    std::function<Result<sql::Database*>(std::int64_t until_boot_ns)> open;
};
inline constexpr std::size_t kStoresMax = 64;

/// All of them at once, each in a thread of its own, which calls its `open`; and what they say
/// joined: lists in the order that was asked for, each task with its store, figures summed up, and
/// an outcome per store. A store that does not answer hides none of the others. The status is ok
/// where all answered; partial where some did; else the error of the first. Of a task that is asked
/// for, a store that does not have it has answered.
///
/// Unlike answer(), this is for whoever named the stores: it repeats what each says of itself.
/// invalid: no store, more than kStoresMax, two of one name. `random` is shared by the threads.
/// Returns when all have ended, which is soon after the deadline.
Answer answer_of_stores(std::string_view request, std::span<const Store> stores, const Clock& clock,
                        Random& random);

}  // namespace taskstore::query
