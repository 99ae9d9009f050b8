#include "task_invariants.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace taskstore::tasks {
namespace {

/// A row by the names of its columns.
class Row {
  public:
    Row(const sql::Rows& table, const std::vector<sql::Value>& values)
        : x_table(&table), x_values(&values) {}
    bool has(std::string_view name) const {
        return !std::holds_alternative<std::monostate>(value(name));
    }
    std::string text(std::string_view name) const {
        const auto* const text = std::get_if<std::string>(&value(name));
        return text == nullptr ? "" : *text;
    }
    std::int64_t number(std::string_view name) const {
        const auto* const number = std::get_if<std::int64_t>(&value(name));
        return number == nullptr ? 0 : *number;
    }

  private:
    const sql::Value& value(std::string_view name) const {
        const auto at = std::ranges::find(x_table->columns, name);
        return x_values->at(static_cast<std::size_t>(at - x_table->columns.begin()));
    }
    const sql::Rows* x_table;
    const std::vector<sql::Value>* x_values;
};

using Rows = std::vector<Row>;

class Check {
  public:
    explicit Check(std::int64_t now_ms) : x_now_ms(now_ms) {}

    Status read(sql::Database& database) {
        const std::array<sql::BoundStatement, 12> all{{
            {.sql = "SELECT * FROM tasks ORDER BY id"},
            {.sql = "SELECT * FROM task_dependencies"},
            {.sql = "SELECT * FROM task_history ORDER BY task_id, revision"},
            {.sql = "SELECT * FROM task_keys"},
            {.sql = "SELECT * FROM task_requests"},
            {.sql = "SELECT * FROM task_lanes"},
            {.sql = "SELECT * FROM task_limits"},
            {.sql = "SELECT * FROM task_words"},
            {.sql = "SELECT * FROM task_schedules"},
            {.sql = "SELECT * FROM task_schedule_history ORDER BY schedule_id, revision"},
            {.sql = "SELECT * FROM task_ageing"},
            {.sql = "SELECT * FROM task_cancels"},
        }};
        TASKSTORE_LET(x_answers, database.read_batch(all));
        for (const sql::Rows& answer : x_answers) {
            Rows& rows = x_rows.emplace_back();
            for (const auto& row : answer.rows) rows.emplace_back(answer, row);
        }
        for (const Row& task : rows(0)) x_tasks.emplace(task.text("id"), task);
        for (const Row& row : rows(2)) x_histories[row.text("task_id")].push_back(row);
        return ok();
    }

    std::vector<std::string> all() && {
        for (const auto& [id, task] : x_tasks) one(id, task);
        ranks();
        edges();
        limits();
        histories();
        keys();
        requests();
        words();
        schedules();
        return std::move(x_wrong);
    }

  private:
    const Rows& rows(std::size_t table) const { return x_rows[table]; }
    void expect(bool is_so, const std::string& what) {
        if (!is_so) x_wrong.push_back(what);
    }
    static std::string named(const Row& task) {
        return "'" + task.text("title") + "' (" + task.text("status") + ") ";
    }
    bool has_status(const std::string& id, std::string_view status) const {
        const auto task = x_tasks.find(id);
        return task != x_tasks.end() && task->second.text("status") == status;
    }

    void one(const std::string& id, const Row& task) {
        const std::string status = task.text("status");
        const bool held = status == "in_progress";
        const bool ended = status != "pending" && !held;
        expect(held == task.has("lease_expires_at"), named(task) + "has a lease, or lacks one");
        expect(!held || task.number("fence") > 0, named(task) + "is held without a fence");
        expect(status != "pending" || !task.has("assigned_to"), named(task) + "has a holder");
        expect(held || !task.has("liveness"), named(task) + "is watched");
        expect(held || !task.has("cancel_requested_at"), named(task) + "waits for its holder");
        expect(ended == task.has("completed_at"), named(task) + "ended, and not");
        expect(!task.has("dead_at") || status == "failed", named(task) + "is dead");
        const auto lanes = rows(5);
        expect(
            std::ranges::any_of(
                lanes, [&](const Row& lane) { return lane.number("id") == task.number("lane"); }),
            named(task) + "has no lane");
        expect(x_histories.contains(id), named(task) + "has no history");
        if (!task.has("concurrency_key")) {
            const bool may = status == "pending" && task.number("open_dependencies") == 0 &&
                             !task.has("not_before");
            expect((task.number("ready") == 1) == may, named(task) + "is ready, or is not");
        }
    }

    void ranks() {
        std::optional<std::int64_t> ageing_ms;
        for (const Row& ageing : rows(10)) {
            if (ageing.number("stale") == 1) return;
            if (ageing.has("ageing_ms")) ageing_ms = ageing.number("ageing_ms");
        }
        for (const auto& [id, task] : x_tasks) {
            if (task.text("status") != "pending") continue;
            const std::int64_t behind = 100 - task.number("priority");
            const std::int64_t rank =
                ageing_ms ? behind * *ageing_ms / 10 : behind * (std::int64_t{1} << 43);
            expect(task.number("rank") == rank + task.number("created_at"),
                   named(task) + "has the rank of another ageing");
        }
    }

    void edges() {
        std::map<std::string, std::int64_t> open;
        for (const Row& edge : rows(1)) {
            const auto task = x_tasks.find(edge.text("task_id"));
            const std::string other = edge.text("depends_on");
            if (task == x_tasks.end() || !x_tasks.contains(other)) {
                expect(false, "an edge from " + edge.text("task_id") + " to " + other +
                                  ", and one of them is gone");
                continue;
            }
            const bool runs = task->second.text("on_failed_dependency") == "run";
            const bool pending = task->second.text("status") == "pending";
            const bool failed = has_status(other, "failed") || has_status(other, "cancelled");
            const bool is_open = edge.number("open") == 1;
            if (is_open) ++open[edge.text("task_id")];
            expect(!is_open || !has_status(other, "completed"),
                   named(task->second) + "waits for what is completed");
            expect(!is_open || !(runs && pending && failed),
                   named(task->second) + "was to run anyway");
            expect(is_open || has_status(other, "completed") || runs,
                   named(task->second) + "waits no more for what is not completed");
            expect(task->second.text("depends_on").find(other) != std::string::npos,
                   named(task->second) + "does not say what it waits for");
        }
        for (const auto& [id, task] : x_tasks)
            expect(task.number("open_dependencies") == open[id],
                   named(task) + "counts " + std::to_string(task.number("open_dependencies")) +
                       " dependencies of " + std::to_string(open[id]));
    }

    void limits() {
        std::set<std::string> known;
        for (const Row& limit : rows(6)) {
            const std::string key = limit.text("name");
            known.insert(key);
            std::int64_t held = 0;
            std::vector<std::pair<std::pair<std::int64_t, std::string>, bool>> waiting;
            for (const auto& [id, task] : x_tasks) {
                if (task.text("concurrency_key") != key) continue;
                if (task.text("status") == "in_progress") ++held;
                if (task.text("status") == "pending" && task.number("open_dependencies") == 0 &&
                    !task.has("not_before"))
                    waiting.push_back({{task.number("rank"), id}, task.number("ready") == 1});
            }
            expect(held <= limit.number("slots"), "key '" + key + "' has more than its slots");
            if (limit.number("dirty") == 1) continue;
            std::ranges::sort(waiting);
            for (std::size_t i = 0; i < waiting.size(); ++i) {
                const bool has_slot = std::ssize(waiting) > 0 &&
                                      static_cast<std::int64_t>(i) < limit.number("slots") - held;
                expect(waiting[i].second == has_slot,
                       "key '" + key + "': " + named(x_tasks.at(waiting[i].first.second)) +
                           (has_slot ? "has a slot, and is not ready" : "is ready without a slot"));
            }
        }
        for (const auto& [id, task] : x_tasks)
            expect(!task.has("concurrency_key") || known.contains(task.text("concurrency_key")),
                   named(task) + "has a key without a limit");
    }

    void histories() {
        for (const auto& [id, moves] : x_histories) {
            std::string at;
            std::int64_t fence = 0;
            std::int64_t revision = 0;
            for (const Row& move : moves) {
                // The rest of its history went with it from the archive.
                if (moves.size() == 1 && move.text("verb") == "remove")
                    at = move.text("from_status");
                expect(move.text("from_status") == at,
                       id + ": " + move.text("verb") + " of what was " + at);
                at = move.text("to_status");
                revision = move.number("revision");
                expect(move.text("verb") != "claim" || move.number("fence") > fence ||
                           move.number("fence") == 0,
                       id + ": the fence of a claim is not above those before");
                fence = std::max(fence, move.number("fence"));
            }
            const auto task = x_tasks.find(id);
            if (task == x_tasks.end()) {
                expect(at.empty(), id + " is gone, and its history says " + at);
                continue;
            }
            expect(task->second.text("status") == at,
                   named(task->second) + "is " + at + " by its history");
            expect(revision <= task->second.number("revision"),
                   named(task->second) + "has a revision behind its history");
        }
    }

    void keys() {
        std::map<std::string, std::string> owners;
        for (const Row& key : rows(3)) {
            expect(x_tasks.contains(key.text("task_id")),
                   "the key '" + key.text("idempotency_key") + "' is of a task that is gone");
            if (key.number("expires_at") > x_now_ms)
                owners[key.text("project") + "\n" + key.text("idempotency_key")] =
                    key.text("task_id");
        }
        for (const auto& [id, task] : x_tasks) {
            if (!task.has("idempotency_key")) continue;
            const auto owner =
                owners.find(task.text("project") + "\n" + task.text("idempotency_key"));
            expect(owner != owners.end() && owner->second == id, named(task) + "lacks its key");
        }
    }

    void requests() {
        for (const Row& request : rows(4)) {
            const std::string name = request.text("request_id");
            const auto answer = Json::parse(request.text("answer"));
            expect(answer && answer->size() > 0, "request '" + name + "' has no answer");
            for (std::size_t i = 0; answer && i < answer->size(); ++i) {
                const std::string id = answer->at(i).at(0).as_string().value_or("");
                const auto revision = answer->at(i).at(1).as_int64().value_or(0);
                const auto moves = x_histories.find(id);
                const bool told = moves != x_histories.end() &&
                                  std::ranges::any_of(moves->second, [&](const Row& move) {
                                      return move.number("revision") == revision &&
                                             move.text("request_id") == name;
                                  });
                expect(told, "request '" + name + "' has an answer without a move");
            }
        }
        for (const auto& [id, moves] : x_histories)
            for (const Row& move : moves) {
                expect(!move.has("request_id") ||
                           std::ranges::any_of(rows(4),
                                               [&](const Row& request) {
                                                   return request.text("request_id") ==
                                                          move.text("request_id");
                                               }),
                       "a move by request '" + move.text("request_id") + "' without its answer");
            }
    }

    void words() {
        std::map<std::string, std::set<std::string>> kept;
        for (const Row& word : rows(7)) kept[word.text("task_id")].insert(word.text("token"));
        for (const auto& [id, task] : x_tasks) {
            std::istringstream words(task.text("words"));
            std::set<std::string> wanted;
            for (std::string word; words >> word;) wanted.insert(word);
            expect(kept[id] == wanted, named(task) + "is not found by its words");
            kept.erase(id);
        }
        expect(kept.empty(), "words of tasks that are gone");
    }

    void schedules() {
        std::map<std::string, std::int64_t> revisions;
        std::set<std::pair<std::string, std::int64_t>> ticks;
        for (const Row& entry : rows(9)) {
            revisions[entry.text("schedule_id")] = entry.number("revision");
            if (entry.text("verb") != "tick") continue;
            expect(ticks.emplace(entry.text("schedule_id"), entry.number("tick")).second,
                   "a tick came twice");
            expect(x_histories.contains(entry.text("task_id")), "a tick without its task");
        }
        for (const Row& schedule : rows(8)) {
            expect(revisions[schedule.text("id")] == schedule.number("revision"),
                   "a schedule has another revision than its history");
            expect(schedule.number("paused") == 0 || !schedule.has("next_at"),
                   "a schedule is paused, and ticks");
            const auto made = std::ranges::count_if(x_tasks, [&](const auto& task) {
                return task.second.text("idempotency_key")
                    .starts_with("schedule:" + schedule.text("id"));
            });
            const auto told = std::ranges::count_if(
                ticks, [&](const auto& tick) { return tick.first == schedule.text("id"); });
            expect(made == told, "a schedule has made other tasks than its history says");
        }
    }

    const std::int64_t x_now_ms;
    std::vector<sql::Rows> x_answers;
    std::vector<Rows> x_rows;
    std::map<std::string, Row> x_tasks;
    std::map<std::string, Rows> x_histories;
    std::vector<std::string> x_wrong;
};

}  // namespace

std::vector<std::string> what_is_wrong(sql::Database& database, std::int64_t now_ms) {
    Check check(now_ms);
    if (auto status = check.read(database); !status) return {status.error().message};
    return std::move(check).all();
}

}  // namespace taskstore::tasks
