// Verbs about records.

#include "context.hpp"
#include "naming.hpp"
#include "written.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::cli {
namespace {

using records::Field;
using records::Kind;
using records::Record;

std::string text_of(const Json& value) {
    if (value.is_null()) return {};
    return value.as_string().value_or(value.to_text());
}

using Columns = std::vector<std::pair<std::string, std::string>>;

/// Of a declared collection: its fields in their order, indexed ones in any case.
Columns columns_of_fields(const Kind& kind) {
    constexpr std::size_t kColumnsMax = 5;
    std::size_t free = kColumnsMax;
    for (const Field& field : kind.fields) {
        if (field.indexed && free > 0) --free;
    }
    Columns columns;
    for (const Field& field : kind.fields) {
        if (field.document || columns.size() == kColumnsMax || (!field.indexed && free == 0))
            continue;
        if (!field.indexed) --free;
        std::string title = printable_line(field.name);
        for (char& c : title)
            c = c == '_' ? ' ' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
        columns.emplace_back(std::move(title), field.name);
    }
    return columns;
}

/// The columns of a kind's list: (title, field).
Columns columns_of(std::string_view collection, const Kind* kind = nullptr) {
    if (kind != nullptr && kind->declared && !kind->fields.empty()) return columns_of_fields(*kind);
    if (collection == "prds")
        return {{"TITLE", "title"}, {"STATUS", "status"}, {"PASSES", "review_passes"}};
    if (collection == "task_specs")
        return {{"PHASE", "phase_name"}, {"STATUS", "status"}, {"ASSIGNED TO", "assigned_to"}};
    if (collection == "executions")
        return {
            {"TASK SPEC ID", "ts_id"}, {"STATUS", "status"}, {"STARTED AT (UTC)", "started_at"}};
    if (collection == "dependencies")
        return {{"FROM", "from_exec_id"},
                {"TO", "to_exec_id"},
                {"TYPE", "dependency_type"},
                {"RESOLVED AT (UTC)", "resolved_at"}};
    if (collection == "workflows") return {{"NAME", "name"}, {"DESCRIPTION", "description"}};
    return {{"UPDATED AT (UTC)", "updated_at"}, {"DATA", ""}};
}

/// References as lists print ids: in the short form.
Status shorten_references(records::Plan& plan, const Kind* kind, const Columns& columns,
                          std::vector<std::vector<Cell>>& rows) {
    for (std::size_t i = 0; kind != nullptr && i < columns.size(); ++i) {
        const Field* const field = kind->field(columns[i].second);
        if (field == nullptr || field->refers_to.empty()) continue;
        std::vector<std::string> ids;
        for (const auto& row : rows) ids.push_back(row[i + 1].text);
        TASKSTORE_LET(auto forms, plan.short_ids(field->refers_to, ids));
        for (std::size_t k = 0; k < rows.size(); ++k) rows[k][i + 1].text = std::move(forms[k]);
    }
    return ok();
}

/// `founding`: the columns of a list of the first version, which also counts its rows above them.
Status print_list(Context& context, records::Plan& plan, records::Query query,
                  std::string_view plural, const Columns& founding = {}) {
    TASKSTORE_LET(query.limit, limit_of(context));
    TASKSTORE_LET(const auto catalogue, plan.catalogue());
    const Kind* const kind = catalogue->find_collection(query.collection);
    query.cursor = context.call.value("cursor");
    if (context.call.has("status")) {
        if (kind != nullptr && kind->closed && kind->field("status") == nullptr)
            return fail(Code::invalid, records::with_article(kind->noun) + " has no status");
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
    const Columns columns = founding.empty() ? columns_of(query.collection, kind) : founding;
    if (!founding.empty() && !context.quiet) {
        std::string count = std::to_string(page.records.size());
        std::int64_t all = static_cast<std::int64_t>(page.records.size());
        if (!query.cursor.empty() || !page.next_cursor.empty()) {
            TASKSTORE_LET(all, plan.count(query));
            count += " of " + std::to_string(all);
        }
        const std::string_view noun =
            all == 1 && plural.ends_with('s') ? plural.substr(0, plural.size() - 1) : plural;
        context.print(context.terminal.paint(Colour::cyan, count + " " + std::string(noun)) +
                      "\n\n");
    }
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
    TASKSTORE_TRY(shorten_references(plan, kind, columns, rows));
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
    const Terminal& terminal = context.terminal;
    std::size_t width = 8;
    for (const std::string& name : json.names())
        width = std::max(width, display_width(fit(name, 40)));
    const auto row = [&](const std::string& name, std::string_view text, Colour colour) {
        const std::string title = fit(name, 40);
        context.print(terminal.paint(Colour::grey, title) +
                      std::string(width - display_width(title) + 2, ' ') +
                      terminal.paint(colour, printable_line(text)) + "\n");
    };
    std::string blocks;
    for (const std::string& name : json.names()) {
        const Json value = json.get(name);
        if (value.is_null()) continue;
        std::string text = text_of(value);
        if (text.empty()) continue;
        if (text.find('\n') != std::string::npos || name == "content" || name == "awl_code") {
            blocks += "\n" + terminal.paint(Colour::grey, fit(name, 40)) + "\n" +
                      printable_text(text) + (text.ends_with('\n') ? "" : "\n");
            continue;
        }
        if (name.ends_with("_at") && value.as_int64())
            text = shown_time(*value.as_int64()) + " UTC";
        row(name, text, name == "status" ? colour_of_status(text) : Colour::none);
    }
    row("revision", record.revision, Colour::none);
    context.print(blocks);
    return ok();
}

/// `verb`: what was done; empty: what became of the record.
/// The id that people mean: a whole one, else the kind's unique name, else any unique part.
Result<std::string> id_of(records::Plan& plan, const Kind& kind, const std::string& word) {
    auto id = plan.resolve(kind.collection, word);
    const auto name = std::ranges::find_if(kind.fields, &Field::unique);
    if (name == kind.fields.end() || (id && *id == word)) return id;
    records::Query query{.collection = std::string(kind.collection), .limit = 1};
    query.filter.parts.push_back(
        records::Filter::compare(std::string(name->name), records::Op::eq, quoted(word)));
    TASKSTORE_LET(const records::Page named, plan.list(query));
    return named.records.empty() ? id : named.records[0].id;
}

/// The live record that was found, else a deleted one to which an edit was lost: deleting it again
/// confirms the deletion.
Result<std::string> removable(records::Plan& plan, std::string_view collection,
                              const std::string& word, Result<std::string> found) {
    if (found || found.error().code != Code::not_found) return found;
    TASKSTORE_LET(const auto lost, plan.lost());
    const bool listed = std::ranges::any_of(lost, [&](const records::LostEntry& entry) {
        return entry.collection == collection && entry.id == word;
    });
    return listed ? word : found;
}

const Kind& kind_of_call(const Context& context) {
    return *records::find_kind(
        context.call.command->words.substr(0, context.call.command->words.find(' ')));
}

/// A written value of a field: itself, or the text of a file (@FILE) or of standard input (-),
/// where an end of line that a shell put there goes. @@ is one @ that is meant.
Result<std::string> value_text(Context& context, const std::string& written) {
    if (written != "-" && !written.starts_with('@')) return written;
    if (written.starts_with("@@")) return written.substr(1);
    TASKSTORE_LET(std::string text,
                  context.read_text(written == "-" ? written : written.substr(1)));
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

/// What people write to have the store set a time, or take it back.
Result<std::string> mark_of(const Field& field, std::string_view text) {
    if (text == "now" || text == "true") return std::string("true");
    if (text.empty() || text == "none" || text == "null" || text == "false")
        return std::string("null");
    return fail(Code::invalid, "'" + std::string(field.name) +
                                   "' is set by the store: write now, or none to take it back");
}

/// The options of the command line that name fields, as changes. References may be shortened ids.
Result<std::vector<ledger::Change>> field_changes(Context& context, records::Plan& plan,
                                                  const Kind& kind) {
    std::vector<ledger::Change> changes;
    for (const Field& field : kind.fields) {
        std::string option(field.name);
        std::ranges::replace(option, '_', '-');
        if (!records::people_set(field) || !context.call.has(option)) continue;
        const std::string written = context.call.value(option);
        TASKSTORE_LET(std::string text, field.document && !written.empty()
                                            ? context.read_text(written)
                                            : value_text(context, written));
        if (const auto bad = first_invalid_utf8(text))
            return fail(Code::invalid,
                        "--" + option + " is not UTF-8: byte " + std::to_string(*bad + 1));
        if (!field.refers_to.empty() && !context.call.has("no-check") && !text.empty()) {
            if (auto full = plan.resolve(field.refers_to, text))
                text = *full;
            else if (full.error().code == Code::conflict)
                return fail(full.error());
        }
        if (text.empty() && !field.required && field.initial.empty()) {
            changes.push_back({std::string(field.name), "null"});
            continue;
        }
        if (field.setter == records::FieldSetter::marked) {
            TASKSTORE_LET(std::string raw, mark_of(field, text));
            changes.push_back({std::string(field.name), std::move(raw)});
            continue;
        }
        const bool number = field.type == records::FieldType::integer;
        TASKSTORE_LET(std::string raw,
                      records::field_value(&kind, field.name, text, !number, !number));
        changes.push_back({std::string(field.name), std::move(raw)});
    }
    return changes;
}

/// FIELD=VALUE as people write it. The declared type decides how a value is read; where none is
/// declared it is JSON if it reads as JSON, else text. Nothing after '=' removes.
Result<std::vector<ledger::Change>> assigned(Context& context, records::Plan& plan,
                                             const std::string& collection, std::size_t first) {
    const std::vector<std::string>& words = context.call.arguments;
    TASKSTORE_LET(const auto catalogue, plan.catalogue());
    const Kind* kind = catalogue->find_collection(collection);
    std::vector<ledger::Change> changes;
    for (std::size_t i = first; i < words.size(); ++i) {
        const std::size_t equals = words[i].find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(Code::invalid, "'" + words[i] + "' is not FIELD=VALUE");
        const std::string name = words[i].substr(0, equals);
        TASKSTORE_LET(const std::string value, value_text(context, words[i].substr(equals + 1)));
        if (first_invalid_utf8(name) || first_invalid_utf8(value))
            return fail(Code::invalid, "'" + name + "' is not UTF-8");
        const bool from_file = value != words[i].substr(equals + 1);
        if (name == "id" && first == 1) {
            return fail(Code::invalid, "the id of a new record is no FIELD=VALUE")
                .with_hint("give it as an option: --id " + value);
        }
        const Field* field = kind != nullptr ? kind->field(name) : nullptr;
        const bool declared = field != nullptr;
        if (declared && field->setter == records::FieldSetter::marked) {
            TASKSTORE_LET(std::string raw, mark_of(*field, value));
            changes.push_back({name, std::move(raw)});
        } else if (value.empty()) {
            changes.push_back({name, ""});
        } else if (from_file && !declared) {
            changes.push_back({name, quoted(value)});
        } else if (!declared && (value[0] == '{' || value[0] == '[') && !Json::parse(value)) {
            return fail(Code::invalid,
                        "the value of '" + name +
                            "' begins like JSON and is none: " + Json::parse(value).error().message)
                .with_hint("mend it; text that begins with { or [ is written as a JSON string, " +
                           name + "='\"" + std::string(1, value[0]) +
                           "…\"', or comes from @FILE or -");
        } else if (const auto json = Json::parse(value);
                   json && !from_file && (!declared || json->kind() == JsonKind::string)) {
            changes.push_back({name, json->to_text()});
        } else {
            auto raw = records::field_value(kind, name, value, from_file);
            if (!raw && (!declared || !kind->declared)) return fail(std::move(raw).error());
            // The schema says what is wrong with it, and with the others.
            changes.push_back({name, raw ? std::move(*raw) : quoted(value)});
        }
    }
    return changes;
}

Status write_one(Context& context, records::Plan& plan, records::Write write) {
    write.force = context.call.has("force");
    write.check_references = !context.call.has("no-check");
    write.expected_revision = context.call.value("if-revision");
    TASKSTORE_LET(const records::Written written, plan.write({std::move(write)}));
    return print_written(context, written, {});
}

Status run_list(Context& context, std::string collection, std::string_view plural) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    records::Query query{.collection = std::move(collection)};
    TASKSTORE_LET(const auto catalogue, plan->catalogue());
    std::vector<records::Filter> filters;
    const auto given = context.call.options.find("filter");
    if (given != context.call.options.end()) {
        for (const std::string& text : given->second) {
            TASKSTORE_LET(auto filter, records::parse_filter(
                                           text, catalogue->find_collection(query.collection)));
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
    note_unknown_fields(context, *catalogue, query);
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
    TASKSTORE_LET(const std::string id, id_of(*plan, kind, part));
    TASKSTORE_LET(const Record record, plan->get(kind.collection, id));
    context.flush_notes();
    return print_record(context, record);
}

}  // namespace

Status run_list_prds(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    return print_list(context, *plan, {.collection = "prds"}, "PRDs", columns_of("prds"));
}

Status run_list_executions(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    return print_list(context, *plan, {.collection = "executions"}, "executions",
                      columns_of("executions"));
}

namespace {

/// The PRD whose specs are asked for, by any unique part of its id. One that is on another branch,
/// or deleted, is known by the specs that name it.
Result<std::string> prd_of_specs(Context& context, records::Plan& plan, const std::string& word) {
    auto here = plan.resolve("prds", word);
    if (here ? *here == word : here.error().code != Code::not_found) return here;
    const auto named = [&](records::Op op) -> Result<std::set<std::string>> {
        records::Query query{.collection = "task_specs"};
        query.filter.parts.push_back(records::Filter::compare("prd_id", op, quoted(word)));
        TASKSTORE_LET(const records::Page specs, plan.list(query));
        std::set<std::string> prds;
        for (const Record& spec : specs.records) {
            TASKSTORE_LET(const Json json, Json::parse(spec.data));
            prds.insert(text_of(json.get("prd_id")));
        }
        return prds;
    };
    TASKSTORE_LET(std::set<std::string> absent, named(records::Op::eq));
    if (absent.empty() && here) return here;
    if (absent.empty()) {
        TASKSTORE_LET(absent, named(records::Op::contains));
    }
    if (absent.empty()) return here;
    if (absent.size() > 1) {
        std::string list;
        for (const std::string& id : absent) list += "\n  " + id;
        return fail(Code::conflict, "'" + word +
                                        "' is part of more than one id of a PRD that is not here "
                                        "but has task specs:" +
                                        list)
            .with_hint("give more of the id");
    }
    context.warn("the PRD '" + *absent.begin() +
                 "' is not here; these task specs name it, and 'taskstore doctor' lists them");
    return *absent.begin();
}

}  // namespace

Status run_list_task_specs(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string prd, prd_of_specs(context, *plan, context.call.arguments[0]));
    records::Query query{.collection = "task_specs"};
    query.filter.parts.push_back(records::Filter::compare("prd_id", records::Op::eq, quoted(prd)));
    return print_list(context, *plan, std::move(query), "task specs",
                      {{"PHASE", "phase_name"}, {"PRD ID", "prd_id"}, {"STATUS", "status"}});
}

Status run_show(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const auto catalogue, plan->catalogue());
    TASKSTORE_LET(const Kind* const kind, catalogue->need_kind(context.call.arguments[0]));
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
                      .changes = std::move(changes)});
}

Status run_kind_set(Context& context) {
    const Kind& kind = kind_of_call(context);
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, id_of(*plan, kind, context.call.arguments[0]));
    TASKSTORE_LET(auto changes, field_changes(context, *plan, kind));
    if (changes.empty())
        return fail(Code::invalid, "nothing to set")
            .with_hint("see 'taskstore " + std::string(kind.noun) + " set --help'");
    return write_one(context, *plan,
                     {.kind = records::WriteKind::update,
                      .collection = std::string(kind.collection),
                      .id = id,
                      .changes = std::move(changes)});
}

Status run_kind_rm(Context& context) {
    const Kind& kind = kind_of_call(context);
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    const std::string& word = context.call.arguments[0];
    TASKSTORE_LET(const std::string id,
                  removable(*plan, kind.collection, word, id_of(*plan, kind, word)));
    return write_one(
        context, *plan,
        {.kind = records::WriteKind::remove, .collection = std::string(kind.collection), .id = id});
}

Status run_kind_list(Context& context) {
    const Kind& kind = kind_of_call(context);
    return run_list(context, std::string(kind.collection), kind.collection);
}

Status run_record_add(Context& context) {
    TASKSTORE_LET(const std::string collection, collection_of(context, context.call.arguments[0]));
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(auto changes, assigned(context, *plan, collection, 1));
    return write_one(
        context, *plan,
        {.collection = collection, .id = context.call.value("id"), .changes = std::move(changes)});
}

Status run_record_get(Context& context) {
    TASKSTORE_LET(const std::string collection, collection_of(context, context.call.arguments[0]));
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, plan->resolve(collection, context.call.arguments[1]));
    TASKSTORE_LET(const Record record, plan->get(collection, id));
    if (context.json)
        context.print_json(noun_of(record.collection), json_of(record));
    else
        context.print(printable_json(pretty_json(record.data)) + "\n");
    return ok();
}

Status run_record_set(Context& context) {
    TASKSTORE_LET(const std::string collection, collection_of(context, context.call.arguments[0]));
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, plan->resolve(collection, context.call.arguments[1]));
    TASKSTORE_LET(auto changes, assigned(context, *plan, collection, 2));
    return write_one(context, *plan,
                     {.kind = records::WriteKind::update,
                      .collection = collection,
                      .id = id,
                      .changes = std::move(changes)});
}

Status run_record_rm(Context& context) {
    TASKSTORE_LET(const std::string collection, collection_of(context, context.call.arguments[0]));
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    const std::string& word = context.call.arguments[1];
    TASKSTORE_LET(const std::string id,
                  removable(*plan, collection, word, plan->resolve(collection, word)));
    return write_one(context, *plan,
                     {.kind = records::WriteKind::remove, .collection = collection, .id = id});
}

Status run_record_list(Context& context) {
    TASKSTORE_LET(std::string collection, collection_of(context, context.call.arguments[0]));
    return run_list(context, std::move(collection), "records");
}

Status run_undo(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    records::Found found;
    if (!context.call.arguments.empty()) {
        TASKSTORE_LET(found, find_anywhere(context, *plan));
    }
    TASKSTORE_LET(const records::Written written, plan->undo(found.collection, found.id));
    if (written.records.size() > 1) {
        context.wrote =
            "took back the last batch: " + std::to_string(written.records.size()) + " records";
        for (const std::string& note : written.notes) context.warn(note);
        context.flush_notes();
        context.survives(sql::DurabilityLevel::flushed);
        std::string data = "[";
        for (std::size_t i = 0; i < written.records.size(); ++i)
            data += (i > 0 ? "," : "") + json_of(written.records[i], to_text(written.effects[i]));
        if (context.json)
            context.print_json("record_list", data + "]");
        else if (!context.quiet)
            context.print(context.wrote + "\n");
        return ok();
    }
    return print_written(context, written, "took back the last change of");
}

}  // namespace taskstore::cli
