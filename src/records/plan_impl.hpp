#pragma once
// The Plan behind its interface: connections, freshness, the queue of writers. Private to records.

#include "cache.hpp"

#include <taskstore/base/id.hpp>
#include <taskstore/ledger/replica.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>

namespace taskstore::records {

/// How late a read may notice a change that another program made to a file by itself (our own
/// writers' are seen at once).
inline constexpr std::int64_t kNoticeNs = 10'000'000;
inline constexpr std::size_t kGroupMax = 256;

class PlanImpl final : public Plan {
  public:
    PlanImpl(os::FileSystem& files, sql::Driver& driver, const Clock& clock, Random& random,
             PlanOptions options);
    Status start();

    Result<SyncReport> sync(bool rebuild) override;
    Result<Written> write(std::vector<Write> writes) override;
    Result<Record> get(std::string_view collection, std::string_view id) override;
    Result<std::string> resolve(std::string_view collection, std::string_view part) override;
    Result<std::vector<Found>> find(std::string_view part, std::string_view collection) override;
    Result<std::vector<std::string>> short_ids(std::string_view collection,
                                               const std::vector<std::string>& ids) override;
    Result<Page> list(const Query& query) override;
    Result<std::int64_t> count(const Query& query) override;
    Result<std::vector<std::pair<std::string, std::int64_t>>> collections() override;
    Result<std::vector<std::pair<std::string, std::int64_t>>> tally(
        std::string_view collection, std::string_view field) override;
    Result<std::vector<Version>> history(std::string_view collection, std::string_view id) override;
    Result<Written> undo(std::string_view collection, std::string_view id) override;
    Result<std::string> state_hash() override;
    Result<std::vector<LostEntry>> lost() override;
    Result<std::vector<Finding>> findings() override;
    std::string cache_path() const override { return x_cache_path; }
    std::vector<std::string> take_notes() override;

  private:
    struct Ticket {
        std::vector<Write> writes;
        Result<Written> result = Written{};
        bool done = false;
    };
    /// One line to append, prepared.
    struct Prepared {
        std::string collection;
        std::string id;
        std::string text;  ///< With LF.
        std::int64_t rid = 0;
        bool known = false;  ///< The cache has had the record before.
        bool removes = false;
        Record record;
        std::vector<ledger::Change> members;  ///< Of a create: what the line holds.
        std::int64_t batch_number = 0;
        Ticket* ticket = nullptr;
    };
    struct Group;

    // plan.cpp: connections and freshness; read.cpp, history.cpp, findings.cpp: the answers
    Status open_cache(bool* opened);
    Status rebuild_locked(SyncReport& report);
    Status refresh_locked(SyncReport& report);
    Status settle_markers_locked(SyncReport& report, bool* rewritten);
    Status count_up(SyncReport& report);
    Result<Found> last_own_change();
    Result<std::vector<Found>> records_of_batch(const std::string& batch);
    bool cache_was_replaced();
    Status ensure_fresh();
    Result<std::unique_ptr<sql::Connection>> reader();
    template <typename Work>
    auto read(Work&& work) -> decltype(work(std::declval<sql::Connection&>()));
    void note(std::string text);

    // write.cpp
    void commit_group(std::vector<Ticket*>& tickets);
    Status check_fresh_for(const std::vector<Ticket*>& tickets);
    Status prepare(Group& group, Ticket& ticket);
    Result<Prepared> prepare_create(Group& group, const Write& write,
                                    const ledger::EditOptions& options);
    Result<Prepared> prepare_change(Group& group, const Write& write,
                                    const ledger::EditOptions& options);
    Result<Stamp> stamp_for(const ledger::State& state);
    Result<StoredState> load(Group& group, std::string_view collection, std::string_view id);
    Status check_reference(Group& group, const Field& field, const std::string& raw);
    Status check_unique(Group& group, const Kind& kind, const Field& field, const std::string& raw,
                        std::string_view own_id);
    Result<Prepared> finish(const std::string& collection, const StoredState& stored,
                            std::string text, bool removes);
    Status apply(std::vector<Prepared>& lines, std::map<std::string, ledger::Appended>& appended);
    Status extend_chunks(std::string_view collection, FileRow& row);

    os::FileSystem& x_files;
    sql::Driver& x_driver;
    const Clock& x_clock;
    PlanOptions x_options;
    std::string x_cache_path;
    ledger::LedgerFolder x_ledger;
    std::unique_ptr<ledger::Replica> x_replica;
    UuidSource x_ids;

    std::mutex
        x_db_mutex;  ///< Guards the writing connection and everything down to the next blank line.
    std::unique_ptr<sql::Connection> x_db;
    std::unique_ptr<Cache> x_cache;
    os::FileIdentity x_cache_identity;
    SyncReport x_taken_in;     ///< Since the last sync().
    bool x_in_memory = false;  ///< The folder cannot be written: the cache lives in this process.

    std::mutex x_reader_mutex;
    std::vector<std::unique_ptr<sql::Connection>> x_readers;
    std::int64_t x_reader_age =
        0;  ///< Grows when the cache is replaced: older readers are not reused.
    std::vector<std::string> x_notes;
    std::atomic<std::int64_t> x_checked_boot_ns{0};

    std::mutex x_queue_mutex;
    std::condition_variable x_queue_moved;
    std::deque<Ticket*> x_queue;
    bool x_leading = false;
};

/// invalid: not what the id of a new record may be.
Status check_id(std::string_view id);
/// The value as the field stores it; empty raw (remove) becomes null. invalid: it does not fit.
Result<std::string> declared_value(const Kind& kind, const Field& field, std::string raw);

/// A value in one line of at most 60 bytes, for people.
std::string shown(std::string_view raw);

/// The record and stamps parts of one of our own lines (the stamps stand last).
std::pair<std::string_view, std::string_view> split_own_line(std::string_view text);

/// Runs `work` on a fresh reader; once more after a rebuild where the cache turns out to be broken.
template <typename Work>
auto PlanImpl::read(Work&& work) -> decltype(work(std::declval<sql::Connection&>())) {
    for (int attempt = 0;; ++attempt) {
        TASKSTORE_TRY(ensure_fresh());
        if (x_in_memory) {
            const std::lock_guard db(x_db_mutex);
            return work(*x_db);
        }
        std::int64_t age = 0;
        {
            const std::lock_guard lock(x_reader_mutex);
            age = x_reader_age;
        }
        auto connection = reader();
        auto answer = connection ? work(**connection)
                                 : decltype(work(**connection))(fail(connection.error()));
        if (answer || attempt > 0 ||
            (answer.error().code != Code::corrupt && answer.error().code != Code::failed)) {
            const std::lock_guard lock(x_reader_mutex);
            if (answer && age == x_reader_age && x_readers.size() < 4)
                x_readers.push_back(std::move(*connection));
            return answer;
        }
        // The cache broke under the read: it can always be had again.
        if (connection) connection->reset();
        TASKSTORE_TRY(sync(true));
        note("store.db was damaged: it was built again from the ledger");
    }
}

}  // namespace taskstore::records
