// The port's contract on this driver, as an ordinary user of a server with fsync on.

#include "sandbox.hpp"

namespace taskstore::sql {
namespace {

class Schema final : public Sandbox {
  public:
    explicit Schema(bool pooler) : x_pooler(pooler) {}
    ~Schema() override {
        postgres::Driver driver({.clock = &postgres::real_clock(), .schema = x_name});
        const auto direct = postgres::plain_location(postgres::shared_server());
        if (auto connection = driver.connect(direct, {}))
            static_cast<void>((*connection)->execute("DROP SCHEMA " + x_name + " CASCADE"));
    }
    Driver& driver() override { return x_driver; }
    std::string location() override {
        return postgres::plain_location(x_pooler ? postgres::shared_pooler()
                                                 : postgres::shared_server());
    }
    std::string blob_type() const override { return "BYTEA"; }
    DurabilityLevel level() const override { return DurabilityLevel::flushed; }
    Result<std::unique_ptr<Database>> open_database(const Clock& clock,
                                                    std::function<void()> queued) override {
        return postgres::open_database({.location = location(),
                                        .schema = x_name,
                                        .pooler = x_pooler,
                                        .clock = &clock,
                                        .random = &postgres::real_random(),
                                        .queued_for_testing = std::move(queued)});
    }

  private:
    const bool x_pooler;
    const std::string x_name = postgres::fresh_schema();
    postgres::Driver x_driver{
        {.clock = &postgres::real_clock(), .schema = x_name, .pooler = x_pooler}};
};

class SchemaOverALine final : public LineSandbox {
  public:
    explicit SchemaOverALine(bool pooler) : x_pooler(pooler) {}
    std::uint16_t port() override {
        return (x_pooler ? postgres::shared_pooler() : postgres::shared_server()).port();
    }
    std::unique_ptr<Database> open(std::uint16_t port) override {
        return postgres::open("postgresql://plain@127.0.0.1:" + std::to_string(port) + "/taskstore",
                              x_name, {.pooler = x_pooler});
    }

  private:
    const bool x_pooler;
    const std::string x_name = postgres::fresh_schema();
};

const auto kBackends =
    testing::Values(Backend{"Server", [] { return std::make_unique<Schema>(false); }},
                    Backend{"PgBouncer", [] { return std::make_unique<Schema>(true); }});

INSTANTIATE_TEST_SUITE_P(Postgres, PortContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Postgres, MigrationContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Postgres, GroupCommitContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Postgres, IdentityContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Postgres, BatchContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(Postgres, SearchContract, kBackends, backend_name);
INSTANTIATE_TEST_SUITE_P(
    Postgres, SlowLineContract,
    testing::Values(LineBackend{"Server", [] { return std::make_unique<SchemaOverALine>(false); }},
                    LineBackend{"PgBouncer",
                                [] { return std::make_unique<SchemaOverALine>(true); }}),
    line_name);

}  // namespace
}  // namespace taskstore::sql
