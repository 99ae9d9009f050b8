#pragma once
// One process of a trial.

#include "trial_log.hpp"

#include <taskstore/base/clock.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <string>
#include <vector>

namespace taskstore::ownership {

/// The clock of a process whose wall clock others set.
class JumpingClock final : public Clock {
  public:
    JumpingClock(const Clock& real, const std::atomic<std::int64_t>& offset_ms)
        : x_real(real), x_offset_ms(offset_ms) {}
    std::int64_t wall_ms() const override { return x_real.wall_ms() + x_offset_ms.load(); }
    std::int64_t boot_ns() const override { return x_real.boot_ns(); }
    std::int64_t running_ns() const override { return x_real.running_ns(); }

  private:
    const Clock& x_real;
    const std::atomic<std::int64_t>& x_offset_ms;
};

/// Asks the store, and writes down what it asked and was told. A question that has a name of its
/// own is asked again until it is answered.
class Asker {
  public:
    Asker(tasks::TaskStore& store, TrialLog& log, const Clock& clock, std::string process,
          std::int64_t last_number)
        : x_store(store),
          x_log(log),
          x_clock(clock),
          x_process(std::move(process)),
          x_number(last_number) {}

    /// Numbers it and asks it. An error that no client has to expect ends the trial.
    Result<Answer> ask(Call call);
    /// One that somebody asked before and heard no answer to.
    Result<Answer> ask_again(const Call& call);

  private:
    Result<Answer> until_answered(const Call& call);
    Result<std::vector<tasks::Task>> once(const Call& call);

    tasks::TaskStore& x_store;
    TrialLog& x_log;
    const Clock& x_clock;
    std::string x_process;
    std::int64_t x_number;
};

/// What a process does until it is told to stop.
class Worker {
  public:
    Worker(Asker& asker, Random& random) : x_asker(asker), x_random(random) {}
    /// What an earlier one of the same name left: as if it had been this one.
    void take_over(const std::vector<Asked>& before);
    /// One question.
    Status step();

  private:
    struct Held {
        std::string task;
        std::int64_t fence = 0;
    };
    std::int64_t below(std::int64_t bound);
    Call next_call();
    Call call_of_holder();
    void remember(const Call& call, const Answer& answer);
    void know(const std::string& task);

    Asker& x_asker;
    Random& x_random;
    std::vector<Held> x_held;
    /// Holds that have ended: whoever writes by them is refused.
    std::vector<Held> x_stale;
    std::vector<std::string> x_known;
    bool x_dawdle = false;
};

}  // namespace taskstore::ownership
