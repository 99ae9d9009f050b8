#pragma once
// One process on the disk in memory, for the tests of the plan.

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/records/plan.hpp>
#include <taskstore/sqlite/driver.hpp>

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

}  // namespace taskstore::records::testing_plan
