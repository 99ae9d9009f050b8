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
// A member is a std::string, an Id, an integer, a double, a bool or an enum with Choices; in a
// std::optional exactly where the field may be null: where it is neither required nor has an
// initial value. Its type gives the field's type, choices and bounds. A Declaration may also have
// `static constexpr std::string_view help` and, where a field is called status,
// `static constexpr std::array transitions{Transition{"open", "done"}}`; Collection::declare()
// makes them known to the plan. Mistakes are told by static assertions, in plain words.

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

template <typename E>
concept HasChoices = requires { std::string_view(Choices<E>::names[0]); };

/// Named for the compiler's message: nothing defines it.
void the_member_is_std_optional_exactly_where_the_field_may_be_null();

template <typename T, typename V>
consteval Bound<T, V> field(V T::* member, Field described) {
    using Value = typename Bare<V>::type;
    static_assert(kIsText<Value> || std::is_enum_v<Value> || std::is_integral_v<Value> ||
                      std::is_same_v<Value, double>,
                  "a field is a std::string, an Id, an integer, a double, a bool, an enum with "
                  "Choices, or a std::optional of one of these");
    if constexpr (std::is_enum_v<Value>) {
        static_assert(
            HasChoices<Value>,
            "an enum needs its words: specialise taskstore::records::Choices for it, with "
            "`static constexpr std::array<std::string_view, N> names{...}`");
        described.type = FieldType::choice;
        if constexpr (HasChoices<Value>) described.choices = Choices<Value>::names;
    } else if constexpr (std::is_same_v<Value, bool>) {
        described.type = FieldType::boolean;
    } else if constexpr (std::is_same_v<Value, double>) {
        described.type = FieldType::number;
    } else if constexpr (std::is_integral_v<Value>) {
        if (described.type == FieldType::text) described.type = FieldType::integer;
        if constexpr (std::is_signed_v<Value>) {
            // Times are counted from 1970 on.
            if (described.type == FieldType::integer)
                described.min = std::numeric_limits<Value>::min();
        }
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

// --- what a struct needs to be a record, one by one
// -----------------------------------------------

template <typename T>
concept HasDeclaration = requires {
    std::string_view(Declaration<T>::collection);
    Declaration<T>::fields;
};
template <typename T>
concept HasId = requires(T& record) { record.id = Id<T>(); };
template <typename T>
concept HasUpdatedAt =
    requires(T& record) { requires std::is_same_v<decltype(record.updated_at), std::int64_t>; };
template <typename T>
concept HasRevision = requires(T& record) { record.revision = std::string(); };
template <typename T>
concept HasTransitions = requires { std::span<const Transition>(Declaration<T>::transitions); };
template <typename T>
concept HasHelp = requires { std::string_view(Declaration<T>::help); };

template <typename T>
concept Declared = HasDeclaration<T> && HasId<T> && HasUpdatedAt<T> && HasRevision<T>;

consteval bool is_founding(std::string_view collection) {
    for (const std::string_view name : kFoundingNames) {
        if (name == collection) return true;
    }
    return false;
}

consteval bool may_be_a_collection(std::string_view name) {
    for (const char c : name) {
        if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' &&
            c != '-')
            return false;
    }
    return !name.empty() && name.size() <= 64;
}

template <std::size_t N>
consteval bool names_differ(const std::array<Field, N>& fields) {
    for (std::size_t i = 0; i < N; ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            if (fields[i].name == fields[k].name) return false;
        }
    }
    return true;
}

template <std::size_t N>
consteval bool names_are_free(const std::array<Field, N>& fields) {
    for (const Field& field : fields) {
        if (field.name.empty() || field.name[0] == '_' || field.name == "id" ||
            field.name == "updated_at" || field.name == "revision" || field.name == "deleted")
            return false;
    }
    return true;
}

template <std::size_t N>
consteval bool people_set_all(const std::array<Field, N>& fields) {
    for (const Field& field : fields) {
        if (field.setter != FieldSetter::user) return false;
    }
    return true;
}

/// Whether status is an enum with an initial value and the transitions go between its words.
template <std::size_t N>
consteval bool transitions_fit(const std::array<Field, N>& fields,
                               std::span<const Transition> transitions) {
    for (const Field& field : fields) {
        if (field.name != "status") continue;
        if (field.type != FieldType::choice || field.initial.empty()) return false;
        for (const Transition& transition : transitions) {
            bool from = false;
            bool to = false;
            for (const std::string_view word : field.choices) {
                from = from || word == transition.from;
                to = to || word == transition.to;
            }
            if (!from || !to || transition.from == transition.to) return false;
        }
        return true;
    }
    return false;
}

/// True, or a message of the compiler that says what the struct lacks.
template <typename T>
consteval bool is_complete_record() {
    static_assert(HasDeclaration<T>,
                  "this struct is not declared: specialise taskstore::records::Declaration for it, "
                  "with `collection` and `fields` (declare.hpp begins with an example)");
    static_assert(HasId<T>, "a record needs a member `taskstore::Id<ItsStruct> id`");
    static_assert(
        HasUpdatedAt<T>,
        "a record needs a member `std::int64_t updated_at = 0` (ms UTC, set by the store)");
    static_assert(HasRevision<T>,
                  "a record needs a member `std::string revision` (of the version that was read)");
    if constexpr (HasDeclaration<T>) {
        constexpr std::string_view kCollection = Declaration<T>::collection;
        static_assert(may_be_a_collection(kCollection),
                      "a collection's name has 1 to 64 of A-Z a-z 0-9 _ -");
        static_assert(names_differ(fields_of<T>()), "two fields have the same name");
        if constexpr (!is_founding(kCollection)) {
            static_assert(
                names_are_free(fields_of<T>()),
                "a field may not be called id, updated_at, revision or deleted, nor begin "
                "with '_': those are the store's");
            static_assert(
                people_set_all(fields_of<T>()),
                "only the founding kinds have fields that the store sets by itself: leave "
                "`setter` away");
        }
        if constexpr (HasTransitions<T>) {
            static_assert(
                transitions_fit(fields_of<T>(), Declaration<T>::transitions),
                "`transitions` needs a field `status`, an enum with an initial value, and "
                "goes between two different words of it");
        }
    }
    return true;
}

/// What declares the struct's collection in a plan: a schema, its indexes, its status table.
CollectionRequest request_for(std::string_view collection, std::string_view help,
                              std::span<const Field> fields,
                              std::span<const Transition> transitions);

// --- values --------------------------------------------------------------------------------------

std::string raw_text(std::string_view text);
/// invalid, naming the field: `raw` is of another type, or too large.
Result<std::string> text_of(const Field& field, std::string_view raw);
Result<std::int64_t> integer_of(const Field& field, std::string_view raw);
Result<std::size_t> choice_of(const Field& field, std::string_view raw);
Result<double> number_of(const Field& field, std::string_view raw);
Result<bool> boolean_of(const Field& field, std::string_view raw);
std::string raw_number(double number);

/// Raw JSON; empty for an empty optional.
template <typename V>
std::string raw_of(const V& value) {
    if constexpr (Bare<V>::optional) {
        return value ? raw_of(*value) : std::string();
    } else if constexpr (std::is_enum_v<V>) {
        return raw_text(Choices<V>::names.at(static_cast<std::size_t>(value)));
    } else if constexpr (std::is_same_v<V, bool>) {
        return value ? "true" : "false";
    } else if constexpr (std::is_same_v<V, double>) {
        return raw_number(value);
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
    } else if constexpr (std::is_same_v<Value, bool>) {
        TASKSTORE_LET(value, boolean_of(field, raw));
    } else if constexpr (std::is_same_v<Value, double>) {
        TASKSTORE_LET(value, number_of(field, raw));
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
