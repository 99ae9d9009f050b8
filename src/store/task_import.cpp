#include <taskstore/base/ascii.hpp>
#include <taskstore/store/task_import.hpp>

#include "task_import_order.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/id.hpp>
#include <taskstore/base/json.hpp>

#include <algorithm>
#include <set>

namespace taskstore::store {
namespace {

using founding::FoundTask;
using founding::Standing;
using tasks::Imported;
using tasks::Task;
using tasks::TaskStatus;

constexpr std::size_t kBatchBytesMax = std::size_t{8} << 20U;
constexpr std::string_view kImportMember = "_import";

std::string quoted(std::string_view text) {
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

/// Members of the source that stand nowhere else.
using Was = std::vector<std::pair<std::string, std::string>>;

/// What goes with a task that is to be taken in.
struct Planned {
    std::size_t place = 0;  ///< Among those found.
    std::string hash;
    bool held = false;
    bool for_person = false;
};

/// The source's metadata, its other members, and where it came from.
std::string metadata_of(const FoundTask& found, std::string_view word, const std::string& hash,
                        Was was) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    JsonSlicer slicer;
    std::set<std::string, std::less<>> names;
    if (const auto members = slicer.slice(found.metadata)) {
        for (const JsonMember& member : **members) {
            if (member.name == kImportMember) {
                was.emplace_back("metadata._import", member.raw_value);
                continue;
            }
            writer.key(member.name).raw(member.raw_value);
            names.emplace(member.name);
        }
    } else {
        was.emplace_back("metadata", found.metadata);
    }
    for (const auto& [name, raw] : found.others) {
        if (name == kImportMember || !names.insert(name).second)
            was.emplace_back(name, raw);
        else
            writer.key(name).raw(raw);
    }
    writer.key(kImportMember).begin_object().key(word).begin_object();
    writer.key("id").string(found.id).key("hash").string(hash).key("was").begin_object();
    std::set<std::string> told;
    for (const auto& [name, raw] : was)
        if (told.insert(name).second) writer.key(name).raw(raw);
    writer.end_object().end_object().end_object().end_object();
    return out;
}

/// As `hash` of an import in the metadata of a task; empty: it does not say.
std::string hash_in(const Task& task, std::string_view word) {
    const auto metadata = Json::parse(task.metadata);
    if (!metadata) return {};
    return metadata->get(kImportMember).get(word).get("hash").as_string().value_or("");
}

class Import {
  public:
    Import(tasks::TaskStore* store, const Clock& clock, founding::Found found,
           const TaskImportRequest& request)
        : x_store(store),
          x_clock(clock),
          x_found(std::move(found)),
          x_request(request),
          x_word(founding::word_of(x_found.system)) {}

    Result<TaskImportReport> run() {
        x_report.system = x_found.system;
        x_report.records = x_found.records;
        x_report.refused = std::move(x_found.refused);
        x_report.no_place = std::move(x_found.no_place);
        x_report.notes = std::move(x_found.notes);
        plan();
        TASKSTORE_TRY(pass_over_known());
        if (x_request.dry_run || (x_request.strict && x_report.complete()))
            TASKSTORE_TRY(try_out());
        const bool writes = !x_request.dry_run && !(x_request.strict && !x_report.complete());
        for (std::size_t begin = 0; writes && begin < x_tasks.size();) {
            const std::size_t end = end_of_batch(begin);
            TASKSTORE_TRY(write(begin, end));
            begin = end;
            if (x_request.progress)
                x_request.progress(static_cast<std::int64_t>(end),
                                   static_cast<std::int64_t>(x_tasks.size()));
        }
        tell();
        return std::move(x_report);
    }

  private:
    void refuse(const FoundTask& found, std::string reason) {
        x_report.refused.push_back({found.where, std::move(reason)});
    }

    void plan() {
        const Ordered ordered = order_of(x_found.tasks);
        for (const Ordered::Left& left : ordered.left)
            refuse(x_found.tasks[left.task], left.reason);
        std::set<std::size_t> gone;
        std::set<std::string> ids;
        for (const std::size_t place : ordered.order) {
            const FoundTask& found = x_found.tasks[place];
            std::string behind;
            for (const std::size_t other : ordered.depends_on[place])
                if (gone.contains(other)) behind = x_found.tasks[other].id;
            Planned planned{.place = place,
                            .hash = founding::digest(found),
                            .held = found.standing == Standing::held,
                            .for_person = waits_for_person(place, ordered)};
            Task task = task_of(planned, ordered);
            const Status fits = ids.insert(task.id).second
                                    ? tasks::check_import(task)
                                    : fail(Code::conflict,
                                           "its id is another task's of the same source, but for "
                                           "large and small letters");
            if (behind.empty() && fits) {
                x_planned.push_back(std::move(planned));
                x_tasks.push_back(std::move(task));
                continue;
            }
            gone.insert(place);
            refuse(found, fits ? "it waits for task '" + behind + "', which is left out"
                               : fits.error().message);
        }
    }

    /// Whether all that it waited for has completed: then it waited for a person.
    bool waits_for_person(std::size_t place, const Ordered& ordered) const {
        const FoundTask& found = x_found.tasks[place];
        if (found.standing == Standing::review) return true;
        return found.standing == Standing::blocked &&
               std::ranges::all_of(ordered.depends_on[place], [&](std::size_t other) {
                   return x_found.tasks[other].standing == Standing::completed;
               });
    }

    Task task_of(const Planned& planned, const Ordered& ordered) const {
        const std::size_t place = planned.place;
        const FoundTask& found = x_found.tasks[place];
        Task task{.id = imported_id(x_found.system, found),
                  .project = found.project.empty() ? x_request.project : found.project,
                  .title = found.title,
                  .description = found.description,
                  .command = found.command,
                  .input = found.input,
                  .priority = found.priority,
                  .agent_type = found.agent_type,
                  .retry_count = found.retry_count,
                  .result = found.result,
                  .error = found.error,
                  .exit_code = found.exit_code,
                  .logs = found.logs};
        if (found.max_attempts) task.retry.max_attempts = *found.max_attempts;
        for (const std::size_t other : ordered.depends_on[place])
            task.depends_on.push_back(imported_id(x_found.system, x_found.tasks[other]));
        std::ranges::sort(task.depends_on);
        Was was;
        put_standing(found, planned.for_person, task, was);
        if (ordered.cut[place]) {
            std::string list;
            JsonWriter writer(list);
            writer.begin_array();
            for (const std::string& id : found.depends_on) writer.string(id);
            writer.end_array();
            was.emplace_back("depends_on", std::move(list));
        }
        task.metadata = metadata_of(found, x_word, planned.hash, std::move(was));
        return task;
    }

    void put_standing(const FoundTask& found, bool for_person, Task& task, Was& was) const {
        switch (found.standing) {
            case Standing::completed:
                task.status = TaskStatus::completed;
                break;
            case Standing::failed:
                task.status = TaskStatus::failed;
                break;
            case Standing::cancelled:
                task.status = TaskStatus::cancelled;
                break;
            case Standing::pending:
            case Standing::held:
            case Standing::blocked:
            case Standing::review:
                if (for_person) task.status = TaskStatus::cancelled;
                break;
        }
        if (name_of(task.status) != found.status) was.emplace_back("status", quoted(found.status));
        const std::int64_t last =
            std::max({found.created_at.value_or(0), found.started_at.value_or(0),
                      found.completed_at.value_or(0), found.updated_at.value_or(0)});
        const std::int64_t now = x_clock.wall_ms();
        task.created_at = found.created_at.value_or(last > 0 ? last : now);
        task.updated_at = std::max(found.updated_at.value_or(last), task.created_at);
        if (!is_open(task)) {
            task.assigned_to = found.assigned_to;
            task.started_at = found.started_at;
            task.completed_at = found.completed_at.value_or(task.updated_at);
            return;
        }
        if (found.assigned_to) was.emplace_back("assigned_to", quoted(*found.assigned_to));
        if (found.started_at) was.emplace_back("started_at", std::to_string(*found.started_at));
        if (found.completed_at)
            was.emplace_back("completed_at", std::to_string(*found.completed_at));
    }

    std::size_t end_of_batch(std::size_t begin) const {
        std::size_t bytes = 0;
        std::size_t end = begin;
        while (end < x_tasks.size() && end - begin < kTaskImportBatch && bytes < kBatchBytesMax) {
            const Task& task = x_tasks[end++];
            bytes += task.title.size() + task.input.size() + task.metadata.size();
            for (const auto* text :
                 {&task.description, &task.command, &task.result, &task.error, &task.logs})
                bytes += *text ? (*text)->size() : 0;
        }
        return end;
    }

    /// What is here already goes from the list.
    Status pass_over_known() {
        if (x_store == nullptr) return ok();
        std::size_t kept = 0;
        for (std::size_t begin = 0; begin < x_tasks.size(); begin += kTaskImportBatch) {
            const std::size_t end = std::min(begin + kTaskImportBatch, x_tasks.size());
            std::vector<std::string> ids;
            for (std::size_t i = begin; i < end; ++i) ids.push_back(x_tasks[i].id);
            TASKSTORE_LET(const auto there, x_store->get_tasks(ids));
            for (std::size_t i = begin; i < end; ++i) {
                if (const auto& known = there[i - begin]) {
                    const std::string hash = hash_in(*known, x_word);
                    if (!hash.empty() && hash != x_planned[i].hash) ++x_report.changed;
                    ++x_report.unchanged;
                    continue;
                }
                if (kept != i) {
                    x_tasks[kept] = std::move(x_tasks[i]);
                    x_planned[kept] = std::move(x_planned[i]);
                }
                ++kept;
            }
        }
        x_tasks.resize(kept);
        x_planned.resize(kept);
        return ok();
    }

    Result<tasks::Written<std::vector<Imported>>> import_some(std::span<const Task> tasks,
                                                              bool dry_run) {
        if (x_store == nullptr)
            return tasks::Written<std::vector<Imported>>{
                std::vector(tasks.size(), Imported::created), sql::DurabilityLevel::server};
        return x_store->import_tasks({.tasks = tasks,
                                      .actor = x_request.actor,
                                      .reason = "imported from " + x_word,
                                      .dry_run = dry_run});
    }

    /// What would become of all of them. A strict import that writes wants to know what is refused.
    Status try_out() {
        TASKSTORE_LET(const auto tried, import_some(x_tasks, true));
        for (std::size_t i = 0; i < tried.value.size(); ++i)
            if (x_request.dry_run || tried.value[i] == Imported::lacks_dependency)
                count(x_planned[i], tried.value[i]);
        return ok();
    }

    Status write(std::size_t begin, std::size_t end) {
        TASKSTORE_LET(const auto written,
                      import_some(std::span(x_tasks).subspan(begin, end - begin), false));
        for (std::size_t i = begin; i < end; ++i) {
            const Imported fate = written.value[i - begin];
            count(x_planned[i], fate);
            if (fate == Imported::created && x_tasks[i].project.empty()) ++x_of_no_project;
        }
        if (std::ranges::count(written.value, Imported::created) > 0)
            x_report.level =
                x_report.level ? sql::weaker_of(*x_report.level, written.level) : written.level;
        return ok();
    }

    void count(const Planned& planned, Imported fate) {
        switch (fate) {
            case Imported::created:
                ++x_report.created;
                if (planned.held) ++x_report.held;
                if (planned.for_person) ++x_report.for_person;
                break;
            case Imported::there:
                ++x_report.unchanged;
                break;
            case Imported::removed:
                ++x_report.removed;
                break;
            case Imported::lacks_dependency:
                refuse(x_found.tasks[planned.place],
                       "it waits for a task that was removed here, or is archived and will never "
                       "complete");
                break;
        }
    }

    void tell() {
        const auto note = [&](std::int64_t count, const std::string& one, const std::string& many) {
            if (count > 0)
                x_report.notes.push_back(std::to_string(count) + " " + (count == 1 ? one : many));
        };
        note(x_report.held, "task was in progress there, and is pending here",
             "tasks were in progress there, and are pending here");
        note(x_report.for_person,
             "task waited there for a person, and is cancelled here: 'taskstore task retry ID' "
             "makes it pending",
             "tasks waited there for a person, and are cancelled here: 'taskstore task retry ID' "
             "makes one pending");
        note(x_report.changed, "task has changed there since it was imported; what is here stands",
             "tasks have changed there since they were imported; what is here stands");
        note(x_report.removed, "task was removed here, and stays so",
             "tasks were removed here, and stay so");
        for (const auto& [name, unread] : x_found.unread)
            x_report.notes.push_back(name + " of " + std::to_string(unread.count) +
                                     (unread.count == 1 ? " task" : " tasks") +
                                     " cannot be read (" + unread.first +
                                     "); as it stands there it is in the metadata");
        note(x_of_no_project,
             "task is of no project: --all-projects shows and claims it, 'taskstore task set ID "
             "--project P' gives it one",
             "tasks are of no project: --all-projects shows and claims them, 'taskstore task set "
             "ID --project P' gives one to a project");
        note(x_found.local_times, "time has no zone, and was read as local time",
             "times have no zone, and were read as local time");
    }

    tasks::TaskStore* x_store;
    const Clock& x_clock;
    founding::Found x_found;
    const TaskImportRequest& x_request;
    const std::string x_word;
    std::vector<Task> x_tasks;       ///< To be taken in, those first that others depend on.
    std::vector<Planned> x_planned;  ///< Of each of them.
    std::int64_t x_of_no_project = 0;
    TaskImportReport x_report;
};

}  // namespace

std::string imported_id(founding::System system, const FoundTask& task) {
    if (is_uuid(task.id)) return ascii::lowered(task.id);
    constexpr std::size_t kTimeDigits = 12;
    constexpr std::string_view kDigits = "0123456789abcdef";
    const std::int64_t at = task.created_as_written;
    const std::string hash = sha256_hex(std::string(founding::word_of(system)) + "\n" + task.id +
                                        "\n" + std::to_string(at));
    std::string digits;
    for (std::size_t i = kTimeDigits; i-- > 0;)
        digits += kDigits[(static_cast<std::uint64_t>(at) >> (4 * i)) & 0xFU];
    // RFC 9562: version 7, and a digit of 8 to b.
    const std::size_t variant = 8 + (kDigits.find(hash[3]) & 3U);
    digits += "7" + hash.substr(0, 3) + kDigits[variant] + hash.substr(4, 15);
    return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" +
           digits.substr(16, 4) + "-" + digits.substr(20);
}

Result<TaskImportReport> import_found(tasks::TaskStore* store, const Clock& clock,
                                      founding::Found found, const TaskImportRequest& request) {
    return Import(store, clock, std::move(found), request).run();
}

}  // namespace taskstore::store
