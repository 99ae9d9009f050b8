#include "record.hpp"

#include <taskstore/base/ascii.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace taskstore::founding {
namespace {

struct StatusWord {
    std::string_view word;
    Standing standing;
};
// Every spelling of the founding documents and of the programs that came of them.
constexpr std::array kStatuses{
    StatusWord{"pending", Standing::pending},        StatusWord{"assigned", Standing::held},
    StatusWord{"running", Standing::held},           StatusWord{"in_progress", Standing::held},
    StatusWord{"in-progress", Standing::held},       StatusWord{"blocked", Standing::blocked},
    StatusWord{"awaiting_review", Standing::review}, StatusWord{"completed", Standing::completed},
    StatusWord{"complete", Standing::completed},     StatusWord{"done", Standing::completed},
    StatusWord{"failed", Standing::failed},          StatusWord{"error", Standing::failed},
    StatusWord{"cancelled", Standing::cancelled},    StatusWord{"canceled", Standing::cancelled}};

struct PriorityWord {
    std::string_view word;
    std::int64_t priority;
};
constexpr std::array kPriorities{PriorityWord{"low", -10}, PriorityWord{"normal", 0},
                                 PriorityWord{"high", 10}, PriorityWord{"urgent", 20}};
constexpr std::int64_t kPriorityMax = 100;
constexpr std::int64_t kCountMax = 1'000'000;

/// The first line that says anything.
std::string title_of(std::string_view text) {
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.find_first_not_of(" \t") != std::string_view::npos) return std::string(line);
    }
    return {};
}

/// Members are taken one by one; what is left goes to `others`.
class Taker {
  public:
    Taker(const Record& record, const Zone& zone) : x_record(record), x_zone(zone) {}

    std::optional<std::string> text(std::string_view name) {
        const RecordMember* const member = find(name);
        if (member == nullptr || kind_of_raw(member->raw) != JsonKind::string) return std::nullopt;
        auto text = unescape_json(member->raw);
        if (!text || text->find('\0') != std::string::npos) return std::nullopt;
        x_taken.push_back(member);
        return std::move(*text);
    }
    std::optional<std::int64_t> number(std::string_view name, std::int64_t least,
                                       std::int64_t most) {
        const RecordMember* const member = find(name);
        if (member == nullptr || kind_of_raw(member->raw) != JsonKind::number) return std::nullopt;
        const auto number = raw_to_int64(member->raw);
        if (!number || *number < least || *number > most) return std::nullopt;
        x_taken.push_back(member);
        return number;
    }
    std::optional<std::int64_t> time(std::string_view name) {
        const RecordMember* const member = find(name);
        if (member == nullptr || kind_of_raw(member->raw) != JsonKind::string) return std::nullopt;
        const auto text = unescape_json(member->raw);
        bool local = false;
        const auto ms = text ? time_of_text(*text, x_zone, local) : std::nullopt;
        if (!ms) return std::nullopt;
        if (local) ++local_times;
        times_as_written += std::string(name) + "=" + *text + "\n";
        x_taken.push_back(member);
        return ms;
    }
    /// As if it were UTC where it names no zone; 0: there is none.
    std::int64_t time_as_written(std::string_view name) {
        const RecordMember* const member = find(name);
        const auto text = member == nullptr || kind_of_raw(member->raw) != JsonKind::string
                              ? Result<std::string>(std::string())
                              : unescape_json(member->raw);
        bool local = false;
        const Zone as_written = [](std::int64_t ms) { return ms; };
        return text ? time_of_text(*text, as_written, local).value_or(0) : 0;
    }
    /// A member that is JSON; in a table it stands as text.
    std::optional<std::string> json(std::string_view name) {
        const RecordMember* const member = find(name);
        if (member == nullptr) return std::nullopt;
        std::string raw = member->raw;
        if (x_record.of_table) {
            if (kind_of_raw(raw) != JsonKind::string) return std::nullopt;
            auto text = unescape_json(raw);
            if (!text || !check_json(*text)) return std::nullopt;
            raw = std::move(*text);
            const std::size_t begin = raw.find_first_not_of(" \t\r\n");
            raw = raw.substr(begin, raw.find_last_not_of(" \t\r\n") - begin + 1);
        }
        x_taken.push_back(member);
        return raw;
    }
    /// As json(), where it is of the kind.
    std::optional<std::string> json(std::string_view name, JsonKind kind) {
        auto raw = json(name);
        if (raw && kind_of_raw(*raw) == kind) return raw;
        if (raw) x_taken.pop_back();
        return std::nullopt;
    }
    void put_back() { x_taken.pop_back(); }

    /// What was asked for, and is not what such a member holds.
    std::set<std::string> unread() const {
        std::set<std::string> names;
        for (const RecordMember* member : x_asked)
            if (std::ranges::find(x_taken, member) == x_taken.end()) names.insert(member->name);
        return names;
    }

    std::vector<std::pair<std::string, std::string>> others() const {
        std::vector<std::pair<std::string, std::string>> others;
        for (const RecordMember& member : x_record.members)
            if (std::ranges::find(x_taken, &member) == x_taken.end())
                others.emplace_back(member.name, member.raw);
        return others;
    }

    std::int64_t local_times = 0;
    std::string times_as_written;

  private:
    const RecordMember* find(std::string_view name) {
        const auto found = std::ranges::find(x_record.members, name, &RecordMember::name);
        if (found == x_record.members.end()) return nullptr;
        x_asked.insert(&*found);
        return &*found;
    }
    const Record& x_record;
    const Zone& x_zone;
    std::vector<const RecordMember*> x_taken;
    std::set<const RecordMember*> x_asked;
};

std::int64_t priority_of(Taker& take) {
    if (const auto number = take.number("priority", -kPriorityMax, kPriorityMax)) return *number;
    const auto word = take.text("priority");
    if (!word) return 0;
    const auto found = std::ranges::find(kPriorities, ascii::lowered(*word), &PriorityWord::word);
    if (found != kPriorities.end()) return found->priority;
    // A column of texts keeps numbers as texts.
    const auto number = raw_to_int64(*word);
    if (number && *number >= -kPriorityMax && *number <= kPriorityMax) return *number;
    take.put_back();
    return 0;
}

std::vector<std::string> dependencies_of(Taker& take) {
    std::vector<std::string> ids;
    const auto raw = take.json("depends_on", JsonKind::array);
    if (!raw) return ids;
    for (const std::string_view item : items_of_raw(*raw)) {
        auto id = kind_of_raw(item) == JsonKind::string ? unescape_json(item)
                                                        : Result<std::string>(std::string());
        if (!id || id->empty()) {
            take.put_back();
            return {};
        }
        ids.push_back(std::move(*id));
    }
    return ids;
}

/// lib-task-store's output is JSON, and its own; ADT's is what a command wrote, its result a text.
void take_outcome(Taker& take, System system, FoundTask& task) {
    task.logs = take.text("logs");
    if (system == System::lib_task_store) {
        task.result = take.json("output");
    } else if (!task.logs) {
        task.logs = take.text("output");
    }
    if (!task.result) {
        if (const auto text = take.text("result")) {
            append_json_string(task.result.emplace(), *text);
        } else {
            task.result = take.json("result");
        }
    }
    task.error = take.text("error");
    task.exit_code = take.number("exit_code", INT32_MIN, INT32_MAX);
    task.retry_count = take.number("retry_count", 0, kCountMax).value_or(0);
    task.max_attempts = take.number("max_retries", 1, kCountMax);
    for (const auto& [name, at] :
         {std::pair{"created_at", &task.created_at}, std::pair{"started_at", &task.started_at},
          std::pair{"completed_at", &task.completed_at}, std::pair{"updated_at", &task.updated_at}})
        *at = take.time(name);
    task.created_as_written = take.time_as_written("created_at");
}

}  // namespace

void take_record(const Record& record, const Zone& zone, Found& found) {
    ++found.records;
    Taker take(record, zone);
    FoundTask task;
    task.where = record.where;
    const auto refuse = [&](std::string reason) {
        found.refused.push_back({task.where, std::move(reason)});
    };
    for (const RecordMember& member : record.members)
        if (const auto at = first_invalid_utf8(member.raw))
            return refuse("its " + member.name + " is no UTF-8 (byte " + std::to_string(*at) + ")");
    task.id = take.text("id").value_or("");
    if (task.id.empty()) return refuse("it has no id");
    task.where += ", task '" + task.id + "'";
    task.status = take.text("status").value_or("");
    const auto status =
        std::ranges::find(kStatuses, ascii::lowered(task.status), &StatusWord::word);
    if (status == kStatuses.end())
        return refuse(task.status.empty() ? "it has no status"
                                          : "its status '" + task.status + "' is not known");
    task.standing = status->standing;
    task.description = take.text("description");
    task.title = take.text("title").value_or("");
    if (task.title.empty() && task.description) task.title = title_of(*task.description);
    if (task.title.empty()) return refuse("it has neither a title nor a description");
    task.command = take.text("command");
    task.project = take.text("project").value_or("");
    task.assigned_to = take.text("assigned_to");
    task.agent_type = take.text("agent_type");
    task.priority = priority_of(take);
    task.input = take.json("input").value_or("null");
    task.depends_on = dependencies_of(take);
    task.metadata = take.json("metadata", JsonKind::object).value_or("{}");
    take_outcome(take, found.system, task);
    task.times_as_written = take.times_as_written;
    task.others = take.others();
    found.local_times += take.local_times;
    for (const std::string& name : take.unread()) {
        Unread& unread = found.unread[name];
        if (unread.count++ == 0) unread.first = task.where;
    }
    found.tasks.push_back(std::move(task));
}

}  // namespace taskstore::founding
