#pragma once
// What the members of an incoming record say about a task (floor 2): one function per kind of
// source, one table of status words. Knows no store; the importer decides where things go.

#include <taskstore/exchange/incoming.hpp>

namespace taskstore::exchange {

/// What a status word comes down to.
enum class Stage : std::uint8_t {
    open,
    ready,
    active,
    done,
    failed,
    dropped,  ///< Will not be done.
    deleted,  ///< The source keeps it only to say that it is gone.
};

/// By the one table, in any case, with spaces, hyphens and underscores alike. Nothing: unknown.
std::optional<Stage> stage_of_word(std::string_view word);

/// A value made of a member of the source.
struct Part {
    std::string raw;  ///< JSON; empty: the source has none.
    std::string_view
        from;  ///< The member it was taken from; empty where it is no member's own value.
};

/// A plan or project that a record belongs to by name (a project, a milestone).
struct NamedGroup {
    std::string name;  ///< Among all of its kind of source: with the repository in front.
    std::string title_raw;
    std::string description_raw;  ///< Empty: none.
    Stage stage = Stage::open;
};

struct Meaning {
    std::string id;            ///< Empty: the source gives none.
    std::string_view id_from;  ///< The member that is the id; empty where it was made of others.
    bool is_group = false;     ///< An epic, a heading: something that others belong to.
    std::string parent;        ///< The id of the record that it belongs to.
    std::optional<NamedGroup> group;
    Part title;
    Part description;
    Part content;
    Part assignee;
    Part created;  ///< An integer, ms UTC.
    Part status;   ///< As the source has it.
    Stage stage = Stage::open;
    /// False: the source only implies it, as an empty box does, which may stand for work in
    /// progress or for work that failed.
    bool stage_given = true;
    bool stage_known = true;  ///< False: the word is none of the table.
};

/// `record` lives as long as views in the answer are used.
Meaning interpret(Kind kind, const Incoming& record);

/// RFC 3339, a date alone (midnight UTC), Taskwarrior's 20240131T120000Z, or Unix ms.
std::optional<std::int64_t> time_of_raw(std::string_view raw);
/// A string's text, another value's spelling.
std::string text_of_raw(std::string_view raw);

}  // namespace taskstore::exchange
