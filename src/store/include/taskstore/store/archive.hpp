#pragma once
// The archive of a device's tasks, opened (floor 5; composition roots use it).

#include <taskstore/store/databases.hpp>
#include <taskstore/tasks/task_archive.hpp>

#include <functional>
#include <memory>

namespace taskstore::store {

/// Made where it is missing; keeps `databases`. Errors as of Databases::open().
Result<std::shared_ptr<tasks::TaskArchive>> open_archive(std::shared_ptr<Databases> databases);
/// The same for who only looks: null where there is none yet, and none is made.
Result<std::shared_ptr<tasks::TaskArchive>> find_archive(std::shared_ptr<Databases> databases);
/// Finds it when it is asked for, by the databases that `now` gives, and again only where they
/// place it elsewhere; where there is none, or it cannot be reached, each time. For any thread;
/// `now` is called by one at a time.
tasks::ArchiveFinder archive_finder(std::function<Result<std::shared_ptr<Databases>>()> now);

}  // namespace taskstore::store
