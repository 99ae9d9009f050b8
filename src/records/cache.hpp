#pragma once
// store.db: the cache of a ledger folder. Private to records.
//
// Tables (taskstore_* are ours alone; the others may be read by anybody):
//   <kind>(rid, id, updated_at, revision, <fields but documents>, data, stamps)
//   records(rid, collection, id, …)                       live records that no kind declares
//   taskstore_dead(rid, collection, id, updated_at, stamps)
//                           deleted records; without stamps: all its lines wait for a batch
//   taskstore_lines(pos, rid, bytes, batch, k)   every line; pos = file number * 2^40 + offset
//   taskstore_places(pos, batch, k)   places in batches that a folded line keeps for others
//   taskstore_files(file, collection, identity…, live, hashed)    what sync saw of each file
//   taskstore_chunks(file, chunks)   the hashes of its parts, which appends leave alone
//   taskstore_batches(batch, name, n, complete)   taskstore_damaged(…)   taskstore_lost(…)
//   taskstore_agreed(rid, member, stamp)   what an edit of the member must name in `over` too
// Everything in it follows from the files; whoever writes it holds the ledger's lock.

#include "query_sql.hpp"

#include <taskstore/ledger/scan.hpp>
#include <taskstore/records/catalogue.hpp>
#include <taskstore/records/changes.hpp>
#include <taskstore/records/plan.hpp>

#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace taskstore::records {

inline constexpr std::int64_t kFileSpan = std::int64_t{1} << 40;

/// The DDL without and with secondary indexes; its hash is the version of the cache.
std::string schema_tables(const Catalogue& catalogue);
std::string schema_indexes(const Catalogue& catalogue);
std::string schema_version(const Catalogue& catalogue);

struct FileRow {
    std::int64_t number = 0;
    os::FileIdentity identity;
    std::int64_t hashed = 0;  ///< Bytes that its chunks cover.
    bool racy = true;  ///< Seen so soon after its last change that another one might look the same.
};

/// The state of one record as stored: enough to make its next line.
struct StoredState {
    std::int64_t rid = 0;
    ledger::State state;
};

/// Stamps of written values by their members.
using MemberStamps = std::vector<std::pair<std::string, Stamp>>;

/// Reads and writes the rows. One connection; not thread-safe.
class Cache {
  public:
    /// `catalogue`: whose tables the database has.
    Cache(sql::Connection& connection, ledger::LedgerFolder& ledger, const Clock& clock,
          std::shared_ptr<const Catalogue> catalogue)
        : x_db(connection), x_ledger(ledger), x_clock(clock), x_catalogue(std::move(catalogue)) {}

    /// The clock moves past the stamps of the lines that are taken in, but past none that lies
    /// further ahead than the bound.
    void follow(Hlc& clock, std::int64_t ahead_ms_max) {
        x_hlc = &clock;
        x_ahead_ms_max = ahead_ms_max;
    }

    /// Whether any file differs from what was seen.
    Result<bool> is_fresh();
    /// Takes in all changes. Inside a write transaction.
    Status take_in(
        SyncReport& report,
        const std::function<void(std::string_view, std::int64_t, std::int64_t)>& progress);

    /// Fills empty tables and makes the secondary indexes.
    Status take_in_bulk(
        SyncReport& report,
        const std::function<void(std::string_view, std::int64_t, std::int64_t)>& progress);

    Result<StoredState> load(std::string_view collection, std::string_view id);
    /// The values of a record that lost and are not settled.
    Result<MemberStamps> lost_of(std::int64_t rid);
    /// The values that say the same as what stands, beside it.
    Result<MemberStamps> agreed_of(std::int64_t rid);
    Result<std::vector<std::string>> lines_of(std::string_view collection, std::int64_t rid);

    // --- what a writer of ours puts in after its append
    // ----------------------------------------------------------
    /// For a record without lines. After forget_rids(): other processes may have made some.
    Result<std::int64_t> next_rid();
    void forget_rids() { x_next_rid = -1; }
    Result<FileRow> file_row(std::string_view collection);
    /// With what puts and erases have changed in the number of its live records.
    Status save_file(std::string_view collection, const FileRow& row);
    /// Hashes of the file from its start on; the last bytes may be in none.
    Result<std::vector<ledger::Chunk>> chunks_of(std::int64_t file);
    /// Sets row.hashed, which save_file() then keeps.
    Status save_chunks(FileRow& row, const std::vector<ledger::Chunk>& chunks);
    Status add_line(std::int64_t pos, std::int64_t rid, std::int64_t bytes, std::int64_t batch,
                    std::int64_t k);
    Status put(std::string_view collection, std::int64_t rid, const ledger::State& state);
    /// A record that had no line before.
    Status put_new(std::string_view collection, std::int64_t rid, const Record& record,
                   std::string_view stamps, const std::vector<ledger::Change>& members);
    /// Our own next line of a record: it holds the whole state, but for what stands `beside` it.
    /// `known`: the record had lines before.
    Status put_own(std::string_view collection, std::int64_t rid, std::string_view text, bool known,
                   bool beside = false);
    /// The same numbers, of files whose rows stay as they are. Before commit.
    Status save_counts();
    /// Another catalogue with the same tables.
    void use(std::shared_ptr<const Catalogue> catalogue) {
        x_catalogue = std::move(catalogue);
        x_insert_sql.clear();
    }
    void forget_counts() { x_live.clear(); }  ///< After a rollback.
    Result<std::int64_t> add_batch(const std::string& name, std::int64_t count, bool complete);

    Result<std::int64_t> number(std::string_view sql);

  private:
    struct Pass;  ///< One file's turn in take_in.
    Status take_in_file(std::string_view collection, SyncReport& report,
                        const std::function<void(std::int64_t)>& progress);
    Status forget_file(std::string_view collection);
    Status cut_lines(std::string_view collection, std::int64_t file, std::int64_t offset);
    Status take_line(Pass& pass, const ledger::ScannedLine& scanned);
    Status settle_batches();
    Status take_places(std::int64_t pos, const ledger::Folded& was);
    Status read_files(
        SyncReport& report,
        const std::function<void(std::string_view, std::int64_t, std::int64_t)>& progress);
    Status refold_all();
    Status refold(std::string_view collection, std::int64_t rid);
    Status put_waiting(std::string_view collection, std::int64_t rid, std::string_view id);
    Result<MemberStamps> stamps_in(std::string_view select, std::int64_t rid);
    Result<std::string> id_of(std::string_view collection, std::int64_t rid);
    Status put_line(std::string_view collection, std::int64_t rid, const ledger::Line& line,
                    std::string_view data, std::string_view stamps);
    Status erase(std::string_view collection, std::int64_t rid);
    void count(std::string_view collection, std::int64_t change);
    const std::string& insert_sql(const Kind* kind);
    Result<std::int64_t> find_rid(std::string_view collection, std::string_view id);
    Status put_row(std::string_view collection, std::int64_t rid, const std::string& id,
                   std::int64_t updated_at, const std::string& revision, std::string_view data,
                   std::string_view stamps,
                   const std::function<std::string_view(std::string_view)>& raw_of);
    Result<os::File*> file_of(std::string_view collection);

    sql::Connection& x_db;
    ledger::LedgerFolder& x_ledger;
    const Clock& x_clock;
    std::shared_ptr<const Catalogue> x_catalogue;
    std::unordered_map<std::string, std::unique_ptr<os::File>> x_open;
    std::set<std::pair<std::string, std::int64_t>>
        x_refold;  ///< (collection, rid) whose lines changed
    std::set<std::int64_t> x_touched_batches;
    std::map<std::string, std::int64_t, std::less<>> x_live;  ///< Change of live records.
    std::unordered_map<const Kind*, std::string> x_insert_sql;
    std::int64_t x_next_rid = -1;
    Hlc* x_hlc = nullptr;
    std::int64_t x_ahead_ms_max = 0;
    Stamp x_latest;  ///< That the clock was moved past.
};

/// The `_stamps` text by which load() finds a folded state again.
std::string stamps_of(const ledger::Shape& shape, const ledger::State& state);

}  // namespace taskstore::records
