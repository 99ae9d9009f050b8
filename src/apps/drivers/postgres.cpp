// The PostgreSQL driver as a loadable part.

#include <taskstore/postgres/database.hpp>
#include <taskstore/postgres/driver.hpp>
#include <taskstore/sql/part.hpp>

#include <libpq-fe.h>

#include <list>
#include <mutex>
#include <new>

namespace taskstore {
namespace {

class PostgresPart final : public sql::Part {
  public:
    Result<std::unique_ptr<sql::Database>> open_database(const sql::OpenRequest& request) override {
        postgres::Options options{.location = request.location.text,
                                  .schema = request.name,
                                  .pool = request.pool,
                                  .read_only = request.read_only,
                                  .create = request.create,
                                  .pooler = request.pooler,
                                  .clock = request.clock,
                                  .random = request.random};
        if (request.warn)
            options.tell = [warn = request.warn](std::string_view what) {
                warn(std::string(what));
            };
        return postgres::open_database(std::move(options));
    }
    Result<std::unique_ptr<sql::Connection>> connect(const sql::OpenRequest& request) override {
        return driver_for(request).connect(
            request.location.text, {.read_only = request.read_only, .create = request.create});
    }
    std::string version() const override {
        const int version = PQlibVersion();  // 150018 is 15.18
        return "libpq " + std::to_string(version / 10'000) + "." + std::to_string(version % 10'000);
    }

  private:
    /// A server that is silent keeps nobody else from connecting to another one.
    postgres::Driver& driver_for(const sql::OpenRequest& request) {
        const std::lock_guard lock(x_mutex);
        return x_drivers.emplace_back(
            postgres::DriverOptions{.clock = request.clock,
                                    .schema = request.name,
                                    .pooler = request.pooler,
                                    .statement_timeout_ms = request.pool.statement_timeout_ms,
                                    .until_boot_ns = request.until_boot_ns});
    }
    std::mutex x_mutex;
    std::list<postgres::Driver> x_drivers;  ///< They outlive what they connected.
};

sql::Part* make() noexcept {
    return new (std::nothrow) PostgresPart;
}

}  // namespace
}  // namespace taskstore

extern "C" {
extern const taskstore::sql::PartEntry taskstore_part;
const taskstore::sql::PartEntry taskstore_part{taskstore::sql::kPartStamp, &taskstore::make};
}
