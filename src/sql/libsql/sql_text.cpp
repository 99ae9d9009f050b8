#include "sql_text.hpp"

#include <taskstore/base/ascii.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace taskstore::libsql {
namespace {

enum class TokenKind : std::uint8_t { end, word, quoted, parameter, semicolon, other };

struct Token {
    TokenKind kind = TokenKind::end;
    std::string_view text;
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_word_start(char c) {
    return (ascii::upper(c) >= 'A' && ascii::upper(c) <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) > 127;
}
bool is_word(char c) {
    return is_word_start(c) || is_digit(c) || c == '$';
}
bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

class Tokens {
  public:
    explicit Tokens(std::string_view sql) : x_sql(sql) {}

    Token next() {
        skip_space();
        const std::size_t from = x_at;
        if (from >= x_sql.size()) return {TokenKind::end, x_sql.substr(x_sql.size())};
        return {read(x_sql[from]), x_sql.substr(from, x_at - from)};
    }

  private:
    void skip_space() {
        while (x_at < x_sql.size()) {
            if (is_space(x_sql[x_at])) {
                ++x_at;
            } else if (x_sql.substr(x_at, 2) == "--") {
                x_at = std::min(x_sql.find('\n', x_at), x_sql.size());
            } else if (x_sql.substr(x_at, 2) == "/*") {
                const std::size_t close = x_sql.find("*/", x_at + 2);
                x_at = close == std::string_view::npos ? x_sql.size() : close + 2;
            } else {
                return;
            }
        }
    }

    TokenKind read(char first) {
        if (first == '\'' || first == '"' || first == '`') return read_quoted(first);
        if (first == '[') {
            x_at = std::min(x_sql.find(']', x_at), x_sql.size() - 1) + 1;
            return TokenKind::quoted;
        }
        ++x_at;
        if (first == ';') return TokenKind::semicolon;
        if (is_word_start(first) || is_digit(first)) {
            skip_word();
            return is_word_start(first) ? TokenKind::word : TokenKind::other;
        }
        if (first == '?' || first == ':' || first == '@' || first == '$') {
            skip_word();
            return TokenKind::parameter;
        }
        return TokenKind::other;
    }

    void skip_word() {
        while (x_at < x_sql.size() && is_word(x_sql[x_at])) ++x_at;
    }

    TokenKind read_quoted(char quote) {
        for (++x_at; x_at < x_sql.size(); ++x_at) {
            if (x_sql[x_at] != quote) continue;
            if (x_at + 1 >= x_sql.size() || x_sql[x_at + 1] != quote) break;
            ++x_at;
        }
        x_at = std::min(x_at + 1, x_sql.size());
        return TokenKind::quoted;
    }

    std::string_view x_sql;
    std::size_t x_at = 0;
};

/// Takes the tokens of one statement and says what it is.
class Reader {
  public:
    /// False: the token ended the statement.
    bool take(const Token& token) {
        if (token.kind == TokenKind::semicolon && !inside_trigger()) return false;
        if (x_count == 0) x_start = token.text.data();
        x_end = token.text.data() + token.text.size();
        if (x_count < x_first.size()) x_first[x_count] = token;
        ++x_count;
        see(token);
        x_before_last = x_last;
        x_last = token;
        return true;
    }

    bool empty() const { return x_count == 0; }

    StatementText finish() {
        StatementText out;
        out.sql = {x_start, static_cast<std::size_t>(x_end - x_start)};
        out.parameters = x_parameters;
        classify(out);
        out.returns_rows = out.kind == StatementKind::read || out.kind == StatementKind::pragma ||
                           (out.kind == StatementKind::write && x_returning);
        out.inserts_one_row = is_word(0, "INSERT") && is_word(1, "INTO") && x_tuples == 1 &&
                              !x_conditional && !is_trigger();
        return out;
    }

  private:
    bool is_word(std::size_t i, std::string_view word) const {
        return i < x_count && i < x_first.size() && x_first[i].kind == TokenKind::word &&
               ascii::same_word(x_first[i].text, word);
    }
    bool is_trigger() const {
        std::size_t i = 0;
        if (is_word(i, "EXPLAIN")) i += is_word(1, "QUERY") ? std::size_t{3} : std::size_t{1};
        if (!is_word(i, "CREATE")) return false;
        if (is_word(i + 1, "TEMP") || is_word(i + 1, "TEMPORARY")) ++i;
        return is_word(i + 1, "TRIGGER");
    }
    // The body's statements have semicolons of their own: it ends with "; END ;".
    bool inside_trigger() const {
        if (!is_trigger()) return false;
        return !(x_last.kind == TokenKind::word && ascii::same_word(x_last.text, "END") &&
                 x_before_last.kind == TokenKind::semicolon);
    }

    void see(const Token& token) {
        if (token.kind == TokenKind::parameter) count_parameter(token.text);
        if (token.text == "(" && reaches_out(x_last)) x_changes = x_reaches_out = true;
        if (token.text == "(") {
            if (x_depth == 0 && x_after_values) ++x_tuples;
            ++x_depth;
        }
        if (token.text == ")") --x_depth;
        if (x_depth != 0 || token.kind != TokenKind::word) return;
        const auto is = [&](std::string_view word) { return ascii::same_word(token.text, word); };
        if (is("VALUES")) x_after_values = true;
        if (is("RETURNING")) {
            x_returning = true;
            x_after_values = false;
        }
        if (is("ON") || is("OR") || is("SELECT") || is("WITH")) x_conditional = true;
        const bool replaces = is("INTO") && x_last.kind == TokenKind::word &&
                              ascii::same_word(x_last.text, "REPLACE");
        if (is("INSERT") || is("UPDATE") || is("DELETE") || replaces) x_changes = true;
    }

    /// sqld has the functions of SQLite's shell, and those write files.
    static bool reaches_out(const Token& name) {
        static constexpr std::array<std::string_view, 4> kFunctions{
            "writefile", "edit", "load_extension", "fts3_tokenizer"};
        std::string_view word = name.text;
        if (name.kind == TokenKind::quoted && word.size() > 2)
            word = word.substr(1, word.size() - 2);
        return std::ranges::any_of(
            kFunctions, [&](std::string_view one) { return ascii::same_word(one, word); });
    }

    void count_parameter(std::string_view text) {
        int number = 0;
        if (text.size() > 1 && text[0] == '?') {
            std::from_chars(text.data() + 1, text.data() + text.size(), number);
            x_parameters = std::max(x_parameters, number);
            return;
        }
        if (text == "?") {
            ++x_parameters;
            return;
        }
        if (std::ranges::find(x_names, text) != x_names.end()) return;
        x_names.push_back(text);
        ++x_parameters;
    }

    void classify(StatementText& out) const {
        if (is_word(0, "SELECT") || is_word(0, "VALUES") || is_word(0, "EXPLAIN")) {
            out.kind = x_reaches_out ? StatementKind::write : StatementKind::read;
        } else if (is_word(0, "WITH")) {
            out.kind = x_changes ? StatementKind::write : StatementKind::read;
        } else if (is_word(0, "BEGIN")) {
            out.kind = StatementKind::begin;
            out.immediate = is_word(1, "IMMEDIATE") || is_word(1, "EXCLUSIVE");
        } else if (is_word(0, "COMMIT") || is_word(0, "END")) {
            out.kind = StatementKind::commit;
        } else if (is_word(0, "ROLLBACK")) {
            const std::size_t to = is_word(1, "TRANSACTION") ? 2 : 1;
            out.kind = is_word(to, "TO") ? StatementKind::savepoint : StatementKind::rollback;
            if (is_word(to, "TO"))
                out.name = x_first[to + (is_word(to + 1, "SAVEPOINT") ? 2 : 1)].text;
        } else if (is_word(0, "SAVEPOINT") || is_word(0, "RELEASE")) {
            out.kind = StatementKind::savepoint;
            out.name = x_first[is_word(1, "SAVEPOINT") ? 2 : 1].text;
        } else if (is_word(0, "ATTACH") || is_word(0, "DETACH")) {
            out.kind = StatementKind::attach;
        } else if (is_word(0, "PRAGMA")) {
            out.kind = StatementKind::pragma;
            const std::size_t at = x_count > 2 && x_first[2].text == "." ? 3 : 1;
            out.name = x_first[at].text;
            out.has_argument = x_count > at + 1;
        }
    }

    std::array<Token, 6> x_first{};
    std::size_t x_count = 0;
    Token x_last;
    Token x_before_last;
    const char* x_start = nullptr;
    const char* x_end = nullptr;
    int x_depth = 0;
    int x_parameters = 0;
    int x_tuples = 0;
    bool x_after_values = false;
    bool x_returning = false;
    bool x_conditional = false;
    bool x_changes = false;
    bool x_reaches_out = false;
    std::vector<std::string_view> x_names;
};

// As in the SQLite driver: their argument says what to look at.
constexpr std::array<std::string_view, 16> kLookingPragmas{
    "collation_list",   "compile_options", "database_list", "foreign_key_check",
    "foreign_key_list", "function_list",   "index_info",    "index_list",
    "index_xinfo",      "integrity_check", "module_list",   "pragma_list",
    "quick_check",      "table_info",      "table_list",    "table_xinfo"};

}  // namespace

bool pragma_reads(const StatementText& pragma) {
    if (!pragma.has_argument)
        return !ascii::same_word(pragma.name, "incremental_vacuum") &&
               !ascii::same_word(pragma.name, "optimize") &&
               !ascii::same_word(pragma.name, "wal_checkpoint") &&
               !ascii::same_word(pragma.name, "shrink_memory");
    return std::ranges::any_of(kLookingPragmas, [&](std::string_view name) {
        return ascii::same_word(name, pragma.name);
    });
}

std::vector<StatementText> split_statements(std::string_view sql) {
    std::vector<StatementText> out;
    Tokens tokens(sql);
    Reader reader;
    while (true) {
        const Token token = tokens.next();
        if (token.kind != TokenKind::end && reader.take(token)) continue;
        if (!reader.empty()) out.push_back(reader.finish());
        if (token.kind == TokenKind::end) return out;
        reader = {};
    }
}

}  // namespace taskstore::libsql
