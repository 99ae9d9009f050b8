// taskstore selftest: shows on people's own disk and engine that tasks are claimed once.

#include "context.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/os/signals.hpp>
#include <taskstore/ownership/trial.hpp>
#include <taskstore/sql/retry.hpp>

#include <charconv>

namespace taskstore::cli {
namespace {

constexpr std::int64_t kOperations = 20'000;
constexpr std::int64_t kOperationsMax = 100'000'000;
constexpr std::int64_t kProcesses = 16;
constexpr std::int64_t kProcessesMax = 256;
constexpr std::int64_t kPatienceNs = 60'000'000'000;
constexpr std::size_t kReportsShown = 3;

Result<std::int64_t> number_within(Context& context, std::string_view option,
                                   std::int64_t otherwise, std::int64_t least, std::int64_t most) {
    if (!context.call.has(option)) return otherwise;
    const std::string text = context.call.value(option);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && number >= least &&
        number <= most)
        return number;
    return fail(Code::invalid, "--" + std::string(option) + " is a number from " +
                                   std::to_string(least) + " to " + std::to_string(most));
}

/// Where the trial takes place, out of the way of what is there.
struct Scratch {
    std::string folder;  ///< What the processes were told; a file's database too.
    sql::Location location;
    std::string schema = "tasks";
    const sql::EngineRow& engine() const { return sql::row_of(location.engine); }
    bool has_own_room() const { return engine().is_file || engine().has_schemas; }
};

std::string fresh_name(Context& context) {
    // With what stands before them no more than the name of a schema may have.
    std::string hex = "000000000000";
    const std::uint64_t number = context.random.next_u64();
    for (std::size_t i = 0; i < hex.size(); ++i)
        hex[i] = "0123456789abcdef"[(number >> (4 * i)) & 15U];
    return "taskstore_selftest_" + hex;
}

Result<Scratch> scratch_of(Context& context, store::Databases& databases) {
    store::DatabaseSettings settings = databases.options().settings;
    const bool named = context.call.has("place");
    if (named) {
        for (store::DatabaseSettings::Text* text :
             {&settings.backend, &settings.path, &settings.url})
            *text = {};
        settings.places[static_cast<std::size_t>(store::DatabaseName::tasks)] = {
            context.call.value("place"), "--place", true};
    }
    TASKSTORE_LET(const store::DatabasePlace at,
                  store::place_of(store::DatabaseName::tasks, settings));
    Scratch scratch{.folder = {}, .location = at.location};
    const std::string name = fresh_name(context);
    if (scratch.engine().is_file) {
        scratch.folder = os::join_path(os::folder_of(at.location.text), name);
        scratch.location.text = os::join_path(scratch.folder, "tasks.db");
    } else {
        TASKSTORE_LET(const std::string home, context.database_home());
        scratch.folder = os::join_path(home, name);
    }
    if (scratch.engine().has_schemas) scratch.schema = name;
    if (!scratch.has_own_room() && !named)
        return fail(Code::unsupported,
                    sql::shown(at.location) + " has no room apart for a trial beside its tasks")
            .with_hint("name an empty database with --place");
    return scratch;
}

class Ground {
  public:
    Ground(store::Databases& databases, const Scratch& scratch)
        : x_options(databases.options()), x_scratch(scratch) {}

    /// In a process of the trial.
    Result<std::unique_ptr<tasks::TaskStore>> open(const Clock& clock, Random& random) const {
        TASKSTORE_LET(sql::Part* const part, x_options.part(x_scratch.location.engine));
        const sql::OpenRequest asked = request(clock, random);
        Result<std::shared_ptr<sql::Database>> made = std::shared_ptr<sql::Database>();
        TASKSTORE_TRY(sql::retry(
            {.base_ms = 20, .cap_ms = 250, .deadline_boot_ns = clock.boot_ns() + kPatienceNs},
            clock, random, [&]() -> Status {
                made = open_once(*part, asked);
                if (made) return ok();
                // Opening it again does what is missing, and no more.
                Error error = made.error();
                if (error.code == Code::outcome_unknown) error.code = Code::unavailable;
                return fail(std::move(error));
            }));
        sql::Database& database = **made;
        return tasks::make_task_store(database, clock, random, {.owner = std::move(*made)});
    }

    /// A place that somebody named may hold what is theirs.
    Status check_empty(const Clock& clock, Random& random) const {
        if (x_scratch.has_own_room()) return ok();
        TASKSTORE_LET(sql::Part* const part, x_options.part(x_scratch.location.engine));
        TASKSTORE_LET(const auto connection, part->connect(request(clock, random)));
        TASKSTORE_LET(const auto found, sql::find_identity(*connection, tasks::kModule));
        if (!found) return ok();
        return fail(Code::conflict, sql::shown(x_scratch.location) + " holds tasks")
            .with_hint("name an empty database: a trial fills it");
    }

    Status remove(Context& context) const {
        if (x_scratch.engine().has_schemas) {
            TASKSTORE_LET(sql::Part* const part, x_options.part(x_scratch.location.engine));
            TASKSTORE_LET(const auto connection,
                          part->connect(request(context.clock, context.random)));
            TASKSTORE_TRY(connection->execute("DROP SCHEMA \"" + x_scratch.schema + "\" CASCADE"));
        }
        TASKSTORE_LET(const auto names, context.files.list(x_scratch.folder));
        for (const std::string& name : names)
            TASKSTORE_TRY(context.files.unlink(os::join_path(x_scratch.folder, name)));
        return context.files.remove_directory(x_scratch.folder);
    }

  private:
    sql::OpenRequest request(const Clock& clock, Random& random) const {
        sql::PoolOptions pool = x_options.pool;
        pool.max_connections = 2;
        pool.min_connections = 0;
        return {.location = x_scratch.location,
                .name = x_scratch.schema,
                .pool = pool,
                .pooler = x_options.pooler,
                .token = x_options.token,
                .clock = &clock,
                .random = &random};
    }
    static Result<std::shared_ptr<sql::Database>> open_once(sql::Part& part,
                                                            const sql::OpenRequest& asked) {
        {
            TASKSTORE_LET(const auto connection, part.connect(asked));
            TASKSTORE_TRY(sql::migrate(*connection, tasks::kModule,
                                       tasks::migrations(connection->dialect()), *asked.clock));
            TASKSTORE_TRY(sql::identify(*connection, tasks::kModule, *asked.clock, *asked.random));
        }
        TASKSTORE_LET(auto database, part.open_database(asked));
        return std::shared_ptr<sql::Database>(std::move(database));
    }

    const store::DatabasesOptions& x_options;
    const Scratch& x_scratch;
};

void print_report(Context& context, const Scratch& scratch, const ownership::TrialOptions& options,
                  const ownership::TrialReport& report) {
    if (context.json) {
        std::string data;
        JsonWriter writer(data);
        writer.begin_object().key("place").string(sql::shown(scratch.location));
        writer.key("seed").integer(static_cast<std::int64_t>(options.seed));
        writer.key("processes").integer(options.processes);
        writer.key("operations").integer(report.verdict.operations);
        writer.key("tasks").integer(report.verdict.tasks);
        writer.key("claimed").integer(report.claimed);
        writer.key("completed").integer(report.completed);
        writer.key("refused").integer(report.refused);
        writer.key("unanswered").integer(report.unanswered);
        writer.key("kills").integer(report.kills);
        writer.key("pauses").integer(report.pauses);
        writer.key("jumps").integer(report.jumps);
        writer.key("took_ms").integer(report.took_ms);
        writer.key("violations").integer(std::ssize(report.verdict.violations)).end_object();
        context.print_json("selftest_report", data);
        return;
    }
    const auto number = [](std::int64_t value) { return std::to_string(value); };
    context.print(
        number(options.processes) + " processes asked " + number(report.verdict.operations) +
        " times about " + counted(report.verdict.tasks, "task", "tasks") + " in " +
        printable_line(sql::shown(scratch.location)) + ", seed " + std::to_string(options.seed) +
        "\n" + number(report.claimed) + " claims, " + number(report.completed) + " completed, " +
        number(report.refused) + " refused, " + number(report.unanswered) + " asked again; " +
        number(report.kills) + " processes killed, " + number(report.pauses) +
        " paused, the clock set " + number(report.jumps) + " times, " +
        number(report.took_ms / 1'000) + " s\n" +
        "no task was held twice, no stale write was accepted, nothing that was "
        "acknowledged is lost\n");
}

std::string kept(const Scratch& scratch) {
    return "all that was asked and told is kept in " + scratch.folder +
           (scratch.engine().has_schemas ? ", the tasks in the schema " + scratch.schema : "");
}

Failure violated(const Scratch& scratch, const ownership::TrialReport& report) {
    std::string message = "what the processes were told cannot all be true: " +
                          counted(std::ssize(report.verdict.violations), "task", "tasks");
    for (std::size_t i = 0; i < std::min(report.verdict.violations.size(), kReportsShown); ++i)
        message += "\n" + report.verdict.violations[i].report;
    return fail(Code::failed, message).with_hint(kept(scratch) + ": please report it");
}

}  // namespace

Status run_selftest(Context& context) {
    if (!context.call.has("ownership"))
        return fail(Code::invalid, "selftest wants to know what to try: --ownership");
    ownership::TrialOptions options;
    TASKSTORE_LET(options.operations,
                  number_within(context, "operations", kOperations, 1, kOperationsMax));
    TASKSTORE_LET(const std::int64_t processes,
                  number_within(context, "processes", kProcesses, 1, kProcessesMax));
    options.processes = static_cast<int>(processes);
    const auto chosen = static_cast<std::int64_t>(context.random.next_u64() >> 40U);
    TASKSTORE_LET(const std::int64_t seed,
                  number_within(context, "seed", chosen, 0, std::int64_t{1} << 32U));
    options.seed = static_cast<std::uint64_t>(seed);
    TASKSTORE_LET(os::StopSignals signals, os::StopSignals::take());
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    TASKSTORE_LET(const Scratch scratch, scratch_of(context, *databases));
    const Ground ground(*databases, scratch);
    TASKSTORE_TRY(ground.check_empty(context.clock, context.random));
    TASKSTORE_TRY(os::make_directories(context.files, scratch.folder, 0700));
    options.folder = scratch.folder;
    options.open = [&](const Clock& clock, Random& random) { return ground.open(clock, random); };
    options.progress = [&](std::int64_t done, std::int64_t total) {
        context.progress("trying", done, total);
    };
    options.stopped = [&] { return signals.look().has_value(); };
    const auto remove = [&]() -> Status {
        auto removed = ground.remove(context);
        if (removed) return removed;
        Error error = std::move(removed).error();
        error.message = "what the trial made cannot be removed: " + error.message;
        error.hint = kept(scratch);
        return fail(std::move(error));
    };
    auto tried = ownership::run_trial(options, context.files, context.clock);
    if (!tried && tried.error().code == Code::cancelled) {
        TASKSTORE_TRY(remove());
        return fail(std::move(tried).error())
            .with_hint(scratch.has_own_room()
                           ? "nothing of it is left; let it run to its end to hear what it finds"
                           : "its tasks stay in " + sql::shown(scratch.location));
    }
    if (!tried) {
        Error error = std::move(tried).error();
        error.hint = kept(scratch) + (error.hint.empty() ? "" : "; " + error.hint);
        return fail(std::move(error));
    }
    const ownership::TrialReport& report = *tried;
    if (!report.verdict.violations.empty()) return violated(scratch, report);
    TASKSTORE_TRY(remove());
    print_report(context, scratch, options, report);
    return ok();
}

}  // namespace taskstore::cli
