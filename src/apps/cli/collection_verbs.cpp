// Verbs about collections themselves: what files in .taskstore/schemas declare.

#include "context.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::cli {
namespace {

using records::Field;
using records::Kind;

constexpr std::size_t kListedMax = 10;
constexpr Context::TextBound kSchemaBound{8U << 20U, ", the most that a schema has",
                                          "look whether it is the file that you mean"};
/// Checking so many takes no time that anybody would notice.
constexpr std::int64_t kCheckedInLists = 20'000;

std::string_view type_of(const Field& field) {
    switch (field.type) {
        case records::FieldType::integer:
            return "integer";
        case records::FieldType::time_ms:
            return "time";
        case records::FieldType::number:
            return "number";
        case records::FieldType::boolean:
            return "boolean";
        case records::FieldType::text:
        case records::FieldType::choice:
            break;
    }
    return "text";
}

std::vector<std::string> indexes_of(const Kind& kind) {
    std::vector<std::string> names;
    for (const Field& field : kind.fields) {
        if (field.indexed) names.emplace_back(field.name);
    }
    return names;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + printable_line(word);
    return out;
}

void put(JsonWriter& writer, const std::vector<std::string>& words) {
    writer.begin_array();
    for (const std::string& word : words) writer.string(word);
    writer.end_array();
}

std::string records_text(std::int64_t count) {
    return counted(count, "record", "records");
}

std::int64_t count_of(const std::vector<std::pair<std::string, std::int64_t>>& counts,
                      std::string_view name) {
    for (const auto& [collection, count] : counts) {
        if (collection == name) return count;
    }
    return 0;
}

void put_fields(JsonWriter& writer, const Kind& kind) {
    writer.key("indexes");
    put(writer, indexes_of(kind));
    writer.key("fields").begin_array();
    for (const Field& field : kind.fields) {
        writer.begin_object().key("name").string(field.name).key("type").string(type_of(field));
        writer.key("required").boolean(field.required).key("indexed").boolean(field.indexed);
        if (!field.choices.empty() && field.type == records::FieldType::choice) {
            writer.key("choices").begin_array();
            for (const std::string_view choice : field.choices) writer.string(choice);
            writer.end_array();
        }
        writer.end_object();
    }
    writer.end_array();
    writer.key("transitions").begin_array();
    for (const records::Transition& transition : kind.transitions)
        writer.begin_array().string(transition.from).string(transition.to).end_array();
    writer.end_array();
}

Result<std::string> json_of(const records::CollectionSchema& schema,
                            const records::Misfits& misfits, std::string_view effect) {
    std::string data;
    JsonWriter writer(data);
    writer.begin_object()
        .key("name")
        .string(schema.kind().collection)
        .key("type")
        .string("declared");
    writer.key("records").integer(misfits.records);
    put_fields(writer, schema.kind());
    writer.key("initial_status");
    if (schema.has_status_table())
        writer.string(schema.initial_status());
    else
        writer.null();
    writer.key("misfits").integer(misfits.count).key("misfits_listed").begin_array();
    for (const auto& one : misfits.listed) {
        writer.begin_object().key("id").string(one.id).key("why");
        put(writer, one.why);
        writer.end_object();
    }
    writer.end_array();
    TASKSTORE_LET(const Json document, Json::parse(schema.file_text()));
    writer.key("schema").raw(document.to_text());
    if (!effect.empty()) writer.key("_effect").string(effect);
    writer.end_object();
    return data;
}

/// "indexes: priority, status; 5 records, of which 2 do not fit"
std::string summary_of(Context& context, const records::CollectionSchema& schema,
                       const records::Misfits& misfits) {
    const auto indexes = indexes_of(schema.kind());
    std::string out = indexes.empty() ? "" : "  indexes: " + joined(indexes) + "\n";
    if (misfits.records > 0) {
        out +=
            "  " + records_text(misfits.records) + ", " +
            (misfits.count == 0
                 ? std::string(misfits.records == 1 ? "which fits" : "all of which fit")
                 : context.terminal.paint(
                       Colour::yellow, "of which " + std::to_string(misfits.count) +
                                           (misfits.count == 1 ? " does" : " do") + " not fit")) +
            "\n";
    }
    return out;
}

std::string misfits_text(const records::Misfits& misfits) {
    std::string out;
    for (const auto& one : misfits.listed) {
        out += "  " + printable_line(one.id) + "\n";
        for (const std::string& why : one.why) out += "    " + printable_line(why) + "\n";
    }
    const auto more = misfits.count - static_cast<std::int64_t>(misfits.listed.size());
    if (more > 0) out += "  and " + std::to_string(more) + " more\n";
    return out;
}

Result<records::CollectionRequest> request_of(Context& context) {
    records::CollectionRequest request{.name = context.call.arguments[0]};
    if (context.call.has("schema")) {
        TASKSTORE_LET(request.schema,
                      context.read_text(context.call.value("schema"), kSchemaBound));
        if (request.schema->find_first_not_of(" \t\r\n") == std::string::npos)
            return fail(Code::invalid,
                        "'" + context.call.value("schema") + "' is empty; a schema is JSON")
                .with_hint("a schema that takes anything is {}");
    }
    if (context.call.has("status-table")) {
        TASKSTORE_LET(request.status_table,
                      context.read_text(context.call.value("status-table"), kSchemaBound));
        if (request.status_table->empty()) request.status_table = "null";
    } else if (context.call.has("no-status-table")) {
        request.status_table = "";
    }
    const auto indexes = context.call.options.find("index");
    if (indexes != context.call.options.end())
        request.indexes = indexes->second;
    else if (context.call.has("no-index"))
        request.indexes.emplace();
    return request;
}

Status declare(Context& context, records::Declare which) {
    TASKSTORE_TRY(records::check_declarable(context.call.arguments[0]));
    TASKSTORE_LET(const auto request, request_of(context));
    if (request.schema) {
        // What is wrong with it is told before a store is made for it.
        TASKSTORE_LET(std::string text, records::CollectionSchema::compose(request));
        TASKSTORE_TRY(records::CollectionSchema::parse(request.name, std::move(text)));
    }
    TASKSTORE_LET(records::Plan* const plan,
                  context.plan(which == records::Declare::add ? Context::Make::where_missing
                                                              : Context::Make::no));
    TASKSTORE_LET(const records::Declaring done, plan->declare(request, which));
    context.survives(sql::DurabilityLevel::flushed);
    for (const std::string& note : done.notes) context.warn(note);
    TASKSTORE_LET(const auto catalogue, plan->catalogue());
    const records::CollectionSchema* const schema = catalogue->schema_of(request.name);
    if (schema == nullptr)
        return fail(Code::conflict, "'" + request.name + "' was changed by somebody else just now");
    TASKSTORE_LET(const records::Misfits misfits, plan->misfits(request.name, kListedMax));
    context.end_progress();
    context.flush_notes();
    const bool adds = which == records::Declare::add;
    if (context.json) {
        TASKSTORE_LET(const std::string data, json_of(*schema, misfits,
                                                      adds           ? "created"
                                                      : done.changed ? "changed"
                                                                     : "unchanged"));
        context.print_json("collection", data);
    } else if (!context.quiet) {
        context.print(std::string(adds           ? "declared"
                                  : done.changed ? "changed"
                                                 : "unchanged") +
                      " collection " + context.terminal.paint(Colour::cyan, request.name) + "\n" +
                      summary_of(context, *schema, misfits) + misfits_text(misfits));
    }
    return ok();
}

void collect_fields(const records::Filter& filter, std::vector<std::string>& fields) {
    if (filter.kind == records::Filter::Kind::compare) fields.push_back(filter.field);
    for (const records::Filter& part : filter.parts) collect_fields(part, fields);
}

}  // namespace

void note_unknown_fields(Context& context, const records::Catalogue& catalogue,
                         const records::Query& query) {
    const records::CollectionSchema* const schema = catalogue.schema_of(query.collection);
    if (schema == nullptr || schema->schema().properties().empty()) return;
    std::vector<std::string> names{"id", "updated_at"};
    for (const schema::Property& property : schema->schema().properties())
        names.push_back(property.name);
    for (const Field& field : schema->kind().fields) names.emplace_back(field.name);
    const std::vector<std::string_view> known(names.begin(), names.end());
    std::vector<std::string> asked;
    collect_fields(query.filter, asked);
    if (!query.order_field.empty()) asked.push_back(query.order_field);
    for (const std::string& name : asked) {
        if (name.starts_with('_') || std::ranges::find(known, name) != known.end()) continue;
        const auto nearest = nearest_name(name, known);
        context.warn("the schema of '" + query.collection + "' names no '" + name + "'" +
                     (nearest ? ": did you mean '" + std::string(*nearest) + "'?"
                              : ", which its records may have all the same"));
    }
}

Status run_collection_add(Context& context) {
    if (!context.call.has("schema"))
        return fail(Code::invalid, "a collection needs a schema: --schema FILE")
            .with_hint("a schema that takes anything is {}");
    return declare(context, records::Declare::add);
}

Status run_collection_set(Context& context) {
    const std::vector<std::string_view> parts{"schema", "index", "status-table", "no-index",
                                              "no-status-table"};
    if (std::ranges::none_of(parts, [&](std::string_view part) { return context.call.has(part); }))
        return fail(Code::invalid, "nothing to set")
            .with_hint("see 'taskstore collection set --help'");
    return declare(context, records::Declare::change);
}

Status run_collection_rm(Context& context) {
    const std::string& name = context.call.arguments[0];
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const records::Declaring done, plan->undeclare(name));
    context.survives(sql::DurabilityLevel::flushed);
    for (const std::string& note : done.notes) context.warn(note);
    TASKSTORE_LET(const auto counts, plan->collections());
    context.flush_notes();
    const std::int64_t left = count_of(counts, name);
    if (context.json) {
        std::string data;
        JsonWriter(data)
            .begin_object()
            .key("name")
            .string(name)
            .key("records")
            .integer(left)
            .key("_effect")
            .string("removed")
            .end_object();
        context.print_json("collection", data);
    } else if (!context.quiet) {
        context.print("collection " + context.terminal.paint(Colour::cyan, name) +
                      " is not declared any more" +
                      (left == 0 ? std::string()
                                 : "; its " + records_text(left) +
                                       (left == 1 ? " stays, untyped" : " stay, untyped")) +
                      "\n");
    }
    return ok();
}

Status run_collection_show(Context& context) {
    const std::string& name = context.call.arguments[0];
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const auto catalogue, plan->catalogue());
    for (const records::SchemaProblem& problem : catalogue->problems()) {
        if (problem.file != name + ".json") continue;
        return fail(problem.why.code == Code::conflict ? Code::conflict : Code::corrupt,
                    "schemas/" + problem.file + ": " + problem.why.message)
            .with_hint("mend the file, or 'taskstore collection set " + name +
                       " --schema FILE'; until then the collection is untyped");
    }
    const records::CollectionSchema* const schema = catalogue->schema_of(name);
    if (schema == nullptr) {
        const Kind* const kind = catalogue->find_kind(name);
        if (kind != nullptr) {
            return fail(Code::conflict,
                        "'" + name + "' is a built-in kind: " + std::string(kind->help))
                .with_hint("'taskstore " + std::string(kind->noun) + " add --help' has its fields");
        }
        TASKSTORE_LET(const auto counts, plan->collections());
        const std::int64_t count = count_of(counts, name);
        return fail(Code::not_found, "the collection '" + name + "' is not declared" +
                                         (count > 0 ? "; it has " + records_text(count) : ""))
            .with_hint("declare it with 'taskstore collection add " + name + " --schema FILE'");
    }
    TASKSTORE_LET(const records::Misfits misfits, plan->misfits(name, kListedMax));
    context.end_progress();
    context.flush_notes();
    if (context.json) {
        TASKSTORE_LET(const std::string data, json_of(*schema, misfits, {}));
        context.print_json("collection", data);
        return ok();
    }
    context.print(printable_text(schema->file_text()));
    if (context.quiet) return ok();
    context.print("\n" + summary_of(context, *schema, misfits) + misfits_text(misfits));
    return ok();
}

Status run_collection_list(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const auto catalogue, plan->catalogue());
    TASKSTORE_LET(auto counts, plan->collections());
    for (const records::SchemaProblem& problem : catalogue->problems()) {
        if (!problem.file.ends_with(".json")) continue;
        const std::string name = problem.file.substr(0, problem.file.size() - 5);
        if (records::check_declarable(name) && count_of(counts, name) == 0 &&
            std::ranges::find(counts, name, &std::pair<std::string, std::int64_t>::first) ==
                counts.end())
            counts.emplace_back(name, 0);
    }
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    std::vector<std::vector<Cell>> rows;
    for (const auto& [name, count] : counts) {
        const Kind* const kind = catalogue->find_collection(name);
        const bool damaged =
            std::ranges::find(catalogue->problems(), name + ".json",
                              &records::SchemaProblem::file) != catalogue->problems().end();
        const std::string type = kind == nullptr  ? (damaged ? "damaged" : "untyped")
                                 : kind->declared ? "declared"
                                                  : "built-in";
        const auto indexes = kind != nullptr ? indexes_of(*kind) : std::vector<std::string>();
        writer.begin_object().key("name").string(name).key("type").string(type);
        writer.key("records").integer(count).key("indexes");
        put(writer, indexes);
        std::string misfits;
        writer.key("misfits");
        if (kind != nullptr && kind->declared && count <= kCheckedInLists) {
            TASKSTORE_LET(const records::Misfits found, plan->misfits(name, 0));
            writer.integer(found.count);
            misfits = std::to_string(found.count);
        } else {
            writer.null();
        }
        writer.end_object();
        rows.push_back(
            {{name, Colour::cyan},
             {type, damaged ? Colour::red : Colour::none},
             {std::to_string(count)},
             {misfits, misfits.empty() || misfits == "0" ? Colour::none : Colour::yellow},
             {joined(indexes)}});
    }
    writer.end_array();
    context.flush_notes();
    if (context.json)
        context.print_json("collection_list", data);
    else
        context.print(format_table(context.terminal,
                                   {"COLLECTION", "TYPE", "RECORDS", "MISFITS", "INDEXES"}, rows));
    return ok();
}

}  // namespace taskstore::cli
