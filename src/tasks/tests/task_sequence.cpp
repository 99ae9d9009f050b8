// What is done, in the store and in the model.

#include "task_sequence.hpp"

namespace taskstore::tasks {
namespace {

constexpr std::size_t kTasksMax = 14;

}  // namespace

CreateTask Sequence::some_task() {
    if (!x_keyed.empty() && percent(30)) {
        CreateTask again = x_keyed[static_cast<std::size_t>(upto(std::ssize(x_keyed) - 1))];
        // Unless somebody removed what it waited for.
        const bool there = std::ranges::all_of(
            again.depends_on, [&](const auto& id) { return x_model.tasks.contains(id); });
        if (percent(25)) again.title += "!";
        if (there) return again;
    }
    // Of its own, so that tasks of one title are of one content.
    CreateTask task{.title = "t" + std::to_string(++x_titles),
                    .project = one_of<std::string>({"p", "p", "q"}),
                    .priority = one_of<std::int64_t>({0, 0, 0, 10, -10}),
                    .retry = {.max_attempts = 1 + upto(2),
                              .max_rescues = upto(2),
                              .backoff = one_of({Backoff::none, Backoff::linear, Backoff::fibonacci,
                                                 Backoff::exponential}),
                              .base_ms = 1 + upto(20),
                              .cap_ms = 30,
                              .jitter = one_of<std::int64_t>({0, 0, 50})},
                    .lease_ms = 20 + upto(150)};
    if (percent(20)) task.capabilities = {"gpu"};
    if (percent(15)) task.command = "true";
    if (percent(20)) task.not_before = x_model.now_ms - 5 + upto(60);
    if (percent(40)) {
        for (std::int64_t n = 1 + upto(2); n > 0; --n) {
            const std::string id = some_id();
            if (id != "nobody" || percent(20)) task.depends_on.push_back(id);
        }
        std::ranges::sort(task.depends_on);
        task.depends_on.erase(std::ranges::unique(task.depends_on).begin(), task.depends_on.end());
        task.on_failed_dependency = one_of(
            {OnFailedDependency::block, OnFailedDependency::cancel, OnFailedDependency::run});
    } else if (percent(15)) {
        // Which of two that are overdue together is first decides what becomes of the other: so
        // none that waits for another has a deadline.
        task.deadline = x_model.now_ms + upto(80);
    }
    if (percent(30)) {
        task.concurrency_key = one_of<std::string>({"k", "l"});
        // The database remembers what sequences before this one said.
        const bool is_new = !x_model.slots.contains(*task.concurrency_key);
        if (percent(70) || is_new) task.concurrency_limit = 1 + upto(1);
    }
    if (percent(20)) {
        task.idempotency_key = one_of<std::string>({"a", "b", "c"});
        task.key_retention_ms = 10 + upto(200);
    }
    return task;
}

void Sequence::create() {
    if (x_model.tasks.size() >= kTasksMax) return remove();
    const CreateTask task = some_task();
    const TaskModel::Key* const known = x_model.key_of(task);
    const bool absent = std::ranges::any_of(
        task.depends_on, [&](const auto& id) { return !x_model.tasks.contains(id); });
    const bool same = known != nullptr && known->title == task.title;
    log() << "create";
    const auto made = x_store.create_task(task);
    if (made) {
        x_log << " " << short_of(made->value.id) << " " << task.concurrency_key.value_or("")
              << (task.not_before ? " later" : "") << (task.deadline ? " deadline" : "");
        for (const std::string& id : task.depends_on)
            x_log << " " << name_of(task.on_failed_dependency) << ":" << short_of(id);
    }
    if (known != nullptr) {
        expect(made.has_value() == same,
               "a known key with the same content is a task that is there");
        if (made) expect(made->value.id == known->id, "a known key is its task");
        if (!made) expect(made.error().code == Code::conflict, made.error().message);
    } else if (absent) {
        expect(!made && made.error().code == Code::not_found, "it depends on nobody");
    } else if (!made) {
        expect(false, made.error().message);
    } else {
        x_model.create(task, made->value);
        if (task.idempotency_key) x_keyed.push_back(task);
    }
}

ClaimRequest Sequence::some_claim() {
    ClaimRequest request{.worker = one_of<std::string>({"w1", "w2"}), .limit = 1 + upto(2)};
    if (percent(50)) request.project = one_of<std::string>({"p", "q"});
    if (percent(70)) request.capabilities = {"gpu"};
    if (percent(25)) request.lease_ms = 10 + upto(100);
    request.with_command = percent(10);
    if (percent(30)) request.liveness = "lock:" + request.worker;
    // Answers are kept longer than sequences last: ids are of one sequence alone.
    if (percent(40))
        request.request_id = "r" + std::to_string(x_seed) + "." + std::to_string(++x_requests);
    return request;
}

void Sequence::claim() {
    if (!x_asked.empty() && percent(15)) {
        const Asked& before = x_asked[static_cast<std::size_t>(upto(std::ssize(x_asked) - 1))];
        log() << "claim again " << before.request.request_id;
        const auto again = x_store.claim_tasks(before.request);
        if (!again) return expect(false, again.error().message);
        std::vector<Task> still;
        for (const Task& task : before.got)
            if (x_model.tasks.contains(task.id)) still.push_back(task);
        expect(again->value.size() == still.size(), "a request that was answered has its answer");
        for (std::size_t i = 0; i < still.size() && !wrong(); ++i)
            expect(again->value[i].id == still[i].id && again->value[i].fence == still[i].fence &&
                       again->value[i].revision == still[i].revision &&
                       again->value[i].status == still[i].status,
                   "a request that was answered has its first answer");
        return;
    }
    const ClaimRequest request = some_claim();
    const bool tended = percent(60);
    if (tended) {
        log() << "tend";
        const auto done = x_store.tend();
        expect(done.has_value(), done ? "" : done.error().message);
        x_model.tend();
    }
    const std::vector<std::string> first = x_model.claimable(request);
    log() << "claim " << request.worker << " " << request.limit << " "
          << request.project.value_or("*") << (request.capabilities.empty() ? "" : " gpu") << ":";
    const auto got = x_store.claim_tasks(request);
    if (!got) return expect(false, got.error().message);
    for (const Task& task : got->value) x_log << " got " << short_of(task.id);
    x_model.tend();
    check_claimed(got->value, request, first, tended);
    if (!request.request_id.empty() && !got->value.empty() && !wrong())
        x_asked.push_back({request, got->value});
}

/// What was due was put in order before the claim: then it gets the first ones, strictly. Else some
/// slots may be found out only after it, and tasks of keys come later.
void Sequence::check_claimed(const std::vector<Task>& got, const ClaimRequest& request,
                             const std::vector<std::string>& first, bool tended) {
    const auto limit = static_cast<std::size_t>(request.limit);
    if (tended) {
        std::vector<std::string> ids;
        for (const Task& task : got) ids.push_back(task.id);
        std::vector<std::string> expected = first;
        expected.resize(std::min(expected.size(), limit));
        std::string list;
        for (const std::string& id : expected) list += " " + short_of(id);
        expect(ids == expected, "a claim gets the first ones:" + list);
    }
    const auto could = x_model.claimable(request);
    expect(!got.empty() || could.empty(),
           "a claim finds nothing though there is " + (could.empty() ? "" : short_of(could[0])));
    for (const Task& task : got) {
        ModelTask& one = x_model.tasks.at(task.id);
        expect(x_model.may_have(one, request), short_of(task.id) + " may not be claimed");
        if (wrong()) return;
        expect(task.fence > one.task.fence, "fences grow");
        expect(one.task.fence == 0 || task.fence == one.task.fence + 1, "fences grow by one");
        one.task.fence = task.fence;
        x_model.claim(task.id, request);
        const auto& key = one.task.concurrency_key;
        expect(!key || x_model.held_of(*key) <= x_model.slots.at(*key), "a slot is given once");
    }
    if (got.size() == limit) return;
    for (const std::string& id : x_model.claimable(request)) {
        const bool was_there = std::ranges::find(first, id) != first.end();
        expect(!was_there || x_model.tasks.at(id).task.concurrency_key.has_value(),
               short_of(id) + " was left though the claim wanted more");
    }
}

Hold Sequence::some_hold() {
    Hold hold{.task_id = held_id()};
    const auto found = x_model.tasks.find(hold.task_id);
    const std::int64_t fence = found == x_model.tasks.end() ? 7 : found->second.task.fence;
    const std::int64_t dice = upto(99);
    if (dice < 75) hold.fence = fence;
    if (dice >= 90) hold.fence = fence - 1;
    log() << short_of(hold.task_id) << (dice < 75 ? " " : dice >= 90 ? " stale " : " by hand ");
    return hold;
}

bool Sequence::agreed(const Result<Written<Task>>& answer, std::optional<Code> expected,
                      const std::string& what) {
    x_log << what << (answer ? " ok" : " " + answer.error().message);
    expect(answer.has_value() == !expected.has_value(),
           what + (answer ? " was not refused" : ": " + answer.error().message));
    if (!answer && expected) expect(answer.error().code == *expected, what + ": another refusal");
    return answer.has_value() && !wrong();
}

void Sequence::complete() {
    if (!x_done.empty() && percent(20)) {
        const Done& before = x_done[static_cast<std::size_t>(upto(std::ssize(x_done) - 1))];
        const bool other = percent(30);
        log();
        const auto again = x_store.complete_task(
            before.hold, other ? Completion{.result = "2"} : before.completion);
        if (!x_model.tasks.contains(before.hold.task_id)) return;
        if (agreed(again, other ? std::optional(Code::conflict) : std::nullopt, "complete again"))
            expect(again->value.revision == before.task.revision, "the first answer");
        return;
    }
    Hold hold = some_hold();
    if (percent(40))
        hold.request_id = "c" + std::to_string(x_seed) + "." + std::to_string(++x_requests);
    const Completion completion{.result = "1"};
    const auto done = x_store.complete_task(hold, completion);
    if (!agreed(done, x_model.why_not(hold), "complete")) return;
    x_model.complete(hold.task_id);
    if (!hold.request_id.empty()) x_done.push_back({hold, completion, done->value});
}

void Sequence::fail_one() {
    const Hold hold = some_hold();
    const FailedAttempt attempt{.error = "e", .final = percent(20)};
    const auto failed = x_store.fail_task(hold, attempt);
    if (!agreed(failed, x_model.why_not(hold), "fail")) return;
    const Task& was = x_model.tasks.at(hold.task_id).task;
    const std::int64_t most = TaskModel::full_wait(was.retry, was.retry_count + 1);
    std::int64_t waits = most;
    if (was.retry.jitter > 0 && failed->value.not_before) {
        waits = *failed->value.not_before - x_model.now_ms;
        expect(waits <= most && waits >= most - most * was.retry.jitter / 100, "jitter is bounded");
    }
    x_model.fail(hold.task_id, attempt, waits);
}

void Sequence::release() {
    const Hold hold = some_hold();
    if (agreed(x_store.release_task(hold, ""), x_model.why_not(hold), "release"))
        x_model.release(hold.task_id);
}

void Sequence::renew() {
    const Hold hold = some_hold();
    const std::optional<std::int64_t> lease_ms =
        percent(50) ? std::optional<std::int64_t>(1 + upto(200)) : std::nullopt;
    if (agreed(x_store.renew_task(hold, lease_ms), x_model.why_not(hold), "renew"))
        x_model.renew(hold.task_id, lease_ms);
}

void Sequence::cancel() {
    const std::string id = some_id();
    log();
    const auto answer = x_store.cancel_task(id, "ann", "");
    agreed(answer, x_model.cancel(id), "cancel " + short_of(id));
}

void Sequence::retry() {
    const std::string id = some_id();
    log();
    const auto answer = x_store.retry_task(id, "ann");
    agreed(answer, x_model.retry(id), "retry " + short_of(id));
}

void Sequence::remove() {
    const std::string id = some_id();
    const auto answer = x_store.delete_task(id, "ann");
    const std::optional<Code> expected = x_model.remove(id);
    log() << "remove " << short_of(id) << (answer ? " ok" : " " + answer.error().message);
    expect(answer.has_value() == !expected.has_value(),
           answer ? "a removal was not refused" : answer.error().message);
    if (!answer && expected) expect(answer.error().code == *expected, answer.error().message);
}

void Sequence::update() {
    const std::string id = some_id();
    const auto found = x_model.tasks.find(id);
    const bool there = found != x_model.tasks.end();
    log();
    UpdateTask change;
    if (percent(30)) change.priority = one_of<std::int64_t>({-10, 0, 10});
    if (percent(20)) change.project = one_of<std::string>({"p", "q"});
    if (percent(20)) change.capabilities = std::vector<std::string>(upto(1) == 0 ? 0 : 1, "gpu");
    if (percent(20)) change.lease_ms = 20 + upto(100);
    if (percent(20)) change.not_before.emplace(x_model.now_ms - 5 + upto(40));
    if (percent(15)) change.not_before.emplace(std::nullopt);
    if (percent(10)) change.deadline.emplace(std::nullopt);
    if (percent(20))
        change.on_failed_dependency = one_of(
            {OnFailedDependency::block, OnFailedDependency::cancel, OnFailedDependency::run});
    if (percent(20)) change.concurrency_key.emplace(one_of<std::string>({"k", "l"}));
    if (percent(15)) change.concurrency_key.emplace(std::nullopt);
    const bool keyed = change.concurrency_key ? change.concurrency_key->has_value()
                                              : there && found->second.task.concurrency_key;
    const bool is_new = change.concurrency_key && *change.concurrency_key &&
                        !x_model.slots.contains(**change.concurrency_key);
    if (keyed && (percent(30) || is_new)) change.concurrency_limit = 1 + upto(2);
    if (percent(30) && there && !found->second.task.deadline) {
        const std::string other = some_id();
        if (percent(60))
            change.add_dependencies = {other};
        else
            change.remove_dependencies = {other};
        x_log << (change.add_dependencies.empty() ? "not after " : "after ") << short_of(other)
              << ": ";
    }
    const bool late = percent(10);
    if (there) change.revision = found->second.task.revision - (late ? 1 : 0);
    const auto answer = x_store.update_task(id, change);
    const std::optional<Code> expected = !there ? std::optional(Code::not_found)
                                         : late ? std::optional(Code::conflict)
                                                : x_model.why_not_so(id, change);
    if (agreed(answer, expected, "update " + short_of(id))) x_model.update(id, change);
}

void Sequence::rescue() {
    const auto watched = x_store.watched_tasks();
    if (!watched) return expect(false, watched.error().message);
    std::size_t count = 0;
    for (const auto& [id, one] : x_model.tasks) count += one.held() && one.task.liveness ? 1U : 0U;
    expect(watched->size() == count, "all are watched whose holders can be seen");
    if (watched->empty() || wrong()) return;
    const WatchedTask& one = watched->front();
    log();
    if (agreed(x_store.rescue_task(one, "it died"), std::nullopt,
               "rescue " + short_of(one.task_id)))
        x_model.rescue(one.task_id);
}

}  // namespace taskstore::tasks
