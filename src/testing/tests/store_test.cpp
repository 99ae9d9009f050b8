#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/testing/record_factory.hpp>
#include <taskstore/testing/temporary_store.hpp>

#include <gtest/gtest.h>

#include <filesystem>

namespace taskstore {
namespace {

using records::Prd;

TEST(TemporaryStores, KeepWhatWasWrittenOverReopenAndLeaveNothing) {
    std::string root;
    {
        TemporaryStore store;
        root = store.root();
        ASSERT_TRUE(std::filesystem::exists(root + "/.taskstore/prds.jsonl"));
        const auto made = store.collection<Prd>().create({.title = "Search"});
        ASSERT_TRUE(made);
        store.reopen();
        EXPECT_EQ(store.collection<Prd>().get(made->id)->title, "Search");
    }
    EXPECT_FALSE(std::filesystem::exists(root));
}

TEST(TemporaryStores, TimeMovesWhenTold) {
    TemporaryStore store;
    const auto first = store.collection<Prd>().create({.title = "a"});
    store.clock().advance_ms(5'000);
    const auto second = store.collection<Prd>().create({.title = "b"});
    EXPECT_EQ(second->created_at - first->created_at, 5'000);
}

TEST(TemporaryStores, OneSeedOneStory) {
    TemporaryStore one({.seed = 7});
    TemporaryStore other({.seed = 7});
    EXPECT_EQ(one.collection<Prd>().create({.title = "a"})->id,
              other.collection<Prd>().create({.title = "a"})->id);
}

TEST(TemporaryStores, LiveOnAGivenDiskAndLoseNothingAtAPowerCut) {
    os::FaultFileSystem disk;
    Id<Prd> id;
    {
        TemporaryStore store({.disk = &disk});
        id = store.collection<Prd>().create({.title = "kept"})->id;
    }
    const auto after = disk.after_power_cut(os::PowerCut{});
    TemporaryStore again({.disk = after.get()});
    const auto found = again.collection<Prd>().get(id);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->title, "kept");
}

TEST(RecordFactories, FillAStoreWithAPlanThatHolds) {
    TemporaryStore store;
    RecordFactory make;
    const auto filled = make.fill(store.store(), 3);
    ASSERT_TRUE(filled) << filled.error().message;
    EXPECT_EQ(filled->prds.size(), 3U);
    EXPECT_EQ(filled->task_specs.size(), 6U);
    EXPECT_EQ(*store.collection<records::Execution>().count(), 6);
    EXPECT_EQ(filled->task_specs[0].prd_id, filled->prds[0].id);
    EXPECT_NE(filled->prds[0].title, filled->prds[1].title);
    const auto findings = store.plan().findings();
    ASSERT_TRUE(findings);
    EXPECT_TRUE(findings->empty()) << findings->front().what;
}

}  // namespace
}  // namespace taskstore
