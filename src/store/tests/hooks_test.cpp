// Installing and taking away, with a stop after every call and whatever a power cut leaves.

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/store/hooks.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <map>

namespace taskstore::store {
namespace {

constexpr std::string_view kUsersHook = "#!/usr/bin/env python3\nprint('mine')\n";
constexpr std::string_view kEarlierHook = "#!/bin/sh\n# made by taskstore\ntaskstore sync\n";

constexpr std::string_view kConfigLock = "/r/.git/config.lock";

GitPlaces places() {
    return {.store = ".taskstore",
            .attributes = "/r/.gitattributes",
            .info_attributes = "/r/.git/info/attributes",
            .config = "/r/.git/config",
            .hooks = "/r/.git/hooks",
            .hooks_are_ours = true,
            .record = "/r/.git/taskstore-hooks"};
}

using Files = std::map<std::string, std::string>;

Files originals() {
    return {{"/r/.git/config", "[core]\n\tbare = false"},
            {"/r/.gitattributes", "*.png binary"},
            {"/r/.git/hooks/pre-commit", std::string(kUsersHook)},
            {"/r/.git/hooks/pre-push", std::string(kEarlierHook)}};
}

std::unique_ptr<os::FaultFileSystem> disk_with(const Files& files) {
    auto disk = std::make_unique<os::FaultFileSystem>();
    for (const auto& [path, text] : files) disk->put_file(path, text);
    disk->put_directory("/r/.git/info");
    return disk;
}

/// All files there are, but temporary ones that the next call takes away.
Files files_on(os::FileSystem& disk, const std::string& folder = "/r") {
    Files out;
    const auto names = disk.list(folder);
    EXPECT_TRUE(names);
    for (const std::string& name : *names) {
        const std::string path = os::join_path(folder, name);
        const auto info = disk.info(path);
        if (info->kind == os::FileKind::directory)
            out.merge(files_on(disk, path));
        else if (!(name.starts_with('.') && name.ends_with(".tmp")))
            out[path] = *os::read_file(disk, path);
    }
    return out;
}

bool all_in_place(os::FileSystem& disk) {
    const auto pieces = look_at_pieces(disk, places());
    if (!pieces) return false;
    for (const Piece& piece : *pieces) {
        if (piece.state != Piece::State::in_place) return false;
    }
    return true;
}

/// Old or new, whole; and where a hook was there is one at every moment, the users' or ours that
/// calls it.
void check_whole(os::FaultFileSystem& disk, const Files& after, const std::string& trace) {
    const Files before = originals();
    Files now = files_on(disk);
    int kept = 0;
    for (const auto& [path, text] : now) {
        if (path == kConfigLock) continue;
        kept += text == kUsersHook ? 1 : 0;
        const auto old = before.find(path);
        const auto made = after.find(path);
        const bool whole = (old != before.end() && old->second == text) ||
                           (made != after.end() && made->second == text);
        EXPECT_TRUE(whole) << trace << ": " << path << "\n" << text;
    }
    EXPECT_GE(kept, 1) << trace;
    const std::string& hook = now["/r/.git/hooks/pre-commit"];
    const bool calls = hook.starts_with("#!/bin/sh\n# taskstore hook ") &&
                       now["/r/.git/hooks/pre-commit.before-taskstore"] == kUsersHook;
    EXPECT_TRUE(hook == kUsersHook || calls) << trace;
    EXPECT_TRUE(now.contains("/r/.git/hooks/pre-push")) << trace;
}

TEST(Hooks, TwiceChangesNothingAndBackIsAsItWas) {
    const auto disk = disk_with(originals());
    const auto first = install_hooks(*disk, places());
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_TRUE(all_in_place(*disk));
    const Files installed = files_on(*disk);
    EXPECT_EQ(installed.at("/r/.git/hooks/pre-commit.before-taskstore"), kUsersHook);
    EXPECT_EQ(installed.at("/r/.git/hooks/pre-push.earlier-taskstore"), kEarlierHook);
    const auto calls = disk->calls();
    const auto second = install_hooks(*disk, places());
    ASSERT_TRUE(second);
    EXPECT_TRUE(second->done.empty());
    EXPECT_EQ(disk->calls(), calls);
    ASSERT_TRUE(uninstall_hooks(*disk, places()));
    EXPECT_EQ(files_on(*disk), originals());
}

TEST(Hooks, AnInstallationThatStopsAnywhereLosesNothingAndIsGoneOnWith) {
    const auto whole = disk_with(originals());
    ASSERT_TRUE(install_hooks(*whole, places()));
    const Files after = files_on(*whole);
    for (std::size_t n = 0;; ++n) {
        const auto disk = disk_with(originals());
        disk->power_off_after(n);
        const auto status = install_hooks(*disk, places());
        for (const os::PowerCut& cut : os::PowerCut::matrix(8)) {
            const std::string trace = std::to_string(n) + " calls, " + cut.text();
            const auto found = disk->after_power_cut(cut);
            check_whole(*found, after, trace);
            if (status) {
                EXPECT_TRUE(all_in_place(*found)) << trace;
            }
            const auto again = install_hooks(*found, places());
            ASSERT_TRUE(again) << trace << ": " << again.error().message;
            EXPECT_TRUE(all_in_place(*found)) << trace;
            ASSERT_TRUE(uninstall_hooks(*found, places())) << trace;
            EXPECT_EQ(files_on(*found), originals()) << trace;
            // Without the second installation, too.
            const auto straight = disk->after_power_cut(cut);
            ASSERT_TRUE(uninstall_hooks(*straight, places())) << trace;
            EXPECT_EQ(files_on(*straight), originals()) << trace;
        }
        if (!disk->power_is_off()) break;
    }
}

TEST(Hooks, TakingAwayThatStopsAnywhereIsGoneOnWith) {
    const auto whole = disk_with(originals());
    ASSERT_TRUE(install_hooks(*whole, places()));
    const Files installed = files_on(*whole);
    for (std::size_t n = 0;; ++n) {
        const auto disk = disk_with(installed);
        disk->power_off_after(n);
        (void)uninstall_hooks(*disk, places()).has_value();
        for (const os::PowerCut& cut : os::PowerCut::matrix(8)) {
            const std::string trace = std::to_string(n) + " calls, " + cut.text();
            const auto found = disk->after_power_cut(cut);
            check_whole(*found, installed, trace);
            ASSERT_TRUE(uninstall_hooks(*found, places())) << trace;
            EXPECT_EQ(files_on(*found), originals()) << trace;
        }
        if (!disk->power_is_off()) break;
    }
}

TEST(Hooks, AWriteThatFailsIsSaidAndRepeatedWithoutLoss) {
    for (const auto kind : {os::FaultKind::error, os::FaultKind::short_write}) {
        for (std::size_t n = 1;; ++n) {
            const auto disk = disk_with(originals());
            disk->fail_at(n, {.kind = kind});
            const auto status = install_hooks(*disk, places());
            const bool reached = disk->calls() >= n;
            disk->clear_faults();
            const auto again = install_hooks(*disk, places());
            ASSERT_TRUE(again) << n << ": " << again.error().message;
            EXPECT_TRUE(all_in_place(*disk)) << n;
            ASSERT_TRUE(uninstall_hooks(*disk, places()));
            EXPECT_EQ(files_on(*disk), originals()) << n << (status ? "" : status.error().message);
            if (!reached) break;
        }
    }
}

TEST(Hooks, WhatGitWritesInTheMiddleIsNotLost) {
    for (const std::string path : {"/r/.git/config", "/r/.gitattributes"}) {
        for (const bool away : {false, true}) {
            const auto disk = disk_with(originals());
            if (away) {
                ASSERT_TRUE(install_hooks(*disk, places()));
            }
            int times = 0;
            disk->set_hook([&](const os::CallRecord& call) {
                if (call.call != os::Call::create || call.path != os::temporary_path_of(path))
                    return;
                const std::string more =
                    path.ends_with("config") ? "\n[a]\n\tb = c\n" : "\n*.x y\n";
                if (++times <= 2) disk->put_file(path, *disk->get_file(path) + more);
            });
            const auto done =
                away ? uninstall_hooks(*disk, places()) : install_hooks(*disk, places());
            ASSERT_TRUE(done) << done.error().message;
            disk->set_hook({});
            EXPECT_EQ(times, 3);
            const std::string text = *disk->get_file(path);
            const std::string_view word = path.ends_with("config") ? "[a]" : "*.x";
            ASSERT_NE(text.find(word), std::string::npos) << text;
            EXPECT_NE(text.find(word, text.find(word) + 1), std::string::npos) << text;
            EXPECT_FALSE(disk->get_file(std::string(kConfigLock)));
            EXPECT_EQ(text.find("taskstore") == std::string::npos, away) << text;
            EXPECT_EQ(all_in_place(*disk), !away);
            ASSERT_TRUE(uninstall_hooks(*disk, places()));
            EXPECT_EQ(disk->get_file(path)->find("taskstore"), std::string::npos);
        }
    }
}

TEST(Hooks, GitsLockOnItsSettingsIsRespectedAndLeftAlone) {
    const auto disk = disk_with(originals());
    disk->put_file(std::string(kConfigLock), "");
    const auto done = install_hooks(*disk, places());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::unavailable);
    EXPECT_TRUE(disk->get_file(std::string(kConfigLock)));
    EXPECT_EQ(*disk->get_file("/r/.git/config"), originals().at("/r/.git/config"));
}

TEST(Hooks, WithoutLinksTheOldHookIsCopied) {
    const auto disk = disk_with(originals());
    disk->fail_at(1, {.error = EPERM, .forever = true, .only = os::Call::hard_link});
    disk->set_hook(
        [&](const os::CallRecord&) { ASSERT_TRUE(disk->get_file("/r/.git/hooks/pre-commit")); });
    ASSERT_TRUE(install_hooks(*disk, places()));
    EXPECT_TRUE(all_in_place(*disk));
    EXPECT_EQ(*disk->get_file("/r/.git/hooks/pre-commit.before-taskstore"), kUsersHook);
    ASSERT_TRUE(uninstall_hooks(*disk, places()));
    EXPECT_EQ(files_on(*disk), originals());
}

TEST(Hooks, FoldersThatWereMadeGoAgainUnlessSomethingIsInThem) {
    const Files few{{"/r/.git/config", "[core]\n"}};
    for (const bool used : {false, true}) {
        os::FaultFileSystem disk;
        for (const auto& [path, text] : few) disk.put_file(path, text);
        ASSERT_TRUE(install_hooks(disk, places()));
        if (used) disk.put_file("/r/.git/info/exclude", "x");
        ASSERT_TRUE(uninstall_hooks(disk, places()));
        EXPECT_FALSE(disk.info("/r/.git/hooks"));
        EXPECT_EQ(disk.info("/r/.git/info").has_value(), used);
    }
}

TEST(Hooks, CommentsBehindValuesComeBackAndStay) {
    Files files = originals();
    const std::string earlier = "[merge \"taskstore-merge\"]\n\tdriver =  mine %O   ; keep\n";
    files["/r/.git/config"] = earlier;
    const auto disk = disk_with(files);
    ASSERT_TRUE(install_hooks(*disk, places()));
    std::string text = *disk->get_file("/r/.git/config");
    text.insert(text.find('\n', text.find("textconv")), " # why");
    disk->put_file("/r/.git/config", text + "[b]\n\tc = d\n");
    ASSERT_TRUE(uninstall_hooks(*disk, places()));
    EXPECT_EQ(*disk->get_file("/r/.git/config"),
              earlier + "[diff \"taskstore\"]\n\t# why\n[b]\n\tc = d\n");
}

TEST(Hooks, WhatOthersWroteMeanwhileStays) {
    const auto disk = disk_with(originals());
    ASSERT_TRUE(install_hooks(*disk, places()));
    const auto append = [&](const std::string& path, std::string_view text) {
        disk->put_file(path, *disk->get_file(path) + std::string(text));
    };
    append("/r/.git/config", "[remote \"o\"]\n\turl = x\n");
    append("/r/.gitattributes", "*.jpg binary\n");
    EXPECT_TRUE(install_hooks(*disk, places())->done.empty());
    ASSERT_TRUE(uninstall_hooks(*disk, places()));
    EXPECT_EQ(*disk->get_file("/r/.git/config"),
              "[core]\n\tbare = false\n[remote \"o\"]\n\turl = x\n");
    EXPECT_EQ(*disk->get_file("/r/.gitattributes"), "*.png binary\n*.jpg binary\n");
}

TEST(Hooks, AnEarlierDriverComesBack) {
    const std::string earlier =
        "[merge \"taskstore-merge\"]\n\tname = TaskStore JSONL merge driver\n"
        "\tdriver = taskstore-merge %O %A %B %P\n[x]\n\ty = z\n";
    Files files = originals();
    files["/r/.git/config"] = earlier;
    const auto disk = disk_with(files);
    ASSERT_TRUE(install_hooks(*disk, places()));
    EXPECT_TRUE(all_in_place(*disk));
    disk->put_file("/r/.git/config", *disk->get_file("/r/.git/config") + "[b]\n\tc = d\n");
    ASSERT_TRUE(uninstall_hooks(*disk, places()));
    EXPECT_EQ(*disk->get_file("/r/.git/config"), earlier + "[b]\n\tc = d\n");
}

TEST(Hooks, ARuleNamesTheStoresFolderWhateverItIsCalled) {
    EXPECT_EQ(attributes_rule(".taskstore"),
              ".taskstore/*.jsonl merge=taskstore-merge diff=taskstore -text");
    EXPECT_EQ(attributes_rule("a b/[x]").substr(0, 19), "\"a b/\\\\[x]/*.jsonl\"");
    EXPECT_EQ(attributes_rule("ü/.taskstore").substr(0, 22), "ü/.taskstore/*.jsonl ");
}

TEST(Hooks, TheHookOfAnOldInstallationIsKeptWhenAnotherTakesItsPlace) {
    const auto disk = disk_with(originals());
    ASSERT_TRUE(install_hooks(*disk, places()));
    disk->put_file("/r/.git/hooks/pre-commit", "#!/bin/sh\necho newer\n");
    const auto again = install_hooks(*disk, places());
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->notes.empty());
    EXPECT_EQ(*disk->get_file("/r/.git/hooks/pre-commit.before-taskstore-1"), kUsersHook);
    ASSERT_TRUE(uninstall_hooks(*disk, places()));
    EXPECT_EQ(*disk->get_file("/r/.git/hooks/pre-commit"), "#!/bin/sh\necho newer\n");
}

}  // namespace
}  // namespace taskstore::store
