// Repositories of every shape, compared with what git says of them.

#include <taskstore/git/repository.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace taskstore::git {
namespace {

class RepositoryTest : public ::testing::Test {
  protected:
    /// A shell script in the scratch folder; the test ends where it fails.
    void run(const std::string& script) {
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
        ASSERT_TRUE(done) << done.error().message;
        ASSERT_EQ(done->exit_code, 0) << script << "\n" << done->errors;
    }
    std::string at(const std::string& name) const { return x_scratch / name; }
    /// As for a process that works in `folder`.
    Result<Repository> find(const std::string& folder) {
        return Repository::find(x_files, folder, {.working_folder = folder});
    }
    Repository found(const std::string& folder) {
        auto out = find(folder);
        EXPECT_TRUE(out) << out.error().message;
        return *out;
    }
    std::string real(const std::string& path) {
        return std::filesystem::weakly_canonical(path).string();
    }

    TemporaryFolder x_scratch;
    os::SystemFileSystem x_files;
};

TEST_F(RepositoryTest, IsFoundFromAFolderInsideAndNotFromOutside) {
    run("git init -q 'a b ü' && mkdir -p 'a b ü/x/y'");
    const Repository repository = found(at("a b ü/x/y"));
    EXPECT_EQ(repository.work_tree(), at("a b ü"));
    EXPECT_EQ(repository.git_dir(), at("a b ü/.git"));
    EXPECT_EQ(repository.common_dir(), at("a b ü/.git"));
    EXPECT_EQ(*repository.relative(at("a b ü/x/f")), "x/f");
    EXPECT_FALSE(repository.relative(at("elsewhere")));
    EXPECT_EQ(*repository.hooks_folder(), at("a b ü/.git/hooks"));
    const auto outside = find(x_scratch.path());
    ASSERT_FALSE(outside);
    EXPECT_EQ(outside.error().code, Code::not_found);
}

TEST_F(RepositoryTest, LinkedWorkTreesShareWhatIsCommon) {
    run("git init -q main && git -C main commit -q --allow-empty -m 1 && "
        "git -C main worktree add -q ../other 2>/dev/null");
    const Repository other = found(at("other"));
    EXPECT_EQ(other.work_tree(), at("other"));
    EXPECT_EQ(real(other.git_dir()), real(at("main/.git/worktrees/other")));
    EXPECT_EQ(real(other.common_dir()), real(at("main/.git")));
    EXPECT_EQ(real(*other.hooks_folder()), real(at("main/.git/hooks")));
}

TEST_F(RepositoryTest, BareOnesAndTheirWorkTreesAndSubmodules) {
    run("git init -q seed && git -C seed commit -q --allow-empty -m 1 && "
        "git clone -q --bare seed bare.git && git -C bare.git worktree add -q ../tree 2>/dev/null "
        "&& "
        "git init -q super && git -C super -c protocol.file.allow=always submodule add -q "
        "\"$PWD/seed\" sub 2>/dev/null");
    const Repository bare = found(at("bare.git"));
    EXPECT_EQ(bare.work_tree(), "");
    EXPECT_EQ(bare.git_dir(), at("bare.git"));
    EXPECT_EQ(*bare.hooks_folder(), at("bare.git/hooks"));
    EXPECT_EQ(real(found(at("tree")).common_dir()), real(at("bare.git")));
    const Repository sub = found(at("super/sub"));
    EXPECT_EQ(sub.work_tree(), at("super/sub"));
    EXPECT_EQ(real(sub.common_dir()), real(at("super/.git/modules/sub")));
    EXPECT_EQ(real(*sub.hooks_folder()), real(at("super/.git/modules/sub/hooks")));
}

TEST_F(RepositoryTest, HooksPathIsWhereGitSays) {
    run("git init -q r && git -C r config core.hooksPath tools/hooks");
    EXPECT_EQ(*found(at("r")).hooks_folder(), at("r/tools/hooks"));
    run("git -C r config core.hooksPath /nowhere/hooks");
    EXPECT_EQ(*found(at("r")).hooks_folder(), "/nowhere/hooks");
}

TEST_F(RepositoryTest, VariablesOfAHookCountForItsOwnRepositoryAlone) {
    run("git init -q one && git init -q two");
    const Environment hook{.working_folder = at("one"),
                           .git_dir = ".git",
                           .work_tree = {},
                           .index_file = ".git/index.lock"};
    const auto own = Repository::find(x_files, at("one"), hook);
    ASSERT_TRUE(own);
    EXPECT_EQ(own->index_path(), at("one/.git/index.lock"));
    const auto other = Repository::find(x_files, at("two"), hook);
    ASSERT_TRUE(other);
    EXPECT_EQ(other->index_path(), at("two/.git/index"));
    // Git leaves GIT_DIR unset in hooks of a plain work tree.
    const Environment plain{.working_folder = at("one"),
                            .git_dir = {},
                            .work_tree = {},
                            .index_file = ".git/index.lock"};
    EXPECT_EQ(Repository::find(x_files, at("one"), plain)->index_path(), at("one/.git/index.lock"));
    EXPECT_EQ(Repository::find(x_files, at("two"), plain)->index_path(), at("two/.git/index"));
}

TEST_F(RepositoryTest, AFolderOfGitKeptApartIsFoundThroughItsVariables) {
    run("git init -q --bare apart.git && mkdir home");
    const auto found = Repository::find(x_files, at("home"),
                                        {.working_folder = at("home"),
                                         .git_dir = at("apart.git"),
                                         .work_tree = at("home"),
                                         .index_file = {}});
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->work_tree(), at("home"));
    EXPECT_EQ(found->git_dir(), at("apart.git"));
}

TEST_F(RepositoryTest, SettingsAreReadAndAbsenceIsNoError) {
    run("git init -q r && git -C r config a.b 'x y\n'");
    const Repository repository = found(at("r"));
    EXPECT_EQ(repository.config("a.b")->value_or("none"), "x y\n");
    EXPECT_FALSE(repository.config("a.c")->has_value());
    const auto bad = repository.output({"rev-parse", "--verify", "nothing"});
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.error().message.find("fatal"), std::string::npos);
}

/// Read with and without git, in every version of the file.
TEST_F(RepositoryTest, TheIndexReadWithoutGitIsTheOneThatGitReads) {
    run(R"(git init -q -b main r && cd r && mkdir -p .taskstore .taskstore.old a
for n in 1 2 3 4 5 6 7 8 9 10; do echo $n >.taskstore/$(printf %0${n}d 0).jsonl; done
echo x >.taskstore.old/f; echo x >a/.taskstore; echo x >.taskstorf; echo x >.task
git add -A && git commit -q -m base && git checkout -q -b other
echo theirs >.taskstore/0.jsonl && git commit -q -am theirs && git checkout -q main
echo ours >.taskstore/0.jsonl && git commit -q -am ours
git merge -q other >/dev/null && exit 1
git update-index --skip-worktree .task)");
    for (const std::string version : {"2", "3", "4"}) {
        run("git -C r update-index --index-version " + version);
        const Repository repository = found(at("r"));
        for (const std::string path : {".taskstore", ".taskstore/0.jsonl", "a", "zzz"}) {
            const auto by_git = repository.staged(path);
            const auto by_us = read_index(x_files, repository.index_path(), path);
            ASSERT_TRUE(by_git) << by_git.error().message;
            ASSERT_TRUE(by_us) << by_us.error().message;
            EXPECT_EQ(*by_us, *by_git) << version << " " << path;
        }
        EXPECT_EQ(read_index(x_files, repository.index_path(), ".taskstore")->size(), 12U);
        EXPECT_EQ(*repository.blob(repository.staged(".taskstore/0.jsonl")->back().blob),
                  "theirs\n");
    }
}

TEST_F(RepositoryTest, MoreThanIsTakenAtOnceIsALimitAndNoDamage) {
    run("git init -q r && cd r && seq 5000 >f && git add f");
    const Repository repository = found(at("r"));
    const auto few = repository.output({"cat-file", "blob", ":f"}, {}, 1000);
    ASSERT_FALSE(few);
    EXPECT_EQ(few.error().code, Code::unsupported);
    EXPECT_NE(few.error().message.find("1000 bytes"), std::string::npos);
}

TEST_F(RepositoryTest, NotesOfSettledMergesAreKnownApart) {
    run("git init -q r && cd r && git config user.name a && git config user.email b && "
        "echo x >f && git add f && git commit -qm base && git checkout -qb o && echo o >f && "
        "git commit -qam o && git checkout -q - && echo m >f && git commit -qam m");
    const std::string index = found(at("r")).index_path();
    EXPECT_EQ(resolve_undo_notes(x_files, index).value_or("?"), "");
    run("cd r && (git merge -q o || true) >/dev/null 2>&1 && git checkout -q --ours f && git add "
        "f");
    const std::string notes = resolve_undo_notes(x_files, index).value_or("");
    EXPECT_FALSE(notes.empty());
    run("cd r && echo g >g && git add g");
    EXPECT_EQ(resolve_undo_notes(x_files, index).value_or("?"), notes);
    EXPECT_EQ(resolve_undo_notes(x_files, at("none")).value_or("?"), "");
}

TEST_F(RepositoryTest, AnIndexThatCannotBeReadIsSaidSo) {
    run("git init -q r && cd r && echo x >f && git add f && git update-index --split-index");
    const Repository repository = found(at("r"));
    const auto parts = read_index(x_files, repository.index_path(), "f");
    ASSERT_FALSE(parts);
    EXPECT_EQ(parts.error().code, Code::unsupported);
    EXPECT_EQ(repository.staged("f")->size(), 1U);
    EXPECT_TRUE(read_index(x_files, at("none"), "f")->empty());
    run("git init -q q && cd q && echo x >f && git add f && head -c 60 .git/index >../cut");
    const auto cut = read_index(x_files, at("cut"), "f");
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Code::corrupt);
}

}  // namespace
}  // namespace taskstore::git
