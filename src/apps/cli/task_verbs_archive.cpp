// taskstore task archive, the list of what is there, and the same for a worker, now and then.

#include "task_verbs.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/store/archive.hpp>
#include <taskstore/tasks/prune.hpp>

#include <mutex>

namespace taskstore::cli {
namespace {

constexpr std::int64_t kMsPerDay = 86'400'000;

using Archive = std::shared_ptr<tasks::TaskArchive>;

/// Whether the settings name a place for the archive alone.
bool is_placed(const store::Databases& databases) {
    constexpr auto kArchive = static_cast<std::size_t>(store::DatabaseName::archive);
    return !databases.options().settings.places[kArchive].value.empty();
}

/// Others share tasks that are on a server: who does not say otherwise would put them where nobody
/// else finds them.
Status check_place(store::Databases& databases) {
    if (is_placed(databases)) return ok();
    TASKSTORE_LET(const store::DatabasePlace tasks, databases.place(store::DatabaseName::tasks));
    TASKSTORE_LET(const store::DatabasePlace archive,
                  databases.place(store::DatabaseName::archive));
    const auto is_file = [](const store::DatabasePlace& place) {
        return sql::row_of(place.location.engine).is_file;
    };
    if (is_file(tasks) || !is_file(archive)) return ok();
    return fail(Code::invalid,
                "the tasks are on a server, and their archive would be a file of "
                "this device alone: " +
                    sql::shown(archive.location))
        .with_hint("set databases.archive in config.toml, or drop them: --drop");
}

Result<Archive> archive_to_fill(Context& context) {
    TASKSTORE_LET(auto databases, context.databases_now());
    TASKSTORE_TRY(check_place(*databases));
    return store::open_archive(std::move(databases));
}

/// Nobody sees what it makes: where the settings place the archive elsewhere, a disk that is not
/// mounted looks as if there were none yet.
Result<Archive> archive_of_chore(Context& context) {
    TASKSTORE_LET(auto databases, context.databases_now());
    TASKSTORE_TRY(check_place(*databases));
    if (!is_placed(*databases)) return store::open_archive(std::move(databases));
    TASKSTORE_LET(const store::DatabasePlace at, databases->place(store::DatabaseName::archive));
    TASKSTORE_LET(Archive archive, store::find_archive(std::move(databases)));
    if (archive) return archive;
    return fail(Code::unavailable, "there is no archive at " + sql::shown(at.location))
        .with_hint("is its disk mounted? 'taskstore migrate --apply --database archive' makes one");
}

std::string counted(std::int64_t count) {
    return std::to_string(count) + (count == 1 ? " task" : " tasks");
}

enum class Fate : std::uint8_t { archive, drop };

void print_report(Context& context, const tasks::PruneReport& report, Fate fate, bool dry_run) {
    const std::string_view verb = fate == Fate::drop ? "drop" : "archive";
    const std::string done = fate == Fate::drop ? "dropped" : "archived";
    if (!dry_run) context.wrote = done + " " + counted(report.gone);
    if (report.level) context.survives(*report.level);
    if (context.json) {
        std::string data;
        JsonWriter(data)
            .begin_object()
            .key(done)
            .integer(report.gone)
            .key("held_back")
            .integer(report.held_back)
            .key("dry_run")
            .boolean(dry_run)
            .end_object();
        context.print_json("task_archive", data);
        return;
    }
    if (context.quiet) return;
    std::string line =
        dry_run ? "would " + std::string(verb) + " " + counted(report.gone) : context.wrote;
    if (report.held_back > 0)
        line += "; " + counted(report.held_back) + " that ended as long ago " +
                (report.held_back == 1 ? "stays: it is" : "stay: they are") + " still needed";
    context.print(line + "\n");
}

/// How long ago tasks ended that go; of the settings where the command line does not say.
Result<std::int64_t> age_asked_for(Context& context) {
    if (context.call.has("older-than"))
        return duration_of("older-than", context.call.value("older-than"));
    TASKSTORE_LET(const config::Config* const settings, context.settings());
    const std::int64_t days = settings->integer("tasks.archive_after_days");
    if (days > 0) return days * kMsPerDay;
    return fail(Code::invalid, "nothing says how old the tasks are that are to be archived")
        .with_hint("give --older-than 30d, or set tasks.archive_after_days in config.toml");
}

}  // namespace

tasks::ArchiveFinder archive_finder(Context& context) {
    return store::archive_finder([&context] { return context.databases_now(); });
}

tasks::ArchiveFinder archive_of_command(Context& context) {
    struct Found {
        std::mutex one_at_a_time;
        std::optional<Result<Archive>> archive;
    };
    return [find = archive_finder(context), found = std::make_shared<Found>()] {
        const std::lock_guard lock(found->one_at_a_time);
        if (!found->archive) found->archive = find();
        return *found->archive;
    };
}

void note_copies_that_stay(Context& context, const tasks::ArchiveFinder& archive) {
    const auto found = archive();
    if (found) return;
    context.warn(
        "the archive cannot be asked: a copy there is not found any more, and goes with "
        "the next 'task rm' of the same: " +
        found.error().message);
}

Status run_task_archive(Context& context) {
    tasks::PruneRequest request{.dry_run = context.call.has("dry-run")};
    TASKSTORE_LET(request.age_ms, age_asked_for(context));
    TASKSTORE_LET(request.project, project_of(context));
    if (context.call.has("limit")) {
        TASKSTORE_LET(request.limit, number_of("limit", context.call.value("limit")));
    }
    TASKSTORE_LET(const config::Config* const settings, context.settings());
    const bool drop = context.call.has("drop") || settings->boolean("tasks.archive_drop");
    if (!drop) {
        TASKSTORE_LET(store::Databases* const databases, context.databases());
        TASKSTORE_TRY(check_place(*databases));
    }
    request.drop = drop;
    const tasks::ArchiveFinder looked_at = archive_of_command(context);
    TASKSTORE_LET(const auto tasks, open_tasks(context, looked_at));
    request.go_on = [&](const tasks::PruneReport& so_far) {
        context.progress(drop ? "dropping tasks" : "archiving tasks", so_far.gone,
                         request.limit.value_or(0));
        return true;
    };
    const tasks::ArchiveFinder filled = [&context] { return archive_to_fill(context); };
    TASKSTORE_LET(const tasks::PruneReport report,
                  tasks::prune_tasks(*tasks, drop ? looked_at : filled, request));
    context.end_progress();
    print_report(context, report, drop ? Fate::drop : Fate::archive, request.dry_run);
    return ok();
}

std::function<Status(const std::stop_token&)> archiving_as_set(Context& context,
                                                               tasks::TaskStore& tasks) {
    const auto prune = [&context, &tasks](const std::stop_token& stop) -> Status {
        TASKSTORE_LET(const config::Config settings, context.settings_now());
        const std::int64_t days = settings.integer("tasks.archive_after_days");
        if (days == 0) return ok();
        const bool drop = settings.boolean("tasks.archive_drop");
        const tasks::PruneRequest request{
            .age_ms = days * kMsPerDay, .drop = drop, .go_on = [&](const tasks::PruneReport&) {
                return !stop.stop_requested();
            }};
        const tasks::ArchiveFinder archive =
            drop ? archive_finder(context)
                 : tasks::ArchiveFinder([&context] { return archive_of_chore(context); });
        TASKSTORE_TRY(tasks::prune_tasks(tasks, archive, request));
        return ok();
    };
    return [prune](const std::stop_token& stop) -> Status {
        const Status done = prune(stop);
        if (done) return done;
        Error error = done.error();
        error.message = "old tasks stay: " + error.message;
        return fail(std::move(error));
    };
}

Result<tasks::TaskPage> list_archive(Context& context, const tasks::TaskFilter& filter) {
    const tasks::ArchiveFinder find = archive_of_command(context);
    TASKSTORE_LET(const Archive archive, find());
    if (!archive) return tasks::TaskPage{};
    TASKSTORE_LET(const auto tasks, open_tasks(context, find));
    return tasks::list_archived(*tasks, *archive, filter);
}

std::optional<std::int64_t> count_archive(Context& context, tasks::TaskStore& tasks,
                                          const std::optional<std::string>& project) {
    const auto archive = archive_finder(context)();
    if (archive && !*archive) return 0;
    const auto count = archive ? tasks::count_archived(tasks, **archive, project)
                               : Result<std::int64_t>(fail(archive.error()));
    if (count) return *count;
    context.warn("what is archived is not counted: " + count.error().message);
    return std::nullopt;
}

}  // namespace taskstore::cli
