#include "simulation.hpp"

#include <algorithm>
#include <numeric>

namespace taskstore::tasks {
namespace {

using State = SimulatedTask::State;
constexpr std::size_t kTasksMax = 16;
constexpr std::int64_t kUrgent = 20;

std::string list_of(const std::vector<std::size_t>& numbers) {
    std::string list;
    for (const std::size_t number : numbers) list += " t" + std::to_string(number);
    return list.empty() ? " none" : list;
}

TaskStatus status_of(State state) {
    switch (state) {
        case State::waits:
            return TaskStatus::pending;
        case State::held:
            return TaskStatus::in_progress;
        case State::completed:
            return TaskStatus::completed;
        case State::failed:
            break;
    }
    return TaskStatus::failed;
}

}  // namespace

void JitterShares::add(double share) {
    const auto count = static_cast<double>(counts.size());
    ++counts.at(std::min(counts.size() - 1, static_cast<std::size_t>(share * count)));
}

std::int64_t JitterShares::total() const {
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

double JitterShares::unevenness() const {
    const double even = static_cast<double>(total()) / static_cast<double>(counts.size());
    double sum = 0;
    for (const std::int64_t count : counts) {
        const double off = static_cast<double>(count) - even;
        sum += off * off / even;
    }
    return sum;
}

Simulation::Simulation(sql::Database& database, std::uint64_t seed, JitterShares& shares)
    : x_seed(seed),
      x_chance(seed),
      x_random(seed),
      x_store(make_task_store(database, x_clock, x_random,
                              {.time = TimeSource::clock, .boot_id = "simulated"})),
      x_shares(shares) {
    x_model.now_ms = x_began;
    x_model.slots = {{"k", 1 + upto(2)}, {"l", 1}};
}

std::string Simulation::run() {
    if (percent(60)) set_ageing(one_of<std::int64_t>({1'000, 1'500, 4'000}));
    const std::int64_t steps = 20 + upto(30);
    for (std::int64_t step = 0; step < steps && !wrong(); ++step) {
        one_step();
        if (step % 4 == 0 && !wrong()) compare();
    }
    if (!wrong()) work_off();
    if (!wrong()) compare();
    return wrong() ? x_wrong + x_log.str() : "";
}

void Simulation::one_step() {
    const std::int64_t dice = upto(99);
    if (dice < 28)
        create();
    else if (dice < 53)
        claim(1 + upto(2));
    else if (dice < 77)
        end_one();
    else if (dice < 80)
        retry();
    else if (dice < 82)
        set_ageing(percent(30) ? std::nullopt : std::optional(1'000 + upto(50) * 10));
    else
        pass_time();
}

std::optional<std::size_t> Simulation::some(State state) {
    std::vector<std::size_t> those;
    for (const SimulatedTask& task : x_model.tasks)
        if (task.state == state) those.push_back(task.number);
    if (those.empty()) return std::nullopt;
    return those[static_cast<std::size_t>(upto(std::ssize(those) - 1))];
}

void Simulation::create() {
    if (x_model.tasks.size() == kTasksMax) return pass_time();
    SimulatedTask task{.number = x_model.tasks.size(),
                       .made_at = x_model.now_ms,
                       .priority = one_of<std::int64_t>({-10, 0, 0, 10, kUrgent}),
                       .wants_gpu = percent(20),
                       .lease_ms = 20 + upto(150),
                       .retry = {.max_attempts = 1 + upto(7),
                                 .max_rescues = upto(2),
                                 .backoff = one_of({Backoff::none, Backoff::linear,
                                                    Backoff::exponential, Backoff::fibonacci}),
                                 .base_ms = one_of<std::int64_t>({1, 40, 400, 1'000}),
                                 .cap_ms = one_of<std::int64_t>({25, 300, 5'000}),
                                 .jitter = one_of<std::int64_t>({0, 30, 100, 100})}};
    if (percent(40)) task.key = one_of<std::string>({"k", "k", "l"});
    if (percent(20)) task.not_before = x_model.now_ms + 1 + upto(60);
    for (std::int64_t n = percent(25) ? 1 + upto(1) : 0; n > 0 && task.number > 0; --n)
        task.waits_for.insert(static_cast<std::size_t>(upto(std::ssize(x_model.tasks) - 1)));
    CreateTask request{.title = "t" + std::to_string(task.number),
                       .project = one_of<std::string>({"p", "q"}),
                       .priority = task.priority,
                       .retry = task.retry,
                       .lease_ms = task.lease_ms,
                       .concurrency_key = task.key};
    if (task.wants_gpu) request.capabilities = {"gpu"};
    if (task.key) request.concurrency_limit = x_model.slots.at(*task.key);
    if (task.not_before > 0) request.not_before = task.not_before;
    for (const std::size_t other : task.waits_for) request.depends_on.push_back(x_ids[other]);
    log() << "create t" << task.number << " priority " << task.priority << " "
          << task.key.value_or("") << (task.not_before > 0 ? " later" : "");
    if (!task.waits_for.empty())
        x_log << " after" << list_of({task.waits_for.begin(), task.waits_for.end()});
    const auto made = x_store->create_task(request);
    if (!answered(made)) return;
    x_numbers[made->value.id] = task.number;
    x_ids.push_back(made->value.id);
    x_fences.push_back(0);
    x_model.tasks.push_back(std::move(task));
}

void Simulation::claim(std::int64_t limit) {
    ClaimRequest request{.worker = one_of<std::string>({"w1", "w2", "w3"}), .limit = limit};
    const bool has_gpu = percent(75);
    if (has_gpu) request.capabilities = {"gpu"};
    if (percent(20)) request.lease_ms = 10 + upto(100);
    if (percent(50)) {
        answered(x_store->tend());
        x_model.take_back();
    }
    // Where nothing is due a claim finds all in order, whoever brought it there.
    const bool in_order = !x_model.is_something_due();
    const std::vector<std::size_t> first = x_model.claimable(has_gpu);
    log() << "claim " << limit << (has_gpu ? " gpu" : "") << ":";
    const auto claimed = x_store->claim_tasks(request);
    if (!answered(claimed)) return;
    std::vector<std::size_t> got;
    for (const Task& task : claimed->value) got.push_back(x_numbers.at(task.id));
    x_log << list_of(got);
    if (!in_order) x_model.take_back();
    const std::vector<std::size_t> could = x_model.claimable(has_gpu);
    if (in_order) check_order(got, first, limit);
    expect(!got.empty() || could.empty(), "a claim finds nothing though there is" + list_of(could));
    for (std::size_t i = 0; i < got.size() && !wrong(); ++i) {
        SimulatedTask& task = x_model.tasks[got[i]];
        expect(x_model.could_be_claimed(task) && (has_gpu || !task.wants_gpu),
               "t" + std::to_string(task.number) + " could not be claimed");
        expect(claimed->value[i].fence > x_fences[task.number], "fences grow");
        x_fences[task.number] = claimed->value[i].fence;
        x_model.claim(task, request.lease_ms);
    }
    if (in_order) check_patience(got, could);
    check_slots();
}

void Simulation::check_order(const std::vector<std::size_t>& got,
                             const std::vector<std::size_t>& first, std::int64_t limit) {
    std::vector<std::size_t> expected = first;
    expected.resize(std::min(expected.size(), static_cast<std::size_t>(limit)));
    expect(got == expected, "a claim gets" + list_of(got) + ", not" + list_of(expected));
}

void Simulation::check_slots() {
    for (const auto& [key, count] : x_model.slots)
        expect(x_model.held_of(key) <= count,
               "more tasks of " + key + " are held than it has slots");
}

/// Nobody who could have been claimed was passed over for one that was made too late to go before
/// it, nor more often than those that were made in time can be claimed.
void Simulation::check_patience(const std::vector<std::size_t>& got,
                                const std::vector<std::size_t>& could) {
    for (const std::size_t number : could) {
        SimulatedTask& task = x_model.tasks[number];
        const auto until = x_model.waits_for_those_made_until(task, kUrgent);
        for (const std::size_t other : got) {
            if (other == number) break;
            ++task.overtaken;
            expect(!until || x_model.tasks[other].made_at <= *until,
                   "t" + std::to_string(number) + " waits for t" + std::to_string(other) +
                       ", which was made too late for that");
        }
        if (!until) continue;
        std::int64_t most = 0;
        for (const SimulatedTask& other : x_model.tasks)
            if (other.number != number && other.made_at <= *until) most += other.claims;
        expect(task.overtaken <= most, "t" + std::to_string(number) + " waited for too many");
    }
}

void Simulation::end_one() {
    const auto number = some(State::held);
    if (!number) return claim(1);
    SimulatedTask& task = x_model.tasks[*number];
    const std::int64_t dice = upto(99);
    if (dice < 45) {
        log() << "complete t" << *number;
        if (answered(x_store->complete_task(hold_of(*number), {}))) x_model.complete(task);
    } else if (dice < 85) {
        fail(*number);
    } else {
        log() << "release t" << *number;
        if (answered(x_store->release_task(hold_of(*number), ""))) x_model.release(task);
    }
}

void Simulation::fail(std::size_t number) {
    SimulatedTask& task = x_model.tasks[number];
    log() << "fail t" << number;
    const auto failed = x_store->fail_task(hold_of(number), {.error = "e"});
    if (!answered(failed)) return;
    const auto& until = failed->value.not_before;
    const std::int64_t wait_ms = until ? *until - x_model.now_ms : 0;
    x_log << ", waits " << wait_ms;
    x_model.fail(task, wait_ms);
    if (task.state == State::waits) check_wait(task, wait_ms);
}

void Simulation::check_wait(const SimulatedTask& task, std::int64_t wait_ms) {
    const std::int64_t full = SimulationModel::wait_of(task.retry, task.failures);
    const std::int64_t loose = full * task.retry.jitter / 100;
    expect(wait_ms <= full && wait_ms >= full - loose,
           std::string(name_of(task.retry.backoff)) + " waits " + std::to_string(wait_ms) +
               " ms after failure " + std::to_string(task.failures) + ", not " +
               std::to_string(full - loose) + ".." + std::to_string(full));
    if (loose == 0 || wrong()) return;
    // Within the step that a whole millisecond is, chance of our own: so that steps of any size
    // fill the shares evenly.
    const double within = std::uniform_real_distribution<double>(0, 1)(x_chance);
    x_shares.add((static_cast<double>(full - wait_ms) + within) / static_cast<double>(loose + 1));
}

void Simulation::retry() {
    const auto number = some(State::failed);
    if (!number) return pass_time();
    log() << "retry t" << *number;
    if (answered(x_store->retry_task(x_ids[*number], "ann"))) x_model.retry(x_model.tasks[*number]);
}

/// Whoever tends, or claims, brings the tasks that are pending into their new order.
void Simulation::set_ageing(std::optional<std::int64_t> ms) {
    log() << "ageing " << ms.value_or(0);
    if (!answered(x_store->set_ageing(ms))) return;
    if (!answered(x_store->tend())) return;
    x_model.take_back();
    x_model.ageing_ms = ms;
    for (SimulatedTask& task : x_model.tasks) task.overtaken = 0;
}

void Simulation::pass_time() {
    std::int64_t ms = one_of<std::int64_t>({1, 5, 20, 60, 150, 700, 2'000});
    // To the moment when something ends, and to the one before it.
    if (const auto next = x_model.next_moment(); next && percent(60))
        ms = std::max<std::int64_t>(*next - x_model.now_ms - upto(1), 1);
    x_clock.advance_ms(ms);
    x_model.now_ms += ms;
    log() << "time +" << ms;
}

/// Everything that can be claimed can be ended; what is left waits for one that failed.
void Simulation::work_off() {
    log() << "the end";
    for (int round = 0; round < 100 && !wrong(); ++round) {
        claim(20);
        while (const auto held = some(State::held)) {
            if (!answered(x_store->complete_task(hold_of(*held), {}))) return;
            x_model.complete(x_model.tasks[*held]);
        }
        const auto next = x_model.next_moment();
        if (!next && x_model.claimable(true).empty()) break;
        x_clock.advance_ms(next ? *next - x_model.now_ms : 1);
        x_model.now_ms = x_clock.wall_ms();
    }
    for (const SimulatedTask& task : x_model.tasks)
        expect(task.state != State::waits || !x_model.could_be_claimed(task),
               "t" + std::to_string(task.number) + " can be claimed by nobody");
}

void Simulation::compare() {
    const auto page = x_store->list_tasks({.limit = 100});
    if (!answered(page)) return;
    expect(page->tasks.size() == x_model.tasks.size(), "there are as many tasks");
    for (const Task& is : page->tasks) {
        const SimulatedTask& task = x_model.tasks[x_numbers.at(is.id)];
        const std::string name = "t" + std::to_string(task.number);
        expect(is.status == status_of(task.state), name + " is " + std::string(name_of(is.status)) +
                                                       ", not " +
                                                       std::string(name_of(status_of(task.state))));
        expect(is.rescues == task.rescues && is.retry_count == task.failures,
               name + " has other rescues or failures");
        expect(is.dead_at.has_value() == task.dead,
               name + (task.dead ? " is not" : " is") + " dead");
        if (task.state == State::held)
            expect(is.lease_expires_at == task.lease_end, name + " has another lease");
        if (task.state == State::waits && task.not_before > x_model.now_ms)
            expect(is.not_before == task.not_before, name + " waits for another time");
    }
}

}  // namespace taskstore::tasks
