// A worker: what its commands get, how they end, and what becomes of them when it dies.

#include "hang_report.hpp"
#include "scratch_tasks.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/os/lock.hpp>
#include <taskstore/os/process.hpp>
#include <taskstore/os/watch.hpp>
#include <taskstore/testing/child.hpp>

#include <gmock/gmock.h>

#include <thread>

namespace taskstore::work {
namespace {

using tasks::Task;
using tasks::TaskStatus;
using testing::HasSubstr;

constexpr std::int64_t kLongMs = 60'000;

class WorkerTest : public testing::Test {
  protected:
    ScratchTasks& tasks() {
        if (!x_tasks) x_tasks = std::make_unique<ScratchTasks>(x_folder.path());
        return *x_tasks;
    }
    std::string text(const std::string& name) {
        auto read = os::read_file(x_files, x_folder / name);
        return read ? *read : "";
    }
    void wait_for_file(const std::string& name) {
        while (!x_files.info(x_folder / name)) {
            ASSERT_TRUE(x_watch.wait(kLongMs));
        }
    }
    /// A line for sh that says that it has begun, and goes on.
    std::string begins(const std::string& name, const std::string& then = "sleep 1000") const {
        return "cd " + x_folder.path() + " && echo $$ > ." + name + " && mv ." + name + " " + name +
               " && " + then;
    }
    std::vector<std::string> verbs_of(const std::string& id) {
        std::vector<std::string> verbs;
        const auto history = tasks().store->history(id);
        for (const auto& entry : *history) verbs.push_back(entry.verb);
        return verbs;
    }

    HangReport x_hang{std::chrono::seconds(150)};
    TemporaryFolder x_folder;
    os::SystemFileSystem x_files;
    os::FolderWatch x_watch = std::move(*os::FolderWatch::open(x_files, x_folder.path()));
    std::unique_ptr<ScratchTasks> x_tasks;
};

TEST_F(WorkerTest, ACommandIsGivenItsTaskAndItsEndIsWritten) {
    const Task made = tasks().add(
        {.title = "x",
         .command =
             "cat; echo \" $TASKSTORE_TASK_ID $TASKSTORE_TASK_FENCE $TASKSTORE_TASK_WORKER\"; "
             "echo '{\"n\":1}' > \"$TASKSTORE_TASK_RESULT\"",
         .input = "{\"a\":2}",
         .shell = true});
    std::vector<Finished> finished;
    auto options = tasks().options("w1");
    options.finished = [&](const Finished& one) { finished.push_back(one); };
    ASSERT_TRUE(tasks().work(options));
    const Task done = tasks().get(made.id);
    EXPECT_EQ(done.status, TaskStatus::completed);
    EXPECT_EQ(done.exit_code, 0);
    EXPECT_EQ(done.result, "{\"n\":1}\n");
    EXPECT_EQ(done.assigned_to, "w1");
    ASSERT_TRUE(done.logs);
    EXPECT_THAT(*done.logs,
                testing::EndsWith("\n " + made.id + " " + std::to_string(done.fence) + " w1\n"));
    const auto read = Json::parse(done.logs->substr(0, done.logs->find('\n')));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->get("id").as_string(), made.id);
    EXPECT_EQ(read->get("input").get("a").as_int64(), 2);
    ASSERT_EQ(finished.size(), 1U);
    EXPECT_EQ(finished[0].outcome, Outcome::completed);
    EXPECT_EQ(text(finished[0].log_path.substr(x_folder.path().size() + 1)), *done.logs);
    EXPECT_THAT(*x_files.list(x_folder / "run"), testing::IsEmpty());
}

TEST_F(WorkerTest, NoShellSeesACommandThatDoesNotAskForOne) {
    const Task made = tasks().add({.title = "x", .command = "printf '%s|' $HOME 'a b' ;"});
    ASSERT_TRUE(tasks().work(tasks().options("w1")));
    EXPECT_EQ(tasks().get(made.id).logs, "$HOME|a b|;|");
}

TEST_F(WorkerTest, ACommandThatFailsIsTriedAgainAsItsTaskSays) {
    const Task made = tasks().add({.title = "x",
                                   .command = "echo out; exit 3",
                                   .retry = {.max_attempts = 2, .backoff = tasks::Backoff::none},
                                   .shell = true});
    ASSERT_TRUE(tasks().work(tasks().options("w1")));
    const Task done = tasks().get(made.id);
    EXPECT_EQ(done.status, TaskStatus::failed);
    EXPECT_EQ(done.retry_count, 2);
    EXPECT_EQ(done.exit_code, 3);
    EXPECT_EQ(done.error, "exit code 3");
    EXPECT_EQ(done.error_class, tasks::ErrorClass::logic);
    EXPECT_EQ(done.logs, "out\n");
}

TEST_F(WorkerTest, WhatCannotBeRunSaysWhy) {
    const tasks::RetryPolicy once{.max_attempts = 1};
    const Task absent = tasks().add({.title = "x", .command = "no-such-program", .retry = once});
    const Task unfinished = tasks().add({.title = "x", .command = "echo 'a"});
    const Task by_hand = tasks().add({.title = "x"});
    ASSERT_TRUE(tasks().work(tasks().options("w1")));
    EXPECT_EQ(tasks().get(absent.id).status, TaskStatus::failed);
    EXPECT_THAT(*tasks().get(absent.id).error, HasSubstr("no-such-program"));
    EXPECT_EQ(tasks().get(absent.id).error_class, tasks::ErrorClass::infra);
    EXPECT_EQ(tasks().get(unfinished.id).status, TaskStatus::failed) << "at once";
    EXPECT_EQ(tasks().get(unfinished.id).error_class, tasks::ErrorClass::policy);
    EXPECT_EQ(tasks().get(by_hand.id).status, TaskStatus::pending) << "it says nothing to run";
}

TEST_F(WorkerTest, OneCommandForAllRunsTheirsTooThatSayNone) {
    const Task made = tasks().add({.title = "by hand"});
    auto options = tasks().options("w1");
    options.command = {"sh", "-c", "wc -c > \"$TASKSTORE_TASK_RESULT\"; echo \"$0\"", "word"};
    ASSERT_TRUE(tasks().work(options));
    EXPECT_EQ(tasks().get(made.id).status, TaskStatus::completed);
    EXPECT_EQ(tasks().get(made.id).logs, "word\n");
    EXPECT_GT(std::stoi(*tasks().get(made.id).result), 100);
}

TEST_F(WorkerTest, ACommandThatRunsTooLongIsEnded) {
    const Task made = tasks().add({.title = "x",
                                   .command = "sleep 1000 & sleep 1000",
                                   .retry = {.max_attempts = 1},
                                   .shell = true,
                                   .timeout_ms = 50});
    ASSERT_TRUE(tasks().work(tasks().options("w1")));
    const Task done = tasks().get(made.id);
    EXPECT_EQ(done.status, TaskStatus::failed);
    EXPECT_EQ(done.error_class, tasks::ErrorClass::timeout);
    EXPECT_EQ(done.exit_code, 128 + SIGTERM);
}

TEST_F(WorkerTest, ACommandThatWillNotHearOfItIsKilledAfterTheGrace) {
    const Task made =
        tasks().add({.title = "x", .command = "trap '' TERM; " + begins("begun"), .shell = true});
    auto options = tasks().options("w1");
    options.grace_ms = 50;
    std::vector<Finished> finished;
    options.finished = [&](const Finished& one) { finished.push_back(one); };
    std::jthread worker([&] { EXPECT_TRUE(tasks().work(options)); });
    wait_for_file("begun");
    ASSERT_TRUE(tasks().store->cancel_task(made.id, "ann", ""));
    worker.join();
    ASSERT_EQ(finished.size(), 1U);
    EXPECT_EQ(finished[0].outcome, Outcome::cancelled);
    EXPECT_EQ(finished[0].end->signal, SIGKILL);
}

TEST_F(WorkerTest, ACancellationEndsTheCommandAtOnce) {
    const Task made = tasks().add({.title = "x", .command = begins("begun"), .shell = true});
    std::jthread worker([&] { EXPECT_TRUE(tasks().work(tasks().options("w1"))); });
    wait_for_file("begun");
    ASSERT_TRUE(tasks().store->cancel_task(made.id, "ann", "not needed"));
    worker.join();
    EXPECT_EQ(tasks().get(made.id).status, TaskStatus::cancelled);
    EXPECT_NE(::kill(std::stoi(text("begun")), 0), 0);
}

TEST_F(WorkerTest, ATaskThatWasLostIsNotWrittenTo) {
    const Task made = tasks().add({.title = "x", .command = begins("begun"), .shell = true});
    auto options = tasks().options("w1");
    options.lease_ms = 3'000;
    std::vector<Outcome> outcomes;
    options.finished = [&](const Finished& one) { outcomes.push_back(one.outcome); };
    std::jthread worker([&] { EXPECT_TRUE(tasks().work(options)); });
    wait_for_file("begun");
    // A person takes it away from the holder, and another worker gets it.
    ASSERT_TRUE(tasks().store->release_task({.task_id = made.id, .actor = "ann"}, ""));
    const auto other = tasks().store->claim_tasks({.worker = "other"});
    ASSERT_EQ(other->value.size(), 1U);
    worker.join();
    EXPECT_EQ(tasks().get(made.id).status, TaskStatus::in_progress);
    EXPECT_EQ(tasks().get(made.id).assigned_to, "other");
    // Again: it looked between the two.
    EXPECT_TRUE(outcomes == std::vector{Outcome::lost} || outcomes == std::vector{Outcome::again})
        << name_of(outcomes.at(0));
    EXPECT_NE(::kill(std::stoi(text("begun")), 0), 0);
}

// Were it given its grace, it would be there beside the next one's command for an hour.
TEST_F(WorkerTest, ACommandWhoseTaskWasLostIsGivenNoGrace) {
    const Task made =
        tasks().add({.title = "x",
                     .command = "trap '' TERM; " + begins("begun", "while :; do sleep 0.01; done"),
                     .shell = true});
    auto options = tasks().options("w1");
    options.lease_ms = 3'000;
    options.grace_ms = 3'600'000;
    std::jthread worker([&] { EXPECT_TRUE(tasks().work(options)); });
    wait_for_file("begun");
    ASSERT_TRUE(tasks().store->release_task({.task_id = made.id, .actor = "ann"}, ""));
    ASSERT_EQ(tasks().store->claim_tasks({.worker = "other"})->value.size(), 1U);
    worker.join();
    EXPECT_NE(::kill(std::stoi(text("begun")), 0), 0);
}

// Its lease is long: no renewal tells it.
TEST_F(WorkerTest, AHoldThatOthersEndEndsTheCommandAtOnce) {
    using Ends = std::function<bool(tasks::TaskStore&, const Task&)>;
    const std::vector<std::pair<Outcome, Ends>> ways{
        {Outcome::again,
         [](auto& store, const Task& task) {
             return store.release_task({.task_id = task.id, .actor = "ann"}, "").has_value();
         }},
        {Outcome::failed,
         [](auto& store, const Task& task) {
             return store
                 .fail_task({.task_id = task.id, .actor = "ann"}, {.error = "no", .final = true})
                 .has_value();
         }},
        {Outcome::completed,
         [](auto& store, const Task& task) {
             return store.complete_task({.task_id = task.id, .actor = "ann"}, {}).has_value();
         }},
        {Outcome::again,
         [](auto& store, const Task& task) {
             return store.rescue_task({task.id, task.fence, "w1", ""}, "by hand").has_value();
         }},
        {Outcome::lost, [](auto& store, const Task& task) {
             return store.release_task({.task_id = task.id, .actor = "ann"}, "") &&
                    store.claim_tasks({.worker = "other"})->value.size() == 1;
         }}};
    for (std::size_t i = 0; i < ways.size(); ++i) {
        const std::string mark = "begun" + std::to_string(i);
        tasks().add({.title = "x", .command = begins(mark), .lease_ms = 3'600'000, .shell = true});
        auto options = tasks().options("w1");
        options.tasks_max = 1;
        options.until_empty = false;
        std::vector<Finished> finished;
        options.finished = [&](const Finished& one) { finished.push_back(one); };
        std::jthread worker([&] { EXPECT_TRUE(tasks().work(options)); });
        wait_for_file(mark);
        const Task held =
            tasks().store->list_tasks({.status = TaskStatus::in_progress})->tasks.at(0);
        ASSERT_TRUE(ways[i].second(*tasks().store, held)) << i;
        worker.join();
        ASSERT_EQ(finished.size(), 1U);
        // Between a release and the next claim it may have looked too.
        if (ways[i].first != Outcome::lost) {
            EXPECT_EQ(finished[0].outcome, ways[i].first) << i;
        }
        EXPECT_NE(::kill(std::stoi(text(mark)), 0), 0);
        const Task now = tasks().get(held.id);
        if (now.status == TaskStatus::in_progress) {
            ASSERT_TRUE(tasks().store->complete_task({.task_id = held.id}, {}));
        } else if (now.status == TaskStatus::pending) {
            ASSERT_TRUE(tasks().store->cancel_task(held.id, "ann", ""));
        }
    }
}

TEST_F(WorkerTest, ACommandWhoseTaskIsAnothersByNowIsNotBegun) {
    const Task made = tasks().add(
        {.title = "x", .command = begins("begun", "true"), .lease_ms = 3'600'000, .shell = true});
    auto options = tasks().options("w1");
    std::vector<Outcome> outcomes;
    options.began = [&](const Task& task) {
        ASSERT_TRUE(tasks().store->release_task({.task_id = task.id, .actor = "ann"}, ""));
        ASSERT_EQ(tasks().store->claim_tasks({.worker = "other"})->value.size(), 1U);
    };
    options.finished = [&](const Finished& one) { outcomes.push_back(one.outcome); };
    ASSERT_TRUE(tasks().work(options));
    EXPECT_EQ(outcomes, std::vector{Outcome::lost});
    EXPECT_EQ(tasks().get(made.id).assigned_to, "other");
    EXPECT_FALSE(x_files.info(x_folder / "begun"));
}

// Whoever writes holds the lock of writers; a server that does not answer does the same.
TEST_F(WorkerTest, ARenewalThatBlocksKeepsNoCommandRunningBeyondItsTime) {
    tasks().add({.title = "x",
                 .command = begins("begun"),
                 .lease_ms = 3'000,
                 .shell = true,
                 .timeout_ms = 1'500});
    auto options = tasks().options("w1");
    options.tasks_max = 1;
    std::vector<Finished> finished;
    options.finished = [&](const Finished& one) { finished.push_back(one); };
    std::jthread worker([&] { EXPECT_TRUE(tasks().work(options)); });
    wait_for_file("begun");
    const auto command = os::identify_process(std::stoi(text("begun")));
    {
        os::FileLock lock(x_files, sqlite::writer_lock_path(x_folder / "tasks.db"));
        const auto held = lock.acquire();
        ASSERT_TRUE(held);
        if (command) {
            ASSERT_TRUE(*os::wait_for_exit(*command, kLongMs));
        }
    }
    worker.join();
    ASSERT_EQ(finished.size(), 1U);
    EXPECT_EQ(finished[0].error, "it ran longer than its time");
}

TEST_F(WorkerTest, AWorkerRenewsWhileItsCommandRuns) {
    const Task made = tasks().add({.title = "x", .command = begins("begun"), .shell = true});
    auto options = tasks().options("w1");
    options.lease_ms = 3'000;
    Worker worker(*tasks().store, tasks().clock, tasks().random, tasks().files, options);
    std::jthread thread([&] { EXPECT_TRUE(worker.run()); });
    wait_for_file("begun");
    const std::int64_t first = *tasks().get(made.id).lease_expires_at;
    while (tasks().get(made.id).lease_expires_at.value_or(0) < first + 200) {
        ASSERT_EQ(tasks().get(made.id).status, TaskStatus::in_progress);
    }
    worker.stop();
    thread.join();
    EXPECT_EQ(tasks().get(made.id).status, TaskStatus::pending) << "given back";
    EXPECT_EQ(tasks().get(made.id).retry_count, 0);
    EXPECT_EQ(verbs_of(made.id), (std::vector<std::string>{"create", "claim", "release"}));
}

TEST_F(WorkerTest, DrainingFinishesWhatRunsAndBeginsNothing) {
    const Task first =
        tasks().add({.title = "x",
                     .command = begins("begun", "until [ -e go ]; do sleep 0.01; done"),
                     .priority = 20,
                     .shell = true});
    const Task second = tasks().add({.title = "y", .command = "true"});
    auto options = tasks().options("w1");
    options.until_empty = false;
    Worker worker(*tasks().store, tasks().clock, tasks().random, tasks().files, options);
    std::jthread thread([&] { EXPECT_TRUE(worker.run()); });
    wait_for_file("begun");
    worker.drain();
    ASSERT_TRUE(os::replace_file(x_files, x_folder / "go", ""));
    thread.join();
    EXPECT_EQ(tasks().get(first.id).status, TaskStatus::completed);
    EXPECT_EQ(tasks().get(second.id).status, TaskStatus::pending);
}

TEST_F(WorkerTest, ManyJobsWorkOffWhatDependsOnEachOther) {
    std::vector<std::string> ids;
    for (int i = 0; i < 12; ++i) {
        tasks::CreateTask task{.title = "t" + std::to_string(i), .command = "true"};
        if (i >= 4) task.depends_on = {ids[static_cast<std::size_t>(i) - 4]};
        ids.push_back(tasks().add(task).id);
    }
    auto options = tasks().options("w1");
    options.jobs = 4;
    ASSERT_TRUE(tasks().work(options));
    for (const std::string& id : ids)
        EXPECT_EQ(verbs_of(id), (std::vector<std::string>{"create", "claim", "complete"}));
}

TEST_F(WorkerTest, OldLogsGoAndNoResultIsLeft) {
    auto options = tasks().options("w1");
    ASSERT_TRUE(os::make_directories(x_files, options.log_folder, 0700));
    const std::string old = os::join_path(options.log_folder, "0-1.log");
    ASSERT_TRUE(os::replace_file(x_files, old, "x"));
    options.log_bytes_max = 0;
    options.log_age_ms_max = 0;
    ASSERT_TRUE(tasks().work(options));
    EXPECT_TRUE(x_files.info(old)) << "no limit";
    options.log_bytes_max = 1;
    ASSERT_TRUE(os::replace_file(x_files, os::join_path(options.log_folder, "0-2.log"), "y"));
    tasks().add({.title = "x",
                 .command = "echo 1 > \"$TASKSTORE_TASK_RESULT\"; exit 1",
                 .retry = {.max_attempts = 1},
                 .shell = true});
    ASSERT_TRUE(tasks().work(options));
    const auto left = x_files.list(options.log_folder);
    ASSERT_TRUE(left);
    EXPECT_THAT(*left, testing::UnorderedElementsAre("0-2.log", testing::EndsWith(".log")));
}

TEST_F(WorkerTest, AsManyTasksAsItIsTold) {
    for (int i = 0; i < 5; ++i) tasks().add({.title = "x", .command = "true"});
    auto options = tasks().options("w1");
    options.until_empty = false;
    options.tasks_max = 3;
    options.jobs = 2;
    ASSERT_TRUE(tasks().work(options));
    EXPECT_EQ(tasks().store->stats({})->by_status[0], 2);
}

TEST_F(WorkerTest, AHandlerIsAWorkerToo) {
    const Task good = tasks().add({.title = "good", .input = "41"});
    const Task bad = tasks().add({.title = "bad", .retry = {.max_attempts = 1}});
    auto options = tasks().options("w1");
    options.handler = [](const Task& task, const std::stop_token&) -> Result<std::string> {
        if (task.title == "bad") return fail(Code::failed, "it is bad");
        return std::to_string(std::stoi(task.input) + 1);
    };
    ASSERT_TRUE(tasks().work(options));
    EXPECT_EQ(tasks().get(good.id).result, "42");
    EXPECT_EQ(tasks().get(bad.id).error, "it is bad");
}

TEST_F(WorkerTest, AWorkerThatIsKilledLosesItsTaskToTheNextAtOnce) {
    Child worker([&](Pipe&) {
        ScratchTasks own(x_folder.path());
        own.add({.title = "x", .command = begins("begun"), .lease_ms = 3'600'000, .shell = true});
        return own.work(own.options("w1")) ? 0 : 1;
    });
    wait_for_file("begun");
    const std::string first = text("begun");
    const std::string id = tasks().store->list_tasks({})->tasks.at(0).id;
    ASSERT_EQ(tasks().get(id).status, TaskStatus::in_progress);
    auto options = tasks().options("w2");
    options.command = {"true"};
    options.tasks_max = 1;
    options.until_empty = false;
    std::jthread next([&] { EXPECT_TRUE(tasks().work(options)); });
    worker.kill();
    next.join();
    const Task done = tasks().get(id);
    EXPECT_EQ(done.status, TaskStatus::completed);
    EXPECT_EQ(done.assigned_to, "w2");
    EXPECT_EQ(done.rescues, 1);
    EXPECT_EQ(verbs_of(id),
              (std::vector<std::string>{"create", "claim", "rescue", "claim", "complete"}));
    EXPECT_EQ(tasks().store->history(id)->at(2).reason, "its worker died");
    EXPECT_NE(::kill(std::stoi(first), 0), 0);
}

TEST_F(WorkerTest, AGuardThatIsKilledIsAsAWorkerThatDied) {
    const Task made = tasks().add({.title = "x",
                                   .command = begins("begun",
                                                     "echo $PPID > .p; mv .p parent; "
                                                     "sleep 1000 & wait"),
                                   .retry = {.max_rescues = 0},
                                   .shell = true});
    std::jthread worker([&] { EXPECT_TRUE(tasks().work(tasks().options("w1"))); });
    wait_for_file("parent");
    ::kill(std::stoi(text("parent")), SIGKILL);
    worker.join();
    EXPECT_EQ(tasks().get(made.id).status, TaskStatus::failed);
    EXPECT_THAT(*tasks().get(made.id).error, HasSubstr("once too often"));
    EXPECT_EQ(tasks().get(made.id).error_class, tasks::ErrorClass::infra);
}

TEST_F(WorkerTest, TheEndOfALongLogIsKept) {
    const Task made = tasks().add(
        {.title = "x",
         .command = "i=0; while [ $i -lt 20000 ]; do echo 'ä line of it'; i=$((i+1)); done; "
                    "printf 'a\\0b\\377c'",
         .shell = true});
    ASSERT_TRUE(tasks().work(tasks().options("w1")));
    const std::string logs = *tasks().get(made.id).logs;
    EXPECT_THAT(logs, testing::StartsWith("["));
    EXPECT_THAT(logs, HasSubstr(" bytes before this are in " + x_folder / "logs"));
    EXPECT_THAT(logs, testing::EndsWith("a\xEF\xBF\xBD"
                                        "b\xEF\xBF\xBD"
                                        "c"));
    EXPECT_LT(logs.size(), kLogTailBytes + 300);
}

TEST_F(WorkerTest, OptionsThatAreNoneAreRefused) {
    auto options = tasks().options("w1");
    options.jobs = 0;
    EXPECT_EQ(tasks().work(options).error().code, Code::invalid);
    options = tasks().options("");
    EXPECT_EQ(tasks().work(options).error().code, Code::invalid);
}

}  // namespace
}  // namespace taskstore::work
