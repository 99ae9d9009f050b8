// The port's contract on this driver: over the system's files, and over a disk in memory.

#include <taskstore/testing/database_contract.hpp>

#include "sandbox.hpp"

namespace taskstore::sql {
namespace {

class OnDisk final : public Sandbox {
  public:
    Driver& driver() override { return x_driver; }
    std::string location() override { return x_folder / "test.db"; }
    std::string blob_type() const override { return "BLOB"; }
    DurabilityLevel level() const override { return DurabilityLevel::flushed; }
    Result<std::unique_ptr<Database>> open_database(const Clock& clock,
                                                    std::function<void()> queued) override {
        return sqlite::open_database(
            location(), {},
            {.driver = &x_driver, .clock = &clock, .queued_for_testing = std::move(queued)});
    }

  private:
    TemporaryFolder x_folder;
    sqlite::Driver x_driver;
};

class InMemory final : public Sandbox {
  public:
    Driver& driver() override { return x_driver; }
    std::string location() override { return "/test.db"; }
    std::string blob_type() const override { return "BLOB"; }
    DurabilityLevel level() const override { return DurabilityLevel::flushed; }
    Result<std::unique_ptr<Database>> open_database(const Clock& clock,
                                                    std::function<void()> queued) override {
        return sqlite::open_database(
            location(), {},
            {.driver = &x_driver, .clock = &clock, .queued_for_testing = std::move(queued)});
    }

  private:
    os::FaultFileSystem x_disk;
    sqlite::Driver x_driver{&x_disk};
};

const auto kBackends =
    testing::Values(Backend{"File", [] { return std::make_unique<OnDisk>(); }},
                    Backend{"MemoryDisk", [] { return std::make_unique<InMemory>(); }});

INSTANTIATE_TEST_SUITE_P(Sqlite, PortContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Sqlite, MigrationContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Sqlite, GroupCommitContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Sqlite, BatchContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Sqlite, SearchContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Sqlite, IdentityContract, kBackends, backend_name);

}  // namespace
}  // namespace taskstore::sql
