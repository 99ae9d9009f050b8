#include "lease_clock.hpp"

#include "task_rows.hpp"

#include <task_sql.hpp>

#include <cstdlib>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
/// A clock that is only slewed stays below it.
constexpr std::int64_t kStepMs = 1'000;
constexpr std::int64_t kReadApartMs = 10;

bool are_near(std::int64_t a, std::int64_t b) {
    return std::llabs(a - b) < kStepMs;
}

Result<sql::Rows> run(sql::Connection& connection, std::string_view text,
                      std::vector<sql::Value> values = {}) {
    const sql::BoundStatement one{.sql = text, .values = std::move(values)};
    TASKSTORE_LET(auto answers, sql::run_batch(connection, {&one, 1}));
    return std::move(answers[0]);
}

}  // namespace

std::int64_t LeaseClock::running_ms() const {
    return x_clock.running_ns() / kNsPerMs;
}

/// Read again where we were stopped between the two clocks.
std::int64_t LeaseClock::offset_ms() const {
    while (true) {
        const std::int64_t before = running_ms();
        const std::int64_t wall = x_clock.wall_ms();
        const std::int64_t after = running_ms();
        if (after - before < kReadApartMs) return wall - after;
    }
}

/// What an offset belongs to. A database that was elsewhere in between has leases of another
/// offset's time, and another epoch.
Result<std::string> LeaseClock::boot_and_epoch(sql::Connection& connection) const {
    TASKSTORE_LET(const sql::Rows found, run(connection, task_sql::read_epoch));
    if (found.rows.empty())
        return fail(Code::corrupt, "the database does not know its own identity");
    return x_boot_id + " " + std::to_string(RowReader(found.rows[0]).number());
}

Status LeaseClock::agree(sql::Connection& connection, std::int64_t& agreed_ms) const {
    TASKSTORE_LET(const std::string own, boot_and_epoch(connection));
    TASKSTORE_LET(const sql::Rows found, run(connection, task_sql::read_clock));
    agreed_ms = offset_ms();
    if (!found.rows.empty()) {
        RowReader read(found.rows[0]);
        const bool same = read.text() == own;
        const std::int64_t kept_ms = read.number();
        if (same && are_near(kept_ms, agreed_ms)) {
            agreed_ms = kept_ms;
            return ok();
        }
        // Of an earlier boot all holders are gone: their leases run out by the wall clock.
        if (same) TASKSTORE_TRY(run(connection, task_sql::move_leases, {agreed_ms - kept_ms}));
    }
    TASKSTORE_TRY(run(connection, task_sql::set_clock, {own, agreed_ms}));
    return ok();
}

Status LeaseClock::keep(sql::Database& database) {
    if (x_agreed && are_near(offset_ms(), x_offset_ms)) return ok();
    std::int64_t agreed_ms = 0;
    TASKSTORE_TRY(
        database.write([&](sql::Connection& connection) { return agree(connection, agreed_ms); }));
    x_offset_ms = agreed_ms;
    x_agreed = true;
    return ok();
}

}  // namespace taskstore::tasks
