// Other programs: what they are given, what they print, how they end.

#include <taskstore/os/command.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

namespace taskstore::os {
namespace {

TEST(Command, GivesInputAndTakesOutputLargerThanAPipe) {
    std::string text(3U << 20U, 'x');
    const auto done = run_command({.arguments = {"cat"}, .input = text});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->exit_code, 0);
    EXPECT_TRUE(done->output == text);
}

TEST(Command, TellsExitCodesAndSignalsAndWhatWasSaidOnStderr) {
    const auto failed = run_command({.arguments = {"sh", "-c", "echo bad >&2; exit 3"}});
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->exit_code, 3);
    EXPECT_EQ(failed->errors, "bad\n");
    EXPECT_EQ(run_command({.arguments = {"sh", "-c", "kill -9 $$"}})->exit_code, 128 + 9);
}

TEST(Command, PassesArgumentsAsTheyAre) {
    EXPECT_EQ(run_command({.arguments = {"printf", "%s|", "a b", "", "$HOME", "ä\n"}})->output,
              "a b||$HOME|ä\n|");
}

TEST(Command, SetsAndTakesAwayVariablesAndRunsInAFolder) {
    ::setenv("TASKSTORE_COMMAND_TEST", "ours", 1);
    const TemporaryFolder folder;
    const auto done = run_command(
        {.arguments = {"sh", "-c", "echo \"${TASKSTORE_COMMAND_TEST-none} $OTHER\"; pwd -P"},
         .folder = folder.path(),
         .environment = {{"TASKSTORE_COMMAND_TEST", std::nullopt}, {"OTHER", "set"}}});
    ::unsetenv("TASKSTORE_COMMAND_TEST");
    ASSERT_TRUE(done);
    EXPECT_TRUE(done->output.starts_with("none set\n"));
    EXPECT_NE(done->output.find(folder.path()), std::string::npos);
}

TEST(Command, AMissingProgramOrFolderIsNotFound) {
    const auto program = run_command({.arguments = {"taskstore-no-such-program"}});
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code, Code::not_found);
    const auto folder = run_command({.arguments = {"true"}, .folder = "/nowhere/at/all"});
    ASSERT_FALSE(folder);
    EXPECT_EQ(folder.error().code, Code::not_found);
}

TEST(Command, OneThatReadsNothingEndsWithoutASignalToUs) {
    const std::string text(4U << 20U, 'x');
    const auto done = run_command({.arguments = {"true"}, .input = text});
    ASSERT_TRUE(done);
    EXPECT_EQ(done->exit_code, 0);
}

TEST(Command, PrintingTooMuchOrTakingTooLongIsAnErrorAndEndsIt) {
    const auto loud = run_command({.arguments = {"cat", "/dev/zero"}, .output_bytes_max = 100'000});
    ASSERT_FALSE(loud);
    EXPECT_EQ(loud.error().code, Code::corrupt);
    const auto slow = run_command({.arguments = {"sleep", "60"}, .timeout_ms = 20});
    ASSERT_FALSE(slow);
    EXPECT_EQ(slow.error().code, Code::timed_out);
}

TEST(Command, StdinOfOursStaysOurs) {
    // Without input the program finds its stdin at its end and does not wait for ours.
    EXPECT_EQ(run_command({.arguments = {"cat"}, .timeout_ms = 10'000})->output, "");
}

}  // namespace
}  // namespace taskstore::os
