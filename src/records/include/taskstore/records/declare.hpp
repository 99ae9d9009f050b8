#pragma once
// Ties a struct to the fields of a collection (floor 4; planning.hpp is the example to follow). One
// declaration, from which JSON, SQL columns, validation, options and help texts follow:
//
//   enum class Mood : std::uint8_t { calm, cross };
//   template <> struct Choices<Mood> {
//       static constexpr std::array<std::string_view, 2> names{"calm", "cross"};
//   };
//   struct Note {
//       Id<Note> id;
//       std::int64_t updated_at = 0;  // ms UTC, set by the store
//       std::string revision;         // of the version that was read; empty: not read yet
//       std::string text;
//       std::optional<std::string> author;
//       Mood mood = Mood::calm;
//   };
//   template <> struct Declaration<Note> {
//       static constexpr std::string_view collection = "notes";
//       static constexpr auto fields = std::tuple{
//           field(&Note::text, {.name = "text", .required = true, .help = "what it says"}),
//           field(&Note::author, {.name = "author", .help = "who wrote it"}),
//           field(&Note::mood, {.name = "mood", .initial = "\"calm\"", .help = "how it sounds"})};
//   };
//
// A member is a std::string, an Id, an integer or an enum with Choices; in a std::optional exactly
// where the field may be null. Its type gives the field's type, choices and bounds.

#include <taskstore/base/id.hpp>
#include <taskstore/records/plan.hpp>

#include <array>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>

namespace taskstore::records {

/// The spellings of an enum's values, in their order.
template <typename E>
struct Choices;
/// See the top of this file.
template <typename T>
struct Declaration;

template <typename T, typename V>
struct Bound {
    Field field;
    V T::* member;
};

template <typename V>
struct Bare {
    using type = V;
    static constexpr bool optional = false;
};
template <typename V>
struct Bare<std::optional<V>> {
    using type = V;
    static constexpr bool optional = true;
};
template <typename V>
inline constexpr bool kIsText = std::is_same_v<V, std::string>;
template <typename Tag>
inline constexpr bool kIsText<Id<Tag>> = true;

/// Named for the compiler's message: nothing defines it.
void the_member_is_std_optional_exactly_where_the_field_may_be_null();

template <typename T, typename V>
consteval Bound<T, V> field(V T::* member, Field described) {
    using Value = typename Bare<V>::type;
    static_assert(kIsText<Value> || std::is_enum_v<Value> ||
                      (std::is_integral_v<Value> && !std::is_same_v<Value, bool>),
                  "a field is a std::string, an Id, an integer, an enum with Choices, or a "
                  "std::optional of one of these");
    if constexpr (std::is_enum_v<Value>) {
        described.type = FieldType::choice;
        described.choices = Choices<Value>::names;
    } else if constexpr (std::is_integral_v<Value>) {
        if (described.type == FieldType::text) described.type = FieldType::integer;
        if constexpr (sizeof(Value) < sizeof(std::int64_t)) {
            described.max = std::numeric_limits<Value>::max();
        }
    }
    const bool may_be_null =
        described.setter == FieldSetter::entered || described.setter == FieldSetter::marked ||
        (described.setter == FieldSetter::user && !described.required && described.initial.empty());
    if (may_be_null != Bare<V>::optional)
        the_member_is_std_optional_exactly_where_the_field_may_be_null();
    return {described, member};
}

template <typename T>
consteval auto fields_of() {
    return std::apply(
        [](const auto&... bound) { return std::array<Field, sizeof...(bound)>{bound.field...}; },
        Declaration<T>::fields);
}

/// What a struct needs to be a record.
template <typename T>
concept Declared = requires(T& record) {
    record.id = Id<T>();
    record.updated_at = std::int64_t{};
    record.revision = std::string();
    Declaration<T>::collection;
    Declaration<T>::fields;
};

// --- values --------------------------------------------------------------------------------------

std::string raw_text(std::string_view text);
/// invalid, naming the field: `raw` is of another type, or too large.
Result<std::string> text_of(const Field& field, std::string_view raw);
Result<std::int64_t> integer_of(const Field& field, std::string_view raw);
Result<std::size_t> choice_of(const Field& field, std::string_view raw);

/// Raw JSON; empty for an empty optional.
template <typename V>
std::string raw_of(const V& value) {
    if constexpr (Bare<V>::optional) {
        return value ? raw_of(*value) : std::string();
    } else if constexpr (std::is_enum_v<V>) {
        return raw_text(Choices<V>::names.at(static_cast<std::size_t>(value)));
    } else if constexpr (std::is_integral_v<V>) {
        return std::to_string(value);
    } else if constexpr (std::is_same_v<V, std::string>) {
        return raw_text(value);
    } else {
        return raw_text(value.text());
    }
}

/// null and an absent member (empty `raw`) leave a plain member at its default.
template <typename V>
Status read_raw(const Field& field, std::string_view raw, V& value) {
    if (raw.empty() || raw == "null") return ok();
    using Value = typename Bare<V>::type;
    if constexpr (std::is_enum_v<Value>) {
        TASKSTORE_LET(const std::size_t index, choice_of(field, raw));
        value = static_cast<Value>(index);
    } else if constexpr (std::is_integral_v<Value>) {
        TASKSTORE_LET(const std::int64_t number, integer_of(field, raw));
        value = static_cast<Value>(number);
    } else {
        TASKSTORE_LET(std::string text, text_of(field, raw));
        value = Value(std::move(text));
    }
    return ok();
}

/// The members that users set or mark, as changes; an empty optional is a change to null.
template <Declared T>
std::vector<ledger::Change> changes_of(const T& record) {
    std::vector<ledger::Change> changes;
    const auto put = [&](const auto& bound) {
        if (people_set(bound.field))
            changes.push_back({std::string(bound.field.name), raw_of(record.*bound.member)});
    };
    std::apply([&](const auto&... bound) { (put(bound), ...); }, Declaration<T>::fields);
    return changes;
}

/// invalid, naming record and field: the record does not fit the struct (another program wrote it).
/// Members that nobody declared are left out; they stay in the store.
template <Declared T>
Result<T> record_as(const Record& record) {
    T out;
    out.id = Id<T>(record.id);
    out.updated_at = record.updated_at;
    out.revision = record.revision;
    JsonSlicer slicer;
    TASKSTORE_LET(const std::vector<JsonMember>* const members, slicer.slice(record.data));
    Status status = ok();
    const auto take = [&](const auto& bound) {
        for (const JsonMember& member : *members) {
            if (status && member.name == bound.field.name)
                status = read_raw(bound.field, member.raw_value, out.*bound.member);
        }
    };
    std::apply([&](const auto&... bound) { (take(bound), ...); }, Declaration<T>::fields);
    if (!status) {
        return fail(Code::invalid,
                    record.collection + " '" + record.id + "': " + status.error().message)
            .with_hint("set the field to a value that fits");
    }
    return out;
}

}  // namespace taskstore::records
