// What the compiler says of a struct that is no record: built once as it should be, and once for
// each mistake (mistakes.sh), with the words that must be in the compiler's answer beside it.
#include <taskstore/records/collection.hpp>

namespace taskstore::records {

enum class Mood : std::uint8_t { calm, cross };
enum class NoteStatus : std::uint8_t { open, done };
struct Place {
    int x = 0;
};

struct Note {
#ifndef NO_ID  // says: a record needs a member `taskstore::Id<ItsStruct> id`
    Id<Note> id{};
#endif
#ifdef TIME_IS_AN_INT  // says: a record needs a member `std::int64_t updated_at = 0`
    int updated_at = 0;
#else
    std::int64_t updated_at = 0;
#endif
#ifndef NO_REVISION  // says: a record needs a member `std::string revision`
    std::string revision{};
#endif
    std::string text{};
    std::optional<std::string> author{};
    Mood mood = Mood::calm;
    NoteStatus status = NoteStatus::open;
    Place place{};
};

#ifndef NO_CHOICES  // says: an enum needs its words
template <>
struct Choices<Mood> {
    static constexpr std::array<std::string_view, 2> names{"calm", "cross"};
};
#endif
template <>
struct Choices<NoteStatus> {
    static constexpr std::array<std::string_view, 2> names{"open", "done"};
};

#ifndef NO_DECLARATION  // says: this struct is not declared
template <>
struct Declaration<Note> {
#ifdef NAME_WITH_A_BLANK  // says: a collection's name has 1 to 64 of A-Z a-z 0-9 _ -
    static constexpr std::string_view collection = "my notes";
#else
    static constexpr std::string_view collection = "notes";
#endif
#ifdef UNKNOWN_STATE  // says: goes between two different words of it
    static constexpr std::array transitions{Transition{"open", "closed"}};
#else
    static constexpr std::array transitions{Transition{"open", "done"}};
#endif
    static constexpr auto fields =
        std::tuple{field(&Note::text, {.name = "text", .required = true}),
#ifdef NAME_TWICE  // says: two fields have the same name
                   field(&Note::author, {.name = "text"}),
#elif defined(NAME_OF_THE_STORE)      // says: those are the store's
                   field(&Note::author, {.name = "_author"}),
#elif defined(SET_BY_THE_STORE)       // says: leave `setter` away
                   field(&Note::author, {.name = "author", .setter = FieldSetter::marked}),
#elif defined(OPTIONAL_BUT_REQUIRED)  // says: the_member_is_std_optional_exactly_where
                   field(&Note::author, {.name = "author", .required = true}),
#else
                   field(&Note::author, {.name = "author"}),
#endif
#ifdef UNKNOWN_TYPE  // says: a field is a std::string, an Id, an integer, a double, a bool, an enum
                   field(&Note::place, {.name = "place", .required = true}),
#endif
                   field(&Note::mood, {.name = "mood", .initial = "\"calm\""}),
                   field(&Note::status, {.name = "status", .initial = "\"open\""})};
};
#endif

Result<std::int64_t> use(Plan& plan) {
    Collection<Note> notes(plan);
    return notes.count();
}

}  // namespace taskstore::records
