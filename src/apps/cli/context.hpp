#pragma once
// What every verb works with: the command line, the plan (opened when asked for), and the two ways
// of answering.

#include "command.hpp"
#include "private_folder.hpp"
#include "terminal.hpp"

#include <taskstore/backends.hpp>
#include <taskstore/config/config.hpp>
#include <taskstore/git/repository.hpp>
#include <taskstore/records/plan.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/store/databases.hpp>
#include <taskstore/store/place.hpp>
#include <taskstore/store/revisions.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <set>

namespace taskstore::cli {

inline constexpr std::int64_t kSchemaVersion = 1;

struct Context {
    explicit Context(Invocation invocation);
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    Invocation call;
    bool json;
    bool quiet;
    Terminal terminal = Terminal::of_stdout();
    /// What has been written, for when the answer itself cannot be printed: "created prd p1".
    std::string wrote;
    /// What all that has been written survives; nothing: nothing was. JSON answers name it.
    std::optional<sql::DurabilityLevel> level;
    void survives(sql::DurabilityLevel commit) {
        level = level ? sql::weaker_of(*level, commit) : commit;
    }
    SystemClock clock;
    SystemRandom random;
    os::SystemFileSystem files;
    sqlite::Driver driver;

    Result<store::Place> place();
    /// The one that the store lies in. Starts no process.
    Result<git::Repository> repository();
    /// For locks of the store; short in a hook of git. Settings must have been read.
    os::LockWait lock_wait();
    /// The plan in git. not_found: the store is in no repository.
    Result<store::Revisions*> revisions();
    /// Where the plan that is asked for lies: the store's folder, or with --at the files of that
    /// revision in a folder that goes away with this object.
    Result<std::string> ledger_folder();
    /// Defaults, the device's file, the plan's file, the environment.
    Result<const config::Config*> settings();
    /// The same, read anew. For any thread.
    Result<config::Config> settings_now() { return read_settings(); }
    enum class Make : std::uint8_t { no, where_missing, for_now };
    enum class TakeIn : std::uint8_t { on_open, later };
    /// Opens the plan. where_missing: makes the store first where a git work tree has none, or in
    /// a folder that was named and is there. for_now: works on an empty one in a temporary folder
    /// then, which goes with the context.
    Result<records::Plan*> plan(Make make = Make::no, TakeIn take_in = TakeIn::on_open);
    /// The device's databases; opens none.
    Result<store::Databases*> databases();
    /// The same by what the settings say now; databases() was called before. For any thread.
    Result<std::shared_ptr<store::Databases>> databases_now();
    /// Where they are by default: the device's home, or the folder that --store or TASKSTORE_DIR
    /// names, unless that lies in a git work tree: state of a device stays out of git.
    Result<std::string> database_home();
    /// Warnings gathered so far go to stderr.
    void flush_notes();
    /// One note on stderr, each text once; a line of JSON with --json: {"note":{"message":…}}.
    /// For any thread: pools and watches have something to say, too.
    void warn(std::string_view text);

    /// The one JSON document of a success; of a write with its level.
    void print_json(std::string_view kind, std::string_view data,
                    std::string_view next_cursor = {}) const;
    /// What was not written by us must have gone through base/display.hpp.
    void print(std::string_view text) const;
    /// What was printed goes out now: who waits for it does not wait for this process to tidy up.
    /// That it could not be written is told at the end.
    void tell_now() const;
    /// A path of the command line, with symbolic links followed as far as the file system has them.
    std::string absolute(const std::string& path) const;
    /// Work that may take over a second tells of itself.
    void progress(std::string_view what, std::int64_t done, std::int64_t total);
    /// Takes that line away, for other output.
    void end_progress() const;
    /// The text of a file or pipe, or of standard input for `-` (once). invalid: it is larger than
    /// `most`.
    struct TextBound {
        std::size_t bytes_max = 64U << 20U;  // a ledger line has no more
        std::string_view why = ", the most that a field holds";
        std::string_view hint = "keep it in a file of its own, and its path in the record";
    };
    Result<std::string> read_text(const std::string& path) { return read_text(path, TextBound()); }
    Result<std::string> read_text(const std::string& path, const TextBound& most);

  private:
    Result<config::Config> read_settings();
    Result<std::unique_ptr<store::Databases>> make_databases(const config::Config& config);
    /// Runs git only where the repository's own settings do not have the answer.
    void note_missing_driver();
    Result<store::Place> scratch_place();
    bool x_stdin_read = false;
    std::mutex x_noting;
    std::set<std::string, std::less<>> x_noted;
    std::unique_ptr<Progress> x_progress;
    std::optional<config::Config> x_settings;
    std::unique_ptr<store::Revisions> x_revisions;
    std::unique_ptr<PrivateFolder> x_at;       ///< Outlives the plan that is opened in it.
    std::unique_ptr<PrivateFolder> x_scratch;  ///< Of a plan for now; outlives it too.
    std::unique_ptr<records::Plan> x_plan;
    std::unique_ptr<Backends> x_backends;  ///< Outlives what it opened.
    std::unique_ptr<store::Databases> x_databases;
};

/// A variable of the environment; null where it is unset or empty, which is the same (XDG).
const char* environment(const char* name);
/// A note for each name that the collection's schema does not have: it may be a slip.
void note_unknown_fields(Context& context, const records::Catalogue& catalogue,
                         const records::Query& query);
/// "1 line", "2 lines".
std::string counted(std::int64_t count, std::string_view one, std::string_view many);
/// Whom lines name where no setting does.
std::string user_name();
/// $TASKSTORE_HOME, else $XDG_DATA_HOME/taskstore, else ~/.local/share/taskstore; empty where none
/// is known.
std::string device_home();
/// Rows of a query of one's own, as a table or as JSON.
Status answer_query(Context& context, sql::Connection& connection, const std::string& text);
Colour colour_of_status(std::string_view status);
/// Local reading aid: "2026-11-21 08:15:30" UTC.
std::string shown_time(std::int64_t ms);

// The verbs: in the files named X_verbs.cpp, by what they are about, and manual.cpp.
Status run_init(Context& context);
Status run_sync(Context& context);
Status run_stats(Context& context);
Status run_state(Context& context);
Status run_doctor(Context& context);
Status run_compact(Context& context);
Status run_install_hooks(Context& context);
Status run_check_staged(Context& context);
Status run_config_show(Context& context);
Status run_version(Context& context);
Status run_sql(Context& context);
Status run_migrate(Context& context);
Status run_backup(Context& context);
Status run_restore(Context& context);
Status run_move(Context& context);
Status run_selftest(Context& context);
Status run_import(Context& context);
Status run_export(Context& context);
Status run_list_prds(Context& context);
Status run_list_task_specs(Context& context);
Status run_list_executions(Context& context);
Status run_show(Context& context);
Status run_kind_add(Context& context);
Status run_kind_set(Context& context);
Status run_kind_rm(Context& context);
Status run_kind_list(Context& context);
Status run_kind_show(Context& context);
Status run_record_add(Context& context);
Status run_record_get(Context& context);
Status run_record_set(Context& context);
Status run_record_rm(Context& context);
Status run_record_list(Context& context);
Status run_collection_add(Context& context);
Status run_collection_set(Context& context);
Status run_collection_rm(Context& context);
Status run_collection_list(Context& context);
Status run_collection_show(Context& context);
Status run_history(Context& context);
Status run_undo(Context& context);
Status run_log(Context& context);
Status run_diff(Context& context);
Status run_textconv(Context& context);
Status run_conflicts(Context& context);
Status run_resolve(Context& context);
Status run_completion(Context& context);
Status run_manual(Context& context);

}  // namespace taskstore::cli
