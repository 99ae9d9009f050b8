// Objects one a line, or in arrays. A line of its own bounds what damage can spoil, so lines are
// the rule wherever the first one holds a whole object.

#include "csv_cell.hpp"
#include "input.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>
#include <cstring>
#include <deque>

namespace taskstore::exchange {
namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// Whether the line is a whole object, by its ends: Taskwarrior 2 put commas behind.
bool looks_whole(std::string_view line) {
    line = trimmed(line);
    if (line.ends_with(',')) line.remove_suffix(1);
    return line.size() > 1 && line.front() == '{' && line.back() == '}';
}

class JsonReader final : public Reader {
  public:
    JsonReader(std::unique_ptr<ByteSource> source, ReaderOptions options)
        : x_in(std::move(source)), x_options(std::move(options)) {}

    Result<bool> next(Incoming& out) override {
        if (!x_begun) {
            TASKSTORE_TRY(x_in.skip_byte_order_mark());
            while (true) {
                TASKSTORE_LET(const Input::Line line, x_in.line());
                if (line.ended || !trimmed(line.text).empty()) {
                    x_lines = line.too_long || looks_whole(line.text);
                    break;
                }
                TASKSTORE_TRY(x_in.skip_line());
                ++x_line;
            }
            x_begun = true;
        }
        return x_lines ? next_line(out) : next_element(out);
    }

  private:
    void damaged(std::int64_t line, std::size_t column, std::string reason) {
        if (x_options.on_damage)
            x_options.on_damage({line, static_cast<std::int64_t>(column), std::move(reason)});
    }

    bool take(Incoming& out, std::string_view object, std::int64_t line, std::size_t column) {
        const auto members = x_slicer.slice(object);
        out.line = line;
        out.column = static_cast<std::int64_t>(column);
        out.members.clear();
        if (!members) {
            const std::size_t at = std::min(x_slicer.damage().offset, object.size());
            const std::string_view before = object.substr(0, at);
            const auto lines = std::ranges::count(before, '\n');
            damaged(line + lines, lines == 0 ? column + at : at - before.rfind('\n'),
                    x_slicer.damage().reason);
            return false;
        }
        x_made.clear();
        for (const JsonMember& member : **members) {
            std::string_view raw = member.raw_value;
            // The ledger's lines hold no line ends; a line of JSONL may hold a CR.
            if (raw.find('\r') != std::string_view::npos ||
                (!x_lines && raw.find('\n') != std::string_view::npos))
                raw = x_made.emplace_back(on_one_line(raw));
            out.members.push_back({member.name, raw});
        }
        return true;
    }

    Result<bool> next_line(Incoming& out) {
        while (true) {
            if (x_pending) {
                TASKSTORE_TRY(x_in.skip_line());
                ++x_line;
                x_pending = false;
            }
            TASKSTORE_LET(const Input::Line line, x_in.line());
            if (line.ended) return false;
            x_pending = true;
            if (line.too_long) {
                damaged(x_line, 1, "the line is longer than 64 MiB");
                continue;
            }
            std::string_view text = trimmed(line.text);
            if (text.ends_with(',')) text = trimmed(text.substr(0, text.size() - 1));
            if (text.empty()) continue;
            const auto column = static_cast<std::size_t>(text.data() - line.text.data()) + 1;
            if (take(out, text, x_line, column)) return true;
        }
    }

    /// Past `bytes`, counting lines.
    void pass(std::size_t bytes) {
        const std::string_view passed = x_in.rest().substr(0, bytes);
        const std::size_t last = passed.rfind('\n');
        if (last == std::string_view::npos) {
            x_column += bytes;
        } else {
            x_line += std::ranges::count(passed, '\n');
            x_column = passed.size() - last;
        }
        x_in.skip(bytes);
    }

    /// The bytes of the object at the start of rest(); 0: it never ends, or is too long.
    Result<std::size_t> object_bytes() {
        std::size_t depth = 0;
        bool quoted = false;
        for (std::size_t at = 0;; ++at) {
            if (at >= x_in.rest().size()) {
                if (at > kRecordBytesMax) return std::size_t{0};
                TASKSTORE_LET(const bool got, x_in.more());
                if (!got) return std::size_t{0};
            }
            const char c = x_in.rest()[at];
            if (quoted) {
                if (c == '\\') ++at;
                if (c == '"') quoted = false;
            } else if (c == '"') {
                quoted = true;
            } else if (c == '{' || c == '[') {
                ++depth;
            } else if ((c == '}' || c == ']') && --depth == 0) {
                return at + 1;
            }
        }
    }

    Result<bool> next_element(Incoming& out) {
        pass(std::exchange(x_object, 0));
        while (true) {
            if (x_in.rest().empty()) {
                TASKSTORE_LET(const bool got, x_in.more());
                if (!got) return false;
            }
            const char c = x_in.rest().front();
            if (is_space(c) || c == ',' || c == '[' || c == ']') {
                pass(1);
                continue;
            }
            if (c != '{') {
                damaged(x_line, x_column, "not a JSON object");
                TASKSTORE_LET(const Input::Line line, x_in.line());
                pass(std::min(std::max<std::size_t>(line.text.find('{'), 1), line.text.size()));
                continue;
            }
            TASKSTORE_LET(const std::size_t bytes, object_bytes());
            if (bytes == 0) {
                damaged(x_line, x_column,
                        "an object that begins here does not end; nothing behind it was read");
                while (true) {
                    x_in.skip(x_in.rest().size());
                    TASKSTORE_LET(const bool got, x_in.more());
                    if (!got) return false;
                }
            }
            if (take(out, x_in.rest().substr(0, bytes), x_line, x_column)) {
                x_object = bytes;
                return true;
            }
            pass(bytes);
        }
    }

    Input x_in;
    ReaderOptions x_options;
    JsonSlicer x_slicer;
    std::deque<std::string> x_made;
    bool x_begun = false;
    bool x_lines = true;
    bool x_pending = false;
    std::int64_t x_line = 1;
    std::size_t x_column = 1;
    std::size_t x_object = 0;  ///< Bytes of the object that was given last.
};

}  // namespace

std::unique_ptr<Reader> open_json(std::unique_ptr<ByteSource> source, ReaderOptions options) {
    return std::make_unique<JsonReader>(std::move(source), std::move(options));
}

std::string_view Incoming::raw_of(std::string_view name) const {
    const auto found = std::ranges::find(members, name, &Member::name);
    return found == members.end() ? std::string_view() : found->raw;
}

}  // namespace taskstore::exchange
