#pragma once
// The Plan behind its interface: connections, freshness, the queue of writers. Private to records.

#include "cache.hpp"

#include <taskstore/base/id.hpp>
#include <taskstore/ledger/replica.hpp>
#include <taskstore/records/changes.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <set>

namespace taskstore::records {

/// How late a read may notice a change that another program made to a file by itself (our own
/// writers' are seen at once).
inline constexpr std::int64_t kNoticeNs = 10'000'000;
inline constexpr std::size_t kGroupMax = 256;

/// Between leftover merge markers of a ledger file: what no rule settles.
struct KeptBlock {
    std::string collection = {};
    std::int64_t first_line = 0;
    std::int64_t last_line = 0;
    bool whole = false;  ///< It has its beginning, its middle and its end.
    /// By id and member: the values that clash, as its sides have them; empty where one has none.
    struct Sides {
        std::string ours;
        std::string theirs;
    };
    std::map<std::pair<std::string, std::string>, Sides> clashes = {};
};

struct Past : PastVersion {
    bool ours = false;  ///< This replica wrote it.
};

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
    Result<std::vector<Standing>> look_up(std::string_view collection,
                                          const std::vector<std::string>& ids) override;
    Status each(const EachRequest& request) override;
    Result<std::int64_t> count(const Query& query) override;
    Result<std::vector<std::pair<std::string, std::int64_t>>> collections() override;
    Result<std::vector<std::pair<std::string, std::int64_t>>> tally(
        std::string_view collection, std::string_view field) override;
    Result<std::vector<Version>> history(std::string_view collection, std::string_view id) override;
    Result<std::vector<std::string>> lines(std::string_view collection,
                                           std::string_view id) override;
    Result<Written> undo(std::string_view collection, std::string_view id) override;
    Result<std::string> state_hash() override;
    Result<std::vector<LostEntry>> lost() override;
    Result<std::vector<Finding>> findings() override;
    Result<std::vector<Conflict>> conflicts(std::string_view collection,
                                            std::string_view id) override;
    Result<Written> settle(const Settlement& settlement) override;
    Result<CompactReport> compact(const CompactRequest& request) override;
    Result<std::vector<LongHistory>> long_histories() override;
    Result<std::shared_ptr<const Catalogue>> catalogue() override;
    Result<Declaring> declare(const CollectionRequest& request, Declare which) override;
    Result<Declaring> undeclare(std::string_view collection) override;
    Result<Misfits> misfits(std::string_view collection, std::size_t listed_max) override;
    Status query(const std::function<Status(sql::Connection&)>& work) override;
    std::string cache_path() const override { return x_cache_path; }
    std::vector<std::string> take_notes() override;

  private:
    struct Ticket {
        std::vector<Write> writes;
        Result<Written> result = Written{};
        std::string batch;  ///< The id of its batch; empty: one write alone.
        bool done = false;
        /// It builds on a record of another ticket of its group, whose append may still fail: it
        /// waits for the next group.
        bool waits = false;
    };
    /// One line to append, prepared.
    struct Prepared {
        std::string collection;
        std::string id;
        std::string text;  ///< With LF.
        std::int64_t rid = 0;
        bool known = false;  ///< The cache has had the record before.
        bool removes = false;
        bool beside = false;  ///< Other lines of its batch are not in its state.
        Effect effect = Effect::changed;
        Record record;
        std::vector<ledger::Change> members;  ///< Of a create: what the line holds.
        std::int64_t batch_number = 0;
        Ticket* ticket = nullptr;
    };
    struct Group;

    // plan.cpp: connections and freshness; read.cpp, history.cpp, findings.cpp: the answers
    // …_locked: under the ledger's lock. All but heal() and ensure_fresh() under x_db_mutex.
    /// What is known of store.db before it is used.
    enum class Cached : std::uint8_t {
        absent,  ///< Not open, or another file has its name now.
        open,
        damaged,  ///< To be built again.
    };
    Cached cached_state();
    /// What to do while another process writes and store.db cannot be had without its lock.
    enum class Busy : std::uint8_t { leave, fold };
    /// For reads: never waits for a writer. Its last commit is the answer while it is at work.
    Status bring_up(Cached cached, Busy busy);
    Status bring_up_locked(Cached cached);
    Status fold_in_memory(const Error& why);
    /// After a read of `age` that found store.db broken.
    Status heal(std::int64_t age, const Error& why);
    void drop_cache();
    Status open_cache(bool* opened);
    Status rebuild_locked();
    Result<bool> rebuild_once();
    Failure taken_away() const;
    Status build(const std::string& path);
    Status refresh_locked();
    /// Whether all files were taken in since the machine started, with the log that is there: a
    /// power cut, or whoever takes the log away, may have taken the cache's last commits, though
    /// not the ledger's lines.
    bool is_of_this_boot();
    std::string boot_and_log();
    Status mark_boot(sql::Connection& connection);
    void keep_clock();
    /// Whether a new store.db would help.
    bool is_broken(const Error& error);
    /// After lines that are acknowledged but not in the cache: nobody must take it for the truth.
    void take_cache_away();
    Error cannot_write(Error error) const;
    /// Nothing found: is it because the file of the collection is none?
    Status check_is_file(std::string_view collection);
    /// The same of every collection that is known before its file is.
    Status check_own_files();
    /// The blocks of leftover merge markers that a person must settle. `rewritten`: those that the
    /// rule decides are written clean first, and whether any were is told; hold the ledger's lock.
    /// Null: nothing is written. In markers.cpp.
    Result<std::vector<KeptBlock>> look_at_markers(sql::Connection& db, bool* rewritten);
    Status count_up(SyncReport& report, const std::vector<KeptBlock>& kept);
    /// Before the folder gets a cache, git is told to leave it alone.
    void hide_cache_from_git();
    // conflicts.cpp
    struct OwnLines {
        std::vector<std::string> texts;
        std::vector<ledger::Line> lines;  ///< Into `texts`.
    };
    Result<OwnLines> lines_of_record(const Found& record);
    Result<Conflict> conflict_of(const Found& record, const std::vector<KeptBlock>& kept);

    /// Oldest first.
    Result<std::vector<Past>> past_of(std::string_view collection, std::string_view id);
    Result<bool> is_replaced(Cache& cache, std::string_view collection);
    /// The record that this replica changed last, and the stamp of that change.
    Result<std::pair<Found, Stamp>> last_own_change();
    static Status take_back(std::vector<Past> past, std::size_t first, std::size_t count,
                            std::vector<Write>& writes);
    Result<std::vector<Found>> records_of_batch(const std::string& batch);
    Status ensure_fresh();
    /// Whether store.db, which can only be read here, was replaced under a reader of that age.
    bool changed_under_read(std::int64_t age);
    // schemas.cpp
    /// Reads the schemas again where their files changed. False: the cache's tables, if one is
    /// open, are not the ones that are described now.
    bool schemas_fit();
    /// Brings the cache along after a file of the schemas was written.
    void follow_schemas_locked(Declaring& done);
    std::string schema_path(std::string_view collection) const;
    /// A connection to the cache, of which age, with the catalogue whose tables it has.
    struct Reader {
        std::int64_t age = 0;
        std::shared_ptr<const Catalogue> catalogue;
        Result<std::unique_ptr<sql::Connection>> connection = fail(Code::failed, "");
        bool foreign = false;  ///< To another cache, maybe with other tables.
    };
    Reader reader();
    std::shared_ptr<const Catalogue> known_kinds();
    template <typename Work>
    static auto run(Work& work, sql::Connection& db, const Catalogue& catalogue);
    template <typename Work>
    auto read(Work&& work);
    template <typename Work>
    auto read_in_memory(Work& work, const Error& why);
    void note(std::string text);

    // compact.cpp
    Status compact_files(const CompactRequest& request, CompactReport& report);
    Result<bool> compact_file(const CompactRequest& request, CompactReport::One& one,
                              ledger::BatchPlaces& batches, std::vector<std::string>& notes);

    // write.cpp
    void commit_group(std::vector<Ticket*>& tickets);
    Status prepare_all(Group& group, const std::vector<Ticket*>& tickets);
    Status check_fresh_for(Group& group, const std::vector<Ticket*>& tickets);
    Status begin(Group& group);
    static Status commit(Group& group);
    Status apply(Group& group, std::map<std::string, ledger::Appended>& appended);
    Status extend_chunks(std::string_view collection, FileRow& row);

    // prepare.cpp
    Status prepare(Group& group, Ticket& ticket);
    Result<Prepared> prepare_create(Group& group, const Write& write,
                                    const ledger::EditOptions& options);
    Result<Prepared> prepare_change(Group& group, const Write& write,
                                    const ledger::EditOptions& options);
    Result<Stamp> stamp_for(const ledger::State& state);
    Result<Prepared> finish_fitting(const Kind* kind, const Write& write, const StoredState& stored,
                                    const std::vector<ledger::Change>& changes, const Stamp& at,
                                    ledger::EditOptions& options);
    /// `beside`: without what the same ticket has prepared.
    Result<StoredState> load(Group& group, std::string_view collection, std::string_view id,
                             bool beside = false);
    Status check_reference(Group& group, const Field& field, const std::string& raw);
    Status check_unique(Group& group, const Kind& kind, const Field& field, const std::string& raw,
                        std::string_view own_id);
    Result<Prepared> finish(const std::string& collection, const StoredState& stored,
                            std::string text, bool removes);

    os::FileSystem& x_files;
    sql::Driver& x_driver;
    const Clock& x_clock;
    PlanOptions x_options;
    std::string x_cache_path;
    ledger::LedgerFolder x_ledger;
    std::unique_ptr<ledger::Replica> x_replica;
    UuidSource x_ids;

    /// Guards what is above and changes (appends, the replica's file, ids) and what is below down
    /// to the next blank line, of which the atomic ones are read without it. Never taken under
    /// another mutex of the plan.
    std::mutex x_db_mutex;
    std::unique_ptr<sql::Connection> x_db;
    std::unique_ptr<Cache> x_cache;
    std::array<os::FileIdentity, 3> x_cache_identity;  ///< Of store.db, its log, its log's index.
    /// store.db can only be read, and others may be changing it under us.
    std::atomic<bool> x_cache_read_only{false};
    /// The files of the schemas as they were when x_catalogue was made of them.
    std::vector<std::pair<std::string, os::FileIdentity>> x_schemas;
    bool x_other_tables = false;  ///< Than those of the cache that is open.
    bool x_schemas_racy = false;  ///< Seen so soon after a change that another might look the same.
    std::string x_broken;         ///< Why store.db is built again; said when that is done.
    SyncReport x_taken_in;        ///< Since the last sync().
    std::atomic<bool> x_in_memory{
        false};  ///< The folder cannot be written: the cache lives in this process.
    bool x_memory_told = false;
    bool x_of_this_boot = false;
    bool x_folder_completed = false;

    std::mutex x_reader_mutex;
    std::vector<std::unique_ptr<sql::Connection>> x_readers;
    /// Changed under both mutexes, so read under either. Its tables are those of the cache.
    std::shared_ptr<const Catalogue> x_catalogue = Catalogue::founding();
    /// Of the cache that has them: a new reader may meet another process's.
    os::FileIdentity x_reader_cache;
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

/// Why the record does not fit, one line each; empty: it does.
Result<std::vector<std::string>> reasons_of(const CollectionSchema& schema, std::string_view data,
                                            std::size_t max);

/// How the program lists a collection: what hints name. Kinds whose key is another than `id` have
/// no commands of their own.
std::string list_command(const Kind* kind, std::string_view collection);

/// How often a read looks again because somebody replaced a file that it was reading.
inline constexpr int kMovedMax = 4;

template <typename Work>
auto PlanImpl::run(Work& work, sql::Connection& db, const Catalogue& catalogue) {
    if constexpr (std::is_invocable_v<Work&, sql::Connection&, const Catalogue&>)
        return work(db, catalogue);
    else
        return work(db);
}

/// As read(), on the ledger folded in memory: in one hold, or another thread may find the cache
/// usable again in between.
template <typename Work>
auto PlanImpl::read_in_memory(Work& work, const Error& why) {
    using Answer = decltype(run(work, *x_db, *x_catalogue));
    const std::lock_guard db(x_db_mutex);
    if (auto folded = fold_in_memory(why); !folded) return Answer(fail(std::move(folded).error()));
    return run(work, *x_db, *x_catalogue);
}

/// Runs `work`, which takes the connection and may take the catalogue, on a fresh reader. Where the
/// cache turns out to be broken, once more after a rebuild, then on the ledger folded in memory.
template <typename Work>
auto PlanImpl::read(Work&& work) {
    using Answer = decltype(run(work, std::declval<sql::Connection&>(), *x_catalogue));
    int foreign = 0;
    for (int attempt = 0;; ++attempt) {
        if (auto fresh = ensure_fresh(); !fresh) return Answer(fail(std::move(fresh).error()));
        if (x_in_memory) {
            const std::lock_guard db(x_db_mutex);
            if (x_in_memory) return run(work, *x_db, *x_catalogue);
        }
        Reader by = reader();
        if (by.foreign) {
            // Another process has built it again, or we are at it: the files and the schemas are
            // looked at again once the connection is ours.
            constexpr int kForeignMax = 8;
            if (++foreign > kForeignMax)
                return read_in_memory(work, {Code::not_found, "store.db is built again and again"});
            const std::lock_guard db(x_db_mutex);
            if (!x_in_memory) x_checked_boot_ns = 0;
            --attempt;
            continue;
        }
        if (!by.connection) {
            if (by.connection.error().code == Code::unavailable)
                return Answer(fail(std::move(by.connection).error()));
            if (attempt > 0) return read_in_memory(work, by.connection.error());
            if (auto healed = heal(by.age, by.connection.error()); !healed)
                return Answer(fail(std::move(healed).error()));
            continue;
        }
        auto connection = std::move(*by.connection);
        Answer answer = run(work, *connection, *by.catalogue);
        if (answer && x_cache_read_only && changed_under_read(by.age)) {
            connection.reset();
            if (attempt > 0) return read_in_memory(work, {Code::unavailable, "store.db changes"});
            continue;
        }
        if (answer ||
            (answer.error().code != Code::corrupt && answer.error().code != Code::failed)) {
            const std::lock_guard lock(x_reader_mutex);
            if (answer && by.age == x_reader_age && x_readers.size() < 4)
                x_readers.push_back(std::move(connection));
            return answer;
        }
        // The cache broke under the read: it can always be had again.
        connection.reset();
        if (attempt > 0) return read_in_memory(work, answer.error());
        if (auto healed = heal(by.age, answer.error()); !healed)
            return Answer(fail(std::move(healed).error()));
    }
}

}  // namespace taskstore::records
