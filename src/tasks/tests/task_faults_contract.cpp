// Every verb that writes, broken off at every statement, at every COMMIT, and with every answer
// lost: nothing of it is there, or all of it; it says which; and asked again it is done once.

#include "faulty_database.hpp"
#include "task_invariants.hpp"
#include "task_state.hpp"
#include "task_store_contract.hpp"
#include "writing_verbs.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cstdlib>

namespace taskstore::tasks {
namespace {

struct Mode {
    std::string_view name;
    FaultKind kind;
    bool comes_back;
    bool always = false;  ///< Else on servers only with TASKSTORE_FULL.
};
constexpr std::array kModes{
    Mode{"a statement fails, and all after it", FaultKind::statement, false, true},
    Mode{"a commit fails once", FaultKind::commit, true},
    Mode{"an answer is lost, and all after it fails", FaultKind::answer_lost, false},
    Mode{"an answer is lost once", FaultKind::answer_lost, true, true}};
constexpr int kPlacesMax = 2'000;

/// One verb, from one state of both databases.
class Trial {
  public:
    Trial(TaskSandbox& sandbox, const Clock& clock, const WritingVerb& verb)
        : x_database(sandbox.database()),
          x_archive(sandbox.archive()),
          x_clock(clock),
          x_verb(verb),
          x_world(State::of(x_database, x_archive)) {
        const auto page = store(x_database, x_archive, 1).kept->list_tasks({.limit = 1'000});
        for (const Task& task : page->tasks) x_tasks.emplace(task.title, task);
        const auto archived = make_task_archive(x_archive)->list_tasks({});
        for (const Task& task : archived->tasks) x_tasks.emplace(task.title, task);
        x_schedules = *store(x_database, x_archive, 1).kept->schedules().list_schedules({});
    }

    /// `first` and each `step`-th after it of the statements; of commits and answers every one.
    void run(int first, int step) {
        const bool some = step > 1;
        const auto told = ask(x_database, x_archive, 2);
        ASSERT_TRUE(told) << told.error().message;
        x_answer = normal(*told);
        tend();
        x_after = normal_state();
        no_harm();
        x_world.restore(x_database, x_archive);
        for (const Mode& mode : kModes) {
            SCOPED_TRACE(mode.name);
            if (some && !mode.always) continue;
            const bool each = mode.kind != FaultKind::statement;
            int place = each ? 0 : first;
            while (place < kPlacesMax && break_off(mode, place)) {
                place += each ? 1 : step;
                if (testing::Test::HasFailure()) return;
            }
            ASSERT_LT(place, kPlacesMax) << "it never came to its end";
            ASSERT_TRUE(!each || place > 0) << "it wrote nothing";
        }
    }

  private:
    struct Opened {
        std::shared_ptr<TaskArchive> archive;
        std::unique_ptr<TaskStore> kept;
    };
    /// Each time as a program that has just begun; from one seed come the same ids.
    Opened store(sql::Database& database, sql::Database& archive, std::uint64_t seed) {
        x_random = std::make_unique<SeededRandom>(seed);
        std::shared_ptr<TaskArchive> kept = make_task_archive(archive);
        return {.archive = kept,
                .kept = make_task_store(database, x_clock, *x_random,
                                        {.time = TimeSource::clock, .archive = [kept] {
                                             return Result<std::shared_ptr<TaskArchive>>(kept);
                                         }})};
    }
    Result<std::string> ask(sql::Database& database, sql::Database& archive, std::uint64_t seed) {
        const Opened opened = store(database, archive, seed);
        Stage stage{*opened.kept, *opened.archive, x_tasks, x_schedules};
        return x_verb.ask(stage);
    }
    std::string normal(const std::string& text) const { return x_world.without_new_ids(text); }
    std::string normal_state() {
        return x_world.without_new_ids(State::of(x_database, x_archive).text());
    }
    /// What verbs leave to whoever comes next.
    void tend() { EXPECT_TRUE(store(x_database, x_archive, 3).kept->tend()); }
    void no_harm() {
        EXPECT_THAT(what_is_wrong(x_database, x_clock.wall_ms()), testing::IsEmpty());
    }

    /// False: the fault was beyond the end.
    bool break_off(const Mode& mode, int place) {
        SCOPED_TRACE("place " + std::to_string(place));
        Fault fault{.kind = mode.kind, .comes_back = mode.comes_back, .left = place};
        FaultyDatabase database(x_database, fault);
        FaultyDatabase archive(x_archive, fault);
        const auto told = ask(database, archive, 2);
        const bool untouched = State::of(x_database, x_archive).text() == x_world.text();
        if (!told) {
            EXPECT_TRUE(fault.struck) << told.error().message;
            EXPECT_THAT(told.error().code,
                        testing::AnyOf(Code::unavailable, Code::outcome_unknown));
        }
        // Asked again, it would be as it was the first time.
        if (untouched && !told) return fault.struck;
        no_harm();
        if (told)
            after_success(*told);
        else
            after_error(told.error());
        x_world.restore(x_database, x_archive);
        return fault.struck;
    }

    void after_success(const std::string& told) {
        if (!x_verb.steps) {
            EXPECT_EQ(normal(told), x_answer);
        }
        tend();
        EXPECT_EQ(normal_state(), x_after) << "told as done";
    }

    /// Something was written.
    void after_error(const Error& error) {
        EXPECT_TRUE(x_verb.steps || error.code == Code::outcome_unknown) << "told as undone";
        if (x_verb.again == Again::twice) {
            tend();
            EXPECT_EQ(normal_state(), x_after) << "half of it";
            return;
        }
        const auto again = ask(x_database, x_archive, 4);
        const bool may_be_done = error.code == Code::outcome_unknown;
        if ((x_verb.steps && !may_be_done) || x_verb.again == Again::same) {
            EXPECT_TRUE(again) << again.error().message;
        }
        if (again && x_verb.again == Again::same) {
            EXPECT_EQ(normal(*again), x_answer) << "asked again";
        }
        no_harm();
        tend();
        EXPECT_EQ(normal_state(), x_after) << "asked again";
    }

    sql::Database& x_database;
    sql::Database& x_archive;
    const Clock& x_clock;
    const WritingVerb& x_verb;
    std::unique_ptr<SeededRandom> x_random;
    const State x_world;
    std::map<std::string, Task> x_tasks;
    std::vector<Schedule> x_schedules;
    std::string x_answer;
    std::string x_after;
};

}  // namespace

TEST_P(TaskStoreContract, AVerbThatIsBrokenOffAnywhereIsThereAsAWholeOrNotAtAll) {
    if (GetParam().make_hasty) {
        x_store.reset();
        x_sandbox = GetParam().make_hasty(x_clock);
        x_store =
            make_task_store(x_sandbox->database(), x_clock, x_random, {.time = TimeSource::clock});
    }
    make_world(*x_store, *make_task_archive(x_sandbox->archive()));
    // What a server does with a statement that fails is the same for each; that the verb leaves
    // nothing behind is seen at each on SQLite.
    const bool some =
        x_sandbox->database().capabilities().network && std::getenv("TASKSTORE_FULL") == nullptr;
    const int step = some ? 5 : 1;
    int first = 0;
    bool late = false;
    for (const WritingVerb& verb : writing_verbs()) {
        SCOPED_TRACE(verb.name);
        if (verb.late && !late) x_clock.advance_ms(kLateMs);
        late = verb.late;
        Trial(*x_sandbox, x_clock, verb).run(first++ % step, step);
        if (HasFailure()) return;
    }
}

}  // namespace taskstore::tasks
