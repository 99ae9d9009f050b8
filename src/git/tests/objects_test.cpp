// Revisions, folders and commits, compared with what git says of them.

#include <taskstore/git/objects.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace taskstore::git {
namespace {

class ObjectsTest : public ::testing::Test {
  protected:
    /// A shell script in the scratch folder; what it printed, without the last line end.
    std::string run(const std::string& script) {
        const auto done = os::run_command({.arguments = {"sh", "-ec", script},
                                           .folder = x_scratch.path(),
                                           .environment = {{"GIT_CONFIG_GLOBAL", "/dev/null"},
                                                           {"GIT_CONFIG_NOSYSTEM", "1"},
                                                           {"GIT_AUTHOR_NAME", "Änne"},
                                                           {"GIT_AUTHOR_EMAIL", "a@localhost"},
                                                           {"GIT_AUTHOR_DATE", "1000000000 +0100"},
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
    Repository repository(const std::string& name = "r") {
        auto found =
            Repository::find(x_files, x_scratch / name, {.working_folder = x_scratch / name});
        EXPECT_TRUE(found);
        return *found;
    }
    Code code_of(const std::string& revision) {
        const auto found = find_commit(repository(), revision);
        EXPECT_FALSE(found) << revision;
        return found ? Code::failed : found.error().code;
    }
    TemporaryFolder x_scratch;
    os::SystemFileSystem x_files;
};

TEST_F(ObjectsTest, RevisionsInAnySpellingLeadToTheirCommit) {
    run("git init -q r; cd r; git commit -q --allow-empty -m 'a b'; git branch 'x/ü'; "
        "git tag -a -m t tag; git commit -q --allow-empty -m 2");
    const std::string first = run("git -C r rev-parse HEAD~1");
    for (const std::string name :
         {"HEAD~1", "x/ü", "tag", "tag^{}", "HEAD^", ":/a b", "HEAD@{1}"}) {
        const auto found = find_commit(repository(), name);
        ASSERT_TRUE(found) << name << found.error().message;
        EXPECT_EQ(*found, first) << name;
    }
    EXPECT_EQ(*find_commit(repository(), first.substr(0, 12)), first);
    EXPECT_EQ(**head_commit(repository()), run("git -C r rev-parse HEAD"));
}

TEST_F(ObjectsTest, NothingElseIsTakenForARevision) {
    run("git init -q r; cd r; echo x > f; git add f; git commit -q -m 1; "
        "git tag blob $(git rev-parse HEAD:f)");
    for (const std::string name : {"", "-x", "--all", "--output=y", "-", "HEAD\nHEAD",
                                   "HEAD^{tree}", "blob", "HEAD:f", ":f"})
        EXPECT_EQ(code_of(name), Code::invalid) << name;
    EXPECT_EQ(code_of(std::string("HEAD\0x", 6)), Code::invalid);
    for (const std::string name : {"no", "HEAD~1", "a..b", "HEAD..", "^HEAD", "refs/heads/*"})
        EXPECT_EQ(code_of(name), Code::not_found) << name;
}

TEST_F(ObjectsTest, ThereIsNoHeadBeforeTheFirstCommit) {
    run("git init -q r");
    const auto head = head_commit(repository());
    ASSERT_TRUE(head);
    EXPECT_FALSE(*head);
}

TEST_F(ObjectsTest, FoldersAreListedAsTheyStoodInEachCommit) {
    run("git init -q r; cd r; mkdir -p 'a ü/b'; echo 1 > 'a ü/x'; echo 2 > 'a ü/b/y'; "
        "ln -s x 'a ü/link'; git add .; git commit -q -m 1; rm 'a ü/x'; git commit -qam 2; "
        "git rm -qr 'a ü'; git commit -q --allow-empty -m 3; git gc -q");
    const std::vector<std::string> ids{run("git -C r rev-parse HEAD~2"),
                                       run("git -C r rev-parse HEAD~1"),
                                       run("git -C r rev-parse HEAD")};
    const auto folders = folders_at(repository(), ids, "a ü");
    ASSERT_TRUE(folders) << folders.error().message;
    ASSERT_EQ(folders->size(), 3U);
    ASSERT_TRUE((*folders)[0]);
    const Tree& tree = *(*folders)[0];
    ASSERT_EQ(tree.size(), 3U);
    EXPECT_EQ(tree[0].name, "b");
    EXPECT_TRUE(tree[0].is_folder());
    EXPECT_FALSE(tree[1].is_file());
    EXPECT_EQ(tree[2].name, "x");
    EXPECT_TRUE(tree[2].is_file());
    EXPECT_EQ(tree[2].id, run("git -C r rev-parse 'HEAD~2:a ü/x'"));
    EXPECT_EQ((*folders)[1]->size(), 2U);
    EXPECT_FALSE((*folders)[2]);
    const auto root = folders_at(repository(), {ids[0]}, "");
    ASSERT_TRUE(root && (*root)[0]);
    EXPECT_EQ((*root)[0]->front().name, "a ü");
    EXPECT_FALSE((*folders_at(repository(), {ids[0]}, "a ü/x"))[0]);  // a file is no folder
}

TEST_F(ObjectsTest, ObjectsComeInTheOrderThatTheyAreAskedFor) {
    run("git init -q r; cd r; printf 'one\\n\\0two' > a; printf '' > b; head -c 300000 /dev/zero > "
        "c; "
        "git add .; git commit -q -m 1");
    const auto id = [&](const std::string& name) { return run("git -C r rev-parse HEAD:" + name); };
    const auto texts = read_objects(repository(), {id("a"), id("b"), id("c"), id("a")});
    ASSERT_TRUE(texts) << texts.error().message;
    EXPECT_EQ((*texts)[0], std::string("one\n\0two", 8));
    EXPECT_EQ((*texts)[1], "");
    EXPECT_EQ((*texts)[2], std::string(300000, '\0'));
    EXPECT_EQ((*texts)[3], (*texts)[0]);
    EXPECT_EQ((*read_objects(repository(), {id("a")}))[0], (*texts)[0]);
    EXPECT_EQ((*read_objects(repository(), {id("b")}))[0], "");
    EXPECT_EQ(sizes_of(repository(), {id("c"), id("b")})->at(id("c")), 300000);
    EXPECT_FALSE(read_objects(repository(), {std::string(40, '1')}));
    EXPECT_FALSE(read_objects(repository(), {id("a"), std::string(40, '1')}));
    EXPECT_FALSE(sizes_of(repository(), {std::string(40, '1')}));
    EXPECT_FALSE(read_objects(repository(), {id("c")}, 1000));
}

TEST_F(ObjectsTest, CommitsOfAFolderAreTheOnesThatChangedItOnAnySide) {
    run("git init -q -b main r; cd r; git config log.showSignature true; mkdir d; echo 1 > d/f; "
        "git add .; git commit -q -m 'first ü'; git checkout -q -b side; echo 2 > d/f; "
        "git commit -qam side; git checkout -q main; echo x > other; git add .; git commit -qm "
        "other; "
        "git merge -q -s ours -m 'ours wins' side; echo 3 > d/f; git commit -qam last");
    const std::string head = run("git -C r rev-parse HEAD");
    const auto found = commits(repository(), {.until = head, .path = "d"});
    ASSERT_TRUE(found) << found.error().message;
    std::vector<std::string> subjects;
    for (const Commit& commit : *found) subjects.push_back(commit.subject);
    std::ranges::sort(subjects);
    EXPECT_EQ(subjects, (std::vector<std::string>{"first ü", "last", "ours wins", "side"}));
    EXPECT_EQ(found->front().id, head);
    EXPECT_EQ(found->front().author, "Änne");
    EXPECT_EQ(found->front().authored_at, 1'000'000'000'000);
    EXPECT_EQ(found->front().parents.size(), 1U);
    EXPECT_TRUE(found->back().parents.empty());
    const auto some =
        commits(repository(), {.until = head, .since = found->back().id, .path = "d"});
    EXPECT_EQ(some->size(), 3U);
    EXPECT_EQ(commits(repository(), {.until = head, .path = "d", .limit = 1})->size(), 1U);
    EXPECT_EQ(commits(repository(), {.until = head, .path = "d", .skip = 3})->size(), 1U);
    EXPECT_EQ(commits(repository(), {.until = head})->size(), 5U);
}

TEST_F(ObjectsTest, AShallowCloneSaysWhereItBegins) {
    run("git init -q full; cd full; for i in 1 2 3; do echo $i > f; git add .; git commit -q -m "
        "$i; "
        "done; git clone -q --depth 2 \"file://$PWD\" ../r");
    const auto found =
        commits(repository(), {.until = run("git -C r rev-parse HEAD"), .path = "f"});
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_EQ(found->size(), 2U);
    EXPECT_FALSE((*found)[0].ends_clone);
    EXPECT_TRUE((*found)[1].ends_clone);
}

TEST_F(ObjectsTest, TheWorkTreeIsUnlikeACommitWhereGitSaysSo) {
    run("git init -q r; cd r; mkdir d; echo 1 > d/a; echo 1 > d/b; echo 1 > d/c; echo 1 > e; "
        "git add .; git commit -q -m 1; echo 2 > d/a; echo 2 > d/b; git add d/b; rm d/c; echo 2 > "
        "e; "
        "echo new > d/new");
    auto changed = changed_in_work_tree(repository(), run("git -C r rev-parse HEAD"), "d");
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(*changed, (std::vector<std::string>{"d/a", "d/b", "d/c"}));
}

}  // namespace
}  // namespace taskstore::git
