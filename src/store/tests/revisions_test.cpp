// Plans read out of git's history.

#include <taskstore/os/command.hpp>
#include <taskstore/store/revisions.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

namespace taskstore::store {
namespace {

class RevisionsTest : public ::testing::Test {
  protected:
    std::string run(const std::string& script) {
        const auto done = os::run_command({.arguments = {"sh", "-ec", script},
                                           .folder = x_scratch.path(),
                                           .environment = {{"GIT_CONFIG_GLOBAL", "/dev/null"},
                                                           {"GIT_CONFIG_NOSYSTEM", "1"},
                                                           {"GIT_AUTHOR_NAME", "t"},
                                                           {"GIT_AUTHOR_EMAIL", "t@localhost"},
                                                           {"GIT_COMMITTER_NAME", "t"},
                                                           {"GIT_COMMITTER_EMAIL", "t@localhost"},
                                                           {"GIT_DIR", std::nullopt},
                                                           {"GIT_INDEX_FILE", std::nullopt}}});
        EXPECT_TRUE(done);
        if (!done) return {};
        EXPECT_EQ(done->exit_code, 0) << script << "\n" << done->errors;
        std::string output = done->output;
        while (output.ends_with('\n')) output.pop_back();
        return output;
    }
    Revisions revisions(const std::string& folder = "r/.taskstore") {
        const std::string path = x_scratch / folder;
        auto found = Revisions::of(x_files, {.folder = path, .work_tree = x_scratch / "r"},
                                   {.working_folder = x_scratch / "r"});
        EXPECT_TRUE(found);
        return std::move(*found);
    }
    static std::string line(const std::string& id, int time, const std::string& value) {
        return R"({"id":")" + id + R"(","updated_at":)" + std::to_string(time) + R"(,"x":")" +
               value + R"("})";
    }
    TemporaryFolder x_scratch;
    os::SystemFileSystem x_files;
};

TEST_F(RevisionsTest, FilesOfACommitArePutOutAndNothingElse) {
    run("git init -q r; mkdir -p r/.taskstore/schemas r/.taskstore/run; cd r/.taskstore; "
        "echo '" +
        line("a", 1, "one") +
        "' > notes.jsonl; echo '{}' > schemas/notes.json; "
        "echo 1 > .version; echo x > 'no name.jsonl'; ln -s notes.jsonl link.jsonl; "
        "echo '[user]' > config.toml; echo x > other.txt; git add -A; git commit -qm 1; "
        "echo '" +
        line("a", 2, "two") + "' > notes.jsonl; mkdir ../../out");
    Revisions git = revisions();
    const auto commit = git.commit("HEAD");
    ASSERT_TRUE(commit) << commit.error().message;
    ASSERT_TRUE(git.put_out(*commit, x_scratch / "out"));
    EXPECT_EQ(run("cd out; find . -type f | sort | tr '\\n' ' '"),
              "./.version ./config.toml ./notes.jsonl ./schemas/notes.json ");
    EXPECT_EQ(run("cat out/notes.jsonl"), line("a", 1, "one"));
}

TEST_F(RevisionsTest, TheWorkTreeIsReadOnlyWhereGitSeesAChange) {
    run("git init -q r; mkdir r/.taskstore; cd r/.taskstore; echo '" + line("a", 1, "1") +
        "' > notes.jsonl; cp notes.jsonl same.jsonl; cp notes.jsonl gone.jsonl; git add -A; "
        "git commit -qm 1; echo '" +
        line("b", 1, "1") +
        "' >> notes.jsonl; rm gone.jsonl; "
        "cp notes.jsonl new.jsonl");
    Revisions git = revisions();
    const auto head = git.at(*git.commit("HEAD"));
    const auto now = git.work_tree();
    ASSERT_TRUE(head && now);
    EXPECT_EQ(now->marks.at("same"), head->marks.at("same"));
    EXPECT_EQ(now->marks.at("notes"), "");
    EXPECT_EQ(now->marks.at("new"), "");
    EXPECT_FALSE(now->marks.contains("gone"));
    const records::Snapshot* const side = &*head;
    const auto changes = records::changes_between({&side, 1}, *now);
    ASSERT_TRUE(changes);
    std::string told;
    for (const auto& change : changes->records)
        told +=
            std::string(to_text(change.action)) + " " + change.collection + " " + change.id + "; ";
    EXPECT_EQ(told, "dropped gone a; created new a; created new b; created notes b; ");
}

TEST_F(RevisionsTest, OlderLinesComeFromTheVersionsThatLostThem) {
    run("git init -q r; mkdir r/.taskstore; cd r/.taskstore; echo '" + line("a", 1, "one") +
        "' > notes.jsonl; git add -A; git commit -qm 1; echo '" + line("a", 2, "two") +
        "' >> notes.jsonl; git commit -qam 2; echo '" + line("a", 2, "two") +
        "' > notes.jsonl; git commit -qam 3; echo '" + line("b", 3, "three") +
        "' >> notes.jsonl; git commit -qam 4");
    Revisions git = revisions();
    const std::vector<std::string> known{line("a", 2, "two")};
    const auto never = [](const std::vector<OlderLine>&) { return false; };
    const auto found = git.older_lines("notes", "a", known, Reach::dropped, never);
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ((*found)[0].text, line("a", 1, "one"));
    EXPECT_EQ((*found)[0].commit, run("git -C r rev-parse HEAD~2"));
    EXPECT_TRUE(git.older_lines("notes", "c", {}, Reach::all, never)->empty());
    EXPECT_TRUE(git.older_lines("things", "a", {}, Reach::all, never)->empty());
    int asked = 0;
    ASSERT_TRUE(git.older_lines("notes", "a", {}, Reach::all, [&](const auto& lines) {
        EXPECT_EQ(lines.size(), 1U);
        return ++asked == 1;
    }));
    EXPECT_EQ(asked, 1);
}

TEST_F(RevisionsTest, ALogEndsWhereItsReaderDoes) {
    run("git init -q r; mkdir r/.taskstore; cd r/.taskstore; for i in 1 2 3; do "
        "echo '{\"id\":\"a'$i'\"}' >> notes.jsonl; git add -A; git commit -qm $i; done");
    Revisions git = revisions();
    std::vector<std::string> subjects;
    const auto take = [&](LogEntry&& entry) {
        subjects.push_back(entry.commit->subject);
        return ok();
    };
    EXPECT_EQ(*git.log({.limit = 2}, take), true);
    EXPECT_EQ(*git.log({.since = "HEAD~1"}, take), false);
    EXPECT_EQ(subjects, (std::vector<std::string>{"3", "2", "3"}));
    const auto stopped =
        git.log({}, [](LogEntry&&) -> Status { return fail(Code::cancelled, "enough"); });
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, Code::cancelled);
}

}  // namespace
}  // namespace taskstore::store
