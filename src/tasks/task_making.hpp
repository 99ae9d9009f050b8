#pragma once
// The statements that make tasks: of people's requests, and of ticks.

#include "sql_task_store.hpp"

#include <algorithm>
#include <iterator>
#include <map>

namespace taskstore::tasks {

struct SqlTaskStore::Making {
    Statements keys;
    Statements touches;
    std::map<std::int64_t, sql::BoundStatement> lanes;
    Statements tasks;
    Statements ends;  ///< Of tasks that had ended before they came here.
    Statements histories;
    Statements moves;  ///< The same: how they came to that.
    Statements edges;
    Statements counts;
    Statements limits;

    Statements all() && {
        Statements out = std::move(keys);
        // In one order, whoever holds them: transactions that meet wait, and do not lock each other
        // out.
        std::ranges::sort(touches, {}, [](const sql::BoundStatement& one) {
            return std::get<std::string>(one.values[0]);
        });
        std::ranges::move(touches, std::back_inserter(out));
        for (auto& [id, lane] : lanes) out.push_back(std::move(lane));
        for (Statements* part : {&tasks, &ends, &histories, &moves, &edges, &counts, &limits})
            std::ranges::move(*part, std::back_inserter(out));
        return out;
    }
};

}  // namespace taskstore::tasks
