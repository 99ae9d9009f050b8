// What was acknowledged stays true (I1): under clocks that tick slowly, flushes that fail, caches
// that lost their last commits, and lines that could be read in another way.
#include "plan_process.hpp"

#include <taskstore/os/lock.hpp>

#include <gtest/gtest.h>

#include <thread>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

/// A disk whose times tick every 4 ms, as those of some kernels.
std::unique_ptr<os::FaultFileSystem> slow_clock_disk() {
    auto disk = std::make_unique<os::FaultFileSystem>(
        os::FaultOptions{.now_ns = FakeClock().wall_ms() * 1'000'000, .granularity_ns = 4'000'000});
    disk->put_directory("/p/run");
    disk->sync_everything();
    return disk;
}

std::string line(const std::string& members, std::int64_t ms, const std::string& replica,
                 const std::string& stamps) {
    return "{\"id\":\"a\"," + members + "\"updated_at\":" + std::to_string(ms) +
           ",\"_stamps\":{\"v\":1,\"at\":\"" + std::to_string(ms) + "@" + replica + "\"" + stamps +
           "}}\n";
}

TEST(Acknowledged, ALineThatWouldBeReadInAnotherWayIsRefused) {
    const std::string deep = std::string(512, '[') + std::string(512, ']');
    const std::vector<std::vector<ledger::Change>> hostile{
        {{"v", deep}},
        {{"a", "1"}, {"a", "2"}},
        {{"deleted", "true"}},
        {{"\xff", "1"}},
        {{"v", "\"" + std::string(std::size_t{65} << 20, 'x') + "\""}},
    };
    for (const auto& changes : hostile) {
        auto disk = new_disk();
        Process p(*disk);
        EXPECT_EQ(p->create("foo", changes, "a").error().code, Code::invalid)
            << changes[0].name << "=" << changes[0].raw_value.substr(0, 20);
        EXPECT_EQ(disk->get_file("/p/foo.jsonl").value_or(""), "");
    }
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("foo", {{"deleted", "true"}, {"a", "1"}}, "a"));
    EXPECT_EQ(p->update("foo", "a", {{"a", ""}}).error().code, Code::invalid);
    ASSERT_TRUE(p->sync(true));
    EXPECT_TRUE(p->get("foo", "a"));
}

TEST(Acknowledged, AForeignChangeWithinTheSameTickShows) {
    auto disk = slow_clock_disk();
    const std::string text =
        "{\"id\":\"x\",\"title\":\"AAAA\",\"status\":\"draft\",\"updated_at\":1700000000000}\n";
    std::string other = text;
    other.replace(other.find("AAAA"), 4, "BBBB");
    disk->put_file("/p/prds.jsonl", text);
    Process p(*disk);
    ASSERT_TRUE(p->get("prds", "x"));
    int opened = 0;
    disk->set_hook([&](const os::CallRecord& call) {
        if (call.path == "/p/prds.jsonl" && call.call == os::Call::open && ++opened == 2)
            disk->overwrite_file("/p/prds.jsonl", other);
    });
    ASSERT_TRUE(p->create("prds", prd("y"), "y"));
    disk->set_hook({});
    ASSERT_GE(opened, 2);
    p.clock.advance_ms(1000);
    ASSERT_TRUE(p->sync());
    EXPECT_NE(p->get("prds", "x")->data.find("BBBB"), std::string::npos);
}

TEST(Acknowledged, AForeignChangeShowsWhereTimesCannotBeSet) {
    auto disk = slow_clock_disk();
    Process p(*disk);
    disk->fail_at(1, {.error = 1, .forever = true, .only = os::Call::set_mtime});
    ASSERT_TRUE(p->create("prds", prd("AAAA"), "x"));
    std::string text = *disk->get_file("/p/prds.jsonl");
    text.replace(text.find("AAAA"), 4, "BBBB");
    disk->overwrite_file("/p/prds.jsonl", text);
    p.clock.advance_ms(1000);
    ASSERT_TRUE(p->sync());
    EXPECT_NE(p->get("prds", "x")->data.find("BBBB"), std::string::npos);
}

TEST(Acknowledged, AForeignChangeDuringTheFlushShows) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("AAAA"), "x"));
    disk->set_hook([&](const os::CallRecord& call) {
        if (call.path != "/p/prds.jsonl" || call.call != os::Call::sync_data) return;
        std::string text = *disk->get_file("/p/prds.jsonl");
        if (const std::size_t at = text.find("AAAA"); at != std::string::npos)
            disk->overwrite_file("/p/prds.jsonl", text.replace(at, 4, "BBBB"));
    });
    ASSERT_TRUE(p->create("prds", prd("y"), "y"));
    disk->set_hook({});
    EXPECT_NE(p->get("prds", "x")->data.find("BBBB"), std::string::npos);
}

TEST(Acknowledged, ACacheThatAPowerCutSetBackIsNotBelievedWhileAWriterIsAtWork) {
    auto disk = new_disk();
    {
        Process p(*disk);
        ASSERT_TRUE(p->create("prds", prd("one"), "one"));
        ASSERT_TRUE(p->sync());
        disk->sync_everything();
        ASSERT_TRUE(p->create("prds", prd("two"), "two"));
    }
    disk->power_cut(os::PowerCut::drop_all());
    {
        os::FileLock lock(*disk, "/p/lock");
        const auto guard = lock.acquire();
        ASSERT_TRUE(guard);
        Process q(*disk, 2, nullptr, "the next boot");
        EXPECT_TRUE(q->get("prds", "two"));
    }
    // Whoever writes first in the new boot takes everything in.
    Process r(*disk, 3, nullptr, "the next boot");
    ASSERT_TRUE(r->create("workflows", {{"name", "\"w\""}}, "w"));
    os::FileLock lock(*disk, "/p/lock");
    const auto guard = lock.acquire();
    Process s(*disk, 4, &r, "the next boot");
    EXPECT_TRUE(s->get("prds", "two"));
    EXPECT_EQ(s->take_notes(), std::vector<std::string>{}) << "the cache answers again";
}

TEST(Acknowledged, WhatFollowsAFailedFlushSurvivesInWhicheverProcess) {
    auto disk = new_disk();
    {
        Process p(*disk);
        ASSERT_TRUE(p->create("prds", prd("a"), "a"));
        disk->fail_at(1, {.only = os::Call::sync_data, .path_part = "prds.jsonl"});
        EXPECT_EQ(p->create("prds", prd(std::string(9000, 'b')), "b").error().code,
                  Code::outcome_unknown);
    }
    disk->clear_faults();
    {
        Process q(*disk, 2);
        ASSERT_TRUE(q->create("prds", prd("c"), "c"));
    }
    disk->power_cut(os::PowerCut::drop_all());
    Process r(*disk, 3);
    EXPECT_TRUE(r->get("prds", "a"));
    EXPECT_TRUE(r->get("prds", "c"));
}

TEST(Acknowledged, WhatFollowsFailedFlushesOfTwoFilesOfOneNameSurvives) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("a"), "a"));
    const os::Fault no_flush{
        .forever = true, .only = os::Call::sync_data, .path_part = "prds.jsonl"};
    disk->fail_at(1, no_flush);
    ASSERT_FALSE(p->create("prds", prd("b"), "b"));
    disk->clear_faults();
    disk->put_file("/p/prds.jsonl", *disk->get_file("/p/prds.jsonl"));
    disk->fail_at(1, no_flush);
    ASSERT_FALSE(p->create("prds", prd(std::string(9000, 'c')), "c"));
    disk->clear_faults();
    ASSERT_TRUE(p->create("prds", prd("d"), "d"));
    disk->power_cut(os::PowerCut::drop_all());
    Process r(*disk, 3);
    EXPECT_TRUE(r->get("prds", "d"));
}

TEST(Acknowledged, AReferenceNeverOutlivesTheRecordOfItsGroup) {
    // Threads that share groups, an append of prds failing now and then: whoever was told that its
    // spec is there has its PRD.
    auto disk = new_disk();
    Process p(*disk);
    for (int round = 0; round < 12; ++round) {
        const std::string id = "P" + std::to_string(round);
        Result<Record> target = fail(Code::failed, "");
        std::vector<Result<Record>> referring(6, fail(Code::failed, ""));
        if (round % 2 == 0)
            disk->fail_at(1, {.only = os::Call::write, .path_part = "/p/prds.jsonl"});
        std::vector<std::thread> threads;
        threads.emplace_back([&] { target = p->create("prds", prd("P"), id); });
        for (std::size_t i = 0; i < referring.size(); ++i) {
            threads.emplace_back([&, i] {
                referring[i] =
                    p->create("task_specs", {{"prd_id", "\"" + id + "\""}, {"phase_name", "\"d\""}},
                              "s" + std::to_string(round) + "-" + std::to_string(i));
            });
        }
        for (auto& thread : threads) thread.join();
        disk->clear_faults();
        EXPECT_EQ(target.has_value(), round % 2 != 0);
        for (const auto& record : referring) EXPECT_TRUE(!record || target);
    }
}

TEST(Acknowledged, NothingStandsOnAPartOfABatchThatFailed) {
    auto disk = new_disk();
    Process p(*disk);
    for (int round = 0; round < 40; ++round) {
        const std::string id = "r" + std::to_string(round);
        ASSERT_TRUE(p->create("aa", {{"title", "\"old\""}, {"s", "0"}}, id));
        ASSERT_TRUE(p->create("zz", {{"v", "0"}}, id));
        disk->fail_at(1, {.only = os::Call::write, .path_part = "/p/zz.jsonl"});
        Result<Written> batch = fail(Code::failed, "");
        std::vector<Result<Record>> beside(6, fail(Code::failed, ""));
        std::vector<std::thread> threads;
        threads.emplace_back([&] {
            std::vector<Write> writes(2);
            writes[0] = {.kind = WriteKind::update, .collection = "aa", .id = id};
            writes[0].changes = {{"title", "\"new\""}};
            writes[1] = {.kind = WriteKind::update, .collection = "zz", .id = id};
            writes[1].changes = {{"v", "1"}};
            batch = p->write(std::move(writes));
        });
        for (std::size_t i = 0; i < beside.size(); ++i) {
            threads.emplace_back(
                [&, i] { beside[i] = p->update("aa", id, {{"s", std::to_string(i + 1)}}); });
        }
        for (auto& thread : threads) thread.join();
        disk->clear_faults();
        EXPECT_FALSE(batch);
        for (const auto& record : beside) EXPECT_TRUE(record) << record.error().message;
        ASSERT_TRUE(p->sync(true));
        const auto now = p->get("aa", id);
        ASSERT_TRUE(now);
        EXPECT_NE(now->data.find("\"title\":\"old\""), std::string::npos) << now->data;
    }
}

TEST(Acknowledged, UndoTakesADeletionBackThoughSomebodyEditedBesideIt) {
    auto disk = new_disk();
    const std::int64_t t = FakeClock().wall_ms() - 100'000;
    const std::string from = ",\"from\":\"" + std::to_string(t) + "@aaaaaaaaaa\"";
    const std::string late =
        line("\"title\":\"U\",\"status\":\"draft\",", t + 30, "bbbbbbbbbb",
             from + ",\"base\":\"" + std::to_string(t) + "@aaaaaaaaaa\",\"f\":{\"title\":\"\"}");
    const std::string first = line("\"title\":\"T\",\"status\":\"draft\",", t, "aaaaaaaaaa", "") +
                              line("\"deleted\":true,", t + 10, "aaaaaaaaaa", from);
    disk->put_file("/p/prds.jsonl", first + late);
    Process p(*disk);
    EXPECT_FALSE(p->get("prds", "a"));
    const auto versions = *p->history("prds", "a");
    EXPECT_EQ(versions.back().action, "lost");
    EXPECT_EQ(versions.back().changed.size(), 1U);
    // Created anew and taken back, it is deleted as it was, never an empty record.
    ASSERT_TRUE(p->create("prds", prd("anew"), "a"));
    ASSERT_TRUE(p->undo("", ""));
    EXPECT_EQ(p->get("prds", "a").error().code, Code::not_found);
    disk->put_file("/p/prds.jsonl", first + late);
    const auto undone = p->undo("prds", "a");
    ASSERT_TRUE(undone) << undone.error().message;
    EXPECT_NE(p->get("prds", "a")->data.find("\"T\""), std::string::npos);

    disk->put_file("/p/prds.jsonl",
                   first +
                       line("\"title\":\"V\",\"status\":\"draft\",", t + 20, "aaaaaaaaaa",
                            ",\"from\":\"" + std::to_string(t + 10) + "@aaaaaaaaaa\",\"life\":2") +
                       late);
    ASSERT_TRUE(p->get("prds", "a"));
    const auto second = p->undo("prds", "a");
    EXPECT_TRUE(second) << second.error().message;
}

TEST(Acknowledged, ADeletionThatWonOverAnEditCanBeConfirmed) {
    const std::int64_t t = FakeClock().wall_ms() - 100'000;
    const std::string from = ",\"from\":\"" + std::to_string(t) + "@aaaaaaaaaa\"";
    for (const bool anew : {false, true}) {
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl",
                       line("\"title\":\"T\",\"status\":\"draft\",", t, "aaaaaaaaaa", "") +
                           line("\"deleted\":true,", t + 10, "aaaaaaaaaa", from) +
                           line("\"title\":\"U\",\"status\":\"draft\",", t + 30, "bbbbbbbbbb",
                                from + ",\"base\":\"" + std::to_string(t) +
                                    "@aaaaaaaaaa\",\"f\":{\"title\":\"\"}"));
        Process p(*disk);
        ASSERT_EQ(p->lost()->size(), 1U);
        if (anew) {
            ASSERT_TRUE(p->create("prds", prd("W"), "a"));
        } else {
            const auto confirmed = p->remove("prds", "a");
            ASSERT_TRUE(confirmed) << confirmed.error().message;
            EXPECT_EQ(p->remove("prds", "a").error().code, Code::not_found) << "nothing is left";
        }
        EXPECT_EQ(p->lost()->size(), 0U);
        auto clone = new_disk();
        clone->put_file("/p/prds.jsonl", *disk->get_file("/p/prds.jsonl"));
        EXPECT_EQ(Process(*clone, 2)->lost()->size(), 0U);
    }
}

TEST(Acknowledged, StampsDoNotGoBackBehindALineWhoseFlushFailed) {
    auto disk = new_disk();
    std::string other_branch;
    std::string failed;
    {
        Process p(*disk);
        ASSERT_TRUE(p->create("prds", prd("a"), "a"));
        other_branch = *disk->get_file("/p/prds.jsonl");
        p.clock.advance_ms(60'000);
        disk->fail_at(1, {.forever = true, .only = os::Call::sync_data, .path_part = "prds.jsonl"});
        EXPECT_EQ(p->update("prds", "a", prd("b")).error().code, Code::outcome_unknown);
        disk->clear_faults();
        failed = disk->get_file("/p/prds.jsonl")->substr(other_branch.size());
    }
    failed.pop_back();
    ledger::LineDecoder decoder;
    const auto line = decoder.decode(failed);
    ASSERT_TRUE(line) << failed;
    disk->put_file("/p/prds.jsonl", other_branch);
    Process q(*disk, 2);
    const auto next = q->update("prds", "a", prd("c"));
    ASSERT_TRUE(next) << next.error().message;
    EXPECT_GT(*parse_stamp(next->revision), line->at);
}

TEST(Acknowledged, TheClockIsKeptInAReplicaFileThatWasReplaced) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("a"), "a"));
    const auto text = *disk->get_file("/p/run/replica.json");
    disk->put_file("/p/run/replica.json", text);
    ASSERT_TRUE(p->update("prds", "a", prd("b")));
    EXPECT_NE(*disk->get_file("/p/run/replica.json"), text);
}

}  // namespace
}  // namespace taskstore::records
