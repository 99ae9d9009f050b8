// RFC 4180: cells in quotes hold anything, a quote doubled; records end with LF or CRLF outside
// quotes. A quote inside a cell without quotes is a character like others.

#include "csv_cell.hpp"
#include "input.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <set>

namespace taskstore::exchange {
namespace {

struct Record {
    std::size_t bytes = 0;  ///< With its line end.
    std::size_t stray = 0;  ///< 1 + where text stands behind a closing quote; 0: nowhere.
    bool ended = false;     ///< There is none.
    bool open = false;      ///< A quote never closes, or the record is too long.
};

class CsvReader final : public Reader {
  public:
    CsvReader(std::unique_ptr<ByteSource> source, ReaderOptions options)
        : x_in(std::move(source)), x_options(std::move(options)) {}

    Result<bool> next(Incoming& out) override {
        if (x_names.empty()) TASKSTORE_TRY(read_header());
        while (!x_names.empty()) {
            pass();
            TASKSTORE_LET(const bool got, read_record());
            if (!got) return false;
            if (x_cells.empty()) continue;
            if (x_cells.size() != x_names.size()) {
                damaged(0, std::to_string(x_cells.size()) + " cells where the header has " +
                               std::to_string(x_names.size()));
                continue;
            }
            out.line = x_line;
            out.column = 1;
            out.members.clear();
            for (std::size_t i = 0; i < x_cells.size(); ++i) {
                if (x_cells[i].empty()) continue;
                x_cells[i] = raw_of_cell(x_cells[i]);
                out.members.push_back({x_names[i], x_cells[i]});
            }
            return true;
        }
        return false;
    }

  private:
    /// At byte `at` of the record that begins at x_line.
    void damaged(std::size_t at, std::string reason) {
        const std::string_view before = x_in.rest().substr(0, at);
        const std::size_t last = before.rfind('\n');
        x_told = true;
        if (!x_options.on_damage) return;
        x_options.on_damage(
            {x_line + std::ranges::count(before, '\n'),
             static_cast<std::int64_t>(last == std::string_view::npos ? at + 1 : at - last),
             std::move(reason)});
    }

    void pass() {
        x_line += std::ranges::count(x_in.rest().substr(0, x_bytes), '\n');
        x_in.skip(x_bytes);
        x_bytes = 0;
    }

    Result<Record> find_record() {
        enum class At : std::uint8_t { start, plain, quoted, closed, returned } state = At::start;
        Record out;
        for (std::size_t at = 0;; ++at) {
            if (at >= x_in.rest().size()) {
                out.open = at > kRecordBytesMax;
                if (!out.open) {
                    TASKSTORE_LET(const bool got, x_in.more());
                    if (got) {
                        --at;
                        continue;
                    }
                }
                out.bytes = at;
                out.ended = at == 0;
                out.open = out.open || state == At::quoted;
                return out;
            }
            const char c = x_in.rest()[at];
            if (state == At::quoted) {
                if (c == '"') state = At::closed;
                continue;
            }
            if (c == '\n') {
                out.bytes = at + 1;
                return out;
            }
            if (c == x_delimiter && state != At::returned) {
                state = At::start;
            } else if (c == '"' && state != At::plain) {
                state = At::quoted;  // the first one of a cell, or a doubled one
            } else if (state == At::closed && c == '\r') {
                state = At::returned;  // an LF is due
            } else if (state == At::closed || state == At::returned) {
                if (out.stray == 0) out.stray = at + 1;
            } else if (state == At::start) {
                state = At::plain;
            }
        }
    }

    void split(std::string_view text) {
        x_cells.clear();
        if (text.ends_with('\n')) text.remove_suffix(1);
        if (text.ends_with('\r')) text.remove_suffix(1);
        if (text.empty()) return;
        for (std::size_t at = 0;; ++at) {
            std::string& cell = x_cells.emplace_back();
            if (at < text.size() && text[at] == '"') {
                for (++at; at < text.size(); ++at) {
                    if (text[at] == '"' && (at + 1 >= text.size() || text[at + 1] != '"')) break;
                    if (text[at] == '"') ++at;
                    cell += text[at];
                }
                ++at;
            } else {
                const std::size_t end = std::min(text.find(x_delimiter, at), text.size());
                cell = text.substr(at, end - at);
                at = end;
            }
            if (at >= text.size()) return;
        }
    }

    /// False: the end. No cells: a blank line, or damage that was told.
    Result<bool> read_record() {
        TASKSTORE_LET(const Record record, find_record());
        if (record.ended) return false;
        x_cells.clear();
        x_bytes = record.bytes;
        const std::string_view text = x_in.rest().substr(0, record.bytes);
        if (record.open) {
            damaged(0,
                    "a record that begins here does not end: a quote is left open, or it is longer "
                    "than 64 MiB; nothing behind it was read");
            bool got = true;
            while (got) {
                x_in.skip(x_in.rest().size());
                TASKSTORE_LET(got, x_in.more());
            }
            x_bytes = 0;
        } else if (const auto bad = first_invalid_utf8(text)) {
            damaged(*bad, "not UTF-8");
        } else if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
            damaged(nul, "U+0000");
        } else if (record.stray > 0) {
            damaged(record.stray - 1, "text behind the quote that closes a cell");
        } else {
            split(text);
        }
        return true;
    }

    Status read_header() {
        TASKSTORE_TRY(x_in.skip_byte_order_mark());
        TASKSTORE_LET(const Input::Line line, x_in.line());
        x_delimiter = delimiter_of(line.text);
        while (x_cells.empty()) {
            pass();
            TASKSTORE_LET(const bool got, read_record());
            if (!got) return ok();
            if (x_told) return fail(Code::invalid, "the header of the CSV cannot be read");
        }
        std::set<std::string> seen;
        for (std::string& name : x_cells) {
            if (!seen.insert(name).second) {
                return fail(Code::invalid, "the header has the column '" + name + "' twice")
                    .with_hint("rename one of them");
            }
            x_names.push_back(std::move(name));
        }
        return ok();
    }

    Input x_in;
    ReaderOptions x_options;
    char x_delimiter = ',';
    std::vector<std::string> x_names;
    std::vector<std::string> x_cells;
    std::int64_t x_line = 1;
    bool x_told = false;      ///< Something was damaged.
    std::size_t x_bytes = 0;  ///< Of the record that was given last.
};

}  // namespace

char delimiter_of(std::string_view header) {
    std::size_t commas = 0;
    std::size_t semicolons = 0;
    std::size_t tabs = 0;
    bool quoted = false;
    for (const char c : header) {
        if (c == '"') quoted = !quoted;
        if (quoted) continue;
        commas += c == ',' ? 1 : 0;
        semicolons += c == ';' ? 1 : 0;
        tabs += c == '\t' ? 1 : 0;
    }
    if (semicolons > commas && semicolons >= tabs) return ';';
    return tabs > commas ? '\t' : ',';
}

std::unique_ptr<Reader> open_csv(std::unique_ptr<ByteSource> source, ReaderOptions options) {
    return std::make_unique<CsvReader>(std::move(source), std::move(options));
}

}  // namespace taskstore::exchange
