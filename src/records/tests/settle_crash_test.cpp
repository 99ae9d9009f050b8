// Settling what lost, with every call of the disk failed once, and the power cut after every one.
#include "plan_process.hpp"

#include <gtest/gtest.h>

namespace taskstore::records {
namespace {

using os::PowerCut;
using testing_plan::Clones;
using testing_plan::new_disk;
using testing_plan::Process;
using testing_plan::Titles;

/// The ledger of a record with two values that lost.
std::string ledger_with_lost() {
    Clones clones(Titles{{"p", "T"}});
    clones.here.clock.advance_ms(9000);
    clones.there.clock.advance_ms(5000);
    for (const char* const member : {"title", "description"}) {
        EXPECT_TRUE(clones.here->update("prds", "p", {{member, "\"ours\""}}));
        EXPECT_TRUE(clones.there->update("prds", "p", {{member, "\"theirs\""}}));
    }
    clones.merge();
    return *clones.here_disk->get_file("/p/prds.jsonl");
}

struct Prepared {
    std::unique_ptr<os::FaultFileSystem> disk = new_disk();
    Settlement settlement;

    explicit Prepared(const std::string& ledger) {
        disk->put_file("/p/prds.jsonl", ledger);
        Process p(*disk);
        EXPECT_TRUE(p->sync());
        const auto conflicts = p->conflicts();
        EXPECT_EQ(conflicts->size(), 1U);
        settlement = *settlement_of(conflicts->at(0), {"theirs"});
        disk->sync_everything();
    }
};

/// All of it is settled, or nothing; and it can be settled then.
void check(os::FaultFileSystem& disk, const std::string& ledger, bool acknowledged,
           const std::string& where) {
    const std::string text = *disk.get_file("/p/prds.jsonl");
    ASSERT_TRUE(text.starts_with(ledger)) << where << text;
    Process p(disk, 9);
    ASSERT_TRUE(p.opened) << where;
    const auto conflicts = p->conflicts();
    ASSERT_TRUE(conflicts) << where;
    const auto record = p->get("prds", "p");
    ASSERT_TRUE(record) << where;
    const bool settled = conflicts->empty();
    ASSERT_TRUE(settled || !acknowledged) << where;
    ASSERT_EQ(record->data.find("\"title\":\"theirs\"") != std::string::npos, settled) << where;
    ASSERT_EQ(record->data.find("\"description\":\"theirs\"") != std::string::npos, settled)
        << where;
    if (!settled) {
        ASSERT_TRUE(p->settle(*settlement_of(conflicts->at(0), {"theirs"}))) << where;
        ASSERT_TRUE(p->conflicts()->empty()) << where;
    }
}

TEST(SettleCrashes, APowerCutAfterEachCallSettlesAllOrNothing) {
    const std::string ledger = ledger_with_lost();
    for (std::size_t n = 0;; ++n) {
        Prepared made(ledger);
        Process p(*made.disk, 3);
        made.disk->power_off_after(n);
        const bool done = p->settle(made.settlement).has_value();
        const bool whole = !made.disk->power_is_off();
        for (const PowerCut& cut : PowerCut::matrix(6, n)) {
            check(*made.disk->after_power_cut(cut), ledger, done,
                  "n=" + std::to_string(n) + " " + cut.text() + ": ");
            if (HasFatalFailure()) return;
        }
        if (whole) {
            EXPECT_TRUE(done);
            EXPECT_GT(n, 3U);
            return;
        }
    }
}

TEST(SettleCrashes, EachFailingCallIsAnErrorOrHarmless) {
    const std::string ledger = ledger_with_lost();
    for (const os::FaultKind kind :
         {os::FaultKind::error, os::FaultKind::short_write, os::FaultKind::error_after}) {
        for (std::size_t n = 1;; ++n) {
            Prepared made(ledger);
            Process p(*made.disk, 3);
            made.disk->fail_at(n, {.kind = kind});
            const bool settled = p->settle(made.settlement).has_value();
            const bool last = made.disk->calls() < n;
            made.disk->clear_faults();
            check(*made.disk, ledger, settled, "n=" + std::to_string(n) + ": ");
            if (HasFatalFailure()) {
                ADD_FAILURE() << made.disk->log_text();
                return;
            }
            if (last) break;
        }
    }
}

}  // namespace
}  // namespace taskstore::records
