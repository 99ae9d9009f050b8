#include "query_sql.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace taskstore::records {
namespace {

std::string joined(const std::vector<std::string_view>& names) {
    std::string out;
    for (const std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
    return out;
}

class Builder {
  public:
    Builder(const Catalogue& catalogue, const Query& query)
        : x_kind(catalogue.find_collection(query.collection)) {}

    const Kind* kind() const { return x_kind; }
    std::string bind(sql::Value value) {
        parameters.push_back(std::move(value));
        return "?" + std::to_string(parameters.size());
    }

    Status check_field(const std::string& field) {
        if (field.empty()) return fail(Code::invalid, "a filter names no field");
        // SQLite has no escape for a quote inside a JSON path.
        if (field.find_first_of("\"\\") != std::string::npos || first_invalid_utf8(field))
            return fail(Code::invalid,
                        "'" + field +
                            "': lists neither filter nor order by a member "
                            "whose name holds '\"', '\\' or bytes that are not UTF-8");
        if (x_kind == nullptr || !x_kind->closed || field == "updated_at" ||
            field == x_kind->id_member || x_kind->field(field) != nullptr ||
            (x_kind->declared && field.starts_with('_')))
            return ok();
        std::vector<std::string_view> names{"updated_at", x_kind->id_member};
        for (const Field& known : x_kind->fields) names.push_back(known.name);
        const auto nearest = nearest_name(field, names);
        return fail(Code::invalid, with_article(x_kind->noun) + " has no field '" + field + "'")
            .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?"
                               : "its fields: " + joined(names));
    }

    /// A value as the column holds it: choices take every spelling.
    Result<sql::Value> column_value(const Filter& filter, const std::string& raw) {
        const Field* field = x_kind == nullptr ? nullptr : x_kind->field(filter.field);
        if (field != nullptr && field->type == FieldType::choice &&
            kind_of_raw(raw) == JsonKind::string && filter.op != Op::contains) {
            TASKSTORE_LET(const std::string text, unescape_json(raw));
            TASKSTORE_LET(const std::string_view choice, parse_choice(*field, text));
            return sql::Value(std::string(choice));
        }
        return value_of_raw(raw);
    }

    Result<std::string> where(const Filter& filter) {
        if (filter.kind != Filter::Kind::compare) {
            const bool all = filter.kind == Filter::Kind::all_of;
            const bool none = filter.kind == Filter::Kind::none_of;
            if (filter.parts.empty()) return std::string(all || none ? "1" : "0");
            std::string text;
            for (const Filter& part : filter.parts) {
                TASKSTORE_LET(const std::string one, where(part));
                text += (text.empty() ? "(" : all ? " AND " : " OR ") + one;
            }
            text += ")";
            // A comparison with a missing value is null, which does not hold.
            return none ? "NOT coalesce(" + text + ",0)" : text;
        }
        TASKSTORE_TRY(check_field(filter.field));
        if (filter.op != Op::in && filter.values.size() != 1)
            return fail(Code::invalid, "a comparison of '" + filter.field + "' needs one value");
        const std::string column = column_of(x_kind, filter.field);
        if (const std::string type = type_of(column); !type.empty() && filter.op != Op::contains)
            return where_in_json(filter, column, type);
        if (filter.op == Op::in) {
            std::string list;
            bool null = false;
            for (const std::string& raw : filter.values) {
                TASKSTORE_LET(sql::Value value, column_value(filter, raw));
                if (std::holds_alternative<std::monostate>(value))
                    null = true;
                else
                    list += (list.empty() ? "" : ",") + bind(std::move(value));
            }
            const std::string in = column + " IN (" + list + ")";
            return null ? "(" + in + " OR " + column + " IS NULL)" : in;
        }
        TASKSTORE_LET(sql::Value value, column_value(filter, filter.values[0]));
        const bool null = std::holds_alternative<std::monostate>(value);
        if (filter.op == Op::eq && null) return column + " IS NULL";
        if (filter.op == Op::ne && null) return column + " IS NOT NULL";
        if (filter.op == Op::contains) {
            if (!std::holds_alternative<std::string>(value))
                return fail(Code::invalid, "'contains' wants text: write it in double quotes");
            return "(typeof(" + column + ")='text' AND instr(" + column + "," +
                   bind(std::move(value)) + ")>0)";
        }
        if (filter.op == Op::ne) return column + " IS NOT " + bind(std::move(value));
        if (filter.op == Op::eq) return column + "=" + bind(std::move(value));
        // Values of unlike types have no order between them.
        const bool text = std::holds_alternative<std::string>(value);
        return "(typeof(" + column + (text ? ")='text'" : ") IN ('integer','real')") + " AND " +
               column + sign_of(filter.op) + bind(std::move(value)) + ")";
    }

    std::vector<sql::Value> parameters;

  private:
    /// The JSON type of what json_extract() gives, which makes true a 1; empty: a column.
    static std::string type_of(const std::string& column) {
        constexpr std::string_view kExtract = "json_extract(";
        return column.starts_with(kExtract) ? "json_type(" + column.substr(kExtract.size()) : "";
    }

    Result<std::string> where_in_json(const Filter& filter, const std::string& column,
                                      const std::string& type) {
        const auto equals = [&](const std::string& raw) -> Result<std::string> {
            const JsonKind kind = kind_of_raw(raw);
            if (kind == JsonKind::boolean) return type + "='" + raw + "'";
            TASKSTORE_LET(sql::Value value, column_value(filter, raw));
            if (std::holds_alternative<std::monostate>(value)) return column + " IS NULL";
            const std::string same = column + "=" + bind(std::move(value));
            return kind == JsonKind::number ? "(" + same + " AND " + is_number(type) + ")" : same;
        };
        if (filter.op == Op::in) {
            std::string any;
            for (const std::string& raw : filter.values) {
                TASKSTORE_LET(const std::string one, equals(raw));
                any += (any.empty() ? "(" : " OR ") + one;
            }
            return any.empty() ? "0" : any + ")";
        }
        if (filter.op == Op::eq) return equals(filter.values[0]);
        if (filter.op == Op::ne) {
            TASKSTORE_LET(const std::string same, equals(filter.values[0]));
            return "NOT coalesce(" + same + ",0)";
        }
        // Neither true nor null has an order.
        const JsonKind kind = kind_of_raw(filter.values[0]);
        if (kind == JsonKind::boolean || kind == JsonKind::null) return std::string("0");
        TASKSTORE_LET(sql::Value value, column_value(filter, filter.values[0]));
        const bool text = std::holds_alternative<std::string>(value);
        return "(" + (text ? "typeof(" + column + ")='text'" : is_number(type)) + " AND " + column +
               sign_of(filter.op) + bind(std::move(value)) + ")";
    }
    static std::string is_number(const std::string& type) {
        return type + " IN ('integer','real')";
    }
    static const char* sign_of(Op op) {
        constexpr std::array kSigns{"<", "<=", ">", ">="};
        return kSigns[static_cast<std::size_t>(op) - static_cast<std::size_t>(Op::lt)];
    }

    const Kind* x_kind;
};

/// What a cursor must agree on: it continues one query, not another.
std::string fingerprint(const Query& query, const std::string& order_field, bool descending) {
    std::string text = query.collection + "\n" + order_field + (descending ? "-" : "+");
    const auto add = [&](const auto& self, const Filter& filter) -> void {
        text += "\n(" + std::to_string(static_cast<int>(filter.kind)) + filter.field +
                std::to_string(static_cast<int>(filter.op));
        for (const std::string& value : filter.values) text += "\n" + value;
        for (const Filter& part : filter.parts) self(self, part);
        text += ")";
    };
    add(add, query.filter);
    return std::to_string(xxh3_64(text));
}

}  // namespace

sql::Value value_of_raw(std::string_view raw) {
    switch (kind_of_raw(raw)) {
        case JsonKind::boolean:
            return std::int64_t{raw == "true" ? 1 : 0};
        case JsonKind::number:
            if (const auto integer = raw_to_int64(raw)) return *integer;
            // Beyond a double: infinity or 0, as SQLite reads such a number of a record.
            return std::strtod(std::string(raw).c_str(), nullptr);
        case JsonKind::string:
            return unescape_json(raw).value_or(std::string());
        case JsonKind::null:
            return std::monostate{};
        default:
            return std::string(raw);
    }
}

Filter Filter::compare(std::string field, Op op, std::string raw_value) {
    return {Kind::compare, std::move(field), op, {std::move(raw_value)}, {}};
}
Filter Filter::all_of(std::vector<Filter> parts) {
    return {Kind::all_of, {}, Op::eq, {}, std::move(parts)};
}
Filter Filter::none_of(std::vector<Filter> parts) {
    return {Kind::none_of, {}, Op::eq, {}, std::move(parts)};
}
Filter Filter::any_of(std::vector<Filter> parts) {
    return {Kind::any_of, {}, Op::eq, {}, std::move(parts)};
}

std::string quoted(std::string_view identifier) {
    std::string text = "\"";
    for (const char c : identifier) text += c == '"' ? std::string("\"\"") : std::string(1, c);
    return text + "\"";
}

std::string table_of(const Kind* kind) {
    if (kind == nullptr) return "records";
    return kind->declared ? quoted(kind->collection) : std::string(kind->collection);
}

std::string column_of(const Kind* kind, std::string_view field) {
    if (field == "updated_at") return "updated_at";
    if (field == (kind != nullptr ? kind->id_member : "id")) return "id";
    if (const Field* known = kind != nullptr ? kind->field(field) : nullptr;
        known != nullptr && !known->document)
        return quoted(known->column.empty() ? field : known->column);
    std::string path = "$." + quoted(field);
    std::string literal = "'";
    for (const char c : path) literal += c == '\'' ? std::string("''") : std::string(1, c);
    return "json_extract(data, " + literal + "')";
}

Result<SelectSql> select_sql(const Catalogue& catalogue, const Query& query) {
    Builder builder(catalogue, query);
    const Kind* kind = builder.kind();
    SelectSql out;
    out.order_field = !query.order_field.empty() ? query.order_field
                      : kind != nullptr          ? std::string(kind->order_field)
                                                 : "updated_at";
    out.descending =
        !query.order_field.empty() ? query.descending : kind == nullptr || kind->order_descending;
    TASKSTORE_TRY(builder.check_field(out.order_field));
    const std::string order = column_of(kind, out.order_field);
    std::string where;
    if (kind == nullptr) where = "collection=" + builder.bind(query.collection);
    if (!(query.filter.kind == Filter::Kind::all_of && query.filter.parts.empty())) {
        TASKSTORE_LET(const std::string filter, builder.where(query.filter));
        where += (where.empty() ? "" : " AND ") + filter;
    }
    if (!query.cursor.empty()) {
        const auto bad = [] {
            return fail(Code::invalid, "this cursor does not belong to this query")
                .with_hint("repeat the list from its start, without --cursor");
        };
        const auto text = from_base64url(query.cursor);
        const auto json = text ? Json::parse(*text) : Result<Json>(fail(Code::invalid, ""));
        if (!json ||
            json->get("q").as_string() != fingerprint(query, out.order_field, out.descending))
            return bad();
        const auto id = json->get("id").as_string();
        if (!id) return bad();
        const std::string sign = out.descending ? "<" : ">";
        const Json key = json->get("k");
        if (key.is_null()) {
            // Nulls come first ascending and last descending, as SQLite sorts them.
            const std::string rest =
                "(" + order + " IS NULL AND id" + sign + builder.bind(*id) + ")";
            where += (where.empty() ? "" : " AND ") +
                     (out.descending ? rest : "(" + rest + " OR " + order + " IS NOT NULL)");
        } else {
            const std::string key_parameter = builder.bind(value_of_raw(key.to_text()));
            std::string rest =
                "(" + order + ",id)" + sign + "(" + key_parameter + "," + builder.bind(*id) + ")";
            if (out.descending) rest = "(" + rest + " OR " + order + " IS NULL)";
            where += (where.empty() ? "" : " AND ") + rest;
        }
    }
    const std::string direction = out.descending ? " DESC" : "";
    out.text = "SELECT id,data,revision,updated_at," + order + " FROM " + table_of(kind) +
               (where.empty() ? "" : " WHERE " + where) + " ORDER BY " + order + direction + ",id" +
               direction;
    if (query.limit > 0) out.text += " LIMIT " + std::to_string(query.limit + 1);
    out.parameters = std::move(builder.parameters);
    return out;
}

Result<SelectSql> count_sql(const Catalogue& catalogue, const Query& query) {
    Builder builder(catalogue, query);
    SelectSql out;
    std::string where;
    if (builder.kind() == nullptr) where = "collection=" + builder.bind(query.collection) + " AND ";
    TASKSTORE_LET(const std::string filter, builder.where(query.filter));
    out.text = "SELECT count(*) FROM " + table_of(builder.kind()) + " WHERE " + where + filter;
    out.parameters = std::move(builder.parameters);
    return out;
}

std::string make_cursor(const Query& query, const SelectSql& sql, const sql::Value& order_key,
                        std::string_view id) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object()
        .key("q")
        .string(fingerprint(query, sql.order_field, sql.descending))
        .key("id")
        .string(id)
        .key("k");
    if (const auto* integer = std::get_if<std::int64_t>(&order_key))
        writer.integer(*integer);
    else if (const auto* real = std::get_if<double>(&order_key); real && std::isinf(*real))
        writer.raw(*real > 0 ? "1e999" : "-1e999");
    else if (real)
        writer.number(*real);
    else if (const auto* key = std::get_if<std::string>(&order_key))
        writer.string(*key);
    else
        writer.null();
    writer.end_object();
    return to_base64url(text);
}

}  // namespace taskstore::records
