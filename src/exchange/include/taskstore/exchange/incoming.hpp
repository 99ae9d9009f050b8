#pragma once
// Records as they come in from files of other programs (floor 2): recognised by content, read as a
// stream, with every member of the source. What a member means is told by meaning.hpp; parsers know
// no store.

#include <taskstore/exchange/stream.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::exchange {

enum class Syntax : std::uint8_t {
    json,      ///< Objects: one a line, or in arrays (RFC 8259; several arrays may follow).
    csv,       ///< RFC 4180 with a header; ';' or tab where the header has more of them.
    markdown,  ///< checklist.hpp
};

enum class Kind : std::uint8_t {
    own,          ///< Written by our export: each record names its collection.
    tracker,      ///< Issues with id, title, status, created_at, dependencies.
    taskwarrior,  ///< `task export`
    github,       ///< A REST list of issues, or `gh issue list --json`.
    table,        ///< CSV whose header speaks of tasks.
    checklist,    ///< Markdown.
    plain,        ///< Records with an id and no more that is known.
};

struct Format {
    Syntax syntax = Syntax::json;
    Kind kind = Kind::plain;
    bool empty = false;  ///< Whole, and nothing in it: no record, nor anything that is none.
    friend bool operator==(const Format&, const Format&) = default;
};

/// "tracker issues, JSON"
std::string describe(const Format& format);
/// The words of `--from`.
std::span<const std::string_view> kind_words();
/// invalid, with the nearest, for a word that is none.
Result<Kind> kind_of_word(std::string_view word);

inline constexpr std::size_t kRecordBytesMax = 64U << 20U;

struct Member {
    std::string_view name;
    std::string_view raw;  ///< JSON; numbers and strings as the source spells them.
};

/// Views live until the next call of the reader.
struct Incoming {
    std::int64_t line = 0;        ///< Where it begins, from 1.
    std::int64_t column = 1;      ///< In bytes, from 1.
    std::vector<Member> members;  ///< No name twice.

    /// Empty where absent.
    std::string_view raw_of(std::string_view name) const;
};

/// Input that is no record.
struct Damage {
    std::int64_t line = 0;
    std::int64_t column = 1;
    std::string reason;
};

/// One pass over a source. Not thread-safe.
class Reader {
  public:
    virtual ~Reader() = default;
    /// False: the end. What is damaged is told and left out; the next record is looked for on the
    /// next line, or in an array behind the closing brace. Errors are those of the source, and
    /// `invalid` where the whole of it cannot be read (a header with a name twice, Markdown that is
    /// no UTF-8).
    virtual Result<bool> next(Incoming& out) = 0;
};

struct ReaderOptions {
    Format format;
    std::string name;  ///< Of the file, for records that have no id of their own.
    std::function<void(Damage damage)> on_damage;
};

Result<std::unique_ptr<Reader>> open_reader(std::unique_ptr<ByteSource> source,
                                            ReaderOptions options);

/// What the beginning of a source says. `given`: --from; the rest is still looked at. Nothing:
/// `head` ends before the first record does, and more would help. invalid: text in UTF-16, JSON
/// without a whole object in it (the message says where it breaks off), or nothing that is known.
Result<std::optional<Format>> recognise(std::string_view head, bool whole,
                                        std::optional<Kind> given);

}  // namespace taskstore::exchange
