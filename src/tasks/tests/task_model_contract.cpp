// Random sequences of everything that one can do with tasks, one after the other: the store and a
// model that was written apart from it agree on every answer, on every task after each step, and at
// the end on which tasks could still be worked on: every one that may be claimed can be.
// TASKSTORE_SEED repeats one sequence, TASKSTORE_FULL=1 tries many.

#include "task_sequence.hpp"
#include "task_store_contract.hpp"

#include <cstdlib>
#include <iostream>

namespace taskstore::tasks {

void Sequence::compare() {
    const auto page = x_store.list_tasks({.limit = 10'000});
    if (!page) return expect(false, page.error().message);
    expect(page->tasks.size() == x_model.tasks.size(), "there are as many tasks");
    for (const Task& task : page->tasks) {
        const auto found = x_model.tasks.find(task.id);
        expect(found != x_model.tasks.end(), "a task that should not be there");
        if (wrong()) return;
        compare_one(task, found->second);
    }
    compare_outlook();
}

void Sequence::compare_one(const Task& is, const ModelTask& model) {
    const Task& task = model.task;
    const auto same = [&](const auto& one, const auto& other, const std::string& what) {
        expect(one == other, short_of(is.id) + " has another " + what);
    };
    same(is.status, task.status, "status: " + std::string(name_of(is.status)));
    same(is.revision, task.revision, "revision");
    same(is.fence, task.fence, "fence");
    same(is.assigned_to, task.assigned_to, "holder");
    same(is.retry_count, task.retry_count, "retry_count");
    same(is.rescues, task.rescues, "rescues");
    same(is.priority, task.priority, "priority");
    same(is.project, task.project, "project");
    same(is.deadline, task.deadline, "deadline");
    same(is.lease_expires_at, task.lease_expires_at, "lease_expires_at");
    same(is.liveness, task.liveness, "liveness");
    same(is.cancel_requested_at, task.cancel_requested_at, "cancel_requested_at");
    same(is.dead_at, task.dead_at, "dead_at");
    same(is.completed_at, task.completed_at, "completed_at");
    same(is.error.has_value(), task.error.has_value(), "error");
    same(is.on_failed_dependency, task.on_failed_dependency, "policy");
    same(is.concurrency_key, task.concurrency_key, "concurrency_key");
    same(is.depends_on, task.depends_on, "list of dependencies");
    same(is.open_dependencies, std::ssize(model.open), "number of open dependencies");
    // Nothing, once that time has come.
    if (model.pending() &&
        (is.not_before || (task.not_before && *task.not_before > x_model.now_ms)))
        same(is.not_before, task.not_before, "not_before");
}

/// Who waits for tasks waits neither in vain nor too long.
void Sequence::compare_outlook() {
    const ClaimRequest request{.worker = "w", .capabilities = {"gpu"}};
    const auto outlook = x_store.outlook(request);
    if (!outlook) return expect(false, outlook.error().message);
    if (outlook->claimable) return;
    expect(x_model.claimable(request).empty(), "the outlook denies what may be claimed");
    const auto next = x_model.next_time();
    expect(!next || (outlook->next_time && *outlook->next_time <= *next),
           "the outlook does not know when to look again");
}

/// Every pending task that may be claimed can be claimed: what is left waits for a failed one.
void Sequence::work_off() {
    log() << "the end";
    for (int round = 0; round < 200 && !wrong(); ++round) {
        x_clock.advance_ms(1'000);
        x_model.now_ms = x_clock.wall_ms();
        const ClaimRequest request{.worker = "w", .capabilities = {"gpu"}, .limit = 5};
        const auto got = x_store.claim_tasks(request);
        if (!got) return expect(false, got.error().message);
        x_model.tend();
        check_claimed(got->value, request, {}, false);
        if (got->value.empty()) break;
        for (const Task& task : got->value) {
            const Hold hold{.task_id = task.id, .fence = task.fence};
            if (!agreed(x_store.complete_task(hold, {}), std::nullopt, "complete at the end"))
                return;
            x_model.complete(task.id);
        }
        compare();
    }
    for (const auto& [id, one] : x_model.tasks) {
        expect(!one.held(), short_of(id) + " is held for ever");
        expect(!one.pending() || !one.open.empty(), short_of(id) + " can be claimed by nobody");
        const auto history = x_store.history(id);
        std::vector<std::string> verbs;
        if (history)
            for (const HistoryEntry& entry : *history) verbs.push_back(entry.verb);
        expect(verbs == one.verbs, short_of(id) + " has another history");
    }
    const auto stats = x_store.stats({});
    TaskStats::Counts counts{};
    for (const auto& [id, one] : x_model.tasks) ++counts[static_cast<std::size_t>(one.task.status)];
    expect(stats && stats->by_status == counts, "the figures are others");
}

void Sequence::clear() {
    while (!x_model.tasks.empty() && !wrong()) {
        for (auto one = x_model.tasks.begin(); one != x_model.tasks.end() && !wrong();) {
            const std::string id = (one++)->first;
            const auto answer = x_store.delete_task(id);
            const std::optional<Code> expected = x_model.remove(id);
            expect(answer.has_value() == !expected, "a removal at the end is answered otherwise");
        }
    }
}

TEST_P(TaskStoreContract, RandomSequencesAgreeWithAModelOfTasks) {
    const char* const given = std::getenv("TASKSTORE_SEED");
    const bool full = std::getenv("TASKSTORE_FULL") != nullptr;
    if (GetParam().make_hasty) {
        x_store.reset();
        x_sandbox = GetParam().make_hasty(x_clock);
        x_store =
            make_task_store(x_sandbox->database(), x_clock, x_random, {.time = TimeSource::clock});
    }
    const bool network = x_sandbox->database().capabilities().network;
    const int count = given != nullptr ? 1 : network ? (full ? 200 : 10) : full ? 5'000 : 150;
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "TASKSTORE_SEED=" << seed << " and the " << count - 1 << " after it\n";
    for (int i = 0; i < count; ++i) {
        Sequence sequence(*x_store, x_clock, seed + static_cast<std::uint64_t>(i));
        const std::string wrong = sequence.run();
        if (!wrong.empty()) FAIL() << wrong;
    }
}

}  // namespace taskstore::tasks
