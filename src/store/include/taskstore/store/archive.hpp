#pragma once
// The archive of a device's tasks, opened (floor 5; composition roots use it).

#include <taskstore/store/databases.hpp>
#include <taskstore/tasks/task_archive.hpp>

#include <memory>

namespace taskstore::store {

/// Made where it is missing; keeps `databases`. Errors as of Databases::open().
Result<std::shared_ptr<tasks::TaskArchive>> open_archive(std::shared_ptr<Databases> databases);
/// The same for who only looks: null where there is none yet, and none is made.
Result<std::shared_ptr<tasks::TaskArchive>> find_archive(std::shared_ptr<Databases> databases);

}  // namespace taskstore::store
