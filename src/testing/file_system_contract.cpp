#include <taskstore/testing/file_system_contract.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

namespace taskstore::os {
namespace {

#define EXPECT_CODE(expression, expected)                                    \
    do {                                                                     \
        const auto& contract_result = (expression);                          \
        ASSERT_FALSE(contract_result) << #expression;                        \
        EXPECT_EQ(name_of(contract_result.error().code), name_of(expected)); \
    } while (false)

TEST_P(FileSystemContract, RefusesAPathWithANulRatherThanTakeThePartBeforeIt) {
    make("x", "kept");
    const std::string path = at("x") + std::string("\0y", 2);
    const auto refused = [](const auto& result) {
        return !result && result.error().native == EINVAL;
    };
    EXPECT_TRUE(refused(x_files.open(path, OpenMode::create)));
    EXPECT_TRUE(refused(x_files.info(path)));
    EXPECT_TRUE(refused(x_files.unlink(path)));
    EXPECT_TRUE(refused(x_files.rename(path, at("z"))));
    EXPECT_TRUE(refused(x_files.rename(at("x"), path)));
    EXPECT_TRUE(refused(x_files.make_directory(path)));
    EXPECT_TRUE(refused(x_files.list(path)));
    EXPECT_TRUE(refused(x_files.sync_directory(path)));
    EXPECT_EQ(content_of("x"), "kept");
}

TEST_P(FileSystemContract, OpenModesSayWhetherTheFileMustExist) {
    EXPECT_CODE(x_files.open(at("a"), OpenMode::read), Code::not_found);
    EXPECT_CODE(x_files.open(at("a"), OpenMode::read_write), Code::not_found);
    EXPECT_TRUE(x_files.open(at("a"), OpenMode::create));
    EXPECT_TRUE(x_files.open(at("a"), OpenMode::create));
    EXPECT_CODE(x_files.open(at("a"), OpenMode::create_new), Code::exists);
    EXPECT_TRUE(x_files.open(at("b"), OpenMode::create_new));
    EXPECT_CODE(x_files.open(at("a/c"), OpenMode::create), Code::not_found);
    EXPECT_CODE(x_files.open(at("no/c"), OpenMode::create), Code::not_found);
}

TEST_P(FileSystemContract, AFolderIsNotOpenedAsAFile) {
    ASSERT_TRUE(x_files.make_directory(at("x.jsonl")));
    for (const OpenMode mode : {OpenMode::read, OpenMode::read_write, OpenMode::create}) {
        const auto opened = x_files.open(at("x.jsonl"), mode);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().native, EISDIR);
        EXPECT_FALSE(opened.error().hint.empty());
    }
}

TEST_P(FileSystemContract, ErrorsNameThePathAndTheReason) {
    const auto opened = x_files.open(at("missing"), OpenMode::read);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message,
              "cannot open '" + at("missing") + "': No such file or directory");
    EXPECT_EQ(opened.error().native, ENOENT);
}

TEST_P(FileSystemContract, ReadsAreShortOnlyAtTheEnd) {
    const auto file = make("a", "0123456789");
    std::string buffer(8, '.');
    const auto middle = file->read_at(4, buffer.data(), 3);
    ASSERT_TRUE(middle);
    EXPECT_EQ(*middle, 3U);
    EXPECT_EQ(buffer, "456.....");
    const auto end = file->read_at(8, buffer.data(), 8);
    ASSERT_TRUE(end);
    EXPECT_EQ(*end, 2U);
    const auto beyond = file->read_at(100, buffer.data(), 8);
    ASSERT_TRUE(beyond);
    EXPECT_EQ(*beyond, 0U);
}

TEST_P(FileSystemContract, WritingBeyondTheEndLeavesZeros) {
    const auto file = make("a", "ab");
    ASSERT_TRUE(file->write_at(4, "ef"));
    EXPECT_EQ(content_of("a"), std::string("ab\0\0ef", 6));
    ASSERT_TRUE(file->write_at(1, "BCD"));
    EXPECT_EQ(content_of("a"), "aBCDef");
}

TEST_P(FileSystemContract, TruncateShortensAndExtends) {
    const auto file = make("a", "abcdef");
    ASSERT_TRUE(file->truncate(2));
    ASSERT_TRUE(file->truncate(4));
    EXPECT_EQ(content_of("a"), std::string("ab\0\0", 4));
    const auto info = file->info();
    ASSERT_TRUE(info);
    EXPECT_EQ(info->identity.size, 4);
}

TEST_P(FileSystemContract, AHandleForReadingDoesNotWrite) {
    make("a", "abc");
    const auto file = x_files.open(at("a"), OpenMode::read);
    ASSERT_TRUE(file);
    EXPECT_CODE((*file)->write_at(0, "x"), Code::failed);
    EXPECT_CODE((*file)->truncate(0), Code::failed);
    EXPECT_EQ(content_of("a"), "abc");
}

TEST_P(FileSystemContract, IdentityFollowsTheFileNotTheName) {
    const auto file = make("a", "1");
    ASSERT_TRUE(x_files.rename(at("a"), at("b")));
    make("a", "2");
    const auto own = file->info();
    const auto at_b = x_files.info(at("b"));
    const auto at_a = x_files.info(at("a"));
    ASSERT_TRUE(own && at_a && at_b);
    EXPECT_EQ(own->identity, at_b->identity);
    EXPECT_NE(own->identity.inode, at_a->identity.inode);
    EXPECT_EQ(own->kind, FileKind::regular);
}

TEST_P(FileSystemContract, SetMtimeChangesMtimeAlone) {
    const auto file = make("a", "1");
    const auto before = file->info();
    ASSERT_TRUE(file->set_mtime_ns(1'234'567'890'123'456'789));
    const auto after = file->info();
    ASSERT_TRUE(before && after);
    EXPECT_EQ(after->identity.mtime_ns, 1'234'567'890'123'456'789);
    EXPECT_GE(after->identity.ctime_ns, before->identity.ctime_ns);
    EXPECT_EQ(after->identity.btime_ns, before->identity.btime_ns);
    EXPECT_EQ(after->identity.size, before->identity.size);
    ASSERT_TRUE(file->set_mtime_ns(-1));
    EXPECT_EQ(file->info()->identity.mtime_ns, -1);
}

TEST_P(FileSystemContract, InfoTellsWhatIsThere) {
    make("a", "12345");
    ASSERT_TRUE(x_files.make_directory(at("d"), 0700));
    const auto file = x_files.info(at("a"));
    const auto folder = x_files.info(at("d"));
    ASSERT_TRUE(file && folder);
    EXPECT_EQ(file->identity.size, 5);
    EXPECT_EQ(folder->kind, FileKind::directory);
    EXPECT_EQ(folder->mode, 0700U);
    EXPECT_CODE(x_files.info(at("e")), Code::not_found);
    EXPECT_CODE(x_files.info(at("a/b")), Code::not_found);
    EXPECT_CODE(x_files.info(""), Code::not_found);
}

TEST_P(FileSystemContract, RenameReplacesAndUnlinkKeepsOpenFilesAlive) {
    const auto old_file = make("to", "old");
    make("from", "new");
    ASSERT_TRUE(x_files.rename(at("from"), at("to")));
    EXPECT_EQ(content_of("to"), "new");
    EXPECT_CODE(x_files.rename(at("from"), at("to")), Code::not_found);
    std::string buffer(3, '.');
    ASSERT_TRUE(old_file->read_at(0, buffer.data(), 3));
    EXPECT_EQ(buffer, "old");
    ASSERT_TRUE(x_files.unlink(at("to")));
    EXPECT_CODE(x_files.unlink(at("to")), Code::not_found);
    EXPECT_CODE(x_files.info(at("to")), Code::not_found);
}

TEST_P(FileSystemContract, AFileHasASecondNameUntilItIsTaken) {
    make("one", "text");
    ASSERT_TRUE(x_files.hard_link(at("one"), at("two")));
    EXPECT_EQ(x_files.info(at("one"))->identity.inode, x_files.info(at("two"))->identity.inode);
    EXPECT_CODE(x_files.hard_link(at("one"), at("two")), Code::exists);
    EXPECT_CODE(x_files.hard_link(at("none"), at("three")), Code::not_found);
    // What takes one name leaves the other.
    make("new", "new");
    ASSERT_TRUE(x_files.rename(at("new"), at("one")));
    EXPECT_EQ(content_of("one"), "new");
    EXPECT_EQ(content_of("two"), "text");
    // Of two names of one file a rename takes none away.
    ASSERT_TRUE(x_files.hard_link(at("two"), at("three")));
    ASSERT_TRUE(x_files.rename(at("two"), at("three")));
    EXPECT_EQ(content_of("two"), "text");
    ASSERT_TRUE(x_files.unlink(at("two")));
    EXPECT_EQ(content_of("three"), "text");
    ASSERT_TRUE(x_files.make_directory(at("d")));
    EXPECT_FALSE(x_files.hard_link(at("d"), at("e")));
}

TEST_P(FileSystemContract, OnlyEmptyFoldersAreRemoved) {
    ASSERT_TRUE(x_files.make_directory(at("d")));
    ASSERT_TRUE(x_files.make_directory(at("d/e")));
    EXPECT_CODE(x_files.remove_directory(at("d")), Code::failed);
    ASSERT_TRUE(x_files.remove_directory(at("d/e")));
    ASSERT_TRUE(x_files.remove_directory(at("d")));
    EXPECT_CODE(x_files.info(at("d")), Code::not_found);
    EXPECT_CODE(x_files.remove_directory(at("d")), Code::not_found);
    make("f", "");
    EXPECT_CODE(x_files.remove_directory(at("f")), Code::not_found);
}

TEST_P(FileSystemContract, FoldersAreNeitherUnlinkedNorReplacedByFiles) {
    ASSERT_TRUE(x_files.make_directory(at("d")));
    make("f", "");
    EXPECT_CODE(x_files.unlink(at("d")), Code::failed);
    EXPECT_CODE(x_files.rename(at("f"), at("d")), Code::failed);
    EXPECT_CODE(x_files.rename(at("d"), at("d/e")), Code::failed);
    EXPECT_CODE(x_files.make_directory(at("d")), Code::exists);
    EXPECT_CODE(x_files.make_directory(at("f")), Code::exists);
    ASSERT_TRUE(x_files.rename(at("d"), at("e")));
    EXPECT_TRUE(x_files.info(at("e")));
}

TEST_P(FileSystemContract, ListIsSortedByBytes) {
    for (const char* name : {"b", "a", "B", ".c", "ä"}) make(name);
    const auto names = x_files.list(at(""));
    ASSERT_TRUE(names);
    EXPECT_THAT(*names, testing::ElementsAre(".c", "B", "a", "b", "ä"));
    EXPECT_CODE(x_files.list(at("none")), Code::not_found);
    EXPECT_CODE(x_files.list(at("a")), Code::not_found);
}

TEST_P(FileSystemContract, NamesMayBe255BytesLong) {
    EXPECT_TRUE(x_files.open(at(std::string(255, 'n')), OpenMode::create));
    EXPECT_CODE(x_files.open(at(std::string(256, 'n')), OpenMode::create), Code::failed);
}

TEST_P(FileSystemContract, FlushesSucceed) {
    const auto file = make("a", "1");
    EXPECT_TRUE(file->sync_data());
    EXPECT_TRUE(x_files.sync_directory(at("")));
    EXPECT_CODE(x_files.sync_directory(at("none")), Code::not_found);
}

TEST_P(FileSystemContract, AWaitForALockTellsAndEndsInTime) {
    auto first = make("lock");
    auto second = make("lock");
    auto third = make("lock");
    ASSERT_TRUE(first->lock_within({.limit_ms = 0}));
    int told = 0;
    const auto tell = [&](const std::string& what) {
        EXPECT_NE(what.find(at("lock")), std::string::npos) << what;
        ++told;
    };
    EXPECT_CODE(second->lock_within({.limit_ms = 0, .tell = tell}), Code::timed_out);
    EXPECT_EQ(told, 0);
    EXPECT_CODE(second->lock_within({.limit_ms = 20, .tell_after_ms = 1, .tell = tell}),
                Code::timed_out);
    EXPECT_EQ(told, 1);
    second.reset();
    const auto let_go = [&](const std::string&) { first->unlock(); };
    EXPECT_TRUE(third->lock_within({.limit_ms = 60'000, .tell_after_ms = 1, .tell = let_go}));
}

TEST_P(FileSystemContract, ALockExcludesOtherHandlesUntilItsOwnCloses) {
    auto first = make("lock");
    auto second = make("lock");
    ASSERT_TRUE(first->lock_exclusive());
    const auto again = first->try_lock_exclusive();
    ASSERT_TRUE(again);
    EXPECT_TRUE(*again);
    const auto other = second->try_lock_exclusive();
    ASSERT_TRUE(other);
    EXPECT_FALSE(*other);
    first->unlock();
    EXPECT_TRUE(*second->try_lock_exclusive());
    EXPECT_FALSE(*first->try_lock_exclusive());
    second.reset();
    EXPECT_TRUE(*first->try_lock_exclusive());
}

TEST_P(FileSystemContract, ABlockedLockIsGrantedOnRelease) {
    auto first = make("lock");
    const auto second = make("lock");
    ASSERT_TRUE(first->lock_exclusive());
    std::atomic<bool> released{false};
    std::atomic<bool> in_order{false};
    std::thread waiter([&] {
        EXPECT_TRUE(second->lock_exclusive());
        in_order = released.load();
    });
    released = true;
    first.reset();
    waiter.join();
    EXPECT_TRUE(in_order);
}

TEST_P(FileSystemContract, ReadFileRefusesWhatIsTooLarge) {
    make("a", "12345");
    EXPECT_EQ(*read_file(x_files, at("a"), 5), "12345");
    EXPECT_CODE(read_file(x_files, at("a"), 4), Code::corrupt);
    EXPECT_CODE(read_file(x_files, at("b")), Code::not_found);
    make("empty");
    EXPECT_EQ(*read_file(x_files, at("empty"), 0), "");
    const std::string large(200'000, 'x');
    make("large", large);
    EXPECT_EQ(content_of("large"), large);
}

TEST_P(FileSystemContract, ReplaceFileLeavesTheContentAndNothingElse) {
    ASSERT_TRUE(replace_file(x_files, at("a"), "one", 0600));
    EXPECT_EQ(content_of("a"), "one");
    ASSERT_TRUE(replace_file(x_files, at("a"), "two!"));
    EXPECT_EQ(content_of("a"), "two!");
    EXPECT_THAT(*x_files.list(at("")), testing::ElementsAre("a"));
}

TEST_P(FileSystemContract, ReplaceFileRemovesWhatACrashLeft) {
    make(".a.tmp", "half of a longer con");
    ASSERT_TRUE(replace_file(x_files, at("a"), "new"));
    EXPECT_EQ(content_of("a"), "new");
    EXPECT_THAT(*x_files.list(at("")), testing::ElementsAre("a"));
}

TEST_P(FileSystemContract, ConcurrentReplacementsNeverMix) {
    ASSERT_TRUE(replace_file(x_files, at("a"), std::string(1000, 'z')));
    constexpr int kThreads = 4;
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            const std::string content(1000, static_cast<char>('a' + i));
            for (int round = 0; round < 10; ++round) {
                const auto replaced = replace_file(x_files, at("a"), content);
                EXPECT_TRUE(replaced) << replaced.error().message;
                const std::string seen = content_of("a");
                EXPECT_EQ(seen, std::string(1000, seen.at(0)));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(*x_files.list(at("")), testing::ElementsAre("a"));
}

TEST_P(FileSystemContract, MakeDirectoriesMakesWhatIsMissing) {
    ASSERT_TRUE(make_directories(x_files, at("a/b/c")));
    ASSERT_TRUE(make_directories(x_files, at("a/b/c/")));
    EXPECT_EQ(x_files.info(at("a/b/c"))->kind, FileKind::directory);
    make("a/file");
    const auto through_a_file = make_directories(x_files, at("a/file/d"));
    ASSERT_FALSE(through_a_file);
    EXPECT_EQ(through_a_file.error().native, ENOTDIR);
}

}  // namespace

std::unique_ptr<File> FileSystemContract::make(const std::string& name, std::string_view content) {
    auto file = x_files.open(at(name), OpenMode::create);
    EXPECT_TRUE(file) << file.error().message;
    EXPECT_TRUE((*file)->write_at(0, content));
    return std::move(*file);
}

std::string FileSystemContract::content_of(const std::string& name) {
    auto content = read_file(x_files, at(name));
    return content ? *content : "error: " + content.error().message;
}

}  // namespace taskstore::os
