// What the verbs of tasks share: where they are, how values are spelt, how tasks are shown.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/id.hpp>
#include <taskstore/base/text.hpp>

#include <array>
#include <charconv>
#include <set>

namespace taskstore::cli {
namespace {
constexpr std::int64_t kNsPerMs = 1'000'000;
}  // namespace

using tasks::Task;

namespace {

Result<work::RunFolder> run_folder_in(Context& context, const store::Databases& databases) {
    TASKSTORE_LET(const store::DatabasePlace at, databases.place(store::DatabaseName::tasks));
    if (sql::row_of(at.location.engine).is_file) return work::run_folder_beside(at.location.text);
    TASKSTORE_LET(const std::string home, context.database_home());
    return work::run_folder(home, at.location.text);
}

Result<std::string> place_in(const store::Databases& databases) {
    TASKSTORE_LET(const store::DatabasePlace at, databases.place(store::DatabaseName::tasks));
    return sql::text_of(at.location);
}

/// `owner` is kept: whose the databases are.
Result<work::TasksAt> tasks_in(Context& context, store::Databases& databases,
                               tasks::ArchiveFinder archive, std::shared_ptr<void> owner = {}) {
    TASKSTORE_LET(sql::Database* const database, databases.open(store::DatabaseName::tasks));
    TASKSTORE_LET(const work::RunFolder run, run_folder_in(context, databases));
    TASKSTORE_LET(std::string place, place_in(databases));
    return work::TasksAt{.store = tasks::make_task_store(*database, context.clock, context.random,
                                                         {.owner = std::move(owner),
                                                          .before_freeing = work::end_lapsed(run),
                                                          .archive = std::move(archive)}),
                         .database = database,
                         .place = std::move(place),
                         .run = run};
}

}  // namespace

Result<std::shared_ptr<tasks::TaskStore>> open_tasks(Context& context) {
    return open_tasks(context, archive_of_command(context));
}

Result<std::shared_ptr<tasks::TaskStore>> open_tasks(Context& context,
                                                     tasks::ArchiveFinder archive) {
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    TASKSTORE_LET(work::TasksAt at, tasks_in(context, *databases, std::move(archive)));
    return std::move(at.store);
}

Result<std::unique_ptr<work::FollowingStore>> open_tasks_to_stay(Context& context,
                                                                 work::Patience patience) {
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    const tasks::ArchiveFinder archive = archive_finder(context);
    TASKSTORE_LET(work::TasksAt at, tasks_in(context, *databases, archive));
    work::TasksNow now{
        .place = [&context]() -> Result<std::string> {
            TASKSTORE_LET(const std::shared_ptr<store::Databases> found, context.databases_now());
            return place_in(*found);
        },
        .open = [&context, archive]() -> Result<work::TasksAt> {
            TASKSTORE_LET(const std::shared_ptr<store::Databases> found, context.databases_now());
            return tasks_in(context, *found, archive, found);
        }};
    return std::make_unique<work::FollowingStore>(context.clock, std::move(at), std::move(now),
                                                  patience);
}

Result<work::RunFolder> run_folder_of(Context& context) {
    TASKSTORE_LET(const store::Databases* const databases, context.databases());
    return run_folder_in(context, *databases);
}

Status rescue_first(Context& context, tasks::TaskStore& store) {
    TASKSTORE_LET(const work::RunFolder run, run_folder_of(context));
    TASKSTORE_TRY(work::rescue_dead(store, context.files, run));
    TASKSTORE_LET(const config::Config* const settings, context.settings());
    TASKSTORE_TRY(work::free_lost(store, run, settings->integer("tasks.session_grace_ms")));
    return ok();
}

Result<std::string> task_actor(Context& context) {
    TASKSTORE_LET(const config::Config* const config, context.settings());
    std::string actor = config->text("user.actor");
    return actor.empty() ? user_name() : actor;
}

Result<std::optional<std::string>> project_of(Context& context) {
    if (context.call.has("project")) {
        if (context.call.has("all-projects"))
            return fail(Code::invalid, "--project names one, --all-projects all: choose one");
        return std::optional(context.call.value("project"));
    }
    if (context.call.has("all-projects")) return std::optional<std::string>();
    const auto repository =
        git::Repository::find(context.files, context.absolute("."), git::Environment::of_process());
    if (!repository) return std::optional<std::string>();
    // All work trees of a repository are one project: it goes by the folder that they share.
    std::string folder = repository->common_dir();
    if (folder.ends_with("/.git")) folder.resize(folder.size() - 5);
    std::string name = folder.substr(folder.rfind('/') + 1);
    if (name.empty() || first_invalid_utf8(name)) return std::optional<std::string>();
    return std::optional(std::move(name));
}

Result<std::int64_t> number_of(std::string_view option, const std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        return fail(Code::invalid,
                    "--" + std::string(option) + " wants a whole number, not '" + text + "'");
    return number;
}

Result<std::int64_t> duration_of(std::string_view option, const std::string& text) {
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits{
        {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && number >= 0 && number <= 36'600) {
        const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
        for (const auto& [unit, ms] : kUnits)
            if (rest == unit) return number * ms;
    }
    if (error == std::errc() && text.ends_with("ms") && number >= 0 && number <= 31'622'400'000)
        return number;
    return fail(Code::invalid, "--" + std::string(option) +
                                   " wants a duration such as 500ms, 30s, 10m, 2h or 7d, not '" +
                                   text + "'");
}

Result<std::int64_t> time_of(Context& context, std::string_view option, const std::string& text) {
    if (text.starts_with('+') || text.starts_with('-')) {
        TASKSTORE_LET(const std::int64_t ms, duration_of(option, text.substr(1)));
        return context.clock.wall_ms() + (text[0] == '+' ? ms : -ms);
    }
    if (text.find_first_not_of("0123456789") == std::string::npos) return number_of(option, text);
    auto at = parse_rfc3339_ms(text);
    if (!at)
        return fail(Code::invalid, "--" + std::string(option) +
                                       " wants a time such as 2026-11-21T08:00:00Z, Unix "
                                       "milliseconds, +10m from now or -10m, not '" +
                                       text + "'");
    return at;
}

Result<std::string> task_id_of(tasks::TaskStore& store, const std::string& part) {
    // A whole one needs no look.
    if (is_uuid(part)) return part;
    return store.find_id(part);
}

Failure no_such_task(const std::string& id) {
    return fail(Code::not_found, "there is no task '" + id + "'")
        .with_hint("look at 'taskstore task list --all-projects'");
}

Status complete_ids(tasks::TaskStore& store, std::vector<std::string>& parts) {
    for (std::string& part : parts) {
        TASKSTORE_LET(part, task_id_of(store, part));
    }
    return ok();
}

Status complete_references(tasks::TaskStore& store, tasks::CreateTask& task) {
    if (task.parent) {
        TASKSTORE_LET(task.parent, task_id_of(store, *task.parent));
    }
    return complete_ids(store, task.depends_on);
}

Result<std::string> text_option(Context& context, std::string_view option) {
    std::string text = context.call.value(option);
    if (text == "-") return context.read_text("-");
    if (text.starts_with("@@")) return text.substr(1);
    if (text.starts_with('@')) return context.read_text(text.substr(1));
    return text;
}

namespace {

/// To endings that tell them apart, which any verb takes: ids that are made one after the other
/// begin alike.
void shorten_ids(std::vector<std::vector<Cell>>& rows) {
    constexpr std::size_t kWholeMax = 12;
    for (std::size_t count = 8; count <= 24; count += 4) {
        std::set<std::string> endings;
        for (const auto& row : rows) {
            const std::string& id = row[0].text;
            endings.insert(
                id.size() <= kWholeMax || id.size() <= count ? id : id.substr(id.size() - count));
        }
        if (endings.size() < rows.size()) continue;
        for (auto& row : rows) {
            std::string& id = row[0].text;
            if (id.size() > kWholeMax && id.size() > count) id.erase(0, id.size() - count);
        }
        return;
    }
}

}  // namespace

void print_tasks(Context& context, const std::vector<Task>& list, const std::string& next_cursor) {
    if (context.json) {
        context.print_json("task_list", task_list_json(list), next_cursor);
        return;
    }
    if (context.quiet) {
        for (const Task& task : list) context.print(task.id + "\n");
        return;
    }
    if (list.empty()) {
        context.print("no tasks\n");
        return;
    }
    std::vector<std::vector<Cell>> rows;
    for (const Task& task : list)
        rows.push_back({{task.id},
                        {printable_line(task.title)},
                        {std::string(name_of(task.status)), colour_of_status(name_of(task.status))},
                        {std::to_string(task.priority)},
                        {printable_line(task.assigned_to.value_or(""))},
                        {task.fence == 0 ? "" : std::to_string(task.fence)},
                        {printable_line(task.project)}});
    const std::vector<std::string> head{"ID",     "TITLE", "STATUS", "PRIORITY",
                                        "HOLDER", "FENCE", "PROJECT"};
    if (context.terminal.width() != 0 && table_width(head, rows) > context.terminal.width())
        shorten_ids(rows);
    context.print(format_table(context.terminal, head, rows));
    if (!next_cursor.empty()) context.print("more: --cursor " + next_cursor + "\n");
}

Result<std::int64_t> deadline_of(Context& context, std::string_view option) {
    if (!context.call.has(option)) return std::int64_t{0};
    TASKSTORE_LET(const std::int64_t ms, duration_of(option, context.call.value(option)));
    return context.clock.boot_ns() + std::max<std::int64_t>(ms * kNsPerMs, 1);
}

Failure waited_in_vain(const std::string& what) {
    return fail(Code::timed_out, what).with_hint("wait longer, or look again later");
}

void print_task(Context& context, const Task& task, const std::string& line) {
    context.wrote = line;
    if (context.json)
        context.print_json("task", task_json(task));
    else
        context.print((context.quiet ? task.id : line) + "\n");
}

void print_task_written(Context& context, const tasks::Written<Task>& written,
                        std::string_view verb) {
    context.survives(written.level);
    print_task(context, written.value, std::string(verb) + " task " + written.value.id);
}

}  // namespace taskstore::cli
