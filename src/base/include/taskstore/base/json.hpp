#pragma once
// JSON (RFC 8259) in three forms (floor 0):
//   - raw slices: an object's members as views into its text, for the ledger, which never
//   re-serialises;
//   - JsonWriter: hot output, appends to a string;
//   - Json: a dynamic value, for the public API and cold paths.
// Validation is simdjson's; numbers keep their spelling in slices and in Json. Text must be UTF-8.
// A repeated member name in one object is refused (RFC 8259 section 4 leaves its meaning open; we
// guess nothing). Limits: 1 GiB of text, 512 levels of nesting.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore {

/// One member of an object, as views into the text it was sliced from.
struct JsonMember {
    std::string_view raw_name;  ///< With quotes and escapes as written.
    std::string_view
        name;  ///< Unescaped (points into the slicer's own buffer when an escape was there).
    std::string_view
        raw_value;  ///< The value's text exactly as written, without surrounding white space.
};

/// Where and why a text is not the JSON that was asked for.
struct JsonDamage {
    std::size_t offset = 0;  ///< Bytes from the start of the text, as near as is known.
    std::string reason;
};

/// Slices objects. Keeps its buffers between calls, so use one per thread and stream. Not
/// thread-safe.
class JsonSlicer {
  public:
    JsonSlicer();
    ~JsonSlicer();
    JsonSlicer(JsonSlicer&&) noexcept;
    JsonSlicer& operator=(JsonSlicer&&) noexcept;
    /// The members of the object in `text`, fully validated (nested values too; names that stand
    /// twice are looked for among the object's own members alone). Valid until the next call and
    /// while `text` lives. On failure damage() tells more. `text` needs no padding.
    Result<const std::vector<JsonMember>*> slice(std::string_view text);
    const JsonDamage& damage() const;

  private:
    struct State;
    std::unique_ptr<State> x_state;
};

enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };

/// invalid, with line and column: `text` is not one JSON value. Does not look for repeated names.
Status check_json(std::string_view text);

/// The kind of a valid raw value, from its first byte.
JsonKind kind_of_raw(std::string_view raw);
/// The members of a raw object that is valid, into `out`, which keeps its room. False: `raw` is no
/// object, or a name has an escape or stands twice: Json::parse() tells more.
bool members_of_raw(std::string_view raw, std::vector<JsonMember>& out);
/// The items of a raw array that is valid, as written. Empty where `raw` is no array.
std::vector<std::string_view> items_of_raw(std::string_view raw);
/// A raw JSON string, unescaped. invalid: `raw` is not a string, or holds a lone surrogate.
Result<std::string> unescape_json(std::string_view raw);
/// A raw number as int64, if it is written as an integer (no '.', no exponent) and fits.
std::optional<std::int64_t> raw_to_int64(std::string_view raw);

/// Appends a JSON string with quotes; escapes only what RFC 8259 demands. `text` must be UTF-8.
void append_json_string(std::string& out, std::string_view text);

/// Streaming writer, compact by default. Misuse (a value without a key inside an object) is a bug
/// and is checked.
class JsonWriter {
  public:
    explicit JsonWriter(std::string& out, int indent = 0) : x_out(out), x_indent(indent) {}
    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);
    JsonWriter& string(std::string_view text);
    JsonWriter& integer(std::int64_t value);
    /// Shortest round-trip form; null where it is not finite (JSON has no spelling for it).
    JsonWriter& number(double value);
    JsonWriter& boolean(bool value);
    JsonWriter& null();
    /// A value that is JSON text already, put in as it is.
    JsonWriter& raw(std::string_view json);

  private:
    void before_value();
    void newline();
    std::string& x_out;
    int x_indent;
    std::vector<bool> x_has_items;  ///< One per open container: whether a comma is due.
    bool x_after_key = false;
};

/// A dynamic JSON value; cheap to copy (shared, immutable). Thread-safe to read.
class Json {
  public:
    Json();  ///< null
    /// invalid: not JSON; the message holds line and column.
    static Result<Json> parse(std::string_view text);
    JsonKind kind() const;
    bool is_null() const { return kind() == JsonKind::null; }
    std::optional<bool> as_bool() const;
    std::optional<std::int64_t> as_int64() const;  ///< Integers that fit only.
    std::optional<double> as_double() const;
    std::optional<std::string> as_string() const;
    std::size_t size() const;                 ///< Of an array or object, else 0.
    Json at(std::size_t index) const;         ///< null beyond the end.
    Json get(std::string_view member) const;  ///< null where absent.
    bool has(std::string_view member) const;
    std::vector<std::string> names() const;  ///< Member names in written order.
    std::string to_text() const;             ///< Compact; numbers as they were written.
    std::string to_pretty_text() const;      ///< Two spaces.
    /// Equal as JSON: numbers by value, objects without regard to order.
    friend bool operator==(const Json& a, const Json& b);

  private:
    struct Node;
    explicit Json(std::shared_ptr<const Node> node);
    std::shared_ptr<const Node> x_node;
};

/// Valid JSON text, indented by two spaces; numbers and strings as they were written.
std::string pretty_json(std::string_view text);

/// Canonical JSON (RFC 8785, JCS): members sorted by UTF-16 code units, ECMAScript numbers.
/// invalid: not JSON, a lone surrogate, or a number beyond IEEE double (JCS has no spelling for
/// it).
Result<std::string> canonical_json(std::string_view text);

}  // namespace taskstore
