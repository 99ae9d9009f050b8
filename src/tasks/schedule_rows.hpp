#pragma once
// Schedules as rows, and rows as schedules; what a schedule may hold.

#include <taskstore/sql/database.hpp>
#include <taskstore/tasks/schedule.hpp>

#include <string>
#include <vector>

namespace taskstore::tasks {

/// From the columns of sql/get_schedule.sql; more may follow. What this version does not know is
/// its fault.
Schedule schedule_of(const std::vector<sql::Value>& row);
/// From the columns of sql/list_schedule_history.sql.
ScheduleEntry schedule_entry_of(const std::vector<sql::Value>& row);
/// What sql/insert_schedule.sql and sql/rewrite_schedule.sql say first: all but the times of making
/// and of changing, and the revision.
std::vector<sql::Value> values_of(const Schedule& schedule);
/// invalid: no task could be made of it.
Status check_template(const TaskTemplate& made);

}  // namespace taskstore::tasks
