#pragma once
// One process on the disk in memory, for the tests of the plan.

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/records/plan.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <gtest/gtest.h>

namespace taskstore::records::testing_plan {

/// One process: a disk, a driver, a plan.
struct Process {
    /// Processes on one disk at the same time share a driver: its VFS holds the locks.
    explicit Process(os::FileSystem& disk, std::uint64_t seed = 1, Process* beside = nullptr,
                     const std::string& boot_id = "boot")
        : random(seed), driver(&disk) {
        opened = Plan::open(disk, beside != nullptr ? beside->driver : driver, clock, random,
                            {.folder = "/p",
                             .replica_path = "/p/run/replica.json",
                             .actor = "ann",
                             .boot_id = boot_id});
    }
    Plan& operator*() { return **opened; }
    Plan* operator->() { return opened->get(); }
    FakeClock clock;
    SeededRandom random;
    sqlite::Driver driver;
    Result<std::unique_ptr<Plan>> opened = fail(Code::failed, "");
};

inline std::unique_ptr<os::FaultFileSystem> new_disk() {
    auto disk = std::make_unique<os::FaultFileSystem>();
    disk->put_directory("/p/run");
    disk->sync_everything();
    return disk;
}

inline std::vector<ledger::Change> prd(const std::string& title) {
    return {{"title", "\"" + title + "\""}};
}

/// By id.
using Titles = std::vector<std::pair<std::string, std::string>>;

/// Two clones of one ledger with these PRDs.
struct Clones {
    explicit Clones(const Titles& records) {
        for (const auto& [id, title] : records) EXPECT_TRUE(here->create("prds", prd(title), id));
        common = *here_disk->get_file(kFile);
        there_disk->put_file(kFile, common);
    }
    /// What git makes of lines appended on both sides.
    void merge() {
        const std::string ours = here_disk->get_file(kFile)->substr(common.size());
        const std::string theirs = there_disk->get_file(kFile)->substr(common.size());
        common += ours + theirs;
        here_disk->put_file(kFile, common);
        there_disk->put_file(kFile, common);
        ASSERT_TRUE(here->sync());
        ASSERT_TRUE(there->sync());
    }
    std::string value(const std::string& id, const std::string& member) {
        const auto record = here->get("prds", id);
        if (!record) return "(none)";
        const auto json = Json::parse(record->data);
        return std::string(json->get(member).as_string().value_or("(null)"));
    }
    /// The values that lost, in a fresh clone too.
    std::vector<std::string> lost() {
        const auto values = [](Plan& plan) {
            std::vector<std::string> out;
            const auto entries = *plan.lost();
            for (const LostEntry& entry : entries)
                out.push_back(entry.id + "." + entry.value.name + "=" + entry.value.raw_value);
            return out;
        };
        auto disk = new_disk();
        disk->put_file(kFile, *here_disk->get_file(kFile));
        Process fresh(*disk, 3);
        EXPECT_EQ(values(*here), values(*fresh)) << "the cache says another thing than the lines";
        EXPECT_EQ(*here->state_hash(), *fresh->state_hash());
        return values(*here);
    }

    static constexpr const char* kFile = "/p/prds.jsonl";
    std::unique_ptr<os::FaultFileSystem> here_disk = new_disk();
    std::unique_ptr<os::FaultFileSystem> there_disk = new_disk();
    Process here{*here_disk, 1};
    Process there{*there_disk, 2};
    std::string common;
};

}  // namespace taskstore::records::testing_plan
