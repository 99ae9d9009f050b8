// Compaction with every call of the disk failed once, and the power cut after every one.
#include "plan_process.hpp"

#include <gtest/gtest.h>

namespace taskstore::records {
namespace {

using os::PowerCut;
using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

const CompactRequest kAll{.without_git = true};

/// Records with a history, of which one is deleted, and a batch over two files.
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

/// Every collection's file is the old or the new one.
void check(os::FaultFileSystem& disk, const std::vector<std::string>& wanted,
           const std::string& hash, const std::string& where) {
    for (std::size_t i = 0; i < 2; ++i) {
        const auto text = disk.get_file(i == 0 ? "/p/prds.jsonl" : "/p/task_specs.jsonl");
        ASSERT_TRUE(text) << where;
        ASSERT_TRUE(*text == wanted[i] || *text == wanted[i + 2]) << where << *text;
    }
    Process p(disk, 9);
    ASSERT_TRUE(p.opened) << where;
    ASSERT_EQ(p->state_hash().value_or(""), hash) << where;
    ASSERT_TRUE(p->sync(true)) << where;
    ASSERT_EQ(p->state_hash().value_or(""), hash) << where;
    ASSERT_TRUE(p->compact(kAll)) << where;
    ASSERT_EQ(p->state_hash().value_or(""), hash) << where;
    ASSERT_TRUE(p->create("prds", prd("after"), "after")) << where;
}

struct Prepared {
    std::unique_ptr<os::FaultFileSystem> disk = new_disk();
    std::vector<std::string> wanted;  ///< Both files before, both after.
    std::string hash;

    Prepared() {
        {
            Process p(*disk);
            fill(p);
            EXPECT_TRUE(p->update("task_specs", "t", {{"phase_name", "\"z\""}}));
            hash = *p->state_hash();
        }
        disk->sync_everything();
        const std::string prds = *disk->get_file("/p/prds.jsonl");
        const std::string specs = *disk->get_file("/p/task_specs.jsonl");
        auto aside = new_disk();
        aside->put_file("/p/prds.jsonl", prds);
        aside->put_file("/p/task_specs.jsonl", specs);
        Process p(*aside, 2);
        EXPECT_TRUE(p->compact(kAll));
        wanted = {prds, specs, *aside->get_file("/p/prds.jsonl"),
                  *aside->get_file("/p/task_specs.jsonl")};
        EXPECT_NE(wanted[0], wanted[2]);
        EXPECT_NE(wanted[1], wanted[3]);
    }
};

TEST(CompactCrashes, APowerCutAfterEachCallLeavesTheOldOrTheNewFile) {
    for (std::size_t n = 0;; ++n) {
        Prepared made;
        Process p(*made.disk, 3);
        made.disk->power_off_after(n);
        (void)p->compact(kAll).has_value();
        const bool done = !made.disk->power_is_off();
        for (const PowerCut& cut : PowerCut::matrix(n % 4 == 0 ? 1 : 0, n)) {
            auto after = made.disk->after_power_cut(cut);
            check(*after, made.wanted, made.hash,
                  "n=" + std::to_string(n) + " " + cut.text() + ": ");
            if (HasFatalFailure()) return;
        }
        if (done) {
            EXPECT_GT(n, 10U);
            return;
        }
    }
}

TEST(CompactCrashes, EachFailingCallIsAnErrorOrHarmless) {
    for (const os::FaultKind kind :
         {os::FaultKind::error, os::FaultKind::short_write, os::FaultKind::error_after}) {
        for (std::size_t n = 1;; ++n) {
            Prepared made;
            Process p(*made.disk, 3);
            made.disk->fail_at(n, {.kind = kind});
            const auto result = p->compact(kAll);
            const bool done = made.disk->calls() < n;
            made.disk->clear_faults();
            if (result) {
                ASSERT_EQ(*made.disk->get_file("/p/prds.jsonl"), made.wanted[2]) << n;
            }
            ASSERT_EQ(p->state_hash().value_or(""), made.hash) << n;
            check(*made.disk, made.wanted, made.hash, "n=" + std::to_string(n) + ": ");
            if (HasFatalFailure()) {
                ADD_FAILURE() << made.disk->log_text();
                return;
            }
            if (done) break;
        }
    }
}

}  // namespace
}  // namespace taskstore::records
