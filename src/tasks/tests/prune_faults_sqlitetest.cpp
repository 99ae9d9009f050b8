// Archiving that is broken off at any statement of either database, before it or after its commit.

#include <gmock/gmock.h>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/tasks/prune.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <map>
#include <optional>
#include <vector>

namespace taskstore::tasks {
namespace {

/// Counts the statements of both databases; the one that is due fails, in its transaction, or
/// (`answer_lost`) its batch is committed and nobody is told. All after it fails too.
struct Fault {
    int left = -1;  ///< Below 0: none.
    bool answer_lost = false;
    bool over = false;

    /// How many of the statements run; nothing: all.
    std::optional<std::size_t> due_in(std::size_t statements) {
        if (over) return 0;
        if (left < 0) return std::nullopt;
        if (left >= static_cast<int>(statements)) {
            left -= static_cast<int>(statements);
            return std::nullopt;
        }
        over = true;
        return static_cast<std::size_t>(left);
    }
};

class FaultyDatabase final : public sql::Database {
  public:
    FaultyDatabase(sql::Database& database, Fault& fault) : x_database(database), x_fault(fault) {}
    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions& options) override {
        if (x_fault.due_in(1)) return fail(Code::unavailable, "as planned");
        return x_database.write(work, options);
    }
    Result<sql::Committed> write_batch(sql::Batch batch,
                                       const sql::WriteOptions& options) override {
        const bool gone = x_fault.over;
        const auto at = x_fault.due_in(batch.size());
        if (!at) return x_database.write_batch(batch, options);
        if (gone) return fail(Code::unavailable, "as planned");
        std::vector<sql::BoundStatement> cut(batch.begin(), batch.end());
        if (!x_fault.answer_lost) {
            cut.resize(*at);
            cut.push_back({.sql = "INSERT INTO no_such_table VALUES (1)"});
        }
        const auto done = x_database.write_batch(cut, options);
        EXPECT_EQ(done.has_value(), x_fault.answer_lost);
        return fail(x_fault.answer_lost ? Code::outcome_unknown : Code::unavailable, "as planned");
    }
    Status read(const sql::Work& work, const sql::ReadOptions& options) override {
        if (x_fault.due_in(1)) return fail(Code::unavailable, "as planned");
        return x_database.read(work, options);
    }
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch,
                                              const sql::ReadOptions& options) override {
        if (x_fault.due_in(batch.size())) return fail(Code::unavailable, "as planned");
        return x_database.read_batch(batch, options);
    }
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override {
        return x_database.waiter(topic);
    }
    std::string_view dialect() const override { return x_database.dialect(); }
    sql::Capabilities capabilities() const override { return x_database.capabilities(); }

  private:
    sql::Database& x_database;
    Fault& x_fault;
};

/// Both databases of a device, made anew for each fault, with four tasks that may go.
class Scratch {
  public:
    Scratch() {
        EXPECT_TRUE(sql::migrate(*connect("tasks"), kModule, migrations("sqlite"), x_clock));
        EXPECT_TRUE(sql::identify(*connect("tasks"), kModule, x_clock, x_random));
        EXPECT_TRUE(sql::migrate(*connect("archive"), kArchiveModule, archive_migrations("sqlite"),
                                 x_clock));
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(x_tasks->create_task({.title = "t"}));
        const auto held = x_tasks->claim_tasks({.worker = "w", .limit = 3});
        for (const Task& task : held->value)
            EXPECT_TRUE(x_tasks->complete_task({.task_id = task.id}, {.result = "1"}));
        const auto cancelled = x_tasks->create_task({.title = "t"});
        EXPECT_TRUE(x_tasks->cancel_task(cancelled->value.id, "ann", ""));
        EXPECT_TRUE(x_tasks->create_task({.title = "the last that moved"}));
        const auto all = x_tasks->list_tasks({});
        for (const Task& task : all->tasks) x_made.emplace(task.id, *x_tasks->history(task.id));
    }
    Result<PruneReport> prune(Fault& fault) {
        FaultyDatabase tasks(*x_database, fault);
        FaultyDatabase archive(*x_archived, fault);
        return prune_tasks(*make_task_store(tasks, x_clock, x_random),
                           make_task_archive(archive).get(), {});
    }
    /// Every task is in one of the two at least, as it was, with all of its history.
    void nothing_is_lost(const std::string& when) {
        const auto archive = make_task_archive(*x_archived);
        for (const auto& [id, history] : x_made) {
            const bool here = x_tasks->get_task(id)->has_value();
            const bool there = archive->get_task(id)->has_value();
            EXPECT_TRUE(here || there) << when;
            if (here) {
                EXPECT_EQ(*x_tasks->history(id), history) << when;
            } else {
                EXPECT_EQ(*archive->history(id), history) << when;
            }
        }
    }
    std::int64_t kept() { return std::ssize(x_tasks->list_tasks({})->tasks); }

  private:
    std::unique_ptr<sql::Connection> connect(const std::string& name) {
        return std::move(*x_driver.connect(x_folder / (name + ".db"), {}));
    }
    std::unique_ptr<sql::Database> open(const std::string& name) {
        return std::move(*sqlite::open_database(x_folder / (name + ".db"), {},
                                                {.driver = &x_driver, .clock = &x_clock}));
    }

    TemporaryFolder x_folder;
    FakeClock x_clock;
    SeededRandom x_random{5};
    sqlite::Driver x_driver;
    std::unique_ptr<sql::Database> x_database = open("tasks");
    std::unique_ptr<sql::Database> x_archived = open("archive");
    std::unique_ptr<TaskStore> x_tasks = make_task_store(*x_database, x_clock, x_random);
    std::map<std::string, std::vector<HistoryEntry>> x_made;
};

void every_fault(bool answer_lost) {
    for (int n = 0; n < 200; ++n) {
        Scratch it;
        Fault fault{.left = n, .answer_lost = answer_lost};
        const auto report = it.prune(fault);
        const std::string when = "statement " + std::to_string(n);
        EXPECT_EQ(report.has_value(), !fault.over) << when;
        it.nothing_is_lost(when);
        Fault none;
        EXPECT_TRUE(it.prune(none)) << "again, after " << when;
        it.nothing_is_lost("again, after " + when);
        EXPECT_EQ(it.kept(), 1) << when;
        if (!fault.over) return;
    }
    ADD_FAILURE() << "it never came to its end";
}

TEST(PruneFaults, AStatementThatFailsLosesNoTask) {
    every_fault(false);
}

TEST(PruneFaults, ACommitWhoseAnswerIsLostLosesNoTask) {
    every_fault(true);
}

}  // namespace
}  // namespace taskstore::tasks
