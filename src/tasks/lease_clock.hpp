#pragma once
// The time by which leases run out where there is no server: it follows the wall clock, but when
// that is set, or the machine slept, the leases that are held move with it (I10). The statements
// have it as @now@: the milliseconds for which programs could run (?1) plus the offset that the
// database keeps for all processes of the host.

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>

#include <atomic>
#include <string>

namespace taskstore::tasks {

/// Thread-safe.
class LeaseClock {
  public:
    LeaseClock(const Clock& clock, std::string boot_id)
        : x_clock(clock), x_boot_id(std::move(boot_id)) {}
    /// Before anything that has @now@: the database's offset is near the wall clock. Costs nothing
    /// but where the clock was set, or the machine has started or slept: then one transaction.
    Status keep(sql::Database& database);
    std::int64_t running_ms() const;

  private:
    std::int64_t offset_ms() const;
    Result<std::string> boot_and_epoch(sql::Connection& connection) const;
    Status agree(sql::Connection& connection, std::int64_t& agreed_ms) const;

    const Clock& x_clock;
    const std::string x_boot_id;
    std::atomic<bool> x_agreed = false;
    std::atomic<std::int64_t> x_offset_ms = 0;
};

}  // namespace taskstore::tasks
