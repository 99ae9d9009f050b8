// Verbs about records.

#include "context.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <charconv>

namespace taskstore::cli {
namespace {

using records::Field;
using records::Kind;
using records::Record;

std::string quoted(std::string_view text) {
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

std::string text_of(const Json& value) {
    if (value.is_null()) return {};
    return value.as_string().value_or(value.to_text());
}

/// A record's document: its members, its revision beside them.
std::string json_of(const Record& record) {
    std::string data = record.data;
    data.insert(data.rfind('}'), std::string(data.find('"') != std::string::npos ? "," : "") +
                                     "\"_revision\":" + quoted(record.revision));
    return data;
}

Result<std::int64_t> limit_of(Context& context) {
    if (!context.call.has("limit")) {
        TASKSTORE_LET(const config::Config* const config, context.settings());
        return config->integer("list.limit");
    }
    const std::string text = context.call.value("limit", "0");
    std::int64_t limit = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size() || limit <= 0) {
        return fail(Code::invalid, "--limit wants a number from 1, not '" + text + "'");
    }
    return limit;
}

std::string noun_of(std::string_view collection) {
    const Kind* kind = records::find_kind(collection);
    return kind != nullptr ? std::string(kind->noun) : std::string(collection);
}

/// The columns of a kind's list: (title, field).
std::vector<std::pair<std::string, std::string>> columns_of(std::string_view collection) {
    if (collection == "prds")
        return {{"TITLE", "title"}, {"STATUS", "status"}, {"PASSES", "review_passes"}};
    if (collection == "task_specs")
        return {{"PHASE", "phase_name"}, {"STATUS", "status"}, {"ASSIGNED TO", "assigned_to"}};
    if (collection == "executions")
        return {{"TASK SPEC", "ts_id"}, {"STATUS", "status"}, {"STARTED AT (UTC)", "started_at"}};
    if (collection == "dependencies")
        return {{"FROM", "from_exec_id"},
                {"TO", "to_exec_id"},
                {"TYPE", "dependency_type"},
                {"RESOLVED AT (UTC)", "resolved_at"}};
    if (collection == "workflows") return {{"NAME", "name"}, {"DESCRIPTION", "description"}};
    return {{"UPDATED AT (UTC)", "updated_at"}, {"DATA", ""}};
}

Status print_list(Context& context, records::Plan& plan, records::Query query,
                  std::string_view plural) {
    TASKSTORE_LET(query.limit, limit_of(context));
    query.cursor = context.call.value("cursor");
    if (context.call.has("status")) {
        const Kind* kind = records::find_kind(query.collection);
        if (kind != nullptr && kind->field("status") == nullptr)
            return fail(Code::invalid, "a " + std::string(kind->noun) + " has no status");
        query.filter.parts.push_back(records::Filter::compare(
            "status", records::Op::eq, quoted(context.call.value("status"))));
    }
    TASKSTORE_LET(const records::Page page, plan.list(query));
    context.flush_notes();
    const std::string kind_name = noun_of(query.collection) + "_list";
    if (context.json) {
        std::string data = "[";
        for (const Record& record : page.records)
            data += (data.size() > 1 ? "," : "") + json_of(record);
        context.print_json(kind_name, data + "]", page.next_cursor);
        return ok();
    }
    if (page.records.empty()) {
        if (!context.quiet)
            context.print(
                context.terminal.paint(Colour::yellow, "No " + std::string(plural) + " found") +
                "\n");
        return ok();
    }
    std::vector<std::string> ids;
    for (const Record& record : page.records) ids.push_back(record.id);
    TASKSTORE_LET(const auto short_ids, plan.short_ids(query.collection, ids));
    const auto columns = columns_of(query.collection);
    std::vector<std::string> head{"ID"};
    for (const auto& [title, field] : columns) head.push_back(title);
    std::vector<std::vector<Cell>> rows;
    for (std::size_t i = 0; i < page.records.size(); ++i) {
        TASKSTORE_LET(const Json json, Json::parse(page.records[i].data));
        std::vector<Cell> row{{short_ids[i], Colour::cyan}};
        for (const auto& [title, field] : columns) {
            if (field.empty()) {
                row.push_back({page.records[i].data, Colour::none});
                continue;
            }
            const Json value = json.get(field);
            const bool time = field.ends_with("_at");
            std::string text =
                time && value.as_int64() ? shown_time(*value.as_int64()) : text_of(value);
            const Colour colour = field == "status" ? colour_of_status(text) : Colour::none;
            row.push_back({std::move(text), colour});
        }
        rows.push_back(std::move(row));
    }
    context.print(format_table(context.terminal, head, rows));
    if (!page.next_cursor.empty() && !context.quiet)
        context.print("\nmore with --cursor " + page.next_cursor + "\n");
    return ok();
}

Status print_record(Context& context, const Record& record) {
    const std::string noun = noun_of(record.collection);
    if (context.json) {
        context.print_json(noun, json_of(record));
        return ok();
    }
    TASKSTORE_LET(const Json json, Json::parse(record.data));
    std::size_t width = 8;
    for (const std::string& name : json.names()) width = std::max(width, display_width(name));
    std::string blocks;
    for (const std::string& name : json.names()) {
        const Json value = json.get(name);
        if (value.is_null()) continue;
        std::string text = text_of(value);
        if (text.empty()) continue;
        if (text.find('\n') != std::string::npos || name == "content" || name == "awl_code") {
            blocks += "\n" + context.terminal.paint(Colour::grey, name) + "\n" + text +
                      (text.ends_with('\n') ? "" : "\n");
            continue;
        }
        if (name.ends_with("_at") && value.as_int64())
            text = shown_time(*value.as_int64()) + " UTC";
        context.print(
            context.terminal.paint(Colour::grey, name) +
            std::string(width - display_width(name) + 2, ' ') +
            context.terminal.paint(name == "status" ? colour_of_status(text) : Colour::none, text) +
            "\n");
    }
    context.print(context.terminal.paint(Colour::grey, "revision") +
                  std::string(width - 8 + 2, ' ') + record.revision + "\n" + blocks);
    return ok();
}

Status print_written(Context& context, const records::Written& written, std::string_view verb) {
    for (const std::string& note : written.notes) context.warn(note);
    context.flush_notes();
    const Record& record = written.records[0];
    if (context.json) {
        context.print_json(noun_of(record.collection), json_of(record));
    } else if (!context.quiet) {
        context.print(std::string(verb) + " " + noun_of(record.collection) + " " +
                      context.terminal.paint(Colour::cyan, record.id) + "\n");
    }
    return ok();
}

const Kind& kind_of_call(const Context& context) {
    return *records::find_kind(
        context.call.command->words.substr(0, context.call.command->words.find(' ')));
}

/// The options of the command line that name fields, as changes. References may be shortened ids.
Result<std::vector<ledger::Change>> field_changes(Context& context, records::Plan& plan,
                                                  const Kind& kind) {
    std::vector<ledger::Change> changes;
    for (const Field& field : kind.fields) {
        std::string option(field.name);
        std::ranges::replace(option, '_', '-');
        if (field.setter != records::FieldSetter::user || !context.call.has(option)) continue;
        std::string text = context.call.value(option);
        if (field.document) {
            TASKSTORE_LET(text, context.read_text(text));
        }
        if (const auto bad = first_invalid_utf8(text))
            return fail(Code::invalid, "--" + option + " is not UTF-8");
        if (!field.refers_to.empty() && !context.call.has("no-check") && !text.empty()) {
            if (auto full = plan.resolve(field.refers_to, text))
                text = *full;
            else if (full.error().code == Code::conflict)
                return fail(full.error());
        }
        const bool number =
            field.type == records::FieldType::integer || field.type == records::FieldType::time_ms;
        if (number && !text.empty() && !raw_to_int64(text))
            return fail(Code::invalid, "--" + option + " wants a whole number, not '" + text + "'");
        const bool unset = text.empty() && !field.required && field.initial.empty();
        changes.push_back({std::string(field.name), unset ? "null" : number ? text : quoted(text)});
    }
    return changes;
}

/// FIELD=VALUE as people write it: JSON where it reads as JSON, else text; nothing after '='
/// removes.
Result<std::vector<ledger::Change>> assigned(const std::vector<std::string>& words,
                                             std::size_t first) {
    std::vector<ledger::Change> changes;
    for (std::size_t i = first; i < words.size(); ++i) {
        const std::size_t equals = words[i].find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(Code::invalid, "'" + words[i] + "' is not FIELD=VALUE");
        const std::string value = words[i].substr(equals + 1);
        if (first_invalid_utf8(words[i]))
            return fail(Code::invalid, "'" + words[i].substr(0, equals) + "' is not UTF-8");
        changes.push_back({words[i].substr(0, equals), value.empty() ? ""
                                                       : Json::parse(value)
                                                           ? Json::parse(value)->to_text()
                                                           : quoted(value)});
    }
    return changes;
}

Status write_one(Context& context, records::Plan& plan, records::Write write,
                 std::string_view verb) {
    write.force = context.call.has("force");
    write.check_references = !context.call.has("no-check");
    write.expected_revision = context.call.value("if-revision");
    TASKSTORE_LET(const records::Written written, plan.write({std::move(write)}));
    return print_written(context, written, verb);
}

Status run_list(Context& context, std::string collection, std::string_view plural) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    records::Query query{.collection = std::move(collection)};
    std::vector<records::Filter> filters;
    const auto given = context.call.options.find("filter");
    if (given != context.call.options.end()) {
        for (const std::string& text : given->second) {
            TASKSTORE_LET(auto filter, records::parse_filter(text));
            filters.push_back(std::move(filter));
        }
    }
    if (!filters.empty()) {
        query.filter.parts.push_back(context.call.has("any")
                                         ? records::Filter::any_of(std::move(filters))
                                         : records::Filter::all_of(std::move(filters)));
    }
    std::string order = context.call.value("order");
    if (order.starts_with('-')) {
        query.descending = true;
        order.erase(0, 1);
    }
    query.order_field = order;
    if (context.call.has("count")) {
        if (context.call.has("status"))
            query.filter.parts.push_back(records::Filter::compare(
                "status", records::Op::eq, quoted(context.call.value("status"))));
        TASKSTORE_LET(const std::int64_t count, plan->count(query));
        if (context.json)
            context.print_json("count", "{\"count\":" + std::to_string(count) + "}");
        else
            context.print(std::to_string(count) + "\n");
        return ok();
    }
    return print_list(context, *plan, std::move(query), plural);
}

Status show(Context& context, const Kind& kind, const std::string& part) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, plan->resolve(kind.collection, part));
    TASKSTORE_LET(const Record record, plan->get(kind.collection, id));
    context.flush_notes();
    return print_record(context, record);
}

/// The collection and full id of a record given by any part of its id, in whichever collection it
/// is.
Result<std::pair<std::string, std::string>> find_anywhere(records::Plan& plan,
                                                          const std::string& part) {
    TASKSTORE_LET(const auto collections, plan.collections());
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& [collection, count] : collections) {
        auto id = plan.resolve(collection, part);
        if (id)
            found.emplace_back(collection, *id);
        else if (id.error().code != Code::not_found)
            return fail(id.error());
    }
    if (found.size() == 1) return found[0];
    if (found.empty()) {
        // A deleted record has a history too; its whole id is needed.
        for (const auto& [collection, count] : collections) {
            if (plan.history(collection, part)) return std::pair(collection, part);
        }
        return fail(Code::not_found, "nothing has the id '" + part + "'");
    }
    std::string list;
    for (const auto& [collection, id] : found) list += "\n  " + noun_of(collection) + " " + id;
    return fail(Code::conflict, "'" + part + "' is part of more than one id:" + list)
        .with_hint("give more of the id");
}

}  // namespace

Status run_list_prds(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    return print_list(context, *plan, {.collection = "prds"}, "PRDs");
}

Status run_list_executions(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    return print_list(context, *plan, {.collection = "executions"}, "executions");
}

Status run_list_task_specs(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string prd, plan->resolve("prds", context.call.arguments[0]));
    records::Query query{.collection = "task_specs"};
    query.filter.parts.push_back(records::Filter::compare("prd_id", records::Op::eq, quoted(prd)));
    return print_list(context, *plan, std::move(query), "task specs");
}

Status run_show(Context& context) {
    TASKSTORE_LET(const Kind* const kind, records::need_kind(context.call.arguments[0]));
    return show(context, *kind, context.call.arguments[1]);
}

Status run_kind_show(Context& context) {
    return show(context, kind_of_call(context), context.call.arguments[0]);
}

Status run_kind_add(Context& context) {
    const Kind& kind = kind_of_call(context);
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(auto changes, field_changes(context, *plan, kind));
    return write_one(context, *plan,
                     {.collection = std::string(kind.collection),
                      .id = context.call.value("id"),
                      .changes = std::move(changes)},
                     "created");
}

Status run_kind_set(Context& context) {
    const Kind& kind = kind_of_call(context);
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, plan->resolve(kind.collection, context.call.arguments[0]));
    TASKSTORE_LET(auto changes, field_changes(context, *plan, kind));
    if (changes.empty())
        return fail(Code::invalid, "nothing to set")
            .with_hint("see 'taskstore " + std::string(kind.noun) + " set --help'");
    return write_one(context, *plan,
                     {.kind = records::WriteKind::update,
                      .collection = std::string(kind.collection),
                      .id = id,
                      .changes = std::move(changes)},
                     "changed");
}

Status run_kind_rm(Context& context) {
    const Kind& kind = kind_of_call(context);
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, plan->resolve(kind.collection, context.call.arguments[0]));
    return write_one(
        context, *plan,
        {.kind = records::WriteKind::remove, .collection = std::string(kind.collection), .id = id},
        "deleted");
}

Status run_kind_list(Context& context) {
    const Kind& kind = kind_of_call(context);
    return run_list(context, std::string(kind.collection), kind.collection);
}

Status run_record_add(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(auto changes, assigned(context.call.arguments, 1));
    const Kind* kind = records::find_kind(context.call.arguments[0]);
    const std::string collection =
        kind != nullptr ? std::string(kind->collection) : context.call.arguments[0];
    return write_one(
        context, *plan,
        {.collection = collection, .id = context.call.value("id"), .changes = std::move(changes)},
        "created");
}

Status run_record_get(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id,
                  plan->resolve(context.call.arguments[0], context.call.arguments[1]));
    TASKSTORE_LET(const Record record, plan->get(context.call.arguments[0], id));
    if (context.json)
        context.print_json(noun_of(record.collection), json_of(record));
    else
        context.print(pretty_json(record.data) + "\n");
    return ok();
}

Status run_record_set(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id,
                  plan->resolve(context.call.arguments[0], context.call.arguments[1]));
    TASKSTORE_LET(auto changes, assigned(context.call.arguments, 2));
    const Kind* kind = records::find_kind(context.call.arguments[0]);
    const std::string collection =
        kind != nullptr ? std::string(kind->collection) : context.call.arguments[0];
    return write_one(context, *plan,
                     {.kind = records::WriteKind::update,
                      .collection = collection,
                      .id = id,
                      .changes = std::move(changes)},
                     "changed");
}

Status run_record_rm(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id,
                  plan->resolve(context.call.arguments[0], context.call.arguments[1]));
    const Kind* kind = records::find_kind(context.call.arguments[0]);
    const std::string collection =
        kind != nullptr ? std::string(kind->collection) : context.call.arguments[0];
    return write_one(context, *plan,
                     {.kind = records::WriteKind::remove, .collection = collection, .id = id},
                     "deleted");
}

Status run_record_list(Context& context) {
    const Kind* kind = records::find_kind(context.call.arguments[0]);
    return run_list(context,
                    kind != nullptr ? std::string(kind->collection) : context.call.arguments[0],
                    "records");
}

Status run_history(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const auto found, find_anywhere(*plan, context.call.arguments[0]));
    TASKSTORE_LET(const auto versions, plan->history(found.first, found.second));
    if (context.json) {
        std::string data;
        JsonWriter writer(data);
        writer.begin_array();
        for (const records::Version& version : versions) {
            writer.begin_object()
                .key("revision")
                .string(version.stamp)
                .key("by")
                .string(version.by)
                .key("at")
                .integer(version.updated_at);
            writer.key("action")
                .string(version.action)
                .key("forced")
                .boolean(version.forced)
                .key("changed")
                .begin_array();
            for (const std::string& change : version.changed) writer.string(change);
            writer.end_array().key("record").raw(version.data).end_object();
        }
        writer.end_array();
        context.print_json("version_list", data);
        return ok();
    }
    context.print(noun_of(found.first) + " " + context.terminal.paint(Colour::cyan, found.second) +
                  "\n");
    std::vector<std::vector<Cell>> rows;
    for (const records::Version& version : versions) {
        std::string what;
        for (const std::string& change : version.changed)
            what += (what.empty() ? "" : "; ") + change;
        rows.push_back({{shown_time(version.updated_at)},
                        {version.by.empty() ? "–" : version.by},
                        {version.action + (version.forced ? " (forced)" : ""),
                         version.action == "deleted" ? Colour::red : Colour::none},
                        {what}});
    }
    context.print(format_table(context.terminal, {"WHEN (UTC)", "WHO", "WHAT", "CHANGES"}, rows));
    return ok();
}

Status run_undo(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    std::pair<std::string, std::string> found;
    if (!context.call.arguments.empty()) {
        TASKSTORE_LET(found, find_anywhere(*plan, context.call.arguments[0]));
    }
    TASKSTORE_LET(const records::Written written, plan->undo(found.first, found.second));
    return print_written(context, written, "took back the last change of");
}

}  // namespace taskstore::cli
