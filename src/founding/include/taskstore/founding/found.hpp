#pragma once
// What was found in a store of a founding system (floor 3; the store's import takes it in). A
// record has what its source says of a task; what becomes of it is not decided here.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace taskstore::founding {

enum class System : std::uint8_t { lib_task_store, adt };
/// The words of --from.
std::string_view word_of(System system);
std::optional<System> system_of(std::string_view word);

/// What a status word comes down to.
enum class Standing : std::uint8_t {
    pending,
    held,     ///< assigned, running, in_progress: somebody was at it.
    blocked,  ///< By other tasks, or by a question to a person.
    review,   ///< Done, and waits for a person's word.
    completed,
    failed,
    cancelled,
};

/// Times are Unix milliseconds, UTC.
struct FoundTask {
    std::string id;      ///< As the source has it; not empty.
    std::string where;   ///< "data/tasks.db, task 'ab12'"
    std::string status;  ///< The word.
    Standing standing = Standing::pending;
    std::string title;  ///< Not empty: the first line of the description that says anything.
    std::optional<std::string> description = {};
    std::optional<std::string> command = {};
    std::string project = {};
    std::int64_t priority = 0;               ///< -100..100, larger first.
    std::string input = "null";              ///< JSON.
    std::optional<std::string> result = {};  ///< JSON.
    std::optional<std::string> error = {};
    std::optional<std::string> logs = {};
    std::optional<std::string> assigned_to = {};
    std::optional<std::string> agent_type = {};
    std::optional<std::int64_t> exit_code = {};
    std::int64_t retry_count = 0;
    std::optional<std::int64_t> max_attempts = {};  ///< From 1.
    std::optional<std::int64_t> created_at = {};
    std::optional<std::int64_t> started_at = {};
    std::optional<std::int64_t> completed_at = {};
    std::optional<std::int64_t> updated_at = {};
    /// created_at as its text says it, without the zone that it was read by: the same wherever the
    /// source is read.
    std::int64_t created_as_written = 0;
    std::string times_as_written = {};         ///< The texts of all of them.
    std::vector<std::string> depends_on = {};  ///< Ids of the source.
    std::string metadata = "{}";               ///< JSON object.
    /// Members without a field, and those that their field cannot hold: name, JSON.
    std::vector<std::pair<std::string, std::string>> others = {};
};

/// A hash of all that the source says of the task, and of nothing that depends on who reads it.
std::string digest(const FoundTask& task);

struct Refused {
    std::string where;
    std::string reason;
};

/// What is there, and has no place in a store of tasks.
struct NoPlace {
    std::string what;   ///< "events", "a state of an agent"
    std::string where;  ///< The file, and the table.
    std::int64_t count = 0;
};

/// Members that are not what such a member holds; they stay in `others` of their tasks.
struct Unread {
    std::int64_t count = 0;
    std::string first;  ///< As FoundTask::where.
};

struct Found {
    System system = System::lib_task_store;
    std::int64_t records = 0;  ///< Of tasks; refused ones too.
    std::vector<FoundTask> tasks = {};
    std::vector<Refused> refused = {};
    std::vector<NoPlace> no_place = {};
    std::vector<std::string> notes = {};
    std::map<std::string, Unread> unread = {};  ///< By name.
    std::int64_t local_times = 0;  ///< Texts without a zone that were read as local time.
};

/// From wall-clock time, as if it were UTC, to UTC. The system's: system_zone().
using Zone = std::function<std::int64_t(std::int64_t local_ms)>;
/// What the C library says of TZ and /etc/localtime; of an hour that there was twice, the first.
Zone system_zone();

/// A text of time as the founding systems write them; `local` is set where it was read by the zone.
/// Nothing: it is none, or out of 1970..2200.
std::optional<std::int64_t> time_of_text(std::string_view text, const Zone& zone, bool& local);

}  // namespace taskstore::founding
