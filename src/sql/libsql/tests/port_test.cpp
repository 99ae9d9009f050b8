// The port's contract on this driver, over a real sqld.

#include <taskstore/testing/database_contract.hpp>

#include "servers.hpp"

namespace taskstore::sql {
namespace {

class OnServer final : public Sandbox {
  public:
    OnServer() : x_driver(libsql::test_options()) {}
    Driver& driver() override { return x_driver; }
    std::string location() override { return x_database.location(); }
    std::string blob_type() const override { return "BLOB"; }
    DurabilityLevel level() const override { return DurabilityLevel::server; }
    Result<std::unique_ptr<Database>> open_database(const Clock& clock,
                                                    std::function<void()> queued) override {
        libsql::Options options = libsql::test_options();
        options.clock = &clock;
        options.queued_for_testing = std::move(queued);
        return libsql::open_database(location(), options);
    }

  private:
    libsql::FreshDatabase x_database;
    libsql::Driver x_driver;
};

class OverALine final : public LineSandbox {
  public:
    std::uint16_t port() override {
        const std::string url = x_database.location();
        return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
    }
    std::unique_ptr<Database> open(std::uint16_t port) override {
        const std::string url = x_database.location();
        return libsql::open(url.substr(0, url.rfind(':') + 1) + std::to_string(port),
                            libsql::test_options());
    }

  private:
    libsql::FreshDatabase x_database;
};

const auto kBackends =
    testing::Values(Backend{"Sqld", [] { return std::make_unique<OnServer>(); }});

INSTANTIATE_TEST_SUITE_P(Libsql, PortContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Libsql, MigrationContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Libsql, IdentityContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Libsql, GroupCommitContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Libsql, BatchContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Libsql, SearchContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Libsql, SlowLineContract,
                         testing::Values(LineBackend{"Sqld",
                                                     [] { return std::make_unique<OverALine>(); }}),
                         line_name);

}  // namespace
}  // namespace taskstore::sql
