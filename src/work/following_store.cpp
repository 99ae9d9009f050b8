#include <taskstore/sql/identity.hpp>
#include <taskstore/work/following_store.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

namespace taskstore::work {
namespace {

using tasks::Task;
using tasks::TaskStore;
using tasks::Written;

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kOpenAgainMs = 100;

/// Nothing where the place takes writes.
Result<std::optional<Error>> why_closed(const TasksAt& at) {
    std::array<sql::BoundStatement, 1> query{sql::state_query(tasks::kModule)};
    TASKSTORE_LET(const auto rows, at.database->read_batch(query));
    return sql::why_closed(rows.at(0));
}

}  // namespace

FollowingStore::FollowingStore(const Clock& clock, TasksAt at, TasksNow now, Patience patience)
    : x_clock(clock),
      x_now(std::move(now)),
      x_patience(patience),
      x_at(std::make_shared<TasksAt>(std::move(at))) {}
FollowingStore::~FollowingStore() = default;

std::shared_ptr<const TasksAt> FollowingStore::at() const {
    const std::lock_guard lock(x_mutex);
    return x_at;
}

/// Why the place is not the truth any more; nothing: it is, for all that can be known. Where it
/// does not answer (`unanswered`), the settings tell first: its server may have been ended after
/// the move.
std::optional<Error> FollowingStore::why_gone(const TasksAt& from, const Error* unanswered) const {
    if (unanswered != nullptr) {
        const auto named = x_now.place();
        if (named && *named != from.place) return *unanswered;
    }
    auto closed = why_closed(from);
    return closed ? std::move(*closed) : std::nullopt;
}

/// Until another place is open, or the same one again. The error is why there is none.
Status FollowingStore::follow(const std::shared_ptr<const TasksAt>& from, std::int64_t until_ns) {
    const std::lock_guard following(x_following);
    if (at() != from) return ok();
    while (true) {
        auto opened = x_now.open();
        if (opened) {
            auto next = std::make_shared<const TasksAt>(std::move(*opened));
            const std::lock_guard lock(x_mutex);
            x_at.swap(next);
            return ok();
        }
        if (opened.error().code != Code::unavailable || x_clock.boot_ns() >= until_ns)
            return fail(opened.error());
        std::this_thread::sleep_for(std::chrono::milliseconds(kOpenAgainMs));
    }
}

/// A write that is refused has changed nothing; what was read while the place was the truth by the
/// look after it is true.
template <FollowingStore::Kind kind, typename Answer, typename... Parameters, typename... Values>
Result<Answer> FollowingStore::ask(Result<Answer> (TaskStore::*method)(Parameters...),
                                   const Values&... values) {
    std::int64_t until_ns = 0;
    for (int followed = 0;; ++followed) {
        const auto from = at();
        Result<Answer> answer = ((*from->store).*method)(values...);
        const bool refused =
            !answer && sql::explain_refusal(answer.error()).code == Code::unavailable;
        if (!refused && (kind == Kind::write || !answer)) return answer;
        auto gone = why_gone(*from, refused ? &answer.error() : nullptr);
        if (!gone) return answer;
        if (followed == 0) {
            until_ns = x_clock.boot_ns() + x_patience.ms * kNsPerMs;
            if (x_patience.until_boot_ns != 0)
                until_ns = std::min(until_ns, x_patience.until_boot_ns);
        }
        // A replica may say for a while that the new place is not open yet.
        if (followed > 1) {
            if (x_clock.boot_ns() >= until_ns) return fail(std::move(*gone));
            std::this_thread::sleep_for(std::chrono::milliseconds(kOpenAgainMs));
        }
        TASKSTORE_TRY(follow(from, until_ns));
    }
}

class FollowingStore::Waiter final : public sql::Waiter {
  public:
    using Method = Result<std::unique_ptr<sql::Waiter>> (TaskStore::*)();
    Waiter(const FollowingStore& store, Method method) : x_store(store), x_method(method) {}
    Status begin(const std::shared_ptr<const TasksAt>& at) {
        TASKSTORE_LET(auto waiter, ((*at->store).*x_method)());
        x_waiter = std::move(waiter);
        x_at = at;
        return ok();
    }
    Result<bool> wait(std::int64_t deadline_boot_ns, const std::stop_token& cancel) override {
        const auto now = x_store.at();
        if (now == x_at) return x_waiter->wait(deadline_boot_ns, cancel);
        TASKSTORE_TRY(begin(now));
        return true;
    }

  private:
    const FollowingStore& x_store;
    const Method x_method;
    std::shared_ptr<const TasksAt> x_at;
    std::unique_ptr<sql::Waiter> x_waiter;  ///< Goes before what it stands on.
};

Result<std::unique_ptr<sql::Waiter>> FollowingStore::waiter_of(Waiter::Method method) {
    auto made = std::make_unique<Waiter>(*this, method);
    TASKSTORE_TRY(made->begin(at()));
    return std::unique_ptr<sql::Waiter>(std::move(made));
}

Result<Written<Task>> FollowingStore::create_task(const tasks::CreateTask& task) {
    return ask<Kind::write>(&TaskStore::create_task, task);
}
Result<Written<std::vector<std::string>>> FollowingStore::create_tasks(
    std::span<const tasks::CreateTask> tasks) {
    return ask<Kind::write>(&TaskStore::create_tasks, tasks);
}
Result<Written<std::vector<tasks::Imported>>> FollowingStore::import_tasks(
    const tasks::ImportTasks& request) {
    return ask<Kind::write>(&TaskStore::import_tasks, request);
}
Result<std::optional<Task>> FollowingStore::get_task(const std::string& id) {
    return ask<Kind::read>(&TaskStore::get_task, id);
}
Result<std::vector<std::optional<Task>>> FollowingStore::get_tasks(
    std::span<const std::string> ids) {
    return ask<Kind::read>(&TaskStore::get_tasks, ids);
}
Result<std::string> FollowingStore::find_id(const std::string& part) {
    return ask<Kind::read>(&TaskStore::find_id, part);
}
Result<tasks::TaskPage> FollowingStore::list_tasks(const tasks::TaskFilter& filter) {
    return ask<Kind::read>(&TaskStore::list_tasks, filter);
}
Result<Written<Task>> FollowingStore::update_task(const std::string& id,
                                                  const tasks::UpdateTask& change) {
    return ask<Kind::write>(&TaskStore::update_task, id, change);
}
Result<sql::DurabilityLevel> FollowingStore::delete_task(const std::string& id,
                                                         const std::string& actor) {
    return ask<Kind::write>(&TaskStore::delete_task, id, actor);
}
Result<Written<std::vector<Task>>> FollowingStore::claim_tasks(const tasks::ClaimRequest& request) {
    return ask<Kind::write>(&TaskStore::claim_tasks, request);
}
Result<Written<Task>> FollowingStore::renew_task(const tasks::Hold& hold,
                                                 std::optional<std::int64_t> lease_ms) {
    return ask<Kind::write>(&TaskStore::renew_task, hold, lease_ms);
}
Result<Written<Task>> FollowingStore::complete_task(const tasks::Hold& hold,
                                                    const tasks::Completion& completion) {
    return ask<Kind::write>(&TaskStore::complete_task, hold, completion);
}
Result<Written<Task>> FollowingStore::fail_task(const tasks::Hold& hold,
                                                const tasks::FailedAttempt& attempt) {
    return ask<Kind::write>(&TaskStore::fail_task, hold, attempt);
}
Result<Written<Task>> FollowingStore::release_task(const tasks::Hold& hold,
                                                   const std::string& reason) {
    return ask<Kind::write>(&TaskStore::release_task, hold, reason);
}
Result<Written<Task>> FollowingStore::cancel_task(const std::string& id, const std::string& actor,
                                                  const std::string& reason) {
    return ask<Kind::write>(&TaskStore::cancel_task, id, actor, reason);
}
Result<Written<Task>> FollowingStore::retry_task(const std::string& id, const std::string& actor) {
    return ask<Kind::write>(&TaskStore::retry_task, id, actor);
}
Result<std::vector<tasks::WatchedTask>> FollowingStore::watched_tasks() {
    return ask<Kind::read>(&TaskStore::watched_tasks);
}
Result<Written<Task>> FollowingStore::rescue_task(const tasks::WatchedTask& task,
                                                  const std::string& reason) {
    return ask<Kind::write>(&TaskStore::rescue_task, task, reason);
}
Result<std::int64_t> FollowingStore::rescue_tasks(std::span<const tasks::WatchedTask> tasks,
                                                  const std::string& reason) {
    return ask<Kind::write>(&TaskStore::rescue_tasks, tasks, reason);
}
bool FollowingStore::sees_sessions() const {
    return at()->store->sees_sessions();
}
Result<std::optional<std::string>> FollowingStore::keep_session(std::int64_t key,
                                                                std::int64_t grace_ms) {
    return ask<Kind::write>(&TaskStore::keep_session, key, grace_ms);
}
Result<std::vector<tasks::WatchedTask>> FollowingStore::lost_tasks(std::int64_t grace_ms) {
    return ask<Kind::read>(&TaskStore::lost_tasks, grace_ms);
}
bool FollowingStore::leases_count_sleep() const {
    return at()->store->leases_count_sleep();
}
Result<std::int64_t> FollowingStore::tend() {
    return ask<Kind::write>(&TaskStore::tend);
}
Result<tasks::Ageing> FollowingStore::ageing() {
    return ask<Kind::read>(&TaskStore::ageing);
}
Result<Written<tasks::Ageing>> FollowingStore::set_ageing(std::optional<std::int64_t> ageing_ms) {
    return ask<Kind::write>(&TaskStore::set_ageing, ageing_ms);
}
Result<tasks::Outlook> FollowingStore::outlook(const tasks::ClaimRequest& request) {
    return ask<Kind::read>(&TaskStore::outlook, request);
}
Result<std::unique_ptr<sql::Waiter>> FollowingStore::waiter() {
    return waiter_of(&TaskStore::waiter);
}
Result<std::unique_ptr<sql::Waiter>> FollowingStore::holder_waiter() {
    return waiter_of(&TaskStore::holder_waiter);
}
Result<tasks::TaskStats> FollowingStore::stats(const std::optional<std::string>& project) {
    return ask<Kind::read>(&TaskStore::stats, project);
}
Result<std::string> FollowingStore::why(const std::string& id) {
    return ask<Kind::read>(&TaskStore::why, id);
}
Result<std::vector<tasks::HistoryEntry>> FollowingStore::history(const std::string& id) {
    return ask<Kind::read>(&TaskStore::history, id);
}
/// What is a part of the store of now, for as long as somebody may have it.
TaskStore& FollowingStore::lend() {
    const std::lock_guard lock(x_mutex);
    if (x_lent.empty() || x_lent.back() != x_at) x_lent.push_back(x_at);
    return *x_at->store;
}
tasks::Schedules& FollowingStore::schedules() {
    return lend().schedules();
}
tasks::Pruning& FollowingStore::pruning() {
    return lend().pruning();
}

}  // namespace taskstore::work
