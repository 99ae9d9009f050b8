#pragma once
// A home of ADT, agent-dev-tool (floor 3): what lies in ~/.adt.
//
//   queue/tasks.json      an array of tasks
//   data/tasks.db         the table `tasks`; where a task is in both, this one counts
//   data/*.db             projects, agents, events, runs: no place
//   agents/*.state.json   what agents were at: no place
//   logs/                 what they wrote: no place
//   config.yml            settings: no place

#include <taskstore/base/result.hpp>
#include <taskstore/founding/found.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/sql/database.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace taskstore::founding {

inline constexpr std::size_t kQueueBytesMax = std::size_t{256} << 20U;

/// The text of queue/tasks.json. corrupt, with line and column: it is no JSON; invalid: no array.
Status read_queue(std::string_view text, const std::string& where, const Zone& zone, Found& found);

struct AdtHome {
    std::string folder;
    /// A session with a copy of a database.
    std::function<Result<std::unique_ptr<sql::Connection>>(const std::string& path)> open;
    Zone zone = system_zone();
};

/// not_found: there is no such folder. invalid: it is none of ADT's. Other errors are those of the
/// tasks: what cannot be read of the rest is told, and passed over.
Result<Found> read_adt(os::FileSystem& files, const AdtHome& home);

}  // namespace taskstore::founding
