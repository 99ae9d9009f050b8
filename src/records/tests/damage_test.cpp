// store.db and its WAL damaged at random places: flipped bits, cuts, zeros; at rest, and under an
// open plan. The answers stay what they were, and a rebuild is said.
#include "plan_process.hpp"

#include <taskstore/base/hash.hpp>

#include <gtest/gtest.h>
#include <taskstore/testing/damage.hpp>

#include <algorithm>
#include <random>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

const std::string kCache = "/p/store.db";

/// What people ask of a plan, as one text.
std::string answers(Plan& plan) {
    std::string all;
    const auto add = [&](const auto& result, const auto& text) {
        all += result ? text(*result) : "error: " + result.error().message;
        all += '\n';
    };
    const auto records_of = [](const Page& page) {
        std::string text;
        for (const Record& record : page.records)
            text += record.id + " " + record.revision + " " + std::to_string(xxh3_64(record.data)) +
                    "; ";
        return text;
    };
    const auto number = [](std::int64_t count) { return std::to_string(count); };
    const Filter ready = Filter::compare("status", Op::eq, "\"ready\"");
    add(plan.list({.collection = "prds"}), records_of);
    add(plan.list({.collection = "prds", .filter = ready, .limit = 5}), records_of);
    add(plan.list(
            {.collection = "task_specs", .filter = Filter::compare("prd_id", Op::eq, "\"p3\"")}),
        records_of);
    add(plan.count({.collection = "prds", .filter = ready}), number);
    add(plan.count({.collection = "task_specs"}), number);
    for (const char* id : {"p1", "p7"}) {
        const auto record = plan.get("prds", id);
        all += record ? std::to_string(xxh3_64(record->data)) : "error: " + record.error().message;
    }
    add(plan.history("prds", "p7"), [](const std::vector<Version>& versions) {
        std::string text;
        for (const Version& version : versions) text += version.stamp + version.action + "; ";
        return text;
    });
    add(plan.state_hash(), [](const std::string& hash) { return hash; });
    return all;
}

void checkpoint(Process& p) {
    auto connection = p.driver.connect(
        kCache, {.durability = sql::Durability::cache, .create = false, .checksums = true});
    ASSERT_TRUE(connection) << connection.error().message;
    ASSERT_TRUE((*connection)->execute("PRAGMA wal_checkpoint(PASSIVE)"));
}

/// Three kinds: all of it in the WAL; copied, and still in the WAL; copied, and the WAL anew.
std::unique_ptr<os::FaultFileSystem> disk_with_plan(int kind) {
    auto disk = new_disk();
    Process p(*disk);
    EXPECT_TRUE(p.opened);
    std::vector<Write> writes;
    for (int i = 0; i < 40; ++i) {
        const std::string n = std::to_string(i);
        writes.push_back({.collection = "prds",
                          .id = "p" + n,
                          .changes = {{"title", "\"title " + n + "\""},
                                      {"content", "\"" + std::string(6'000, 'c') + n + "\""}}});
        writes.push_back({.collection = "task_specs",
                          .id = "t" + n,
                          .changes = {{"prd_id", "\"p" + std::to_string(i % 5) + "\""},
                                      {"phase_name", "\"phase " + n + "\""}}});
    }
    writes.push_back({.collection = "prds", .id = "gone", .changes = prd("gone")});
    EXPECT_TRUE(p->write(writes));
    for (int i = 0; i < 40; i += 3)
        EXPECT_TRUE(p->update("prds", "p" + std::to_string(i), {{"status", "\"ready\""}}));
    if (kind > 0) checkpoint(p);
    if (kind > 1) {
        EXPECT_TRUE(p->update("prds", "p7", {{"title", "\"late\""}, {"status", "\"ready\""}}));
    }
    EXPECT_TRUE(p->remove("prds", "gone"));
    if (kind == 1) checkpoint(p);
    return disk;
}

bool says_rebuilt(const std::vector<std::string>& notes) {
    return std::ranges::any_of(notes, [](const std::string& note) {
        return note.find("store.db was damaged") != std::string::npos;
    });
}

class DamagedStoreDb : public testing::TestWithParam<int> {};

TEST_P(DamagedStoreDb, AtRestChangesNoAnswer) {
    const auto good = disk_with_plan(GetParam());
    const std::string before = [&] {
        const auto disk = good->after_power_cut(os::PowerCut::keep_all());
        Process p(*disk, 2);
        return answers(*p);
    }();
    ASSERT_EQ(before.find("error"), std::string::npos) << before;
    int said = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        std::mt19937_64 random(seed);
        const auto disk = good->after_power_cut(os::PowerCut::keep_all());
        const std::string name = random() % 2 == 0 ? kCache : kCache + "-wal";
        std::string bytes = *disk->get_file(name);
        const std::string what = damage(bytes, random);
        SCOPED_TRACE("seed " + std::to_string(seed) + ": " + name + " " + what);
        disk->overwrite_file(name, bytes);
        Process p(*disk, 2);
        ASSERT_TRUE(p.opened) << p.opened.error().message;
        ASSERT_EQ(answers(*p), before);
        if (says_rebuilt(p->take_notes())) ++said;
        ASSERT_TRUE(p->update("prds", "p1", {{"title", "\"after\""}}));
        const std::string after = answers(*p);
        ASSERT_TRUE(p->sync(true));
        ASSERT_EQ(answers(*p), after);
    }
    // With all of it in the log nothing reads the file beneath, and the log is cut where it is
    // damaged.
    if (GetParam() > 0) {
        EXPECT_GT(said, 0);
    }
}

TEST_P(DamagedStoreDb, UnderAnOpenPlanChangesNoAnswer) {
    const auto good = disk_with_plan(GetParam());
    int said = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        std::mt19937_64 random(seed);
        const auto disk = good->after_power_cut(os::PowerCut::keep_all());
        Process p(*disk, 2);
        ASSERT_TRUE(p.opened) << p.opened.error().message;
        // Every second plan has read everything, the others begin after the damage.
        std::string before;
        {
            const auto twin = good->after_power_cut(os::PowerCut::keep_all());
            Process other(*twin, 2);
            before = answers(seed % 2 == 0 ? *p : *other);
        }
        const std::string name = random() % 2 == 0 ? kCache : kCache + "-wal";
        std::string bytes = *disk->get_file(name);
        const std::string what = damage(bytes, random);
        SCOPED_TRACE("seed " + std::to_string(seed) + ": " + name + " " + what);
        disk->overwrite_file(name, bytes);
        if (seed % 3 == 0) {
            // Noticed by a write instead.
            const auto updated = p->update("prds", "p1", {{"title", "\"after\""}});
            ASSERT_TRUE(updated) << updated.error().message;
            const std::string after = answers(*p);
            ASSERT_TRUE(p->sync(true));
            ASSERT_EQ(answers(*p), after);
            continue;
        }
        ASSERT_EQ(answers(*p), before);
        const auto report = p->sync();
        ASSERT_TRUE(report) << report.error().message;
        if (says_rebuilt(p->take_notes()) || says_rebuilt(report->notes)) ++said;
        ASSERT_EQ(answers(*p), before);
    }
    EXPECT_GT(said, 0);
}

INSTANTIATE_TEST_SUITE_P(Wal, DamagedStoreDb, testing::Values(0, 1, 2));

}  // namespace
}  // namespace taskstore::records
