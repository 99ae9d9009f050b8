#include "trial_worker.hpp"

#include <taskstore/os/forked.hpp>
#include <taskstore/ownership/trial.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

namespace taskstore::ownership {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kRoundMs = 10;
constexpr std::int64_t kLongestPauseMs = 600;
constexpr std::int64_t kFarthestJumpMs = 7'200'000;
constexpr std::int64_t kAskedPerChance = 10;
constexpr std::int64_t kRoundsPerRestart = 500;
constexpr int kFailed = 3;
constexpr std::size_t kMessageBytesMax = 1U << 16U;

enum Shared : std::uint8_t { kAsked, kOffsetMs, kSharedCount };

class Trial {
  public:
    Trial(const TrialOptions& options, os::FileSystem& files, const Clock& clock,
          os::SharedNumbers shared)
        : x_options(options),
          x_files(files),
          x_clock(clock),
          x_shared(std::move(shared)),
          x_random(options.seed) {}

    Result<TrialReport> run();

  private:
    struct Slot {
        std::optional<os::Forked> process;
        int incarnation = 0;
        std::int64_t paused_until_ns = 0;
        bool done = false;
    };

    std::string name_of_slot(std::size_t slot) const { return "p" + std::to_string(slot); }
    std::string path(const std::string& name, const char* what) const {
        return os::join_path(x_options.folder, name + what);
    }
    std::int64_t below(std::int64_t bound) {
        return static_cast<std::int64_t>(x_random.next_u64() % static_cast<std::uint64_t>(bound));
    }
    Status begin(std::size_t slot);
    int work(std::size_t slot, int incarnation);
    Status work_through(const std::string& name, std::uint64_t seed);
    Result<bool> all_done();
    Status disturb();
    void wake_those_whose_pause_is_over(bool all);
    Result<std::vector<Operation>> gather();
    Status look_at_all(tasks::TaskStore& store, std::vector<Operation>& operations);
    void count(const std::vector<Operation>& operations);

    const TrialOptions& x_options;
    os::FileSystem& x_files;
    const Clock& x_clock;
    os::SharedNumbers x_shared;
    SeededRandom x_random;
    std::vector<Slot> x_slots;
    TrialReport x_report;
};

/// In the child. Whoever does not come to its end says why in a file.
int Trial::work(std::size_t slot, int incarnation) {
    const std::string name = name_of_slot(slot);
    const std::uint64_t seed =
        (x_options.seed << 24U) + (slot << 14U) + static_cast<std::uint64_t>(incarnation);
    const Status status = work_through(name, seed);
    if (status) return 0;
    const Status told =
        os::replace_file(x_files, path(name, ".error"),
                         name + ": " + std::string(taskstore::name_of(status.error().code)) + ": " +
                             status.error().message,
                         0600);
    return told ? kFailed : kFailed + 1;
}

Status Trial::work_through(const std::string& name, std::uint64_t seed) {
    const JumpingClock clock(x_clock, x_shared[kOffsetMs]);
    SeededRandom random(seed);
    TASKSTORE_LET(const auto store, x_options.open(clock, random));
    TASKSTORE_LET(auto before, read_log(x_files, path(name, ".jsonl")));
    TASKSTORE_LET(TrialLog log, TrialLog::open(x_files, path(name, ".jsonl")));
    Asker asker(*store, log, clock, name, before.empty() ? 0 : before.back().call.number);
    if (!before.empty() && !before.back().answer) {
        TASKSTORE_LET(before.back().answer, asker.ask_again(before.back().call));
    }
    Worker worker(asker, random);
    worker.take_over(before);
    while (x_shared[kAsked].fetch_add(1) < x_options.operations) TASKSTORE_TRY(worker.step());
    return ok();
}

Status Trial::begin(std::size_t slot) {
    Slot& own = x_slots[slot];
    const int incarnation = ++own.incarnation;
    TASKSTORE_LET(auto process,
                  os::Forked::start([this, slot, incarnation] { return work(slot, incarnation); }));
    own.process.emplace(std::move(process));
    own.paused_until_ns = 0;
    return ok();
}

Result<bool> Trial::all_done() {
    for (std::size_t i = 0; i < x_slots.size(); ++i) {
        Slot& slot = x_slots[i];
        const auto code = slot.done ? std::nullopt : slot.process->ended();
        if (!code) continue;
        slot.done = true;
        if (*code == 0) continue;
        auto message = os::read_file(x_files, path(name_of_slot(i), ".error"), kMessageBytesMax);
        return fail(Code::failed,
                    message ? *message : name_of_slot(i) + " ended with " + std::to_string(*code));
    }
    return std::ranges::all_of(x_slots, &Slot::done);
}

void Trial::wake_those_whose_pause_is_over(bool all) {
    const std::int64_t now_ns = x_clock.running_ns();
    for (Slot& slot : x_slots) {
        if (slot.paused_until_ns == 0 || (!all && now_ns < slot.paused_until_ns)) continue;
        slot.process->go_on();
        slot.paused_until_ns = 0;
    }
}

Status Trial::disturb() {
    const auto chosen = static_cast<std::size_t>(below(std::ssize(x_slots)));
    Slot& slot = x_slots[chosen];
    const std::int64_t dice = below(100);
    if (dice < 3) {
        x_shared[kOffsetMs] = below(2 * kFarthestJumpMs) - kFarthestJumpMs;
        ++x_report.jumps;
    } else if (dice < 10 && !slot.done) {
        slot.process->kill();
        ++x_report.kills;
        TASKSTORE_TRY(begin(chosen));
    } else if (dice < 25 && !slot.done && slot.paused_until_ns == 0) {
        slot.process->pause();
        slot.paused_until_ns = x_clock.running_ns() + below(kLongestPauseMs) * kNsPerMs + 1;
        ++x_report.pauses;
    }
    return ok();
}

/// What the processes were told, what they left open, and what there is at the end.
Result<std::vector<Operation>> Trial::gather() {
    const JumpingClock clock(x_clock, x_shared[kOffsetMs]);
    TASKSTORE_LET(const auto store, x_options.open(clock, x_random));
    std::vector<Operation> operations;
    for (std::size_t i = 0; i < x_slots.size(); ++i) {
        const std::string name = name_of_slot(i);
        TASKSTORE_LET(auto asked, read_log(x_files, path(name, ".jsonl")));
        for (const Asked& one : asked) {
            if (!one.answer || one.answer->outcome == Outcome::unknown) ++x_report.unanswered;
        }
        if (!asked.empty() && !asked.back().answer) {
            TASKSTORE_LET(TrialLog log, TrialLog::open(x_files, path(name, ".jsonl")));
            Asker asker(*store, log, clock, name, asked.back().call.number);
            TASKSTORE_LET(asked.back().answer, asker.ask_again(asked.back().call));
        }
        const auto own = operations_of(name, asked);
        operations.insert(operations.end(), own.begin(), own.end());
    }
    TASKSTORE_TRY(look_at_all(*store, operations));
    return operations;
}

Status Trial::look_at_all(tasks::TaskStore& store, std::vector<Operation>& operations) {
    std::set<std::string> ids;
    for (const Operation& one : operations) ids.insert(one.task);
    std::int64_t number = 0;
    for (const std::string& id : ids) {
        Operation look{.process = "end",
                       .number = ++number,
                       .act = Act::look,
                       .task = id,
                       .begin_ns = x_clock.running_ns(),
                       .outcome = Outcome::done};
        TASKSTORE_LET(const auto task, store.get_task(id));
        look.end_ns = x_clock.running_ns();
        if (task) {
            look.fence = task->fence;
            look.status = task->status;
        } else {
            look.outcome = Outcome::refused;
        }
        operations.push_back(std::move(look));
    }
    return ok();
}

void Trial::count(const std::vector<Operation>& operations) {
    for (const Operation& one : operations) {
        if (one.outcome == Outcome::refused && one.act != Act::look) ++x_report.refused;
        if (one.outcome != Outcome::done) continue;
        if (one.act == Act::claim) ++x_report.claimed;
        if (one.act == Act::complete) ++x_report.completed;
    }
}

Result<TrialReport> Trial::run() {
    const std::int64_t begin_ns = x_clock.running_ns();
    {
        // The store is made before they meet in it; nothing of it may be open when they are forked.
        TASKSTORE_TRY(x_options.open(x_clock, x_random));
    }
    x_slots.resize(static_cast<std::size_t>(x_options.processes));
    for (std::size_t i = 0; i < x_slots.size(); ++i) TASKSTORE_TRY(begin(i));
    std::int64_t disturbed_at = 0;
    for (std::int64_t round = 0;; ++round) {
        TASKSTORE_LET(const bool done, all_done());
        if (done) break;
        const std::int64_t asked = std::min(x_shared[kAsked].load(), x_options.operations);
        if (x_options.progress) x_options.progress(asked, x_options.operations);
        if (x_options.stopped && x_options.stopped())
            return fail(Code::cancelled, "stopped after " + std::to_string(asked) + " of " +
                                             std::to_string(x_options.operations) + " operations");
        const bool more = asked < x_options.operations;
        wake_those_whose_pause_is_over(!more);
        // As often as they get on: a slow store is not killed into standing still.
        if (x_options.disturb && more && asked >= disturbed_at + kAskedPerChance) {
            disturbed_at = asked;
            TASKSTORE_TRY(disturb());
        }
        if (x_options.restart_server && more &&
            round % kRoundsPerRestart == kRoundsPerRestart - 1) {
            TASKSTORE_TRY(x_options.restart_server());
            ++x_report.restarts;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(kRoundMs));
    }
    TASKSTORE_LET(const auto operations, gather());
    count(operations);
    x_report.verdict = check_ownership(operations);
    x_report.took_ms = (x_clock.running_ns() - begin_ns) / kNsPerMs;
    return x_report;
}

}  // namespace

Result<TrialReport> run_trial(const TrialOptions& options, os::FileSystem& files,
                              const Clock& clock) {
    TASKSTORE_LET(auto shared, os::SharedNumbers::make(kSharedCount));
    return Trial(options, files, clock, std::move(shared)).run();
}

}  // namespace taskstore::ownership
