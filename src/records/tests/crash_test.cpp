// Every call of the disk failed once, and the power cut after every one: I1, I5, I7 hold.
#include "plan_process.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace taskstore::records {
namespace {

using os::PowerCut;
using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

// --- crashes
// -----------------------------------------------------------------------------------------------------

/// What a run has been told: an id is here once its create was acknowledged.
struct Acknowledged {
    std::vector<std::string> present;
    bool batch = false;
};

/// Appends, a batch over two files, a change, a sync: the operations that the matrix breaks.
Acknowledged work(os::FileSystem& disk) {
    Acknowledged told;
    Process p(disk, 7);
    if (!p.opened) return told;
    if (p->create("prds", prd("one"), "a")) told.present.push_back("a");
    if (p->create("prds", prd("two"), "b")) told.present.push_back("b");
    told.batch = p->write({{.collection = "prds", .id = "c", .changes = prd("x")},
                           {.collection = "task_specs",
                            .id = "t",
                            .changes = {{"prd_id", "\"c\""}, {"phase_name", "\"y\""}}}})
                     .has_value();
    (void)p->update("prds", "a", {{"status", "\"ready\""}}).has_value();
    (void)p->sync().has_value();
    if (p->create("prds", prd("three"), "d")) told.present.push_back("d");
    return told;
}

void check_invariants(os::FileSystem& disk, const Acknowledged& told, const std::string& where) {
    Process p(disk, 9);
    ASSERT_TRUE(p.opened) << where << p.opened.error().message;
    for (const std::string& id : told.present)
        ASSERT_TRUE(p->get("prds", id)) << where << " I1: " << id << " was acknowledged";
    const bool c = p->get("prds", "c").has_value();
    const bool t = p->get("task_specs", "t").has_value();
    ASSERT_EQ(c, t) << where << " a batch is whole or absent";
    ASSERT_TRUE(c || !told.batch) << where << " I1: the batch was acknowledged";
    const std::string hash = *p->state_hash();
    ASSERT_TRUE(p->sync(true)) << where;
    ASSERT_EQ(*p->state_hash(), hash)
        << where << " I7: the cache said something else than the ledger";
    ASSERT_TRUE(p->create("prds", prd("after"), "after")) << where;
}

TEST(PlanCrashes, APowerCutAfterEachCallLosesNothingAcknowledged) {
    std::size_t n = 0;
    for (;; ++n) {
        auto disk = new_disk();
        disk->power_off_after(n);
        const Acknowledged told = work(*disk);
        const bool done = !disk->power_is_off();
        for (const PowerCut& cut : PowerCut::matrix(std::getenv("TASKSTORE_FULL") != nullptr ? 10
                                                    : n % 4 == 0                             ? 1
                                                                                             : 0,
                                                    n)) {
            auto after = disk->after_power_cut(cut);
            check_invariants(*after, told, "n=" + std::to_string(n) + " " + cut.text() + ": ");
            if (HasFatalFailure()) return;
        }
        if (done) break;
    }
    EXPECT_GT(n, 50U);
}

TEST(PlanCrashes, EachFailingCallIsAnErrorOrHarmless) {
    for (const os::FaultKind kind :
         {os::FaultKind::error, os::FaultKind::short_write, os::FaultKind::error_after}) {
        for (std::size_t n = 1;; ++n) {
            auto disk = new_disk();
            disk->fail_at(n, {.kind = kind});
            const Acknowledged told = work(*disk);
            const bool done = disk->calls() < n;
            disk->clear_faults();
            disk->power_cut(PowerCut::keep_all());
            check_invariants(*disk, told, "n=" + std::to_string(n) + ": ");
            if (HasFatalFailure()) {
                ADD_FAILURE() << disk->log_text();
                return;
            }
            if (done) break;
        }
    }
}

TEST(PlanCrashes, AFullDiskRefusesAndKeepsWhatWasThere) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("one"), "a"));
    disk->fail_at(1, {.kind = os::FaultKind::disk_full});
    const auto full = p->create("prds", prd("two"), "b");
    EXPECT_FALSE(full);
    disk->clear_faults();
    ASSERT_TRUE(p->create("prds", prd("three"), "c")) << "space came back";
    EXPECT_TRUE(p->get("prds", "a"));
    EXPECT_EQ(p->get("prds", "b").error().code, Code::not_found);
}

}  // namespace
}  // namespace taskstore::records
