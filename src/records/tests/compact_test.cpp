// Compaction of a plan: what stays, what history and undo say then, and other programs beside it.
#include "plan_process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

const CompactRequest kAll{.without_git = true};

std::int64_t lines_in(os::FaultFileSystem& disk, const std::string& file) {
    const auto text = disk.get_file("/p/" + file);
    return text ? std::ranges::count(*text, '\n') : 0;
}

CompactRequest with_head(os::FaultFileSystem& disk) {
    CompactRequest request;
    for (const std::string collection : {"prds", "task_specs"}) {
        if (const auto text = disk.get_file("/p/" + collection + ".jsonl"))
            request.committed[collection].add_file(*text);
    }
    return request;
}

/// Three records with a history, of which one is deleted, and a batch over two files.
void fill(Process& p) {
    ASSERT_TRUE(p->create("prds", prd("one"), "a"));
    ASSERT_TRUE(p->create("prds", prd("two"), "b"));
    ASSERT_TRUE(p->write({{.collection = "prds", .id = "c", .changes = prd("x")},
                          {.collection = "task_specs",
                           .id = "t",
                           .changes = {{"prd_id", "\"c\""}, {"phase_name", "\"y\""}}}}));
    for (int i = 0; i < 5; ++i) {
        const std::string value = "\"" + std::to_string(i) + "\"";
        ASSERT_TRUE(p->update("prds", "a", {{"title", value}}));
        ASSERT_TRUE(p->update("prds", "c", {{"description", value}}));
    }
    ASSERT_TRUE(p->remove("prds", "b"));
}

TEST(CompactPlan, EveryRecordStaysAsItIs) {
    auto disk = new_disk();
    Process p(*disk);
    fill(p);
    const std::string hash = *p->state_hash();
    const auto dry = p->compact({.without_git = true, .dry_run = true});
    ASSERT_TRUE(dry);
    EXPECT_EQ(lines_in(*disk, "prds.jsonl"), 14);
    EXPECT_EQ(dry->collections[0].counts.lines_after, 3);
    const auto done = p->compact(kAll);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(lines_in(*disk, "prds.jsonl"), 3);
    EXPECT_EQ(*p->state_hash(), hash);
    EXPECT_TRUE(p->sync(true));
    EXPECT_EQ(*p->state_hash(), hash);
    EXPECT_EQ(p->sync()->incomplete_batches, 0);
    EXPECT_EQ(Process(*disk, 3)->state_hash().value_or(""), hash);
    const std::string text = *disk->get_file("/p/prds.jsonl");
    const auto again = p->compact(kAll);
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->collections[0].changed);
    EXPECT_EQ(*disk->get_file("/p/prds.jsonl"), text);
    ASSERT_TRUE(p->update("prds", "a", {{"title", "\"after\""}}));
    EXPECT_EQ(p->get("prds", "a")->data.find("\"after\"") == std::string::npos, false);
}

TEST(CompactPlan, OnlyLinesThatGitHasGo) {
    auto disk = new_disk();
    Process p(*disk);
    fill(p);
    const CompactRequest head = with_head(*disk);
    ASSERT_TRUE(p->update("prds", "a", {{"title", "\"not committed\""}}));
    const std::string hash = *p->state_hash();
    EXPECT_FALSE(p->compact({})->collections[0].changed) << "nothing is committed";
    const auto done = p->compact(head);
    ASSERT_TRUE(done);
    EXPECT_EQ(done->collections[0].counts.uncommitted, 1);
    EXPECT_EQ(lines_in(*disk, "prds.jsonl"), 4);
    EXPECT_EQ(*p->state_hash(), hash);
}

TEST(CompactPlan, OldTombstonesGo) {
    auto disk = new_disk();
    Process p(*disk);
    fill(p);
    p.clock.advance_ms(91 * std::int64_t{86'400'000});
    ASSERT_TRUE(p->compact(kAll));
    EXPECT_EQ(lines_in(*disk, "prds.jsonl"), 2);
    EXPECT_TRUE(p->find("b", "prds")->empty());
    EXPECT_TRUE(p->create("prds", prd("again"), "b"));
}

TEST(CompactPlan, HistoryAndUndoEndAtTheFoldedLine) {
    auto disk = new_disk();
    Process p(*disk);
    fill(p);
    ASSERT_TRUE(p->compact(kAll));
    const auto history = p->history("prds", "a");
    ASSERT_TRUE(history);
    ASSERT_EQ(history->size(), 1U);
    EXPECT_EQ(history->front().action, "compacted");
    EXPECT_EQ(p->undo("prds", "a").error().code, Code::not_found);
    EXPECT_EQ(p->undo("prds", "b").error().code, Code::not_found);
    EXPECT_EQ(p->undo("", "").error().code, Code::not_found);
    const std::string hash = *p->state_hash();
    ASSERT_TRUE(p->update("prds", "a", {{"title", "\"after\""}}));
    ASSERT_TRUE(p->undo("prds", "a")) << "what came after can be taken back";
    EXPECT_NE(p->get("prds", "a")->data.find("\"title\":\"4\""), std::string::npos);
}

TEST(CompactPlan, WhatLostStaysListed) {
    auto disk = new_disk();
    auto there_disk = new_disk();
    Process p(*disk);
    fill(p);
    const std::string common = *disk->get_file("/p/prds.jsonl");
    there_disk->put_file("/p/prds.jsonl", common);
    Process there(*there_disk, 2);
    ASSERT_TRUE(there->update("prds", "a", {{"title", "\"theirs\""}}));
    ASSERT_TRUE(p->update("prds", "a", {{"title", "\"ours\""}}));
    disk->put_file("/p/prds.jsonl",
                   *disk->get_file("/p/prds.jsonl") +
                       there_disk->get_file("/p/prds.jsonl")->substr(common.size()));
    ASSERT_TRUE(p->sync());
    ASSERT_EQ(p->lost()->size(), 1U);
    const std::string stands = p->get("prds", "a")->data;
    ASSERT_TRUE(p->compact(kAll));
    EXPECT_EQ(p->get("prds", "a")->data, stands);
    ASSERT_EQ(p->lost()->size(), 1U);
    ASSERT_TRUE(p->update("prds", "a", {{"title", "\"both\""}}));
    EXPECT_EQ(p->lost()->size(), 0U);
}

TEST(CompactPlan, LongHistoriesAreKnown) {
    auto disk = new_disk();
    Process p(*disk);
    fill(p);
    EXPECT_TRUE(p->long_histories()->empty());
    const std::string content(300'000, 'x');
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(
            p->update("prds", "a", {{"content", "\"" + content + std::to_string(i) + "\""}}));
    ASSERT_EQ(p->long_histories()->size(), 1U);
    EXPECT_EQ(p->long_histories()->front().records, 3);
    ASSERT_TRUE(p->compact(kAll));
    EXPECT_TRUE(p->long_histories()->empty());
}

TEST(CompactPlan, FilesWithMarkersAreLeftAlone) {
    auto disk = new_disk();
    Process p(*disk);
    fill(p);
    const std::string text = "<<<<<<< ours\n" + *disk->get_file("/p/prds.jsonl");
    disk->put_file("/p/prds.jsonl", text);
    const auto done = p->compact(kAll);
    ASSERT_TRUE(done);
    EXPECT_TRUE(done->collections[0].counts.has_markers);
    EXPECT_EQ(*disk->get_file("/p/prds.jsonl"), text);
}

/// A program that knows the file's lock and not ours.
TEST(CompactPlan, AnAppendThatWaitsForTheOldFileReachesTheNewOne) {
    auto disk = new_disk();
    Process p(*disk);
    fill(p);
    for (int round = 0; round < 20; ++round) {
        const std::string id = "f" + std::to_string(round);
        ASSERT_TRUE(p->update("prds", "a", {{"title", "\"" + id + "\""}}));
        // It has opened the file before the compaction begins.
        auto file = disk->open("/p/prds.jsonl", os::OpenMode::read_write);
        ASSERT_TRUE(file);
        ASSERT_TRUE((*file)->lock_exclusive());
        std::jthread writer([&] {
            std::size_t written = 0;
            EXPECT_TRUE((*file)->append(
                "{\"id\":\"" + id + "\",\"title\":\"x\",\"updated_at\":5}\n", written));
            (*file)->unlock();
            file->reset();
        });
        ASSERT_TRUE(p->compact(kAll));
        writer.join();
        ASSERT_TRUE(p->sync());
        ASSERT_TRUE(p->get("prds", id)) << round;
    }
}

TEST(CompactPlan, WritersOfThisProgramWaitAndLoseNothing) {
    auto disk = new_disk();
    Process p(*disk);
    fill(p);
    Process other(*disk, 2, &p);
    ASSERT_TRUE(other.opened);
    std::vector<std::string> ids;
    std::jthread writer([&] {
        for (int i = 0; i < 40; ++i) {
            const auto record = other->create("prds", prd("w"));
            ASSERT_TRUE(record) << record.error().message;
            ids.push_back(record->id);
            ASSERT_TRUE(other->update("prds", record->id, prd("w2")));
        }
    });
    for (int i = 0; i < 20; ++i) {
        const auto done = p->compact(kAll);
        ASSERT_TRUE(done) << done.error().message;
    }
    writer.join();
    ASSERT_TRUE(p->compact(kAll));
    for (const std::string& id : ids) ASSERT_TRUE(p->get("prds", id)) << id;
    EXPECT_EQ(lines_in(*disk, "prds.jsonl"), 3 + 40);
}

}  // namespace
}  // namespace taskstore::records
