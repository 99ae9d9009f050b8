#pragma once
// A plan: typed and untyped collections on a ledger of JSONL files, with a SQLite cache (floor 4;
// store and programs use it). The ledger is the truth; store.db can vanish at any moment (I7).

#include <taskstore/base/clock.hpp>
#include <taskstore/ledger/compact.hpp>
#include <taskstore/ledger/edit.hpp>
#include <taskstore/ledger/files.hpp>
#include <taskstore/records/catalogue.hpp>
#include <taskstore/records/conflict.hpp>
#include <taskstore/records/query.hpp>
#include <taskstore/sql/database.hpp>

#include <functional>
#include <map>
#include <memory>

namespace taskstore::records {

struct PlanOptions {
    std::string folder;        ///< The ledger folder (.taskstore); must exist.
    std::string replica_path;  ///< Outside what git tracks; see ledger/replica.hpp.
    std::string actor;         ///< Who writes: the `by` of each line.
    std::string boot_id = {};  ///< Of this boot of the machine; empty: os::boot_id().
    /// A stamp further ahead is kept to its record and reported.
    std::int64_t ahead_ms_max = std::int64_t{24} * 3'600'000;
    /// False: open() leaves the files to the first call that needs them, such as a sync(), which
    /// would read them again.
    bool take_in_on_open = true;
    /// How long a write or a sync() waits for a lock that another process holds, each time: the
    /// folder's, or a flock on one of its files (ms). Reads wait for none.
    std::int64_t lock_wait_ms_max = 30'000;
    /// Called once, in the thread that waits, when such a wait takes over a second: for what, and
    /// for whom where the system tells.
    std::function<void(const std::string& what)> waiting = {};
    /// Called now and then by long work, in the thread that does it: what, done, of how many (bytes
    /// or records; 0: unknown).
    std::function<void(std::string_view what, std::int64_t done, std::int64_t total)> progress = {};
};

struct Record {
    std::string collection;
    std::string id;
    std::string data;      ///< Compact JSON, without _stamps.
    std::string revision;  ///< Changes with every edit; the text of its latest stamp.
    std::int64_t updated_at = 0;
};

struct Page {
    std::vector<Record> records;
    std::string next_cursor;  ///< Empty: that was all.
};

enum class WriteKind : std::uint8_t { create, update, remove };

/// One change. A list of them is a batch: all or nothing, one flush per file.
struct Write {
    WriteKind kind = WriteKind::create;
    std::string collection;
    std::string id;  ///< Empty on create: a new UUIDv7.
    std::vector<ledger::Change>
        changes;  ///< Raw JSON values; empty value: remove the member (null where declared).
    std::string expected_revision;  ///< Empty: any. Another one there: conflict, both shown.
    bool force = false;  ///< Overrides the status table and the schema; recorded in the line.
    bool check_references = true;
    /// Added to the time of creation, so that a list that comes in one batch keeps its order.
    std::int64_t created_offset_ms = 0;
    /// The members are put back as they once stood: no defaults, times or transitions of the store,
    /// undeclared ones too. Only unique values are checked. What undo() writes.
    bool verbatim = false;
    /// Where present: of the values that lost, it settles those with these stamps at most. It is
    /// nobody's decision about the others: they stay listed.
    std::optional<std::vector<Stamp>> settles_only = {};
    /// Of several writes to one record in one batch: made on the record as it was before them all,
    /// and its members are written where they stand already too. So the last one stands, and what
    /// the others say is listed as lost.
    bool beside = false;
};

/// What became of a write.
enum class Effect : std::uint8_t {
    unchanged,  ///< The record was as asked for already: no line was written.
    created,
    changed,
    deleted,
};
std::string_view to_text(Effect effect);

struct Written {
    std::vector<Record>
        records;  ///< In the order of the writes; of a removal: the record as it was.
    std::vector<Effect> effects;     ///< One per record.
    std::vector<std::string> notes;  ///< Warnings: the cache stayed behind, a torn tail was mended.
};

struct SyncReport {
    std::int64_t files_changed = 0;
    std::int64_t lines_read = 0;
    std::int64_t records = 0;  ///< Live ones, all collections.
    std::int64_t damaged_lines = 0;
    std::int64_t incomplete_batches = 0;
    /// Values that lost and are not settled yet, the clashes among them; findings() lists them.
    std::int64_t lost_values = 0;
    /// Members of which both sides of a merge have a value with the same stamp: their markers stay
    /// until a person has chosen. Elsewhere the larger of such values by bytes stands.
    std::int64_t clashes = 0;
    std::int64_t broken_blocks = 0;  ///< Of merge markers, without their middle or end: they stay.
    bool rebuilt = false;
    std::vector<std::string> notes;
};

struct Version {
    std::string collection;
    std::string id;
    std::string stamp;
    std::string by;
    std::int64_t updated_at = 0;
    /// created, changed, deleted, imported (an unstamped line), lost (an edit beside a deletion:
    /// the record stays deleted, or as it was created after that), compacted (what stood then; the
    /// versions before it are in git).
    std::string action;
    std::vector<std::string> changed;               ///< "status: draft → ready"
    std::vector<std::string> changed_members = {};  ///< Their names, in the same order.
    bool forced = false;
    std::string data;   ///< The record as it was then; "{}" for a deleted one.
    std::string batch;  ///< The batch that it came in; empty: alone.
    bool live = false;
    std::string revision;  ///< Of the record then: another than `stamp` where this line lost.
};

struct LostEntry {
    std::string collection;
    std::string id;
    ledger::LostValue value;
};

struct Finding {
    std::string what;  ///< damaged_line, incomplete_batch, torn_tail, orphan, lost_value,
                       ///< clock_ahead, stranger, schema, misfit, long_history; more: not all of
                       ///< a sort are listed
    std::string where;
    std::string why;
    std::string mend;
};

/// Which declarations declare() makes.
enum class Declare : std::uint8_t {
    add,     ///< Of a collection that none declares; else `exists`.
    change,  ///< Of one that a file declares, damaged or not; else `not_found`.
    either,
};

struct Declaring {
    bool changed = false;  ///< False: the file was as asked for already.
    std::vector<std::string> notes;
};

/// Records that do not fit the schema of their collection.
struct Misfits {
    struct One {
        std::string id;
        std::vector<std::string> why;  ///< At most five.
    };
    std::int64_t records = 0;  ///< Live ones, fitting or not.
    std::int64_t count = 0;
    std::vector<One> listed;
};

/// A record by its id, in whichever collection it is.
struct Found {
    std::string collection;
    std::string id;
    bool deleted = false;
};

/// What stands at an id.
struct Standing {
    bool live = false;
    bool deleted = false;  ///< There was one, and it was deleted.
    Record record;         ///< Of a live one.
};

/// A live record while each() visits it; views live until the visit returns.
struct Visited {
    std::string_view collection;
    std::string_view id;
    std::string_view data;
    std::string_view stamps;  ///< JSON; empty where nobody asked.
    std::int64_t updated_at = 0;
};

struct EachRequest {
    std::vector<std::string> collections;
    int passes = 1;  ///< Over all of it, in the same order: that of the store, about creation's.
    bool stamps = false;  ///< Whether Visited::stamps is wanted.
    /// Before each start: it may start again (the cache turned out to be damaged).
    std::function<Status()> begin;
    /// An error of one of the two ends it and is returned. Neither may call the plan.
    std::function<Status(int pass, const Visited& record)> visit;
};

/// What compact() may drop, and what it is for.
struct CompactRequest {
    /// Records that were deleted longer ago go altogether.
    std::int64_t horizon_ms = std::int64_t{90} * 86'400'000;
    /// Lines that stand in git already, by collection; only these are dropped.
    std::map<std::string, ledger::LineSet, std::less<>> committed = {};
    /// There is no git to keep the history: every line may be dropped, for good.
    bool without_git = false;
    bool dry_run = false;  ///< Nothing is written, and no lock taken.
};

struct CompactReport {
    struct One {
        std::string collection;
        ledger::CompactCounts counts;
        bool changed = false;
    };
    std::vector<One> collections;  ///< Those that have lines.
    std::vector<std::string> notes;
};

/// A collection that compact() would make much shorter, by what the cache knows.
struct LongHistory {
    std::string collection;
    std::int64_t lines = 0;
    std::int64_t records = 0;  ///< Deleted ones too.
    std::int64_t bytes = 0;
};

/// Thread-safe. Reads see one committed state and never wait for a writer of another process: while
/// one is at work they answer from its last commit. Where the cache cannot be had they fold the
/// ledger in memory, and a note says why. denied: a folder or a link stands where a collection's
/// file belongs. Writes of many threads share one append and flush (group commit). Collections go
/// by their exact names; nouns such as "prd" are a matter of the programs (find_kind).
class Plan {
  public:
    /// Opens the cache, or builds it. unsupported: `.version` is newer than this program.
    static Result<std::unique_ptr<Plan>> open(os::FileSystem& files, sql::Driver& driver,
                                              const Clock& clock, Random& random,
                                              PlanOptions options);
    virtual ~Plan() = default;

    /// Brings the cache up to date with the files. `rebuild`: from nothing. The report covers all
    /// that was taken in since the last call, by opening and reading too. timed_out: another
    /// process held a lock all the time; nothing was changed.
    virtual Result<SyncReport> sync(bool rebuild = false) = 0;

    /// An update that changes nothing writes nothing, and says so (Effect). The first write also
    /// completes the folder's .version, and its .gitignore, which the first cache did where it
    /// could.
    /// Durable (`flushed`) when it returns. exists, not_found, conflict, invalid: nothing was
    /// written. timed_out: a lock was not to be had (PlanOptions::lock_wait_ms_max), and nothing
    /// was written. denied, failed, corrupt (a folder where store.db or the lock belongs): the
    /// folder cannot be written, and nothing was. outcome_unknown: all of it or nothing may be
    /// there after the next sync.
    virtual Result<Written> write(std::vector<Write> writes) = 0;

    virtual Result<Record> get(std::string_view collection, std::string_view id) = 0;
    /// The full id of the one record whose id holds `part` (a whole id wins). not_found; conflict
    /// with the candidates.
    virtual Result<std::string> resolve(std::string_view collection, std::string_view part) = 0;
    /// Records whose ids match, of one collection or (empty) of every one, deleted ones too; at
    /// most 16. Whole ids come alone where there are any, else ids that end with `part` (of 8
    /// characters and more), else ids that hold it; each of these live first, deleted ones only
    /// where no live one matches. Empty: none.
    virtual Result<std::vector<Found>> find(std::string_view part,
                                            std::string_view collection = {}) = 0;
    /// The shortest ending of each id that resolve() finds again; none that begins with '-', which
    /// a command line would take for an option, but where only the whole id will do.
    virtual Result<std::vector<std::string>> short_ids(std::string_view collection,
                                                       const std::vector<std::string>& ids) = 0;
    virtual Result<Page> list(const Query& query) = 0;
    /// One for each of `ids`, in their order, all of one committed state.
    virtual Result<std::vector<Standing>> look_up(std::string_view collection,
                                                  const std::vector<std::string>& ids) = 0;
    /// Visits every live record of the collections, one collection after the other, all of one
    /// committed state, with bounded memory.
    virtual Status each(const EachRequest& request) = 0;
    virtual Result<std::int64_t> count(const Query& query) = 0;
    /// Collections that hold something or are declared, with their number of live records.
    virtual Result<std::vector<std::pair<std::string, std::int64_t>>> collections() = 0;
    /// (value, count) of a member over a collection, in the order of the values.
    virtual Result<std::vector<std::pair<std::string, std::int64_t>>> tally(
        std::string_view collection, std::string_view field) = 0;

    /// Oldest first. not_found: no line of that id.
    virtual Result<std::vector<Version>> history(std::string_view collection,
                                                 std::string_view id) = 0;
    /// The ledger's lines of a record, as they stand in its file. not_found as history().
    virtual Result<std::vector<std::string>> lines(std::string_view collection,
                                                   std::string_view id) = 0;
    /// Takes back the record's last change, whoever made it, by a new line: what it changed is as
    /// it was, times and undeclared members too. With an empty `id`: the last change of this
    /// replica, a batch as a whole; where others changed the record since, its own members alone,
    /// if nobody else wrote those (conflict, and nothing is written: somebody did, or the change
    /// created, deleted or lost). It settles no value that lost, and what the change had settled is
    /// listed again. Taking back what undo() wrote does the change again. not_found: there is
    /// nothing to take back.
    virtual Result<Written> undo(std::string_view collection, std::string_view id) = 0;
    /// SHA-256 over all live records and tombstones, by collection, id and member: equal wherever
    /// the lines are equal.
    virtual Result<std::string> state_hash() = 0;
    virtual Result<std::vector<LostEntry>> lost() = 0;
    virtual Result<std::vector<Finding>> findings() = 0;

    /// What is not settled, by record; of one record alone where `id` is given (a whole id; then
    /// not_found: none is known of it). Empty: nothing.
    virtual Result<std::vector<Conflict>> conflicts(std::string_view collection = {},
                                                    std::string_view id = {}) = 0;
    /// Writes the members' values, also where they are what stands, over all that was written
    /// beside them: the times that go with a status come from the side whose status it is. Markers
    /// around what is settled stay until the next sync(). conflict: the record has changed since,
    /// or has nothing to settle; the rest as write().
    virtual Result<Written> settle(const Settlement& settlement) = 0;

    /// Folds the lines of each record into one (ledger/compact.hpp), file by file. Every record,
    /// its members' stamps and what lost stay as they are; history() and undo() end at the folded
    /// line (action "compacted"). Durable when it returns; after an error, or a power cut, each
    /// file is whole, the old or the new one. Files with markers of a merge are left alone.
    /// timed_out, denied, failed, conflict: as write(), and files before the one of the error may
    /// be compacted.
    virtual Result<CompactReport> compact(const CompactRequest& request) = 0;
    /// Of more than a megabyte, with more than four lines a record. Costs a look at the lines of
    /// such files in the cache.
    virtual Result<std::vector<LongHistory>> long_histories() = 0;

    /// What is known of collections as the files are now, and what of them cannot be read.
    virtual Result<std::shared_ptr<const Catalogue>> catalogue() = 0;
    /// Writes .taskstore/schemas/NAME.json, or makes it another. Records stay as they are, fitting
    /// or not (misfits()). Durable when it returns. exists, not_found: see Declare. conflict: a
    /// built-in kind. invalid, unsupported: the schema or a part of the request. Errors of the
    /// folder as write().
    virtual Result<Declaring> declare(const CollectionRequest& request, Declare which) = 0;
    /// Takes the file away. The records stay, as an untyped collection. not_found: there is none.
    virtual Result<Declaring> undeclare(std::string_view collection) = 0;
    /// In the order of ids; the first `listed_max` with reasons. not_found: no file declares it.
    virtual Result<Misfits> misfits(std::string_view collection, std::size_t listed_max) = 0;

    /// Runs `work` on a connection that reads the cache and changes nothing: for people's own SQL.
    /// It may run twice (the cache turned out to be damaged), so it must start afresh each time.
    virtual Status query(const std::function<Status(sql::Connection&)>& work) = 0;
    virtual std::string cache_path() const = 0;
    virtual std::vector<std::string> take_notes() = 0;  ///< Warnings of reads since the last call.

    // --- one-line forms
    // ---------------------------------------------------------------------------------------
    Result<Record> create(std::string_view collection, std::vector<ledger::Change> changes,
                          std::string id = {});
    Result<Record> update(std::string_view collection, std::string_view id,
                          std::vector<ledger::Change> changes, std::string expected_revision = {});
    Result<Record> remove(std::string_view collection, std::string_view id);
};

/// The SELECT that list() runs, for tests of its plan.
Result<std::string> list_sql_for_testing(const Query& query);

}  // namespace taskstore::records
