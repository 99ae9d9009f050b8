#include <taskstore/base/ascii.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/stamp.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/exchange/meaning.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>

namespace taskstore::exchange {
namespace {

struct Word {
    std::string_view word;  ///< Lower case, '_' for spaces and hyphens.
    Stage stage;
};

constexpr std::array kWords{
    Word{"open", Stage::open},         Word{"pending", Stage::open},
    Word{"todo", Stage::open},         Word{"to_do", Stage::open},
    Word{"new", Stage::open},          Word{"draft", Stage::open},
    Word{"backlog", Stage::open},      Word{"waiting", Stage::open},
    Word{"recurring", Stage::open},    Word{"blocked", Stage::open},
    Word{"deferred", Stage::open},     Word{"on_hold", Stage::open},
    Word{"paused", Stage::open},       Word{"triage", Stage::open},
    Word{"reopened", Stage::open},     Word{"pinned", Stage::open},
    Word{"ready", Stage::ready},       Word{"planned", Stage::ready},
    Word{"accepted", Stage::ready},    Word{"in_progress", Stage::active},
    Word{"active", Stage::active},     Word{"doing", Stage::active},
    Word{"started", Stage::active},    Word{"running", Stage::active},
    Word{"hooked", Stage::active},     Word{"assigned", Stage::active},
    Word{"in_review", Stage::active},  Word{"review", Stage::active},
    Word{"testing", Stage::active},    Word{"wip", Stage::active},
    Word{"closed", Stage::done},       Word{"done", Stage::done},
    Word{"complete", Stage::done},     Word{"completed", Stage::done},
    Word{"finished", Stage::done},     Word{"resolved", Stage::done},
    Word{"fixed", Stage::done},        Word{"merged", Stage::done},
    Word{"shipped", Stage::done},      Word{"verified", Stage::done},
    Word{"failed", Stage::failed},     Word{"error", Stage::failed},
    Word{"cancelled", Stage::dropped}, Word{"canceled", Stage::dropped},
    Word{"wontfix", Stage::dropped},   Word{"won't_fix", Stage::dropped},
    Word{"won't_do", Stage::dropped},  Word{"not_planned", Stage::dropped},
    Word{"duplicate", Stage::dropped}, Word{"dropped", Stage::dropped},
    Word{"rejected", Stage::dropped},  Word{"abandoned", Stage::dropped},
    Word{"invalid", Stage::dropped},   Word{"obsolete", Stage::dropped},
    Word{"tombstone", Stage::deleted}, Word{"deleted", Stage::deleted},
};

/// Lower case, '_' for spaces and hyphens, without white space around it.
std::string folded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool space = c == ' ' || c == '-' || c == '_' || c == '\t';
        if (space && (out.empty() || out.back() == '_')) continue;
        out += space ? '_' : ascii::lower(c);
    }
    if (out.ends_with('_')) out.pop_back();
    return out;
}

std::string quoted(std::string_view text) {
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

bool is_value(std::string_view raw) {
    return !raw.empty() && raw != "null" && raw != "\"\"";
}

const Member* find_named(const Incoming& record, std::initializer_list<std::string_view> names,
                         bool fold) {
    for (const std::string_view name : names) {
        for (const Member& member : record.members) {
            if ((member.name == name || (fold && folded(member.name) == name)) &&
                is_value(member.raw))
                return &member;
        }
    }
    return nullptr;
}

/// Text as it is; of other values their spelling, as text.
Part text_part(const Member* member) {
    if (member == nullptr) return {};
    if (kind_of_raw(member->raw) == JsonKind::string)
        return {std::string(member->raw), member->name};
    return {quoted(member->raw), member->name};
}

Part time_part(const Member* member) {
    if (member == nullptr) return {};
    const auto ms = time_of_raw(member->raw);
    return ms ? Part{std::to_string(*ms), member->name} : Part{};
}

std::string text_of(const Member* member) {
    return member == nullptr ? std::string() : text_of_raw(member->raw);
}

/// The text of a member of an object given as raw JSON.
std::string inner_text(std::string_view raw, std::string_view member) {
    if (kind_of_raw(raw) != JsonKind::object) return {};
    const auto json = Json::parse(raw);
    return json ? json->get(member).as_string().value_or("") : "";
}

void set_id(Meaning& out, const Member* member) {
    if (member == nullptr) return;
    out.id = text_of_raw(member->raw);
    out.id_from = member->name;
}

void set_status(Meaning& out, const Member* member) {
    if (member == nullptr) return;
    out.status = {std::string(member->raw), member->name};
    const auto stage = stage_of_word(text_of_raw(member->raw));
    out.stage_known = stage.has_value();
    out.stage = stage.value_or(Stage::open);
}

/// Trackers and tables differ in how exactly their members are named.
Meaning of_issue(const Incoming& record, bool fold) {
    const auto find = [&](std::initializer_list<std::string_view> names) {
        return find_named(record, names, fold);
    };
    Meaning out;
    set_id(out,
           fold ? find({"id", "key", "uuid", "issue_key", "issue_id", "number"}) : find({"id"}));
    out.title = text_part(fold ? find({"title", "name", "summary", "subject", "task", "phase_name"})
                               : find({"title"}));
    out.description = text_part(fold ? find({"description", "details"}) : find({"description"}));
    out.content = text_part(fold ? find({"content", "body"}) : find({"content"}));
    out.assignee =
        text_part(fold ? find({"assignee", "assigned_to", "owner"}) : find({"assignee"}));
    out.created = time_part(fold ? find({"created_at", "created", "created_on", "creation_date"})
                                 : find({"created_at"}));
    set_status(out, fold ? find({"status", "state"}) : find({"status"}));
    out.is_group = folded(text_of(find({"issue_type", "type"}))) == "epic";
    out.parent = text_of(find({"parent", "parent_id", "epic", "epic_id"}));
    if (!out.parent.empty()) return out;
    // {"issue_id": this one, "depends_on_id": the other, "type": "parent-child"}
    const std::string_view dependencies = record.raw_of("dependencies");
    if (dependencies.find("parent") != std::string_view::npos) {
        const auto list = Json::parse(dependencies);
        for (std::size_t i = 0; list && i < list->size(); ++i) {
            const Json one = list->at(i);
            const auto type = one.get("type").as_string();
            const auto child = one.get("issue_id").as_string();
            if (type && folded(*type) == "parent_child" && (!child || *child == out.id)) {
                out.parent = one.get("depends_on_id").as_string().value_or("");
                break;
            }
        }
    }
    if (fold) {
        if (const std::string name = text_of(find({"project", "milestone"})); !name.empty())
            out.group = NamedGroup{name, quoted(name), {}, Stage::open};
    }
    return out;
}

Meaning of_taskwarrior(const Incoming& record) {
    const auto find = [&](std::string_view name) { return find_named(record, {name}, false); };
    Meaning out;
    set_id(out, find("uuid"));
    out.title = text_part(find("description"));
    out.created = time_part(find("entry"));
    set_status(out, find("status"));
    if (out.stage == Stage::open && find("start") != nullptr) out.stage = Stage::active;
    if (const std::string project = text_of(find("project")); !project.empty())
        out.group = NamedGroup{project, quoted(project), {}, Stage::open};
    return out;
}

/// "owner/repository#12" from https://github.com/owner/repository/issues/12 (or /pull/12, or the
/// API's /repos/owner/…): the same for both shapes of a list.
std::string github_id(std::string_view url, const std::string& number) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string_view::npos) return {};
    std::size_t at = url.find('/', scheme + 3);
    if (at == std::string_view::npos) return {};
    std::string_view path = url.substr(at + 1);
    for (const std::string_view prefix : {"api/v3/", "repos/"}) {
        if (path.starts_with(prefix)) path.remove_prefix(prefix.size());
    }
    at = path.find('/');
    const std::size_t end = at == std::string_view::npos ? at : path.find('/', at + 1);
    if (end == std::string_view::npos) return {};
    return std::string(path.substr(0, end)) + "#" + number;
}

Meaning of_github(const Incoming& record) {
    const auto find = [&](std::initializer_list<std::string_view> names) {
        return find_named(record, names, false);
    };
    Meaning out;
    const std::string number = text_of(find({"number"}));
    for (const std::string_view name : {"html_url", "url"}) {
        if (out.id.empty() && !number.empty()) out.id = github_id(text_of(find({name})), number);
    }
    if (out.id.empty() && !number.empty()) out.id = "gh-" + number;
    if (out.id.empty()) out.id = text_of(find({"node_id", "id"}));
    out.title = text_part(find({"title"}));
    out.content = text_part(find({"body"}));
    out.created = time_part(find({"created_at", "createdAt"}));
    set_status(out, find({"state"}));
    const std::string reason = folded(text_of(find({"state_reason", "stateReason"})));
    if (out.stage == Stage::done && (reason == "not_planned" || reason == "duplicate"))
        out.stage = Stage::dropped;
    std::string login;
    if (const Member* one = find({"assignee"})) login = inner_text(one->raw, "login");
    if (const Member* all = find({"assignees"}); login.empty() && all != nullptr) {
        if (const auto list = Json::parse(all->raw); list && list->size() > 0)
            login = list->at(0).get("login").as_string().value_or("");
    }
    if (!login.empty()) out.assignee.raw = quoted(login);
    if (const Member* milestone = find({"milestone"})) {
        const auto json = Json::parse(milestone->raw);
        const std::string title = json ? json->get("title").as_string().value_or("") : "";
        if (!title.empty()) {
            const auto text = json->get("description").as_string();
            const auto state = stage_of_word(json->get("state").as_string().value_or("open"));
            // Other repositories have milestones of the same name.
            out.group = NamedGroup{out.id.substr(0, out.id.rfind('#') + 1) + title, quoted(title),
                                   text ? quoted(*text) : "", state.value_or(Stage::open)};
        }
    }
    return out;
}

Meaning of_checklist(const Incoming& record) {
    const auto find = [&](std::string_view name) { return find_named(record, {name}, false); };
    Meaning out;
    set_id(out, find("id"));
    out.title = text_part(find("title"));
    out.content = text_part(find("content"));
    out.parent = text_of(find("prd_id"));
    out.is_group = out.parent.empty();
    set_status(out, find("status"));
    out.stage_given = !out.is_group && out.stage == Stage::done;
    return out;
}

Meaning of_plain(const Incoming& record) {
    Meaning out;
    set_id(out, find_named(record, {"id"}, false));
    return out;
}

}  // namespace

std::optional<Stage> stage_of_word(std::string_view word) {
    const std::string key = folded(word);
    const auto found = std::ranges::find(kWords, key, &Word::word);
    if (found == kWords.end()) return std::nullopt;
    return found->stage;
}

std::string text_of_raw(std::string_view raw) {
    return kind_of_raw(raw) == JsonKind::string ? unescape_json(raw).value_or(std::string(raw))
                                                : std::string(raw);
}

std::optional<std::int64_t> time_of_raw(std::string_view raw) {
    const auto sane = [](std::int64_t ms) -> std::optional<std::int64_t> {
        if (ms < 0 || ms > kStampMsMax) return std::nullopt;
        return ms;
    };
    if (kind_of_raw(raw) == JsonKind::number) {
        const auto ms = raw_to_int64(raw);
        return ms ? sane(*ms) : std::nullopt;
    }
    if (kind_of_raw(raw) != JsonKind::string) return std::nullopt;
    std::string text = text_of_raw(raw);
    const auto digits = [&](std::size_t at, std::size_t count) {
        return std::ranges::all_of(text.substr(at, count),
                                   [](char c) { return c >= '0' && c <= '9'; });
    };
    if (text.size() == 10 && text[4] == '-' && text[7] == '-') text += "T00:00:00Z";
    if (text.size() == 16 && text[8] == 'T' && text[15] == 'Z' && digits(0, 8) && digits(9, 6)) {
        text = text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2) + "T" +
               text.substr(9, 2) + ":" + text.substr(11, 2) + ":" + text.substr(13, 2) + "Z";
    }
    const auto ms = parse_rfc3339_ms(text);
    return ms ? sane(*ms) : std::nullopt;
}

Meaning interpret(Kind kind, const Incoming& record) {
    switch (kind) {
        case Kind::tracker:
            return of_issue(record, false);
        case Kind::table:
            return of_issue(record, true);
        case Kind::taskwarrior:
            return of_taskwarrior(record);
        case Kind::github:
            return of_github(record);
        case Kind::checklist:
            return of_checklist(record);
        case Kind::own:
        case Kind::plain:
            break;
    }
    return of_plain(record);
}

}  // namespace taskstore::exchange
