// taskstore task archive, the list of what is there, and the same for a worker, now and then.

#include "task_verbs.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/store/archive.hpp>
#include <taskstore/tasks/prune.hpp>

#include <algorithm>
#include <mutex>
#include <set>

namespace taskstore::cli {
namespace {

constexpr std::int64_t kMsPerDay = 86'400'000;

using Archive = std::shared_ptr<tasks::TaskArchive>;

/// Others share tasks that are on a server: who does not say otherwise would put them where nobody
/// else finds them.
Status check_place(store::Databases& databases) {
    constexpr auto kArchive = static_cast<std::size_t>(store::DatabaseName::archive);
    if (!databases.options().settings.places[kArchive].value.empty()) return ok();
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

std::string counted(std::int64_t count) {
    return std::to_string(count) + (count == 1 ? " task" : " tasks");
}

void print_report(Context& context, const tasks::PruneReport& report, bool drop, bool dry_run) {
    const std::string_view verb = drop ? "drop" : "archive";
    context.wrote = std::string(drop ? "dropped " : "archived ") + counted(report.gone);
    if (report.level) context.survives(*report.level);
    if (context.json) {
        std::string data;
        JsonWriter(data)
            .begin_object()
            .key(drop ? "dropped" : "archived")
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

ArchiveFinder archive_finder(Context& context) {
    const auto one_at_a_time = std::make_shared<std::mutex>();
    return [&context, one_at_a_time]() -> Result<Archive> {
        const std::lock_guard lock(*one_at_a_time);
        // As the settings say now: it may have moved since.
        TASKSTORE_LET(auto databases, context.databases_now());
        return store::find_archive(std::move(databases));
    };
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
    TASKSTORE_LET(const auto tasks, open_tasks(context));
    Archive archive;
    if (!drop && !request.dry_run) {
        TASKSTORE_LET(archive, archive_to_fill(context));
    }
    request.go_on = [&](const tasks::PruneReport& so_far) {
        context.progress(drop ? "dropping tasks" : "archiving tasks", so_far.gone,
                         request.limit.value_or(0));
        return true;
    };
    TASKSTORE_LET(const tasks::PruneReport report,
                  tasks::prune_tasks(*tasks, archive.get(), request));
    context.end_progress();
    print_report(context, report, drop, request.dry_run);
    return ok();
}

Result<std::function<Status(const std::stop_token&)>> archiving_as_set(Context& context,
                                                                       tasks::TaskStore& tasks) {
    using Chore = std::function<Status(const std::stop_token&)>;
    TASKSTORE_LET(const config::Config* const settings, context.settings());
    const std::int64_t age_ms = settings->integer("tasks.archive_after_days") * kMsPerDay;
    const bool drop = settings->boolean("tasks.archive_drop");
    if (age_ms == 0) return Chore();
    return Chore([&context, &tasks, age_ms, drop](const std::stop_token& stop) -> Status {
        Archive archive;
        if (!drop) {
            TASKSTORE_LET(archive, archive_to_fill(context));
        }
        const tasks::PruneRequest request{
            .age_ms = age_ms,
            .go_on = [&](const tasks::PruneReport&) { return !stop.stop_requested(); }};
        TASKSTORE_TRY(tasks::prune_tasks(tasks, archive.get(), request));
        return ok();
    });
}

Result<tasks::TaskPage> list_archive(Context& context, const tasks::TaskFilter& filter) {
    TASKSTORE_LET(const Archive archive, archive_finder(context)());
    if (!archive) return tasks::TaskPage{};
    TASKSTORE_LET(tasks::TaskPage page, archive->list_tasks(filter));
    // What the tasks have too is theirs.
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    TASKSTORE_LET(sql::Database* const database, databases->open(store::DatabaseName::tasks));
    const auto kept = tasks::make_task_store(*database, context.clock, context.random);
    std::vector<std::string> ids;
    for (const tasks::Task& task : page.tasks) ids.push_back(task.id);
    TASKSTORE_LET(const auto found, kept->get_tasks(ids));
    std::set<std::string> theirs;
    for (const auto& task : found)
        if (task) theirs.insert(task->id);
    std::erase_if(page.tasks, [&](const tasks::Task& task) { return theirs.contains(task.id); });
    return page;
}

Result<std::int64_t> count_archive(Context& context, const std::optional<std::string>& project) {
    TASKSTORE_LET(const Archive archive, archive_finder(context)());
    return archive ? archive->count(project) : Result<std::int64_t>(std::int64_t{0});
}

}  // namespace taskstore::cli
