// Config files edited without git, compared with what git reads of them.

#include <taskstore/git/config_text.hpp>
#include <taskstore/os/command.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

namespace taskstore::git {
namespace {

const ConfigName kDriver{"merge", "taskstore-merge", "driver"};
const ConfigName kName{"merge", "taskstore-merge", "name"};

std::optional<std::string> as_git_reads(const std::string& text, const std::string& name) {
    const TemporaryFolder folder;
    os::SystemFileSystem files;
    EXPECT_TRUE(os::replace_file(files, folder / "config", text));
    const auto done = os::run_command(
        {.arguments = {"git", "config", "-f", folder / "config", "-z", "--get", name}});
    if (!done || done->exit_code != 0) return {};
    return done->output.substr(0, done->output.size() - 1);
}

TEST(ConfigText, ReadsWhatGitReads) {
    for (const std::string text : {
             "[merge \"taskstore-merge\"]\n\tdriver = a %O b ; comment\n",
             "[MERGE \"taskstore-merge\"] DRIVER=one\n  driver = \"two ; # \\\"x\\\" \\\\ \" y\n",
             "# [merge \"taskstore-merge\"]\n; driver = no\n[merge \"other\"]\ndriver = no\n",
             "[merge \"taskstore-merge\"]\ndriver = a \\\n   b\\tc\\n\n[x]\ny\n",
             "[merge.taskstore-merge]\n driver =   spaces   inside   \n",
             "[core]\r\n\tbare = false\r\n[merge \"taskstore-merge\"]\r\n\tdriver = crlf x\r\n",
             "[merge \"taskstore-merge\"]\ndriver = last line without an end",
             "[merge \"task\\\"store\"]\ndriver = no\n",
             "",
         }) {
        EXPECT_EQ(ConfigText(text).get(kDriver), as_git_reads(text, "merge.taskstore-merge.driver"))
            << text;
    }
}

TEST(ConfigText, WhatIsSetIsReadByGitAndTakenAwayWithoutATrace) {
    const std::string value = "if test \"$x\" = '\\'; then a; fi # b\t%O";
    for (const std::string text : {
             "",
             "[core]\n\tbare = false\n",
             "[core]\n\tbare = false",
             "[a] b = c\n# end\n",
         }) {
        ConfigText config(text);
        config.set(kName, "ledgers");
        config.set(kDriver, value);
        EXPECT_EQ(as_git_reads(config.text(), "merge.taskstore-merge.driver"), value);
        EXPECT_EQ(as_git_reads(config.text(), "merge.taskstore-merge.name"), "ledgers");
        const std::string once = config.text();
        config.set(kDriver, value);
        EXPECT_EQ(config.text(), once);
        const std::string later = once + "[branch \"main\"]\n\tremote = origin\n";
        ConfigText changed(later);
        changed.unset(kDriver, true);
        changed.unset(kName, true);
        const std::string ended = text.empty() || text.ends_with('\n') ? text : text + "\n";
        EXPECT_EQ(changed.text(), ended + "[branch \"main\"]\n\tremote = origin\n");
    }
}

TEST(ConfigText, AValueThatIsThereIsReplacedInItsPlace) {
    ConfigText config(
        "[merge \"taskstore-merge\"]\n\tdriver = old\n\tname = kept\n# c\n[x]\n\ty = z\n");
    config.set(kDriver, "new");
    EXPECT_EQ(config.text(),
              "[merge \"taskstore-merge\"]\n\tdriver = new\n\tname = kept\n# c\n[x]\n\ty = z\n");
    config.unset(kDriver, true);
    EXPECT_EQ(config.text(), "[merge \"taskstore-merge\"]\n\tname = kept\n# c\n[x]\n\ty = z\n");
    ConfigText on_header("[merge \"taskstore-merge\"] driver = old\n[x]\n");
    on_header.set(kDriver, "new");
    EXPECT_EQ(as_git_reads(on_header.text(), "merge.taskstore-merge.driver"), "new");
}

}  // namespace
}  // namespace taskstore::git
