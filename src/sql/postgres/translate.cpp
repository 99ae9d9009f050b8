#include "translate.hpp"

#include <taskstore/base/ascii.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace taskstore::postgres {
namespace {

constexpr std::size_t kTranslationsMax = 512;
constexpr int kParametersMax = 65'535;  // The protocol counts them in 16 bits.
constexpr std::size_t kWordsKept = 40;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) {
    return starts_name(c) || is_digit(c) || c == '$';
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
    return std::ranges::find(words, word) != words.end();
}

/// What a server does not refuse in a read-only transaction, because it changes no table: settings,
/// files, slots, statistics, other sessions, other servers; and what runs a text as SQL. Views and
/// tables that show files and passwords, too.
bool writes_behind_read_only(std::string_view function) {
    static constexpr std::array<std::string_view, 24> kNames{"SET_CONFIG",
                                                             "LOWRITE",
                                                             "LOREAD",
                                                             "PG_AUTHID",
                                                             "PG_CANCEL_BACKEND",
                                                             "PG_FILE_SETTINGS",
                                                             "PG_HBA_FILE_RULES",
                                                             "PG_IDENT_FILE_MAPPINGS",
                                                             "PG_IMPORT_SYSTEM_COLLATIONS",
                                                             "PG_LOG_BACKEND_MEMORY_CONTEXTS",
                                                             "PG_NOTIFY",
                                                             "PG_PROMOTE",
                                                             "PG_RELOAD_CONF",
                                                             "PG_ROTATE_LOGFILE",
                                                             "PG_SHADOW",
                                                             "PG_SHOW_ALL_FILE_SETTINGS",
                                                             "PG_SUBSCRIPTION",
                                                             "PG_SWITCH_WAL",
                                                             "PG_TERMINATE_BACKEND",
                                                             "PG_USER_MAPPING",
                                                             "PG_USER_MAPPINGS",
                                                             "TS_REWRITE",
                                                             "TS_STAT",
                                                             "XPATH_TABLE"};
    static constexpr std::array<std::string_view, 19> kBeginnings{"LO_",
                                                                  "DBLINK",
                                                                  "CROSSTAB",
                                                                  "CONNECTBY",
                                                                  "CURSOR_TO_XML",
                                                                  "QUERY_TO_XML",
                                                                  "PG_BACKUP_",
                                                                  "PG_COPY_",
                                                                  "PG_CREATE_",
                                                                  "PG_DROP_",
                                                                  "PG_FILE_",
                                                                  "PG_LOGICAL_",
                                                                  "PG_REPLICATION_ORIGIN_",
                                                                  "PG_REPLICATION_SLOT_",
                                                                  "PG_START_BACKUP",
                                                                  "PG_STAT_RESET",
                                                                  "PG_STOP_BACKUP",
                                                                  "PG_SYNC_",
                                                                  "PG_WAL_REPLAY_"};
    return is_one_of(function, kNames) ||
           std::ranges::any_of(kBeginnings, [&](std::string_view beginning) {
               return function.starts_with(beginning);
           });
}

StatementKind kind_of(const std::vector<std::string>& words) {
    static constexpr std::array<std::string_view, 10> kQueries{
        "SELECT",  "WITH",    "VALUES", "TABLE", "SHOW",
        "EXPLAIN", "DECLARE", "FETCH",  "MOVE",  "CLOSE"};
    static constexpr std::array<std::string_view, 6> kTransactions{"BEGIN", "START", "COMMIT",
                                                                   "END",   "ABORT", "ROLLBACK"};
    static constexpr std::array<std::string_view, 8> kSessions{
        "SET", "RESET", "DISCARD", "LISTEN", "UNLISTEN", "LOAD", "PREPARE", "DEALLOCATE"};
    const auto word = [&](std::size_t n) -> std::string_view {
        return n < words.size() ? std::string_view{words[n]} : std::string_view{};
    };
    // With ANALYZE it runs what it explains, and servers let a CREATE TABLE AS through even where
    // the transaction is read-only.
    const auto runs = [](const std::string& one) { return one == "ANALYZE" || one == "ANALYSE"; };
    if (word(0) == "EXPLAIN" && std::ranges::any_of(words, runs)) return StatementKind::other;
    if (words.empty() || is_one_of(word(0), kQueries)) return StatementKind::query;
    if (word(0) == "COPY") return StatementKind::copy;
    if (word(0) == "SAVEPOINT" || word(0) == "RELEASE") return StatementKind::savepoint;
    if (word(0) == "ROLLBACK" && std::ranges::find(words, "TO") != words.end())
        return StatementKind::savepoint;
    if (is_one_of(word(0), kTransactions)) return StatementKind::transaction;
    if ((word(0) == "PREPARE" || word(0) == "SET") && word(1) == "TRANSACTION")
        return StatementKind::transaction;
    if (word(0) == "SET" && (word(1) == "LOCAL" || word(1) == "CONSTRAINTS"))
        return StatementKind::other;
    if (is_one_of(word(0), kSessions)) return StatementKind::session;
    return StatementKind::other;
}

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

class Lexer {
  public:
    explicit Lexer(std::string_view sql) : x_sql(sql) {}

    Result<std::vector<Translated>> run() {
        while (x_at < x_sql.size()) TASKSTORE_TRY(take());
        finish_statement();
        return std::move(x_statements);
    }

  private:
    char peek(std::size_t ahead = 0) const {
        return x_at + ahead < x_sql.size() ? x_sql[x_at + ahead] : '\0';
    }
    void keep(std::size_t bytes) {
        x_now.text += x_sql.substr(x_at, bytes);
        x_at += bytes;
    }
    Failure unfinished(std::string_view what) const {
        return fail(Code::invalid,
                    std::string(what) + " without end in \"" + excerpt(x_sql) + "\"");
    }

    Status take() {
        const char c = peek();
        if (c == '-' && peek(1) == '-') return take_line_comment();
        if (c == '/' && peek(1) == '*') return take_block_comment();
        if (c == '\'') return take_quoted('\'', false);
        if (c == '"') return take_quoted('"', false);
        if (c == '$') return take_dollar();
        if (c == '?' && is_digit(peek(1))) return take_parameter();
        if (starts_name(c)) return take_word();
        if (is_digit(c)) return take_number();
        if (c == '(') ++x_parentheses;
        if (c == ')') --x_parentheses;
        if (c == ';' && x_parentheses <= 0 && x_body_depth == 0) {
            ++x_at;
            finish_statement();
            return ok();
        }
        if (!is_blank(c)) x_empty = false;
        keep(1);
        return ok();
    }

    // Comments become a space: they may hold what looks like a parameter to nobody but us.
    Status take_line_comment() {
        const std::size_t end = std::min(x_sql.find_first_of("\n\r", x_at), x_sql.size());
        x_at = end;
        x_now.text += ' ';
        return ok();
    }
    Status take_block_comment() {
        int depth = 0;
        while (x_at < x_sql.size()) {
            if (peek() == '/' && peek(1) == '*') {
                ++depth;
                x_at += 2;
            } else if (peek() == '*' && peek(1) == '/') {
                --depth;
                x_at += 2;
                if (depth == 0) {
                    x_now.text += ' ';
                    return ok();
                }
            } else {
                ++x_at;
            }
        }
        return unfinished("a comment");
    }

    Status take_quoted(char quote, bool backslashes) {
        x_empty = false;
        const std::size_t start = x_at;
        keep(1);
        while (x_at < x_sql.size()) {
            if (backslashes && peek() == '\\') {
                keep(std::min<std::size_t>(2, x_sql.size() - x_at));
            } else if (peek() == quote && peek(1) == quote) {
                keep(2);
            } else if (peek() == quote) {
                keep(1);
                if (quote == '"') {
                    note_name(x_sql.substr(start + 1, x_at - start - 2));
                    x_now.names.emplace(x_sql.substr(start + 1, x_at - start - 2));
                } else if (goes_on()) {
                    continue;
                }
                return ok();
            } else {
                keep(1);
            }
        }
        return unfinished(quote == '"' ? "a quoted name" : "a string");
    }

    /// A string goes on, by the rules it began with, in a quote that only blanks and comments with
    /// a newline among them are before (PostgreSQL manual, 4.1.2.1). Stands behind that quote then.
    bool goes_on() {
        bool newline = false;
        std::size_t at = x_at;
        while (at < x_sql.size()) {
            if (x_sql.substr(at, 2) == "--") {
                at = std::min(x_sql.find_first_of("\n\r", at), x_sql.size());
            } else if (is_blank(x_sql[at])) {
                newline = newline || x_sql[at] == '\n' || x_sql[at] == '\r';
                ++at;
            } else {
                break;
            }
        }
        if (!newline || at >= x_sql.size() || x_sql[at] != '\'') return false;
        x_now.text += "\n'";
        x_at = at + 1;
        return true;
    }

    Status take_dollar() {
        x_empty = false;
        if (is_digit(peek(1))) {
            return fail(Code::invalid,
                        "parameters are written ?1, not $1, in \"" + excerpt(x_sql) + "\"");
        }
        std::size_t end = x_at + 1;
        while (end < x_sql.size() && (starts_name(x_sql[end]) || is_digit(x_sql[end]))) ++end;
        if (end >= x_sql.size() || x_sql[end] != '$') {
            keep(1);
            return ok();
        }
        const std::string_view tag = x_sql.substr(x_at, end + 1 - x_at);
        const std::size_t close = x_sql.find(tag, end + 1);
        if (close == std::string_view::npos) return unfinished("a dollar quote");
        keep(close + tag.size() - x_at);
        return ok();
    }

    Status take_parameter() {
        x_empty = false;
        int number = 0;
        const char* const end = x_sql.data() + x_sql.size();
        const auto [rest, error] = std::from_chars(x_sql.data() + x_at + 1, end, number);
        if (error != std::errc{} || number < 1 || number > kParametersMax) {
            return fail(Code::invalid, "a parameter is numbered from 1 to 65535; see \"" +
                                           excerpt(x_sql.substr(x_at)) + "\"");
        }
        x_now.parameters = std::max(x_now.parameters, number);
        x_now.text += '$' + std::to_string(number);
        x_at = static_cast<std::size_t>(rest - x_sql.data());
        // "?1AND" would become "$1AND", which newer servers refuse.
        if (starts_name(peek())) x_now.text += ' ';
        return ok();
    }

    Status take_number() {
        x_empty = false;
        while (is_digit(peek()) || starts_name(peek()) || peek() == '.') keep(1);
        return ok();
    }

    Status take_word() {
        x_empty = false;
        std::size_t end = x_at;
        while (end < x_sql.size() && continues_name(x_sql[end])) ++end;
        const std::string word = ascii::uppered(x_sql.substr(x_at, end - x_at));
        x_now.names.insert(ascii::lowered(word));
        keep(end - x_at);
        if (word == "E" && peek() == '\'') return take_quoted('\'', true);
        // U&"…": a name whose letters may be written as numbers.
        if (word == "U" && peek() == '&' && peek(1) == '"') x_now.escapes_read_only = true;
        if (x_words.size() < kWordsKept) x_words.push_back(word);
        note_name(word);
        track_body(word);
        return ok();
    }

    void note_name(std::string_view name) {
        if (writes_behind_read_only(ascii::uppered(name))) x_now.escapes_read_only = true;
    }

    // CREATE FUNCTION … BEGIN ATOMIC …; …; END: its semicolons do not end the statement.
    void track_body(const std::string& word) {
        if (x_body_depth > 0 && (word == "CASE" || word == "BEGIN")) ++x_body_depth;
        if (x_body_depth > 0 && word == "END") --x_body_depth;
        if (x_body_depth == 0 && word == "ATOMIC" && x_last_word == "BEGIN" &&
            x_words.front() == "CREATE")
            x_body_depth = 1;
        x_last_word = word;
    }

    void finish_statement() {
        if (!x_empty) {
            x_now.kind = kind_of(x_words);
            x_statements.push_back(std::move(x_now));
        }
        x_now = {};
        x_words.clear();
        x_last_word.clear();
        x_empty = true;
        x_parentheses = 0;
        x_body_depth = 0;
    }

    std::string_view x_sql;
    std::size_t x_at = 0;
    std::vector<Translated> x_statements;
    Translated x_now;
    bool x_empty = true;
    int x_parentheses = 0;
    int x_body_depth = 0;
    std::vector<std::string> x_words;
    std::string x_last_word;
};

}  // namespace

Result<std::vector<Translated>> translate(std::string_view sql) {
    return Lexer(sql).run();
}

Result<std::shared_ptr<const Translated>> Translations::one(std::string_view sql) {
    {
        const std::lock_guard lock(x_mutex);
        if (const auto found = x_by_sql.find(sql); found != x_by_sql.end()) {
            x_recent.splice(x_recent.begin(), x_recent, found->second);
            return x_recent.front().translated;
        }
    }
    TASKSTORE_LET(auto statements, translate(sql));
    if (statements.size() != 1) {
        return fail(Code::invalid, (statements.empty() ? "there is no SQL statement in \""
                                                       : "more than one SQL statement in \"") +
                                       excerpt(sql) + "\"");
    }
    auto translated = std::make_shared<const Translated>(std::move(statements.front()));
    const std::lock_guard lock(x_mutex);
    if (x_by_sql.contains(sql)) return translated;
    x_recent.push_front({std::string(sql), translated});
    x_by_sql.emplace(x_recent.front().sql, x_recent.begin());
    if (x_recent.size() > kTranslationsMax) {
        x_by_sql.erase(x_recent.back().sql);
        x_recent.pop_back();
    }
    return translated;
}

std::string excerpt(std::string_view sql) {
    constexpr std::size_t kExcerptBytesMax = 120;
    const std::string_view head = cut_utf8(sql, kExcerptBytesMax);
    std::string line;
    for (const char c : head) {
        const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
        if (space && (line.empty() || line.back() == ' ')) continue;
        line += space ? ' ' : c;
    }
    if (head.size() < sql.size()) line += "…";
    return line;
}

}  // namespace taskstore::postgres
