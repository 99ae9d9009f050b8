#pragma once
// The founding kinds of records, and what a kind is (floor 4). One declaration per kind, in
// planning.hpp, from which JSON, SQL columns, validation, command options and help texts follow;
// the status tables stand in kind.cpp, and the diagrams in the docs follow from them.
// Source of fields and spellings: the founding data model.

#include <taskstore/base/result.hpp>
#include <taskstore/ledger/line.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace taskstore::records {

enum class FieldType : std::uint8_t { text, integer, time_ms, choice, number, boolean };

/// Who sets a field.
enum class FieldSetter : std::uint8_t {
    user,     ///< add and set
    created,  ///< the store, when the record is created
    entered,  ///< the store, when the status enters one of `choices` of this field
    marked,   ///< the store, when add or set gives it a value where it was null; null takes it back
};

struct Field {
    std::string_view name;
    FieldType type = FieldType::text;
    bool required = false;  ///< On create. Others are null until set.
    bool indexed = false;
    FieldSetter setter = FieldSetter::user;
    std::string_view initial = {};  ///< Raw JSON on create when the caller gives none; empty: null.
    std::span<const std::string_view> choices = {};
    std::string_view refers_to = {};  ///< Collection whose id (or unique name) the value names.
    bool unique = false;
    std::int64_t min = 0;  ///< Of integers.
    std::int64_t max = INT64_MAX;
    bool document = false;  ///< Long text: no column of its own in store.db; options read it from a
                            ///< file or `-`.
    std::string_view help = {};
    std::string_view column = {};  ///< In store.db, where it is not called as the field is.
};

/// Whether add and set take a value for it.
constexpr bool people_set(const Field& field) {
    return field.setter == FieldSetter::user || field.setter == FieldSetter::marked;
}

struct Transition {
    std::string_view from;
    std::string_view to;
};

struct Kind {
    std::string_view collection;  ///< Also the table in store.db and the stem of the file.
    std::string_view noun;        ///< As in `show prd`, `prd add`.
    std::span<const std::string_view> aliases;
    std::string_view id_member = "id";
    std::span<const std::string_view> time_members;
    std::span<const Field> fields;
    std::span<const Transition> transitions;  ///< Of `status`; empty where there is none.
    std::string_view order_field;
    bool order_descending = true;
    std::string_view help;
    /// By a schema of the user's (collection_schema.hpp), which says what fits; its columns hold
    /// any value.
    bool declared = false;
    bool closed = true;  ///< Nothing but its fields, the id and the time may be filtered by.

    const Field* field(std::string_view name) const;
    ledger::Shape shape() const;
};

/// The founding kinds, in the order of their document. What a plan knows beside them is in its
/// Catalogue (catalogue.hpp), and so are look-ups where those count.
std::span<const Kind> kinds();
/// Of the founding kinds, by the exact name of its collection; null where it is none.
const Kind* find_collection(std::string_view name);
/// How the lines of a ledger file are shaped, from its path; that of no founding kind: the default.
ledger::Shape shape_of_file(std::string_view path);
/// Of the founding kinds, by collection, noun or alias; null where it is none.
const Kind* find_kind(std::string_view name);

/// The value's spelling of this kind: input takes any case and the glossary's other words
/// (complete, completed, done; running, in_progress; …). invalid, with the choices, for the rest.
Result<std::string_view> parse_choice(const Field& field, std::string_view text);

/// What the founding kinds are called: no collection of a program's own may be.
inline constexpr std::array<std::string_view, 6> kFoundingNames{
    "prds", "task_specs", "executions", "dependencies", "workflows", "repo_state"};

/// "a prd", "an execution".
std::string with_article(std::string_view noun);

bool allowed(const Kind& kind, std::string_view from, std::string_view to);

}  // namespace taskstore::records
