// Lists of tasks, and search.

#include "task_store_contract.hpp"

#include <gmock/gmock.h>
#include <taskstore/sql/tokens.hpp>

#include <algorithm>
#include <array>
#include <map>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// All of the index, as people see it by SQL.
std::int64_t words_kept(sql::Database& database) {
    const sql::BoundStatement count{.sql = "SELECT count(*) FROM task_words"};
    const auto answer = database.read_batch({&count, 1});
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().message);
    return answer ? std::get<std::int64_t>((*answer)[0].rows[0][0]) : -1;
}

Status run_sql(sql::Database& database, std::string_view text) {
    TASKSTORE_TRY(
        database.write([&](sql::Connection& connection) { return connection.execute(text); }));
    return ok();
}

}  // namespace

TEST_P(TaskStoreContract, SearchFindsTasksThatHaveAllWords) {
    created({.title = "Build the INDEX", .project = "p"});
    created({.title = "other",
             .description = "an index, 100% built: \xC3\x9C"
                            "ber"});
    created({.title = "nothing"});
    EXPECT_THAT(titles({.words = {"index"}}), ElementsAre("other", "Build the INDEX"));
    EXPECT_THAT(titles({.words = {"Index", "build"}}), ElementsAre("Build the INDEX"));
    EXPECT_THAT(titles({.words = {"index build"}}), ElementsAre("Build the INDEX"));
    EXPECT_THAT(titles({.words = {"100%", "uber", "other"}}), ElementsAre("other"));
    EXPECT_THAT(titles({.words = {"build", "built"}}), IsEmpty());
    EXPECT_THAT(titles({.words = {"ind"}}), IsEmpty()) << "words are found whole";
    EXPECT_THAT(titles({.project = "p", .words = {"index"}}), ElementsAre("Build the INDEX"));
    EXPECT_THAT(titles({.status = TaskStatus::completed, .words = {"index"}}), IsEmpty());
    EXPECT_THAT(titles({.part = TaskPart::ready, .words = {"index"}}),
                ElementsAre("Build the INDEX", "other"));
}

TEST_P(TaskStoreContract, ASearchWithoutWordsIsRefused) {
    created({.title = "x"});
    const auto none = x_store->list_tasks({.words = {"%", "'--"}});
    EXPECT_EQ(none.error().code, Code::invalid);
    EXPECT_THAT(none.error().message, HasSubstr("no word to search for"));
    std::vector<std::string> many;
    for (int i = 0; i < 33; ++i) many.push_back("w" + std::to_string(i));
    EXPECT_EQ(x_store->list_tasks({.words = many}).error().code, Code::invalid);
    many.pop_back();
    EXPECT_THAT(titles({.words = many}), IsEmpty());
}

TEST_P(TaskStoreContract, SearchFollowsEveryChangeOfATask) {
    const Task one = created({.title = "alpha beta", .description = "gamma"});
    created({.title = "alpha"});
    EXPECT_EQ(words_kept(x_sandbox->database()), 4);
    ASSERT_TRUE(x_store->update_task(one.id, {.title = "beta delta"}));
    EXPECT_THAT(titles({.words = {"alpha"}}), ElementsAre("alpha"));
    EXPECT_THAT(titles({.words = {"delta", "gamma"}}), ElementsAre("beta delta"));
    ASSERT_TRUE(x_store->update_task(one.id, {.description = std::optional<std::string>()}));
    EXPECT_THAT(titles({.words = {"gamma"}}), IsEmpty());
    EXPECT_EQ(x_store->update_task(one.id, {.title = "omega", .revision = 1}).error().code,
              Code::conflict);
    EXPECT_THAT(titles({.words = {"omega"}}), IsEmpty()) << "what was refused left no word";
    const Task held = claimed("w").at(0);
    ASSERT_TRUE(x_store->complete_task({.task_id = held.id, .fence = held.fence}, {}));
    EXPECT_THAT(titles({.words = {"delta"}}), ElementsAre("beta delta"));
    ASSERT_TRUE(x_store->delete_task(one.id));
    EXPECT_THAT(titles({.words = {"delta"}}), IsEmpty());
    EXPECT_EQ(words_kept(x_sandbox->database()), 1);
}

TEST_P(TaskStoreContract, SearchIsPagedNewestFirst) {
    std::vector<CreateTask> tasks;
    for (int i = 0; i < 25; ++i)
        tasks.push_back({.title = "t" + std::to_string(i) + (i % 2 == 0 ? " even" : " odd") +
                                  (i % 3 == 0 ? " third" : "")});
    ASSERT_TRUE(x_store->create_tasks(std::span(tasks).first(12)));
    x_clock.advance_ms(1);
    ASSERT_TRUE(x_store->create_tasks(std::span(tasks).subspan(12)));
    std::vector<std::string> seen;
    TaskFilter filter{.words = {"third", "even"}, .limit = 2};
    do {
        const auto page = x_store->list_tasks(filter);
        ASSERT_TRUE(page) << page.error().message;
        for (const Task& task : page->tasks) seen.push_back(task.title);
        filter.after = page->next_cursor;
    } while (!filter.after.empty());
    EXPECT_THAT(seen, ElementsAre("t24 even third", "t18 even third", "t12 even third",
                                  "t6 even third", "t0 even third"));
}

TEST_P(TaskStoreContract, SearchAgreesWithTheTokensOfWhatIsThere) {
    constexpr std::uint64_t kSeed = 17;
    SeededRandom random(kSeed);
    const std::array<std::string, 7> words{"login",
                                           "LOGIN",
                                           "\xC3\xBC"
                                           "ber",
                                           "UBER",
                                           "\xE6\x9D\xB1\xE4\xBA\xAC",
                                           "10%",
                                           "_x'"};
    const auto text = [&] {
        std::string out;
        for (std::uint64_t left = random.next_u64() % 4; left > 0; --left)
            out += words[random.next_u64() % words.size()] + (left % 2 == 0 ? " " : "-");
        return out;
    };
    std::vector<std::string> ids;
    for (int step = 0; step < 60; ++step) {
        const std::uint64_t what = ids.empty() ? 0 : random.next_u64() % 4;
        const std::size_t which = ids.empty() ? 0 : random.next_u64() % ids.size();
        if (what <= 1) {
            ids.push_back(created({.title = "t " + text(), .description = text()}).id);
        } else if (what == 2) {
            ASSERT_TRUE(x_store->update_task(ids[which], {.title = "u " + text()}));
        } else {
            ASSERT_TRUE(x_store->delete_task(ids[which]));
            ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(which));
        }
        x_clock.advance_ms(static_cast<std::int64_t>(random.next_u64() % 2));
    }
    const auto all = x_store->list_tasks({.limit = 1'000});
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_THAT(all->tasks, SizeIs(ids.size()));
    for (int query = 0; query < 30; ++query) {
        const std::string asked = words[random.next_u64() % words.size()] + " " + text();
        const auto tokens = sql::tokens_of(asked);
        std::vector<std::string> expected;
        for (const Task& task : all->tasks) {
            const auto has = sql::tokens_of(task.title + "\n" + task.description.value_or(""));
            if (std::ranges::includes(has, tokens)) expected.push_back(task.title);
        }
        EXPECT_EQ(titles({.words = {asked}, .limit = 1'000}), expected)
            << asked << "; seed " << kSeed;
    }
}

TEST_P(TaskStoreContract, WordsOfTasksThatWereThereBeforeAreBroughtUp) {
    for (int i = 0; i < 450; ++i) created({.title = "old " + std::to_string(i)});
    const Task large = created({.title = "large", .description = std::string(300'000, 'x') + " y"});
    ASSERT_TRUE(run_sql(x_sandbox->database(), "UPDATE tasks SET words = NULL"));
    EXPECT_EQ(words_kept(x_sandbox->database()), 0);
    EXPECT_THAT(titles({.words = {"old"}}), IsEmpty());
    const auto steps = migrations(x_sandbox->database().dialect());
    const auto words = std::ranges::find(steps, "words", &sql::Migration::name);
    ASSERT_NE(words, steps.end());
    const auto filled = x_sandbox->database().write(
        [&](sql::Connection& connection) { return words->fill(connection); });
    ASSERT_TRUE(filled) << filled.error().message;
    EXPECT_THAT(titles({.words = {"old"}, .limit = 1'000}), SizeIs(450));
    EXPECT_THAT(titles({.words = {"old", "449"}}), ElementsAre("old 449"));
    EXPECT_THAT(titles({.words = {"large"}}), ElementsAre("large"));
    EXPECT_THAT(titles({.words = {"y"}}), IsEmpty()) << "behind the first 64 KiB";
    EXPECT_EQ(words_kept(x_sandbox->database()), 2 * 450 + 2);
}

TEST_P(TaskStoreContract, ARowThatIsPutInItsPlaceAgainIsFoundByItsNewWords) {
    const Task one = created({.title = "alpha"});
    ASSERT_TRUE(run_sql(x_sandbox->database(), "UPDATE tasks SET title = 'beta', words = 'beta'"));
    EXPECT_THAT(titles({.words = {"beta"}}), ElementsAre("beta"));
    EXPECT_THAT(titles({.words = {"alpha"}}), IsEmpty());
    ASSERT_TRUE(run_sql(x_sandbox->database(), "UPDATE tasks SET created_at = created_at + 1"));
    EXPECT_THAT(titles({.words = {"beta"}}), ElementsAre("beta"));
    EXPECT_EQ(words_kept(x_sandbox->database()), 1);
    ASSERT_TRUE(run_sql(x_sandbox->database(), "DELETE FROM tasks"));
    EXPECT_EQ(words_kept(x_sandbox->database()), 0);
}

TEST_P(TaskStoreContract, ListsAreFilteredByWhatTasksAre) {
    created({.title = "a", .priority = 5, .agent_type = "cursor", .capabilities = {"gpu"}});
    x_clock.advance_ms(10);
    const std::int64_t later = x_clock.wall_ms();
    const Task b = created({.title = "b", .capabilities = {"big \"gpu\"", "x,\"gpu", "gpus"}});
    created({.title = "c", .priority = -5, .capabilities = {"arm", "gpu"}});
    EXPECT_THAT(titles({.agent_type = "cursor"}), ElementsAre("a"));
    EXPECT_THAT(titles({.capabilities = {"gpu"}}), ElementsAre("c", "a"));
    EXPECT_THAT(titles({.capabilities = {"gpu", "arm"}}), ElementsAre("c"));
    EXPECT_THAT(titles({.capabilities = {"x,\"gpu"}}), ElementsAre("b"));
    EXPECT_THAT(titles({.capabilities = {"gp"}}), IsEmpty());
    EXPECT_THAT(titles({.priority = {.least = 0}}), ElementsAre("b", "a"));
    EXPECT_THAT(titles({.priority = {.least = -5, .most = 0}}), ElementsAre("c", "b"));
    EXPECT_THAT(titles({.created_at = {.least = later}}), ElementsAre("c", "b"));
    EXPECT_THAT(titles({.created_at = {.most = later - 1}}), ElementsAre("a"));
    x_clock.advance_ms(10);
    ASSERT_TRUE(x_store->update_task(b.id, {.priority = 1}));
    EXPECT_THAT(titles({.updated_at = {.least = later + 1}}), ElementsAre("b"));
    const Task held = claimed("w", {.capabilities = {"gpu"}, .agent_type = "cursor"}).at(0);
    EXPECT_THAT(titles({.assigned_to = "w"}), ElementsAre(held.title));
    EXPECT_THAT(titles({.assigned_to = "nobody"}), IsEmpty());
    EXPECT_THAT(titles({.created_at = {.least = later}, .words = {"b"}}), ElementsAre("b"));
    EXPECT_EQ(x_store->list_tasks({.assigned_to = "\xff"}).error().code, Code::invalid);
}

TEST_P(TaskStoreContract, ListsComeInTheOrderThatIsAskedFor) {
    std::vector<Task> made;
    for (const auto& [title, priority] :
         std::array<std::pair<const char*, int>, 4>{{{"a", 0}, {"b", 10}, {"c", 0}, {"d", -3}}}) {
        made.push_back(created({.title = title, .priority = priority}));
        x_clock.advance_ms(1);
    }
    ASSERT_TRUE(x_store->update_task(made[0].id, {.description = "word"}));
    EXPECT_THAT(titles(), ElementsAre("d", "c", "b", "a"));
    EXPECT_THAT(titles({.order = TaskOrder::created}), ElementsAre("a", "b", "c", "d"));
    EXPECT_THAT(titles({.order = TaskOrder::created, .descending = true}),
                ElementsAre("d", "c", "b", "a"));
    EXPECT_THAT(titles({.order = TaskOrder::updated}), ElementsAre("b", "c", "d", "a"));
    EXPECT_THAT(titles({.order = TaskOrder::updated, .descending = true}),
                ElementsAre("a", "d", "c", "b"));
    EXPECT_THAT(titles({.order = TaskOrder::priority}), ElementsAre("d", "c", "a", "b"));
    EXPECT_THAT(titles({.order = TaskOrder::priority, .descending = true}),
                ElementsAre("b", "a", "c", "d"));
    EXPECT_THAT(titles({.part = TaskPart::ready}), ElementsAre("b", "a", "c", "d"));
    EXPECT_THAT(titles({.words = {"word"}, .order = TaskOrder::priority}), ElementsAre("a"));
}

TEST_P(TaskStoreContract, PagesOfAnyOrderShowEachTaskOnceThoughOthersCome) {
    for (const TaskOrder order : {TaskOrder::created, TaskOrder::updated, TaskOrder::priority}) {
        for (const bool descending : {false, true}) {
            for (const bool search : {false, true}) {
                const std::string project = std::to_string(static_cast<int>(order)) +
                                            (descending ? "d" : "a") + (search ? "s" : "l");
                std::vector<CreateTask> tasks;
                for (int i = 0; i < 11; ++i)
                    tasks.push_back(
                        {.title = "t " + std::to_string(i), .project = project, .priority = i % 3});
                ASSERT_TRUE(x_store->create_tasks(tasks));
                TaskFilter filter{.project = project, .order = order, .descending = descending};
                if (search) filter.words = {"t"};
                const std::vector<std::string> whole = titles(filter);
                filter.limit = 4;
                std::vector<std::string> seen;
                do {
                    const auto page = x_store->list_tasks(filter);
                    ASSERT_TRUE(page) << page.error().message;
                    for (const Task& task : page->tasks)
                        if (task.title != "t more") seen.push_back(task.title);
                    filter.after = page->next_cursor;
                    x_clock.advance_ms(1);
                    created({.title = "t more", .project = project});
                } while (!filter.after.empty() && seen.size() < 20);
                EXPECT_EQ(seen, whole) << project;
            }
        }
    }
    const auto page = x_store->list_tasks({.order = TaskOrder::updated, .limit = 1});
    ASSERT_TRUE(page);
    for (const TaskFilter& other :
         {TaskFilter{.order = TaskOrder::created, .after = page->next_cursor},
          TaskFilter{.order = TaskOrder::updated, .descending = true, .after = page->next_cursor},
          TaskFilter{.order = TaskOrder::updated, .after = "u.x"},
          TaskFilter{.order = TaskOrder::updated, .after = "u99999999999999999999.x"}})
        EXPECT_EQ(x_store->list_tasks(other).error().code, Code::invalid) << other.after;
}

TEST_P(TaskStoreContract, APartOfAnIdIsEnoughWhereItIsOneTasks) {
    const Task one = created({.title = "one"});
    x_clock.advance_ms(1'000'000'000);
    const Task two = created({.title = "two"});
    EXPECT_EQ(*x_store->find_id(one.id), one.id);
    EXPECT_EQ(*x_store->find_id(one.id.substr(0, 13)), one.id);
    EXPECT_EQ(*x_store->find_id(two.id.substr(0, 13)), two.id);
    EXPECT_EQ(*x_store->find_id(two.id.substr(24)), two.id) << "an end, too";
    const auto both = x_store->find_id(one.id.substr(0, 3));
    EXPECT_EQ(both.error().code, Code::conflict);
    EXPECT_THAT(both.error().message,
                HasSubstr("is part of more than one task's id:\n  " + one.id));
    EXPECT_THAT(both.error().message, HasSubstr(two.id));
    EXPECT_EQ(x_store->find_id("nobody").error().code, Code::not_found);
    EXPECT_EQ(x_store->find_id("").error().code, Code::invalid);
    EXPECT_EQ(x_store->find_id("%").error().code, Code::not_found);
    EXPECT_EQ(x_store->find_id("\xff").error().code, Code::invalid);
    ASSERT_TRUE(run_sql(x_sandbox->database(), "UPDATE tasks SET id = '01' WHERE title = 'two'"));
    EXPECT_EQ(*x_store->find_id("01"), "01") << "a whole id wins";
}

}  // namespace taskstore::tasks
