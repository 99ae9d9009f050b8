#include <taskstore/tasks/prune.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kAgeMsMax = 36'600LL * 86'400'000;
constexpr std::array kEnds{TaskStatus::completed, TaskStatus::cancelled};

class Run {
  public:
    Run(Pruning& tasks, TaskArchive* archive, const PruneRequest& request)
        : x_tasks(tasks), x_archive(archive), x_request(request) {}

    Result<PruneReport> go() {
        TASKSTORE_LET(x_now_ms, x_tasks.now_ms());
        for (const TaskStatus status : kEnds) TASKSTORE_TRY(look_through(status));
        return x_report;
    }

  private:
    std::int64_t left() const {
        return x_request.limit ? *x_request.limit - x_report.gone : kPruneBatch;
    }
    Status look_through(TaskStatus status) {
        EndedAsked asked{.status = status,
                         .by = x_now_ms - x_request.age_ms,
                         .project = x_request.project,
                         .limit = kPruneBatch};
        while (!x_over && left() > 0) {
            TASKSTORE_LET(auto page, x_tasks.ended_tasks(asked));
            if (page.empty()) return ok();
            asked.after_created_at = page.back().created_at;
            asked.after_id = page.back().id;
            TASKSTORE_TRY(take(std::move(page)));
            x_over = x_request.go_on && !x_request.go_on(x_report);
        }
        return ok();
    }
    Status take(std::vector<EndedTask> page) {
        x_report.held_back += std::ranges::count_if(
            page, [](const EndedTask& one) { return one.is_old && !one.may_go; });
        std::erase_if(page, [](const EndedTask& one) { return !one.may_go; });
        if (std::ssize(page) > left()) page.resize(static_cast<std::size_t>(left()));
        if (page.empty()) return ok();
        if (x_request.dry_run) {
            x_report.gone += std::ssize(page);
            return ok();
        }
        if (x_archive != nullptr) {
            TASKSTORE_TRY(copy(page));
            if (page.empty()) return ok();
        }
        TASKSTORE_LET(const auto gone, x_tasks.forget_tasks(page));
        add_level(gone.level);
        x_report.gone += gone.value;
        return ok();
    }
    /// Only what is there goes here.
    Status copy(std::vector<EndedTask>& page) {
        TASKSTORE_LET(const WholeTasks whole, x_tasks.whole_tasks(page));
        std::set<std::string> copied;
        for (const auto& row : whole.tasks)
            if (const auto* const id = std::get_if<std::string>(&row.front())) copied.insert(*id);
        std::erase_if(page, [&](const EndedTask& one) { return !copied.contains(one.id); });
        if (page.empty()) return ok();
        TASKSTORE_LET(const sql::DurabilityLevel level, x_archive->put(whole, x_now_ms));
        add_level(level);
        return ok();
    }
    void add_level(sql::DurabilityLevel level) {
        x_report.level = x_report.level ? sql::weaker_of(*x_report.level, level) : level;
    }

    Pruning& x_tasks;
    TaskArchive* const x_archive;
    const PruneRequest& x_request;
    std::int64_t x_now_ms = 0;
    PruneReport x_report;
    bool x_over = false;
};

}  // namespace

Result<PruneReport> prune_tasks(TaskStore& store, TaskArchive* archive,
                                const PruneRequest& request) {
    if (request.age_ms < 0 || request.age_ms > kAgeMsMax)
        return fail(Code::invalid, "the age is not in 0..36600 days");
    if (request.limit && *request.limit < 1)
        return fail(Code::invalid, "limit " + std::to_string(*request.limit) + " is less than 1");
    return Run(store.pruning(), archive, request).go();
}

}  // namespace taskstore::tasks
