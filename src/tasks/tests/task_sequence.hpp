#pragma once
// One random sequence of everything that one can do with tasks, in a store and in the model.

#include "task_model.hpp"

#include <algorithm>
#include <random>
#include <sstream>

namespace taskstore::tasks {

class Sequence {
  public:
    Sequence(TaskStore& store, FakeClock& clock, std::uint64_t seed)
        : x_store(store), x_clock(clock), x_seed(seed), x_chance(seed) {}

    /// What went wrong, with all that was done; empty: nothing.
    std::string run() {
        for (int step = 0; step < 60 && !wrong(); ++step) {
            x_model.now_ms = x_clock.wall_ms();
            one_step();
            if (!wrong()) compare();
        }
        if (!wrong()) work_off();
        if (!wrong()) clear();
        return x_wrong.empty() ? "" : x_wrong + "\n" + x_log.str();
    }

  private:
    bool wrong() const { return !x_wrong.empty(); }
    void expect(bool holds, const std::string& what) {
        if (!holds && !wrong()) x_wrong = "seed " + std::to_string(x_seed) + ": " + what;
    }
    std::int64_t upto(std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(0, most)(x_chance);
    }
    bool percent(int chance) { return upto(99) < chance; }
    template <typename T>
    T one_of(std::initializer_list<T> words) {
        return words.begin()[static_cast<std::size_t>(upto(std::ssize(words) - 1))];
    }
    std::string some_id() {
        if (x_model.tasks.empty() || percent(3)) return "nobody";
        return std::next(x_model.tasks.begin(), upto(std::ssize(x_model.tasks) - 1))->first;
    }
    std::string held_id() {
        std::vector<std::string> held;
        for (const auto& [id, one] : x_model.tasks)
            if (one.held()) held.push_back(id);
        if (held.empty() || percent(15)) return some_id();
        return held[static_cast<std::size_t>(upto(std::ssize(held) - 1))];
    }
    std::string short_of(const std::string& id) {
        return id == "nobody"
                   ? id
                   : "t" + std::to_string(x_names.try_emplace(id, x_names.size()).first->second);
    }
    std::ostream& log() { return x_log << "\n+" << x_clock.wall_ms() - x_began << " "; }

    void one_step() {
        const std::int64_t dice = upto(99);
        if (dice < 18)
            create();
        else if (dice < 36)
            claim();
        else if (dice < 46)
            complete();
        else if (dice < 53)
            fail_one();
        else if (dice < 57)
            release();
        else if (dice < 62)
            renew();
        else if (dice < 68)
            cancel();
        else if (dice < 74)
            retry();
        else if (dice < 79)
            remove();
        else if (dice < 87)
            update();
        else if (dice < 90)
            rescue();
        else
            pass_time();
    }

    // --- what is done, in the store and in the model

    CreateTask some_task();
    void create();
    ClaimRequest some_claim();
    void claim();
    void check_claimed(const std::vector<Task>& got, const ClaimRequest& request,
                       const std::vector<std::string>& first, bool tended);
    Hold some_hold();
    /// What both must say; whether it succeeded.
    bool agreed(const Result<Written<Task>>& answer, std::optional<Code> expected,
                const std::string& what);
    void complete();
    void fail_one();
    void release();
    void renew();
    void cancel();
    void retry();
    void remove();
    void update();
    void rescue();
    void pass_time() {
        const std::int64_t ms = one_of<std::int64_t>({1, 5, 20, 60, 150});
        log() << "time +" << ms;
        x_clock.advance_ms(ms);
        x_model.now_ms += ms;
    }

    void compare();
    void compare_one(const Task& is, const ModelTask& model);
    void compare_outlook();
    void work_off();
    void clear();

    TaskStore& x_store;
    FakeClock& x_clock;
    const std::uint64_t x_seed;
    std::mt19937_64 x_chance;
    const std::int64_t x_began = x_clock.wall_ms();
    TaskModel x_model{x_clock.wall_ms()};
    std::vector<CreateTask> x_keyed;
    struct Asked {
        ClaimRequest request;
        std::vector<Task> got;
    };
    std::vector<Asked> x_asked;
    struct Done {
        Hold hold;
        Completion completion;
        Task task;
    };
    std::vector<Done> x_done;
    int x_requests = 0;
    int x_titles = 0;
    std::map<std::string, std::size_t> x_names;
    std::ostringstream x_log;
    std::string x_wrong;
};

}  // namespace taskstore::tasks
