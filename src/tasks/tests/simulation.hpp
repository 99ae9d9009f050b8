#pragma once
// One seeded simulation of tasks and workers: the store over a database, its clock and its chance
// in our hands, beside the model.

#include "simulation_model.hpp"

#include <taskstore/tasks/task_store.hpp>

#include <array>
#include <random>
#include <sstream>

namespace taskstore::tasks {

/// What chance took away from waits, as shares of what it might have taken: 0..1, evenly spread.
struct JitterShares {
    std::array<std::int64_t, 20> counts{};
    void add(double share);
    std::int64_t total() const;
    /// How far they are from being spread evenly (chi-square, 19 degrees of freedom).
    double unevenness() const;
};

class Simulation {
  public:
    /// An empty database, migrated.
    Simulation(sql::Database& database, std::uint64_t seed, JitterShares& shares);
    /// What went wrong, with all that was done; empty: nothing.
    std::string run();

  private:
    bool wrong() const { return !x_wrong.empty(); }
    void expect(bool holds, const std::string& what) {
        if (!holds && !wrong()) x_wrong = "TASKSTORE_SEED=" + std::to_string(x_seed) + ": " + what;
    }
    /// The value, or what it says instead of one is wrong.
    template <typename T>
    bool answered(const Result<T>& result) {
        if (!result) expect(false, result.error().message);
        return result.has_value();
    }
    std::int64_t upto(std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(0, most)(x_chance);
    }
    bool percent(int chance) { return upto(99) < chance; }
    template <typename T>
    T one_of(std::initializer_list<T> words) {
        return words.begin()[static_cast<std::size_t>(upto(std::ssize(words) - 1))];
    }
    std::ostream& log() { return x_log << "\n+" << x_model.now_ms - x_began << " "; }
    std::optional<std::size_t> some(SimulatedTask::State state);
    Hold hold_of(std::size_t number) const {
        return {.task_id = x_ids[number], .fence = x_fences[number]};
    }

    void one_step();
    void create();
    void claim(std::int64_t limit);
    void check_order(const std::vector<std::size_t>& got, const std::vector<std::size_t>& first,
                     std::int64_t limit);
    void check_slots();
    void check_patience(const std::vector<std::size_t>& got, const std::vector<std::size_t>& could);
    void end_one();
    void fail(std::size_t number);
    void check_wait(const SimulatedTask& task, std::int64_t wait_ms);
    void retry();
    void pass_time();
    void set_ageing(std::optional<std::int64_t> ms);
    void work_off();
    void compare();

    const std::uint64_t x_seed;
    std::mt19937_64 x_chance;
    FakeClock x_clock;
    SeededRandom x_random;
    std::unique_ptr<TaskStore> x_store;
    JitterShares& x_shares;
    SimulationModel x_model;
    const std::int64_t x_began = x_clock.wall_ms();
    std::vector<std::string> x_ids;
    std::vector<std::int64_t> x_fences;
    std::map<std::string, std::size_t> x_numbers;
    std::ostringstream x_log;
    std::string x_wrong;
};

}  // namespace taskstore::tasks
