#pragma once
// What tasks are to do, written apart from the store: plain values in memory, one task after the
// other, no SQL, nothing counted ahead. A test asks both and compares.

#include <taskstore/tasks/task_store.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace taskstore::tasks {

struct ModelTask {
    Task task;                   ///< As far as people see it; depends_on: all that it ever had.
    std::set<std::string> open;  ///< What it waits for.
    std::vector<std::string> verbs{"create"};
    bool held() const { return task.status == TaskStatus::in_progress; }
    bool pending() const { return task.status == TaskStatus::pending; }
};

class TaskModel {
  public:
    explicit TaskModel(std::int64_t at_ms) : now_ms(at_ms) {}
    std::int64_t now_ms;
    std::map<std::string, ModelTask> tasks;
    std::map<std::string, std::int64_t> slots;  ///< Of each concurrency key.

    /// The task that has the key of the request by now; nothing: it is free.
    struct Key {
        std::string id;
        std::string title;
        std::int64_t expires_at;
    };
    const Key* key_of(const CreateTask& request) const;
    /// `made`: what the store answered, for its id and times.
    void create(const CreateTask& request, const Task& made);
    /// Everything that is due: leases that ran out, deadlines that passed.
    void tend();
    /// What a claim may get, in the order in which it is given out; `slots` are kept.
    std::vector<std::string> claimable(const ClaimRequest& request) const;
    /// Whether the worker may have this one at all: keys not looked at.
    bool may_have(const ModelTask& one, const ClaimRequest& request) const;
    std::int64_t held_of(const std::string& key) const;
    void claim(const std::string& id, const ClaimRequest& request);
    /// ok, or why the hold is none.
    std::optional<Code> why_not(const Hold& hold) const;
    void renew(const std::string& id, std::optional<std::int64_t> lease_ms);
    void complete(const std::string& id);
    /// `waits`: how long from now, as chance had it, where there is jitter.
    void fail(const std::string& id, const FailedAttempt& attempt, std::int64_t waits);
    void release(const std::string& id);
    void rescue(const std::string& id);
    std::optional<Code> cancel(const std::string& id);
    std::optional<Code> retry(const std::string& id);
    std::optional<Code> remove(const std::string& id);
    /// Whether `id` waits for `other`, in the end.
    bool waits_for(const std::string& id, const std::string& other) const;
    /// ok, or why the dependencies cannot be changed so.
    std::optional<Code> why_not_so(const std::string& id, const UpdateTask& change) const;
    void update(const std::string& id, const UpdateTask& change);
    /// The earliest time at which something becomes claimable or due by itself.
    std::optional<std::int64_t> next_time() const;
    /// The wait after a failed attempt, without chance.
    static std::int64_t full_wait(const RetryPolicy& retry, std::int64_t failed);

  private:
    void say_slots(const std::string& key, std::optional<std::int64_t> limit);
    std::map<std::pair<std::string, std::string>, Key> x_keys;
    void to_pending(ModelTask& one, std::int64_t waits);
    void end(ModelTask& one, TaskStatus status, const std::string& verb);
    void ended(const std::string& id);
};

}  // namespace taskstore::tasks
