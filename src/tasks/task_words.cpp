#include "task_words.hpp"

#include "task_rows.hpp"

#include <task_sql.hpp>
#include <task_sql_postgres.hpp>
#include <task_sql_sqlite.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/sql/tokens.hpp>

namespace taskstore::tasks {
namespace {

constexpr std::size_t kSearchedBytesMax = 65'536;
/// Of one statement: what every engine and every way to it takes.
constexpr std::size_t kFilledBytesMax = 262'144;

/// In the transaction that is open; what failed leaves nothing.
Status try_to(sql::Connection& connection, std::string_view text) {
    TASKSTORE_TRY(connection.execute("SAVEPOINT words"));
    const Status done = connection.execute(text);
    TASKSTORE_TRY(
        connection.execute(done ? "RELEASE SAVEPOINT words" : "ROLLBACK TO SAVEPOINT words"));
    return done;
}

}  // namespace

std::string words_of(const std::string& title, const std::optional<std::string>& description) {
    std::string text = title;
    if (description) text += "\n" + *description;
    std::string words;
    for (const std::string& token : sql::tokens_of(cut_utf8(text, kSearchedBytesMax))) {
        if (!words.empty()) words += ' ';
        words += token;
    }
    return words;
}

Status keep_and_fill_words(sql::Connection& connection) {
    // It is there unless somebody has dropped it, and an owner of the database may make it. Servers
    // that only speak as PostgreSQL does may know it by another name, or none.
    static_cast<void>(try_to(connection, "CREATE EXTENSION IF NOT EXISTS plpgsql").has_value());
    if (const Status kept = try_to(connection, task_sql_postgres::keep_words); !kept)
        return fail(Code::unsupported,
                    "the words of tasks, by which they are searched, are kept by "
                    "triggers in PL/pgSQL, which this server refuses: " +
                        kept.error().message)
            .with_hint("'CREATE EXTENSION plpgsql' as the owner of the database");
    static_cast<void>(try_to(connection, task_sql_postgres::keep_words_at_once).has_value());
    return fill_words(connection);
}

Status fill_words(sql::Connection& connection) {
    const std::string_view set_words = connection.dialect() == "postgres"
                                           ? task_sql_postgres::set_words
                                           : task_sql_sqlite::set_words;
    for (std::string last;;) {
        const sql::BoundStatement page{.sql = task_sql::page_of_texts, .values = {last}};
        TASKSTORE_LET(const auto answers, sql::run_batch(connection, {&page, 1}));
        if (answers[0].rows.empty()) return ok();
        std::vector<sql::BoundStatement> writes;
        std::string given;
        const auto add_write = [&] {
            if (!given.empty()) writes.push_back({.sql = set_words, .values = {given + "}"}});
            given.clear();
        };
        for (const auto& row : answers[0].rows) {
            RowReader read(row);
            last = read.text();
            const std::string title = read.text();
            given += given.empty() ? "{" : ",";
            append_json_string(given, last);
            given += ":";
            append_json_string(given, words_of(title, read.maybe_text()));
            if (given.size() >= kFilledBytesMax) add_write();
        }
        add_write();
        TASKSTORE_TRY(sql::run_batch(connection, writes));
    }
}

}  // namespace taskstore::tasks
