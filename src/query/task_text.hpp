#pragma once
// A task, and figures, as the protocol spells them: times in RFC 3339, absent members left out.

#include <taskstore/base/json.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <string_view>

namespace taskstore::query {

/// `store`: whose it is, where several were asked.
void put_task(JsonWriter& writer, const tasks::Task& task, std::string_view store = {});
void put_stats(JsonWriter& writer, const tasks::TaskStats& stats);

}  // namespace taskstore::query
