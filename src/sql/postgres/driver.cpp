#include "connection.hpp"

#include <taskstore/base/check.hpp>
#include <taskstore/postgres/driver.hpp>

#include <algorithm>

namespace taskstore::postgres {

Driver::Driver(DriverOptions options)
    : x_options(std::move(options)), x_translations(std::make_shared<Translations>()) {
    TASKSTORE_CHECK(x_options.clock != nullptr);
}

Driver::~Driver() = default;

Result<std::unique_ptr<sql::Connection>> Driver::connect(const std::string& location,
                                                         const sql::OpenOptions& options) {
    TASKSTORE_TRY(check_schema_name(x_options.schema));
    TASKSTORE_LET(const Location parsed, parse_location(location));
    const ConnectionOptions own{
        .clock = x_options.clock,
        .translations = x_translations,
        .schema = x_options.schema,
        .create_schema = options.create,
        .read_only = options.read_only,
        .pooler = x_options.pooler,
        .statement_timeout_ms = x_options.statement_timeout_ms,
        .lock_timeout_ms = std::max<std::int64_t>(1, options.busy_timeout_ms),
        .should_stop = options.should_stop};
    TASKSTORE_LET(auto connection, EngineConnection::open(parsed, own, x_options.until_boot_ns));
    connection->session().set_deadline(x_options.until_boot_ns);
    return std::unique_ptr<sql::Connection>(std::move(connection));
}

}  // namespace taskstore::postgres
