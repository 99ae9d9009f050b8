#include "rows.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace taskstore::store {
namespace {

constexpr std::int64_t kPageRows = 500;
/// How many one statement measures: it ends within any statement timeout.
constexpr std::int64_t kMeasuredRows = 2'000;
constexpr std::size_t kBatchRows = 500;
constexpr std::size_t kBatchBytes = 4U << 20U;
constexpr std::size_t kBytesBesides = 9;  ///< Of each value: what says its type and size.
constexpr std::string_view kDigits = "0123456789abcdef";

std::vector<std::string> words_of(std::string_view list) {
    std::vector<std::string> words;
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(", "), list.size());
        words.emplace_back(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 2, list.size()));
    }
    return words;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

/// `before`: how many come before them.
std::string parameters(std::size_t count, std::size_t before = 0) {
    std::string out;
    for (std::size_t i = 1; i <= count; ++i)
        out += (i == 1 ? "?" : ", ?") + std::to_string(before + i);
    return out;
}

Result<std::vector<std::size_t>> places_of(const std::vector<std::string>& names,
                                           const std::vector<std::string>& columns,
                                           std::string_view table) {
    std::vector<std::size_t> places;
    for (const std::string& name : names) {
        const auto found = std::ranges::find(columns, name);
        if (found == columns.end())
            return fail(Code::corrupt,
                        "table '" + std::string(table) + "' lacks its key '" + name + "'");
        places.push_back(static_cast<std::size_t>(found - columns.begin()));
    }
    return places;
}

Row key_of(const Row& row, const std::vector<std::size_t>& places) {
    Row key;
    for (const std::size_t place : places) key.push_back(row[place]);
    return key;
}

// Keys are text and whole numbers; text sorts by bytes in every engine.
bool less(const Row& a, const Row& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto* left = std::get_if<std::string>(&a[i]);
        const auto* right = std::get_if<std::string>(&b[i]);
        if (left != nullptr && right != nullptr) {
            if (const int order = left->compare(*right); order != 0) return order < 0;
            continue;
        }
        const auto* low = std::get_if<std::int64_t>(&a[i]);
        const auto* high = std::get_if<std::int64_t>(&b[i]);
        if (low != nullptr && high != nullptr && *low != *high) return *low < *high;
    }
    return false;
}

/// Statements gathered into transactions of a bounded size.
class Gatherer {
  public:
    explicit Gatherer(CopyTarget& to) : x_to(to) {}
    Status add(std::string_view sql, Row values) {
        x_bytes += static_cast<std::size_t>(bytes_of(values));
        x_batch.push_back({.sql = sql, .values = std::move(values)});
        if (x_batch.size() < kBatchRows && x_bytes < kBatchBytes) return ok();
        return flush();
    }
    Status flush() {
        if (x_batch.empty()) return ok();
        std::vector<sql::BoundStatement> all;
        all.push_back(sql::begin_filling(x_to.name, x_to.incoming));
        std::ranges::move(x_batch, std::back_inserter(all));
        all.push_back(sql::end_filling(x_to.name, x_to.incoming));
        x_batch.clear();
        x_bytes = 0;
        TASKSTORE_TRY(x_to.writer.write_batch(all, {.alone = true}));
        return ok();
    }

  private:
    CopyTarget& x_to;
    std::vector<sql::BoundStatement> x_batch;
    std::size_t x_bytes = 0;
};

std::string upsert_text(const sql::Table& table, const std::vector<std::string>& columns) {
    const std::vector<std::string> key = words_of(table.key);
    std::string text = "INSERT INTO " + std::string(table.name) + " (" + joined(columns) +
                       ") VALUES (" + parameters(columns.size()) + ") ON CONFLICT (" +
                       std::string(table.key) + ") DO ";
    std::string sets;
    for (const std::string& column : columns) {
        if (std::ranges::find(key, column) != key.end()) continue;
        sets += (sets.empty() ? "" : ", ") + column + " = excluded." + column;
    }
    return text + (sets.empty() ? "NOTHING" : "UPDATE SET " + sets);
}

Result<sql::Value> parse_object(std::string_view raw) {
    TASKSTORE_LET(const Json object, Json::parse(raw));
    if (const auto real = object.get("real").as_string()) {
        double value = 0;
        const auto [end, error] = std::from_chars(real->data(), real->data() + real->size(), value);
        if (error == std::errc() && end == real->data() + real->size()) return sql::Value{value};
    }
    const auto hex = object.get("blob").as_string();
    if (!hex || hex->size() % 2 != 0) return fail(Code::corrupt, "a value of no known form");
    sql::Blob blob;
    for (std::size_t i = 0; i < hex->size(); i += 2) {
        const std::size_t high = kDigits.find((*hex)[i]);
        const std::size_t low = kDigits.find((*hex)[i + 1]);
        if (high == std::string_view::npos || low == std::string_view::npos)
            return fail(Code::corrupt, "a blob that is not hexadecimal");
        blob.bytes += static_cast<char>(high * 16 + low);
    }
    return sql::Value{std::move(blob)};
}

}  // namespace

void append_row(std::string& out, const Row& row) {
    JsonWriter writer(out);
    writer.begin_array();
    for (const sql::Value& value : row) {
        if (const auto* number = std::get_if<std::int64_t>(&value)) {
            writer.integer(*number);
        } else if (const auto* text = std::get_if<std::string>(&value)) {
            writer.string(*text);
        } else if (const auto* real = std::get_if<double>(&value)) {
            std::array<char, 40> digits{};
            const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), *real).ptr;
            writer.begin_object().key("real").string({digits.data(), end}).end_object();
        } else if (const auto* blob = std::get_if<sql::Blob>(&value)) {
            std::string hex;
            for (const char c : blob->bytes) {
                const auto byte = static_cast<unsigned char>(c);
                hex += kDigits[byte >> 4U];
                hex += kDigits[byte & 15U];
            }
            writer.begin_object().key("blob").string(hex).end_object();
        } else {
            writer.null();
        }
    }
    writer.end_array();
}

Result<Row> parse_row(std::string_view text) {
    if (!check_json(text)) return fail(Code::corrupt, "a row that is no JSON");
    if (kind_of_raw(text) != JsonKind::array) return fail(Code::corrupt, "a row that is no array");
    Row row;
    for (const std::string_view raw : items_of_raw(text)) {
        switch (kind_of_raw(raw)) {
            case JsonKind::null:
                row.emplace_back();
                break;
            case JsonKind::number: {
                const auto number = raw_to_int64(raw);
                if (!number) return fail(Code::corrupt, "a number that is not whole");
                row.emplace_back(*number);
                break;
            }
            case JsonKind::string: {
                TASKSTORE_LET(std::string value, unescape_json(raw));
                row.emplace_back(std::move(value));
                break;
            }
            case JsonKind::object: {
                TASKSTORE_LET(sql::Value value, parse_object(raw));
                row.push_back(std::move(value));
                break;
            }
            default:
                return fail(Code::corrupt, "a value of no known form");
        }
    }
    return row;
}

TableRows::TableRows(sql::Connection& connection, const sql::Table& table,
                     std::optional<Standing> standing)
    : x_connection(connection), x_table(table), x_standing(standing) {}

Result<sql::Rows> TableRows::ask(const sql::BoundStatement& page) {
    const auto query = [&]() -> Result<sql::Rows> {
        TASKSTORE_LET(auto answers, sql::run_batch(x_connection, {&page, 1}));
        return std::move(answers[0]);
    };
    if (!x_standing) return query();
    TASKSTORE_LET(const auto settled,
                  sql::begin_settled_read(x_connection, x_standing->name, x_standing->identity));
    return query();
}

Status TableRows::read_page() {
    const std::string key(x_table.key);
    std::string text = "SELECT * FROM " + std::string(x_table.name);
    if (!x_last.empty()) text += " WHERE (" + key + ") > (" + parameters(x_last.size()) + ")";
    text += " ORDER BY " + key + " LIMIT " + std::to_string(kPageRows);
    const sql::BoundStatement page{.sql = text, .values = x_last};
    // A server takes the lock from a transaction that it finds too slow.
    constexpr int kTries = 3;
    auto answer = ask(page);
    for (int i = 1; i < kTries && x_standing && !answer; ++i) {
        if (!row_of(answer.error().code).retryable) break;
        answer = ask(page);
    }
    if (!answer) return fail(std::move(answer).error());
    if (x_columns.empty()) {
        x_columns = answer->columns.list();
        TASKSTORE_LET(x_key, places_of(words_of(key), x_columns, x_table.name));
    }
    x_page = std::move(answer->rows);
    x_at = 0;
    x_ended = static_cast<std::int64_t>(x_page.size()) < kPageRows;
    if (!x_page.empty()) x_last = key_of(x_page.back(), x_key);
    return ok();
}

Result<bool> TableRows::next(Row& out) {
    if (x_at == x_page.size()) {
        if (x_ended) return false;
        TASKSTORE_TRY(read_page());
        if (x_page.empty()) return false;
    }
    out = std::move(x_page[x_at++]);
    return true;
}

void RowDigest::add(const Row& row) {
    x_text.clear();
    append_row(x_text, row);
    x_text += '\n';
    x_hash.update(x_text);
    ++x_rows;
}

std::int64_t bytes_of(const Row& row) {
    std::size_t bytes = 0;
    for (const sql::Value& value : row) {
        if (const auto* text = std::get_if<std::string>(&value)) bytes += text->size();
        if (const auto* blob = std::get_if<sql::Blob>(&value)) bytes += blob->bytes.size();
        bytes += kBytesBesides;
    }
    return static_cast<std::int64_t>(bytes);
}

namespace {

Result<sql::Rows> ask_one(sql::Connection& connection, const std::string& text, Row values = {}) {
    const sql::BoundStatement one{.sql = text, .values = std::move(values)};
    TASKSTORE_LET(auto answers, sql::run_batch(connection, {&one, 1}));
    return std::move(answers[0]);
}

/// What bytes_of() counts, as the engine says it.
std::string measure_of(const sql::ColumnNames& columns, bool postgres) {
    std::string sum = std::to_string(columns.size() * kBytesBesides);
    for (const std::string& column : columns)
        sum += " + coalesce(" +
               (postgres ? "octet_length(CAST(" + column + " AS TEXT))"
                         : "length(CAST(" + column + " AS BLOB))") +
               ", 0)";
    return sum;
}

// A statement for the whole table would outlast what a server grants one, where there is much in
// it: so many rows at a time, in the order of the key.
Result<std::int64_t> largest_row_of(sql::Connection& connection, const sql::Table& table) {
    const std::string key(table.key);
    const std::string from = " FROM " + std::string(table.name);
    TASKSTORE_LET(const auto seen, ask_one(connection, "SELECT *" + from + " LIMIT 1"));
    if (seen.rows.empty()) return std::int64_t{0};
    const std::string measure = measure_of(seen.columns, connection.dialect() == "postgres");
    const std::string after = " WHERE (" + key + ") > (" + parameters(words_of(key).size()) + ")";
    std::int64_t largest = 0;
    for (Row last;;) {
        const std::string page = from + (last.empty() ? "" : after) + " ORDER BY " + key;
        TASKSTORE_LET(const auto most,
                      ask_one(connection,
                              "SELECT max(bytes) FROM (SELECT " + measure + " AS bytes" + page +
                                  " LIMIT " + std::to_string(kMeasuredRows) + ") AS page",
                              last));
        if (const auto* bytes = std::get_if<std::int64_t>(&most.rows.at(0).at(0)))
            largest = std::max(largest, *bytes);
        TASKSTORE_LET(const auto end, ask_one(connection,
                                              "SELECT " + key + page + " LIMIT 1 OFFSET " +
                                                  std::to_string(kMeasuredRows - 1),
                                              last));
        if (end.rows.empty()) return largest;
        last = end.rows[0];
    }
}

}  // namespace

Result<std::int64_t> largest_row(sql::Connection& connection, std::span<const sql::Table> tables) {
    std::int64_t largest = 0;
    for (const sql::Table& table : tables) {
        TASKSTORE_LET(const std::int64_t bytes, largest_row_of(connection, table));
        largest = std::max(largest, bytes);
    }
    return largest;
}

Status check_takes_row(sql::Connection& connection, std::int64_t bytes, const std::string& place) {
    // No engine is known that takes less.
    constexpr std::int64_t kAlwaysTaken = 1 << 20;
    if (bytes <= kAlwaysTaken) return ok();
    // Made where it is asked for: nothing of that size is sent.
    const std::string text =
        connection.dialect() == "postgres"
            ? "SELECT length(repeat('x', " + std::to_string(bytes) + "))"
            : "SELECT length(hex(zeroblob(" + std::to_string(bytes / 2) + ")))";
    const sql::BoundStatement made{.sql = text};
    const auto tried = sql::run_batch(connection, {&made, 1});
    if (tried) return ok();
    const Error& why = tried.error();
    if (row_of(why.code).retryable) return fail(why);
    return fail(Code::unsupported, place + " takes no row of " + std::to_string(bytes) +
                                       " bytes, and the largest one has as many: " + why.message)
        .with_hint("nothing was changed" + (why.hint.empty() ? "" : "; " + why.hint));
}

Result<CopyCounts> copy_rows(RowSource& from, const sql::Table& table, CopyTarget& to,
                             RowDigest* digest,
                             const std::function<void(std::int64_t rows)>& progress) {
    TableRows there(to.reader, table, Standing{to.name, to.incoming});
    Row source;
    Row target;
    TASKSTORE_LET(bool has_source, from.next(source));
    TASKSTORE_LET(bool has_target, there.next(target));
    // Of an empty table some engines name no columns until there is a row: then there is nothing to
    // do, or all to write.
    if (!has_source && !has_target) return CopyCounts{};
    const std::vector<std::string> columns = has_source ? from.columns() : there.columns();
    if (has_source && has_target && there.columns() != columns)
        return fail(Code::unsupported, "table '" + std::string(table.name) +
                                           "' has other columns there: " + joined(there.columns()))
            .with_hint("bring both to one version first: 'taskstore migrate --apply'");
    TASKSTORE_LET(const auto key, places_of(words_of(table.key), columns, table.name));
    const std::string upsert = upsert_text(table, columns);
    const std::string erase = "DELETE FROM " + std::string(table.name) + " WHERE (" +
                              std::string(table.key) + ") = (" + parameters(key.size()) + ")";
    // A row of another time line may stand in the way of one with a smaller key. What the source
    // has at its own key is not it: there the index holds, too.
    TASKSTORE_LET(const auto unique, places_of(words_of(table.unique), columns, table.name));
    const bool contested = has_target && !unique.empty();
    const std::string make_way =
        contested
            ? "DELETE FROM " + std::string(table.name) + " WHERE (" + std::string(table.unique) +
                  ") = (" + parameters(unique.size()) + ") AND (" + std::string(table.key) +
                  ") <> (" + parameters(key.size(), unique.size()) + ")"
            : std::string();
    CopyCounts counts;
    Gatherer gathered(to);
    while (has_source || has_target) {
        const Row source_key = has_source ? key_of(source, key) : Row();
        const Row target_key = has_target ? key_of(target, key) : Row();
        const bool only_there = has_target && (!has_source || less(target_key, source_key));
        if (only_there) {
            ++counts.deleted;
            TASKSTORE_TRY(gathered.add(erase, target_key));
            TASKSTORE_LET(has_target, there.next(target));
            continue;
        }
        ++counts.rows;
        if (digest != nullptr) digest->add(source);
        if (progress) progress(counts.rows);
        const bool both = has_target && source_key == target_key;
        if (!both || source != target) {
            ++counts.written;
            if (contested) {
                Row named = key_of(source, unique);
                named.insert(named.end(), source_key.begin(), source_key.end());
                TASKSTORE_TRY(gathered.add(make_way, std::move(named)));
            }
            TASKSTORE_TRY(gathered.add(upsert, std::move(source)));
        }
        if (both) {
            TASKSTORE_LET(has_target, there.next(target));
        }
        TASKSTORE_LET(has_source, from.next(source));
    }
    TASKSTORE_TRY(gathered.flush());
    return counts;
}

Status check_no_rows(sql::Connection& connection, std::span<const sql::Table> tables,
                     const Failure& otherwise) {
    for (const sql::Table& table : tables) {
        TableRows rows(connection, table);
        Row row;
        TASKSTORE_LET(const bool any, rows.next(row));
        if (any) return otherwise;
    }
    return ok();
}

Result<std::pair<std::int64_t, std::string>> digest_of(sql::Connection& connection,
                                                       const sql::Table& table,
                                                       std::optional<Standing> standing) {
    TableRows rows(connection, table, standing);
    RowDigest digest;
    Row row;
    while (true) {
        TASKSTORE_LET(const bool more, rows.next(row));
        if (!more) break;
        digest.add(row);
    }
    const std::int64_t count = digest.rows();
    return std::pair(count, digest.finish_hex());
}

}  // namespace taskstore::store
