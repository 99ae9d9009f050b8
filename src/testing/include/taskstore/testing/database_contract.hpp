#pragma once
// The contract of the Database port (floor 3) as tests that run on every backend. A driver's test
// program links taskstore::database_contract, includes this header and instantiates the suites with
// its backends:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, PortContract, testing::Values(backend), backend_name);

#include <gtest/gtest.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace taskstore::sql {

/// A fresh, empty database that vanishes with this object; connections and databases opened from it
/// must go first.
class Sandbox {
  public:
    virtual ~Sandbox() = default;
    virtual Driver& driver() = 0;
    virtual std::string location() = 0;
    virtual std::string blob_type() const = 0;
    /// What its commits survive.
    virtual DurabilityLevel level() const = 0;
    /// `queued` is called by each write() after its work has joined the queue; where works share no
    /// commit, when it is done, so that they follow each other.
    virtual Result<std::unique_ptr<Database>> open_database(const Clock& clock,
                                                            std::function<void()> queued) = 0;
};

struct Backend {
    std::string name;
    std::function<std::unique_ptr<Sandbox>()> make;
};
inline std::string backend_name(const testing::TestParamInfo<Backend>& info) {
    return info.param.name;
}
inline void PrintTo(const Backend& backend, std::ostream* out) {
    *out << backend.name;
}

class PortContract : public testing::TestWithParam<Backend> {
  protected:
    std::unique_ptr<Sandbox> x_sandbox = GetParam().make();

    std::unique_ptr<Connection> connect(const OpenOptions& options = {});
};

class MigrationContract : public PortContract {};

class GroupCommitContract : public PortContract {
  protected:
    /// Opens the database with a table notes(id BIGINT PRIMARY KEY, text TEXT).
    void SetUp() override;
    /// Whether Works share transactions; else the test is to be skipped.
    bool shares_commits();
    /// Writes all `works` from a thread each. They stand in the queue in this order before the
    /// first of them starts, so that they are candidates for one group.
    std::vector<Result<Committed>> write_together(const std::vector<Work>& works,
                                                  const WriteOptions& options = {});
    std::vector<std::int64_t> note_ids();

    FakeClock x_clock;
    std::atomic<int> x_queued{0};
    std::unique_ptr<Database> x_database;
};

/// Batches, topics and levels: what of `Database` needs no shared queue.
class BatchContract : public GroupCommitContract {};

/// Who a database is, and how it is sealed (sql/identity.hpp).
class IdentityContract : public GroupCommitContract {};

/// Search by our tokens (sql/tokens.hpp) answers alike.
class SearchContract : public GroupCommitContract {};

/// A fresh, empty database of a server, which vanishes with this object.
class LineSandbox {
  public:
    virtual ~LineSandbox() = default;
    virtual std::uint16_t port() = 0;
    /// Over what listens on that port of 127.0.0.1 and leads to the server. Any thread.
    virtual std::unique_ptr<Database> open(std::uint16_t port) = 0;
};

struct LineBackend {
    std::string name;
    std::function<std::unique_ptr<LineSandbox>()> make;  ///< Any thread.
};
inline std::string line_name(const testing::TestParamInfo<LineBackend>& info) {
    return info.param.name;
}
inline void PrintTo(const LineBackend& backend, std::ostream* out) {
    *out << backend.name;
}

/// Commits over a line of a few kB per second.
class SlowLineContract : public testing::TestWithParam<LineBackend> {};

Work add_note(std::int64_t id);

}  // namespace taskstore::sql
