// A worker that isolates its commands: their folders, their environment, what is told, and what is
// left when it dies.

#include "hang_report.hpp"
#include "scratch_tasks.hpp"

#include <taskstore/os/watch.hpp>
#include <taskstore/testing/child.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

namespace taskstore::work {
namespace {

using tasks::Task;
using tasks::TaskStatus;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::int64_t kLongMs = 60'000;

class IsolatedTest : public testing::Test {
  protected:
    ScratchTasks& tasks() {
        if (!x_tasks) x_tasks = std::make_unique<ScratchTasks>(x_folder.path());
        return *x_tasks;
    }
    WorkerOptions options(ScratchTasks& tasks) const {
        WorkerOptions options = tasks.options("w1");
        options.isolation.emplace().folder = x_folder / "isolated";
        options.folder = x_folder.path();
        return options;
    }
    Task done(const tasks::CreateTask& task, WorkerOptions options) {
        const Task made = tasks().add(task);
        const Status worked = tasks().work(std::move(options));
        EXPECT_TRUE(worked) << (worked ? "" : worked.error().message);
        return tasks().get(made.id);
    }
    Task done(const std::string& script) {
        return done({.title = "x", .command = script, .retry = {.max_attempts = 1}, .shell = true},
                    options(tasks()));
    }
    std::vector<std::string> left() {
        auto names = x_files.list(x_folder / "isolated");
        return names ? *names : std::vector<std::string>();
    }
    /// Without the first line, which says how it was isolated.
    static std::string printed(const Task& task) {
        const std::string logs = task.logs.value_or("");
        return logs.substr(logs.find('\n') + 1);
    }

    HangReport x_hang{std::chrono::seconds(150)};
    TemporaryFolder x_folder;
    os::SystemFileSystem x_files;
    std::unique_ptr<ScratchTasks> x_tasks;
};

TEST_F(IsolatedTest, ACommandHasAFolderOfItsOwnWhichGoesWithIt) {
    const Task task = done(
        "pwd; echo $HOME; echo $TMPDIR; stat -c %a . $TMPDIR; echo $TASKSTORE_TASK_FOLDER; ls -A; "
        "cat > in; echo '{\"n\":1}' > \"$TASKSTORE_TASK_RESULT\"; mkdir -p a/b; chmod 0 a");
    const std::string own =
        x_folder / "isolated/" + task.id + "-" + std::to_string(task.fence) + "/";
    EXPECT_EQ(task.status, TaskStatus::completed) << task.error.value_or("");
    EXPECT_EQ(task.result, "{\"n\":1}\n");
    EXPECT_EQ(printed(task),
              own + "home\n" + own + "home\n" + own + "tmp\n700\n700\n" + x_folder.path() + "\n");
    EXPECT_THAT(left(), testing::IsEmpty());
    EXPECT_EQ(done("exit 1").status, TaskStatus::failed);
    EXPECT_THAT(left(), testing::IsEmpty());
}

TEST_F(IsolatedTest, WhatItGotIsToldAtTheStartAndInTheLog) {
    auto wanted = options(tasks());
    std::vector<IsolationFound> told;
    wanted.isolated = [&](const IsolationFound& found) { told.push_back(found); };
    const Task task = done({.title = "x", .command = "true"}, wanted);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(task.logs, "isolated: " + text_of(told[0]) + "\n");
    EXPECT_EQ(told[0].trial.got.size() + told[0].trial.refused.size(),
              os::kIsolationParts.size() - 1)
        << "all but the network, which nobody asked for";
    EXPECT_EQ(told[0].limits.files, kFilesMax);
    const bool has_user =
        std::ranges::find(told[0].trial.got, os::IsolationPart::user) != told[0].trial.got.end();
    EXPECT_EQ(told[0].limits.processes.has_value(), has_user);
}

TEST_F(IsolatedTest, OnlyNamedVariablesReachIt) {
    ::setenv("MY_TOKEN", "hush", 1);
    ::setenv("CARGO_HOME", "/c", 1);
    ::setenv("TASK_STORE_URL", "postgres://u:hush@h/d", 1);
    auto wanted = options(tasks());
    wanted.isolation->environment_kept = {"CARGO_*"};
    const Task task = done({.title = "x", .command = "env"}, wanted);
    for (const char* name : {"MY_TOKEN", "CARGO_HOME", "TASK_STORE_URL"}) ::unsetenv(name);
    EXPECT_THAT(*task.logs, Not(HasSubstr("hush")));
    EXPECT_THAT(*task.logs, HasSubstr("\nCARGO_HOME=/c\n"));
    EXPECT_THAT(*task.logs, HasSubstr("\nTASKSTORE_TASK_ID=" + task.id + "\n"));
}

TEST_F(IsolatedTest, AResultThatIsNoFileFailsTheAttempt) {
    for (const char* script :
         {"mkfifo \"$TASKSTORE_TASK_RESULT\"", "ln -s /etc/hostname \"$TASKSTORE_TASK_RESULT\"",
          "mkdir \"$TASKSTORE_TASK_RESULT\""}) {
        const Task task = done(script);
        EXPECT_EQ(task.status, TaskStatus::failed) << script;
        EXPECT_THAT(task.error.value_or(""), HasSubstr("is no file")) << script;
    }
}

TEST_F(IsolatedTest, ARelativeProgramIsMeantFromWhereTheWorkerStands) {
    ASSERT_TRUE(
        os::replace_file(x_files, x_folder / "run.sh", "#!/bin/sh\necho \"$0 $1\"\n", 0755));
    auto wanted = options(tasks());
    wanted.command = {"./run.sh", "word"};
    const Task task = done({.title = "x"}, wanted);
    EXPECT_THAT(printed(task), testing::EndsWith("/run.sh word\n"));
}

TEST_F(IsolatedTest, OtherFoldersAreWritableWhereTheyAreNamed) {
    ASSERT_TRUE(x_files.make_directory(x_folder / "named"));
    auto wanted = options(tasks());
    wanted.isolation->writable = {x_folder / "named"};
    std::vector<os::IsolationPart> got;
    wanted.isolated = [&](const IsolationFound& found) { got = found.trial.got; };
    const Task task = done({.title = "x",
                            .command = "echo x > $TASKSTORE_TASK_FOLDER/named/f; echo y > "
                                       "$TASKSTORE_TASK_FOLDER/f; true",
                            .shell = true},
                           wanted);
    EXPECT_EQ(task.status, TaskStatus::completed);
    EXPECT_EQ(*os::read_file(x_files, x_folder / "named/f"), "x\n");
    const bool mounts = std::ranges::find(got, os::IsolationPart::mount) != got.end();
    EXPECT_EQ(x_files.info(x_folder / "f").has_value(), !mounts);
}

TEST_F(IsolatedTest, OptionsThatAreNoneAreRefused) {
    const auto code = [&](auto change) {
        auto wanted = options(tasks());
        change(wanted);
        const Status status = tasks().work(wanted);
        return status ? Code::failed : status.error().code;
    };
    EXPECT_EQ(code([](auto& o) { o.isolation->limits.files = 0; }), Code::invalid);
    EXPECT_EQ(code([](auto& o) { o.isolation->limits.memory_bytes = -1; }), Code::invalid);
    EXPECT_EQ(code([](auto& o) { o.isolation->writable = {"relative"}; }), Code::invalid);
    EXPECT_EQ(code([](auto& o) {
                  o.handler = [](const Task&, const std::stop_token&) {
                      return Result<std::string>("1");
                  };
              }),
              Code::invalid);
}

TEST_F(IsolatedTest, AWorkerThatIsKilledLeavesNoCommandAndItsFolderToTheNext) {
    const std::string spots = x_folder / "spots";
    ASSERT_TRUE(x_files.make_directory(spots));
    auto watch = std::move(*os::FolderWatch::open(x_files, spots));
    const Task made =
        tasks().add({.title = "x",
                     .command = "env -i setsid sleep 1000 & touch f; cd ..; echo $PWD > " + spots +
                                "/.begun; mv " + spots + "/.begun " + spots + "/begun; sleep 1000",
                     .shell = true});
    x_tasks.reset();
    Child worker([&](Pipe&) {
        ScratchTasks own(x_folder.path());
        auto writing = options(own);
        writing.isolation->writable = {spots};
        static_cast<void>(own.work(std::move(writing)).has_value());
        return 0;
    });
    while (!x_files.info(spots + "/begun")) ASSERT_TRUE(watch.wait(kLongMs));
    std::string folder = *os::read_file(x_files, spots + "/begun");
    folder.pop_back();
    // In use: not cleared by others.
    auto other = options(tasks());
    other.project = "another";
    ASSERT_TRUE(tasks().work(other));
    EXPECT_TRUE(x_files.info(folder + "/home/f"));
    worker.kill();
    while (tasks().get(made.id).status != TaskStatus::pending)
        ASSERT_TRUE(rescue_dead(*tasks().store, x_files, other.run));
    ASSERT_TRUE(tasks().work(other));
    EXPECT_THAT(left(), testing::IsEmpty());
}

TEST_F(IsolatedTest, WhoeverWantsAllOfItGetsItOrDoesNotBegin) {
    auto wanted = options(tasks());
    wanted.isolation->strict = true;
    wanted.isolation->network = false;
    bool told = false;
    wanted.isolated = [&](const IsolationFound& found) {
        told = found.trial.refused.empty() && found.trial.got.size() == os::kIsolationParts.size();
    };
    const Status worked = tasks().work(wanted);
    EXPECT_EQ(worked.has_value(), told);
    if (!worked) {
        EXPECT_EQ(worked.error().code, Code::denied);
    }
}

}  // namespace
}  // namespace taskstore::work
