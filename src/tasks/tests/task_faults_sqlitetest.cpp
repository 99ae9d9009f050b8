#include <gmock/gmock.h>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <functional>
#include <optional>

namespace taskstore::tasks {
namespace {

/// Refuses the n-th write and all after it, until it is told not to.
class FailingDatabase final : public sql::Database {
  public:
    explicit FailingDatabase(sql::Database& database) : x_database(database) {}
    void fail_from(std::optional<int> write) {
        x_left = write;
        x_failed = false;
    }
    bool failed() const { return x_failed; }

    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions& options) override {
        if (is_due()) return fail(Code::unavailable, "as planned");
        return x_database.write(work, options);
    }
    Result<sql::Committed> write_batch(sql::Batch batch,
                                       const sql::WriteOptions& options) override {
        if (is_due()) return fail(Code::unavailable, "as planned");
        return x_database.write_batch(batch, options);
    }
    Status read(const sql::Work& work, const sql::ReadOptions& options) override {
        return x_database.read(work, options);
    }
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch,
                                              const sql::ReadOptions& options) override {
        return x_database.read_batch(batch, options);
    }
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override {
        return x_database.waiter(topic);
    }
    std::string_view dialect() const override { return x_database.dialect(); }
    sql::Capabilities capabilities() const override { return x_database.capabilities(); }

  private:
    bool is_due() {
        if (!x_left) return false;
        if (*x_left > 0) {
            --*x_left;
            return false;
        }
        x_failed = true;
        return true;
    }
    sql::Database& x_database;
    std::optional<int> x_left;
    bool x_failed = false;
};

class TaskFaults : public testing::Test {
  protected:
    TaskFaults() {
        const auto connection = x_driver.connect(x_folder / "tasks.db", {});
        EXPECT_TRUE(sql::migrate(**connection, kModule, migrations("sqlite"), x_clock));
        EXPECT_TRUE(sql::identify(**connection, kModule, x_clock, x_random));
    }
    std::vector<Task> all() { return x_store->list_tasks({.limit = 10'000})->tasks; }
    std::vector<Task> claimed(std::int64_t limit) {
        return x_store->claim_tasks({.worker = "w", .limit = limit})->value;
    }
    void complete_what_is_held() {
        for (const Task& task : all()) {
            if (task.status != TaskStatus::in_progress) continue;
            EXPECT_TRUE(x_store->complete_task({.task_id = task.id}, {}));
        }
    }
    /// Two tasks of a key with one slot, one of them held, one that waits for that one, and one
    /// that anybody may claim.
    Task arranged() {
        complete_what_is_held();
        while (!claimed(100).empty()) complete_what_is_held();
        const CreateTask keyed{.title = "keyed", .concurrency_key = "k", .concurrency_limit = 1};
        EXPECT_TRUE(x_store->create_task(keyed));
        EXPECT_TRUE(x_store->create_task(keyed));
        const auto held = claimed(1);
        EXPECT_TRUE(x_store->create_task({.title = "waits", .depends_on = {held.at(0).id}}));
        EXPECT_TRUE(x_store->create_task({.title = "free"}));
        return held.at(0);
    }
    /// An error says that nothing was written, and success that it was, whichever write fails.
    void told_what_is(const std::function<Status(const Task&)>& verb) {
        for (int n = 0; n < 20; ++n) {
            const Task held = arranged();
            const auto before = all();
            x_faulty.fail_from(n);
            const Status told = verb(held);
            const bool failed = x_faulty.failed();
            x_faulty.fail_from({});
            EXPECT_EQ(told.has_value(), all() != before) << "write " << n;
            if (!told) {
                EXPECT_EQ(told.error().code, Code::unavailable) << told.error().message;
                EXPECT_TRUE(verb(held)) << "again, after write " << n;
            }
            if (!failed) return;
        }
        ADD_FAILURE() << "it never came to its end";
    }

    TemporaryFolder x_folder;
    FakeClock x_clock;
    SeededRandom x_random{5};
    sqlite::Driver x_driver;
    std::unique_ptr<sql::Database> x_database = std::move(*sqlite::open_database(
        x_folder / "tasks.db", {}, {.driver = &x_driver, .clock = &x_clock}));
    FailingDatabase x_faulty{*x_database};
    std::unique_ptr<TaskStore> x_store = make_task_store(x_faulty, x_clock, x_random);
};

template <typename T>
Status as_status(const Result<T>& result) {
    return result ? ok() : Status(fail(result.error()));
}

TEST_F(TaskFaults, CreatingTellsWhatIs) {
    told_what_is([&](const Task&) {
        return as_status(
            x_store->create_task({.title = "new", .concurrency_key = "k", .concurrency_limit = 1}));
    });
}

TEST_F(TaskFaults, ClaimingTellsWhatIs) {
    told_what_is([&](const Task&) {
        // There is something to tidy up after the claim.
        EXPECT_TRUE(x_database->write([](sql::Connection& connection) {
            return connection.execute("UPDATE task_limits SET dirty = 1");
        }));
        return as_status(x_store->claim_tasks({.worker = "w2"}));
    });
}

TEST_F(TaskFaults, ChangingAndRemovingTellWhatIs) {
    told_what_is([&](const Task&) {
        const auto page = x_store->list_tasks({.status = TaskStatus::pending});
        for (const Task& task : page->tasks) {
            if (!task.concurrency_key) continue;
            UpdateTask change{.priority = task.priority + 1};
            change.concurrency_key.emplace("other");
            return as_status(x_store->update_task(task.id, change));
        }
        return as_status(x_store->get_task("none"));
    });
    told_what_is([&](const Task&) {
        const auto page = x_store->list_tasks({.status = TaskStatus::pending});
        for (const Task& task : page->tasks)
            if (task.concurrency_key) return as_status(x_store->delete_task(task.id));
        return ok();
    });
}

TEST_F(TaskFaults, EndingAHoldTellsWhatIs) {
    told_what_is([&](const Task& held) {
        return as_status(x_store->complete_task({.task_id = held.id, .fence = held.fence}, {}));
    });
    told_what_is([&](const Task& held) {
        return as_status(x_store->fail_task({.task_id = held.id, .fence = held.fence},
                                            {.error = "e", .final = true}));
    });
    told_what_is([&](const Task& held) {
        return as_status(x_store->release_task({.task_id = held.id, .fence = held.fence}, ""));
    });
}

}  // namespace
}  // namespace taskstore::tasks
