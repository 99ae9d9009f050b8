#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/founding/adt.hpp>
#include <taskstore/founding/copy.hpp>
#include <taskstore/founding/task_table.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace taskstore::founding {
namespace {

constexpr std::int64_t kSmallBytesMax = 16 << 20;
/// Of folders within folders; no link is followed.
constexpr int kDepthMax = 8;

class Reading {
  public:
    Reading(os::FileSystem& files, const AdtHome& home) : x_files(files), x_home(home) {}

    Result<Found> all() {
        TASKSTORE_LET(const os::FileInfo info, x_files.info(x_home.folder));
        if (info.kind != os::FileKind::directory)
            return fail(Code::invalid, "'" + x_home.folder + "' is no folder")
                .with_hint("a home of ADT is a folder, ~/.adt where nothing else was set");
        TASKSTORE_LET(const auto names, x_files.list(x_home.folder));
        const auto has = [&](std::string_view name) {
            return std::ranges::find(names, name) != names.end();
        };
        if (!has("queue") && !has("data") && !has("agents") && !has("config.yml"))
            return fail(Code::invalid, "'" + x_home.folder +
                                           "' is no home of ADT: it has neither queue/tasks.json, "
                                           "data/tasks.db, agents/ nor config.yml");
        TASKSTORE_TRY(databases());
        TASKSTORE_TRY(queue());
        for (const std::string& name : names) {
            if (name == "queue" || name == "data") continue;
            if (name == "config.yml")
                settings(name);
            else if (name == "agents" || name == "logs")
                folder(name, name == "agents" ? "state of agents" : "logs of agents", 0);
            else
                x_found.no_place.push_back({"no file of ADT that is known", name, 1});
        }
        return std::move(x_found);
    }

  private:
    std::string at(const std::string& name) const { return os::join_path(x_home.folder, name); }
    void refuse(const std::string& name, const Error& error) {
        x_found.refused.push_back({name, error.message});
    }

    Result<std::vector<std::string>> names_in(const std::string& name) {
        auto names = x_files.list(at(name));
        if (!names && names.error().code == Code::not_found) return std::vector<std::string>();
        return names;
    }

    Status databases() {
        TASKSTORE_LET(const auto names, names_in("data"));
        for (const std::string& name : names) {
            const std::string path = "data/" + name;
            if (name.ends_with("-wal") || name.ends_with("-shm") || name.ends_with("-journal"))
                continue;
            if (!name.ends_with(".db")) {
                x_found.no_place.push_back({"no file of ADT that is known", path, 1});
                continue;
            }
            const bool tasks = name == "tasks.db";
            auto status = database(path, tasks);
            if (!status && tasks) return status;
            if (!status) refuse(path, status.error());
        }
        return ok();
    }

    Status database(const std::string& name, bool wants_tasks) {
        TASKSTORE_LET(const auto connection, x_home.open(at(name)));
        return read_tasks(
            *connection, {.where = name, .zone = x_home.zone, .wants_tasks = wants_tasks}, x_found);
    }

    Status queue() {
        TASKSTORE_LET(const auto names, names_in("queue"));
        for (const std::string& name : names)
            if (name != "tasks.json")
                x_found.no_place.push_back({"no file of ADT that is known", "queue/" + name, 1});
        if (std::ranges::find(names, "tasks.json") == names.end()) return ok();
        const std::string path = at("queue/tasks.json");
        TASKSTORE_TRY(check_readable(x_files, path, kQueueBytesMax));
        TASKSTORE_LET(const std::string text, os::read_file(x_files, path, kQueueBytesMax));
        const std::size_t of_table = x_found.tasks.size();
        TASKSTORE_TRY(read_queue(text, "queue/tasks.json", x_home.zone, x_found));
        drop_known(of_table);
        return ok();
    }

    /// ADT took its queue over into the database: that is the later one.
    void drop_known(std::size_t of_table) {
        std::set<std::string_view> known;
        for (std::size_t i = 0; i < of_table; ++i) known.insert(x_found.tasks[i].id);
        std::int64_t both = 0;
        std::vector<FoundTask> kept;
        for (std::size_t i = of_table; i < x_found.tasks.size(); ++i) {
            if (known.contains(x_found.tasks[i].id))
                ++both;
            else
                kept.push_back(std::move(x_found.tasks[i]));
        }
        x_found.tasks.resize(of_table);
        std::ranges::move(kept, std::back_inserter(x_found.tasks));
        x_found.records -= both;
        if (both > 0)
            x_found.notes.push_back(std::to_string(both) +
                                    " tasks of queue/tasks.json are in data/tasks.db too, which "
                                    "counts");
    }

    /// Files that have no place, by the folder that they lie in.
    void folder(const std::string& name, const std::string& what, int depth) {
        const auto info = x_files.link_info(at(name));
        if (!info || info->kind != os::FileKind::directory) {
            x_found.refused.push_back({name, "it is no folder, and was not looked into"});
            return;
        }
        const auto names = x_files.list(at(name));
        if (!names) return refuse(name, names.error());
        std::int64_t count = 0;
        for (const std::string& one : *names) {
            const std::string inner = name + "/" + one;
            const auto inside = x_files.link_info(at(inner));
            if (inside && inside->kind == os::FileKind::directory && depth < kDepthMax)
                folder(inner, what, depth + 1);
            else if (one.ends_with(".state.json"))
                state(inner);
            else
                ++count;
        }
        if (count > 0) x_found.no_place.push_back({what, name, count});
    }

    void state(const std::string& name) {
        if (auto status = check_readable(x_files, at(name), kSmallBytesMax); !status)
            return refuse(name, status.error());
        const auto text = os::read_file(x_files, at(name), kSmallBytesMax);
        if (!text) return refuse(name, text.error());
        const auto json = Json::parse(*text);
        if (!json) return refuse(name, json.error());
        const auto task = json->get("current_task").as_string();
        x_found.no_place.push_back(
            {"state of an agent" + (task ? " (it was at: " + *task + ")" : ""), name, 1});
    }

    /// The tree reads no YAML: the names that begin a line say what there is.
    void settings(const std::string& name) {
        if (auto status = check_readable(x_files, at(name), kSmallBytesMax); !status)
            return refuse(name, status.error());
        const auto text = os::read_file(x_files, at(name), kSmallBytesMax);
        if (!text) return refuse(name, text.error());
        std::string names;
        std::int64_t count = 0;
        for (std::string_view rest = *text; !rest.empty();) {
            const std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(line.size() + 1, rest.size()));
            const std::size_t end = line.find_first_not_of(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
            if (end == 0 || end == std::string_view::npos || line[end] != ':') continue;
            names += (names.empty() ? "" : ", ") + std::string(line.substr(0, end));
            ++count;
        }
        x_found.no_place.push_back({"settings" + (names.empty() ? "" : " (" + names + ")"), name,
                                    std::max<std::int64_t>(count, 1)});
    }

    os::FileSystem& x_files;
    const AdtHome& x_home;
    Found x_found{.system = System::adt};
};

}  // namespace

Result<Found> read_adt(os::FileSystem& files, const AdtHome& home) {
    return Reading(files, home).all();
}

}  // namespace taskstore::founding
