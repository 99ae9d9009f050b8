#include <taskstore/tasks/prune.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kAgeMsMax = 36'600LL * 86'400'000;
constexpr std::array kEnds{TaskStatus::completed, TaskStatus::cancelled};

using Tasks = std::span<const EndedTask>;

std::vector<std::string> ids_of(Tasks tasks) {
    std::vector<std::string> ids;
    for (const EndedTask& one : tasks) ids.push_back(one.id);
    return ids;
}

class Run {
  public:
    Run(Pruning& tasks, const ArchiveFinder& find, const PruneRequest& request)
        : x_tasks(tasks), x_find(find), x_request(request) {}

    Result<PruneReport> go() {
        TASKSTORE_LET(x_now_ms, x_tasks.now_ms());
        std::int64_t before = 0;
        do {
            before = x_report.gone;
            x_report.held_back = 0;
            for (const TaskStatus status : kEnds) TASKSTORE_TRY(look_through(status));
        } while (may_free(x_report.gone - before, x_report.held_back));
        return x_report;
    }

  private:
    std::int64_t left() const {
        return x_request.limit ? *x_request.limit - x_report.gone : kPruneBatch;
    }
    bool goes_on() const { return !x_over && left() > 0; }
    /// What is held back may have been needed by what went alone.
    bool may_free(std::int64_t gone, std::int64_t held_back) const {
        return gone > 0 && held_back > 0 && goes_on() && !x_request.dry_run;
    }
    Status look_through(TaskStatus status) {
        EndedAsked asked{.status = status,
                         .by = x_now_ms - x_request.age_ms,
                         .project = x_request.project,
                         .limit = kPruneBatch};
        while (goes_on()) {
            TASKSTORE_LET(auto page, x_tasks.ended_tasks(asked));
            if (page.empty()) return ok();
            const EndedTask last = page.back();
            const PruneReport before = x_report;
            TASKSTORE_TRY(take(std::move(page)));
            x_over = x_request.go_on && !x_request.go_on(x_report);
            const std::int64_t held_back = x_report.held_back - before.held_back;
            if (may_free(x_report.gone - before.gone, held_back)) {
                // They stand where the page stood.
                asked.limit = held_back;
                x_report.held_back = before.held_back;
                continue;
            }
            asked.limit = kPruneBatch;
            asked.after_created_at = last.created_at;
            asked.after_id = last.id;
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
        TASKSTORE_TRY(find_archive());
        if (x_request.drop) return drop(page);
        for (Tasks rest = page; !rest.empty();) {
            TASKSTORE_LET(const WholeTasks whole, x_tasks.whole_tasks(rest));
            TASKSTORE_TRY(archive(rest.first(whole.looked_at), whole));
            rest = rest.subspan(whole.looked_at);
        }
        return ok();
    }
    Status find_archive() {
        if (x_found) return ok();
        if (x_find) {
            TASKSTORE_LET(x_archive, x_find());
        }
        if (!x_archive && !x_request.drop)
            return fail(Code::invalid, "there is no archive that takes tasks");
        x_found = true;
        return ok();
    }
    /// A copy of it that stayed there would say that it is archived.
    Status drop(Tasks page) {
        if (x_archive) {
            TASKSTORE_LET(const auto copies, x_archive->held(ids_of(page)));
            TASKSTORE_TRY(take_back(copies));
        }
        TASKSTORE_LET(const auto gone, x_tasks.forget_tasks(page));
        add(gone);
        return ok();
    }
    /// Only what is there goes here.
    Status archive(Tasks slice, const WholeTasks& whole) {
        std::set<std::string> ids;
        for (const auto& row : whole.tasks)
            if (const auto* const id = std::get_if<std::string>(&row.front())) ids.insert(*id);
        std::vector<EndedTask> copied;
        std::ranges::copy_if(slice, std::back_inserter(copied),
                             [&](const EndedTask& one) { return ids.contains(one.id); });
        if (copied.empty()) return ok();
        TASKSTORE_LET(const sql::DurabilityLevel level, x_archive->put(whole, x_now_ms));
        add_level(level);
        TASKSTORE_LET(const auto gone, x_tasks.forget_tasks(copied));
        add(gone);
        for (const std::string& id : gone.value) ids.erase(id);
        return ids.empty() ? ok() : heed_removals({ids.begin(), ids.end()});
    }
    /// Of what did not go: somebody may have removed it after it was read.
    Status heed_removals(const std::vector<std::string>& ids) {
        TASKSTORE_LET(const auto known, x_tasks.known_tasks(ids));
        std::vector<std::string> removed;
        for (const KnownTask& one : known)
            if (one.removed) removed.push_back(one.id);
        return take_back(removed);
    }
    Status take_back(const std::vector<std::string>& ids) {
        for (const std::string& id : ids) {
            TASKSTORE_LET(const auto level, x_archive->remove(id));
            if (level) add_level(*level);
        }
        return ok();
    }
    void add(const Written<std::vector<std::string>>& gone) {
        add_level(gone.level);
        x_report.gone += std::ssize(gone.value);
    }
    void add_level(sql::DurabilityLevel level) {
        x_report.level = x_report.level ? sql::weaker_of(*x_report.level, level) : level;
    }

    Pruning& x_tasks;
    const ArchiveFinder& x_find;
    const PruneRequest& x_request;
    std::shared_ptr<TaskArchive> x_archive;
    bool x_found = false;  ///< It was asked for.
    std::int64_t x_now_ms = 0;
    PruneReport x_report;
    bool x_over = false;
};

}  // namespace

Result<PruneReport> prune_tasks(TaskStore& store, const ArchiveFinder& archive,
                                const PruneRequest& request) {
    if (request.age_ms < 0 || request.age_ms > kAgeMsMax)
        return fail(Code::invalid, "the age is not in 0..36600 days");
    if (request.limit && *request.limit < 1)
        return fail(Code::invalid, "limit " + std::to_string(*request.limit) + " is less than 1");
    return Run(store.pruning(), archive, request).go();
}

}  // namespace taskstore::tasks
