#pragma once
// Tasks for whoever stays (floor 5; workers and waiters): when their database moves, it goes on at
// the place that the device names by then. A claim is held on there, under its fence.

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/work/liveness.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace taskstore::work {

/// Tasks at one place.
struct TasksAt {
    std::shared_ptr<tasks::TaskStore> store;  ///< Keeps what it stands on.
    sql::Database* database = nullptr;        ///< What it stands on.
    std::string place = {};                   ///< Its name in the settings, or as good as that.
    RunFolder run = {};
};
/// What the device's settings say by now; for any thread.
struct TasksNow {
    /// TasksAt::place of where they are.
    std::function<Result<std::string>()> place;
    /// Opens them there; one call at a time. unavailable: they are not to be used, or not yet.
    std::function<Result<TasksAt>()> open;
};

/// How long a call waits for the end of a move.
struct Patience {
    std::int64_t ms = 0;             ///< From when it meets the closed place.
    std::int64_t until_boot_ns = 0;  ///< And no longer than that; 0: no such end.
};

/// What is refused because the database has moved is asked again at its new place; so is what an
/// old place does not answer that the settings no longer name. Reads look whether the place is
/// still the truth: one more row each. Where it is not, and no other one is open to this device
/// in time, the error is unavailable and says where the database is; the next call tries again. So
/// it is where what opens turns out to be closed, over and over (a replica that has not heard).
///
/// Thread-safe. Clock must outlive it.
class FollowingStore final : public tasks::TaskStore {
  public:
    FollowingStore(const Clock& clock, TasksAt at, TasksNow now, Patience patience);
    ~FollowingStore() override;

    /// Where they are now.
    std::shared_ptr<const TasksAt> at() const;

    Result<tasks::Written<tasks::Task>> create_task(const tasks::CreateTask& task) override;
    Result<tasks::Written<std::vector<std::string>>> create_tasks(
        std::span<const tasks::CreateTask> tasks) override;
    Result<tasks::Written<std::vector<tasks::Imported>>> import_tasks(
        const tasks::ImportTasks& request) override;
    Result<std::optional<tasks::Task>> get_task(const std::string& id) override;
    Result<std::vector<std::optional<tasks::Task>>> get_tasks(
        std::span<const std::string> ids) override;
    Result<std::string> find_id(const std::string& part) override;
    Result<tasks::TaskPage> list_tasks(const tasks::TaskFilter& filter) override;
    Result<tasks::Written<tasks::Task>> update_task(const std::string& id,
                                                    const tasks::UpdateTask& change) override;
    Result<sql::DurabilityLevel> delete_task(const std::string& id,
                                             const std::string& actor) override;
    Result<tasks::Written<std::vector<tasks::Task>>> claim_tasks(
        const tasks::ClaimRequest& request) override;
    Result<tasks::Written<tasks::Task>> renew_task(const tasks::Hold& hold,
                                                   std::optional<std::int64_t> lease_ms) override;
    Result<tasks::Written<tasks::Task>> complete_task(const tasks::Hold& hold,
                                                      const tasks::Completion& completion) override;
    Result<tasks::Written<tasks::Task>> fail_task(const tasks::Hold& hold,
                                                  const tasks::FailedAttempt& attempt) override;
    Result<tasks::Written<tasks::Task>> release_task(const tasks::Hold& hold,
                                                     const std::string& reason) override;
    Result<tasks::Written<tasks::Task>> cancel_task(const std::string& id, const std::string& actor,
                                                    const std::string& reason) override;
    Result<tasks::Written<tasks::Task>> retry_task(const std::string& id,
                                                   const std::string& actor) override;
    Result<std::vector<tasks::WatchedTask>> watched_tasks() override;
    Result<tasks::Written<tasks::Task>> rescue_task(const tasks::WatchedTask& task,
                                                    const std::string& reason) override;
    Result<std::int64_t> rescue_tasks(std::span<const tasks::WatchedTask> tasks,
                                      const std::string& reason) override;
    bool sees_sessions() const override;
    Result<std::optional<std::string>> keep_session(std::int64_t key,
                                                    std::int64_t grace_ms) override;
    Result<std::vector<tasks::WatchedTask>> lost_tasks(std::int64_t grace_ms) override;
    bool leases_count_sleep() const override;
    Result<std::int64_t> tend() override;
    Result<tasks::Ageing> ageing() override;
    Result<tasks::Written<tasks::Ageing>> set_ageing(
        std::optional<std::int64_t> ageing_ms) override;
    Result<tasks::Outlook> outlook(const tasks::ClaimRequest& request) override;
    /// Of the new place from the first wait after the move on; that wait ends at once.
    Result<std::unique_ptr<sql::Waiter>> waiter() override;
    Result<std::unique_ptr<sql::Waiter>> holder_waiter() override;
    Result<tasks::TaskStats> stats(const std::optional<std::string>& project) override;
    Result<std::string> why(const std::string& id) override;
    Result<std::vector<tasks::HistoryEntry>> history(const std::string& id) override;
    /// Of the place where they are now: it does not follow.
    tasks::Schedules& schedules() override;
    tasks::Pruning& pruning() override;

  private:
    class Waiter;
    enum class Kind : std::uint8_t { read, write };
    template <Kind kind, typename Answer, typename... Parameters, typename... Values>
    Result<Answer> ask(Result<Answer> (tasks::TaskStore::*method)(Parameters...),
                       const Values&... values);
    Result<std::unique_ptr<sql::Waiter>> waiter_of(
        Result<std::unique_ptr<sql::Waiter>> (tasks::TaskStore::*method)());
    std::optional<Error> why_gone(const TasksAt& from, const Error* unanswered) const;
    Status follow(const std::shared_ptr<const TasksAt>& from, std::int64_t until_ns);
    tasks::TaskStore& lend();

    const Clock& x_clock;
    const TasksNow x_now;
    const Patience x_patience;
    std::mutex x_following;      ///< Held by who opens.
    mutable std::mutex x_mutex;  ///< Of what follows.
    std::shared_ptr<const TasksAt> x_at;
    std::vector<std::shared_ptr<const TasksAt>> x_lent;  ///< Of which somebody has a part.
};

}  // namespace taskstore::work
