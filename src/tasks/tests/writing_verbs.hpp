#pragma once
// Every verb of the store that writes, and tasks in every state that they may meet: for tests that
// break each of them off.

#include <taskstore/tasks/prune.hpp>
#include <taskstore/tasks/schedule.hpp>
#include <taskstore/tasks/task_archive.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace taskstore::tasks {

/// What a verb is asked of.
struct Stage {
    TaskStore& store;
    TaskArchive& archive;
    const std::map<std::string, Task>& tasks;  ///< By title, as they are before the verb.
    const std::vector<Schedule>& schedules;
};

/// What becomes of a verb that is asked again because the answer was lost.
enum class Again : std::uint8_t {
    same,   ///< The answer is the first one, and nothing is done again.
    once,   ///< It may be refused, and nothing is done again.
    twice,  ///< Nothing tells the second from the first: it would be done again.
};

struct WritingVerb {
    std::string name;
    /// As JSON, more or less: what was answered.
    std::function<Result<std::string>(Stage&)> ask;
    Again again = Again::once;
    /// Several transactions, each a whole by itself: an error may leave the first of them.
    bool steps = false;
    /// Two hours later: leases have run out, a deadline has passed, ticks have come.
    bool late = false;
};

/// Those that are asked late stand last.
std::vector<WritingVerb> writing_verbs();

/// Tasks and schedules in an empty store.
void make_world(TaskStore& store, TaskArchive& archive);

inline constexpr std::int64_t kLateMs = 2 * 3'600'000;

}  // namespace taskstore::tasks
