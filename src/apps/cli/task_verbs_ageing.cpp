// taskstore task ageing: how age counts against priority, for all who use the database.

#include "task_verbs.hpp"

#include <taskstore/base/json.hpp>

#include <array>

namespace taskstore::cli {
namespace {

/// 10m, 90s, 1500ms: in the largest unit that it is a whole number of.
std::string shown_duration(std::int64_t ms) {
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kUnits{
        {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}}};
    for (const auto& [unit, length] : kUnits)
        if (ms % length == 0) return std::to_string(ms / length) + std::string(unit);
    return std::to_string(ms) + "ms";
}

std::string words_of(const tasks::Ageing& ageing) {
    std::string line = "off: tasks are claimed by priority strictly, then by age";
    if (ageing.ms) {
        const std::string after = shown_duration(*ageing.ms);
        line = after + ": a task goes before one of ten more priority that is made " + after +
               " later";
    }
    if (ageing.ranking) line += "\ntasks that are pending are still being put in order";
    return line;
}

/// Until nothing is left, or what is left is being written by others: claims go on with that.
Status put_in_order(Context& context, tasks::TaskStore& store, tasks::Ageing& ageing) {
    std::int64_t done = 0;
    while (ageing.ranking) {
        TASKSTORE_LET(const std::int64_t some, store.tend());
        done += some;
        context.progress("putting tasks in order", done, 0);
        TASKSTORE_LET(ageing, store.ageing());
        if (some == 0) break;
    }
    context.end_progress();
    return ok();
}

}  // namespace

Status run_task_ageing(Context& context) {
    std::optional<std::int64_t> asked_ms;
    const bool sets = context.call.has("set");
    if (sets && context.call.value("set") != "off") {
        TASKSTORE_LET(asked_ms, duration_of("set", context.call.value("set")));
    }
    TASKSTORE_LET(const auto store, open_tasks(context));
    tasks::Ageing ageing;
    if (sets) {
        TASKSTORE_LET(const auto set, store->set_ageing(asked_ms));
        ageing = set.value;
        context.wrote = "ageing " + words_of({.ms = ageing.ms});
        context.survives(set.level);
        TASKSTORE_TRY(put_in_order(context, *store, ageing));
    } else {
        TASKSTORE_LET(ageing, store->ageing());
    }
    if (!context.json) {
        context.print(words_of(ageing) + "\n");
        return ok();
    }
    std::string data;
    JsonWriter writer(data);
    writer.begin_object().key("ageing_ms");
    if (ageing.ms)
        writer.integer(*ageing.ms);
    else
        writer.null();
    writer.key("ranking").boolean(ageing.ranking).end_object();
    context.print_json("task_ageing", data);
    return ok();
}

}  // namespace taskstore::cli
