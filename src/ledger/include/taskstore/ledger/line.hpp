#pragma once
// One line of a ledger file, decoded (floor 3; fold, edit and scan work on it).
//
// A line is one JSON object, compact, UTF-8, ended by LF:
//   edit       {"id":ID, MEMBER:VALUE, …, "updated_at":MS, "_stamps":STAMPS}
//   tombstone  {"id":ID, "deleted":true, "updated_at":MS, "_stamps":STAMPS}
//              (these members and no others)
//   STAMPS     {"v":1, "at":STAMP, "by":ACTOR, "from":STAMP, "life":N, "base":STAMP,
//               "f":{MEMBER:STAMP,…}, "over":{MEMBER:STAMP or [STAMP,…],…},
//               "b":[BATCH,K,N], "forced":true, "was":WAS, "lost":[LOST,…]}
// at     when this line was written; its ms equal updated_at.
// from   the `at` of the version that was edited; absent when nothing was.
// life   1 unless the record was created again after a tombstone.
// base   the stamp of members not named in f; absent: `at`. Never later than `at`.
// f      the other members' stamps; "" means `at`. A member named here and absent from the
//        object was removed then.
// over   which stamps of the same member an edit replaces (for a tombstone: of each member that
//        it deletes); absent: the one equal to `from`. It is what tells an edit made after
//        another from one made beside it.
// b      batch, number of the line from 1, lines in all: without all N lines none of them counts.
// was    the line stands for lines of the record's life that a compaction dropped (compact.hpp):
//   WAS  {"over":[[STAMP,MEMBER,…],…], "by":[[STAMP,ACTOR],…], "from":STAMP, "since":STAMP,
//         "b":[[BATCH,K,N],…]}
//        over   whose values of which stamps those lines replaced;
//        by     who wrote the members of that stamp, where it is not the line's `by`;
//        from   the largest `from` of those lines;
//        since  their smallest `at`; only in a life after the first;
//        b      the places in batches that those lines had. The line itself counts without them.
//        Its members count as written at their stamps, as the lines did that wrote them.
// lost   values of edits that lost to one beside them, and of which no line may tell: lines without
//        stamps are rewritten. A merge that saw both notes them; fold.hpp, rule 7. Of edits alone.
//   LOST {"member":MEMBER, "at":STAMP, "value":VALUE}; without a value: it was removed.
// A line without _stamps, or whose updated_at is not the ms of `at` (somebody edited it who does
// not know stamps), is unstamped: every member counts as written at (updated_at, 0, "").

#include <taskstore/base/json.hpp>
#include <taskstore/base/stamp.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::ledger {

/// How lines of one collection name their record and their time.
struct Shape {
    std::string id_member = "id";
    /// The first one present gives an unstamped line's time: integer ms or RFC 3339 text, anything
    /// else counts as 0.
    std::vector<std::string> time_members = {"updated_at"};
    /// Members that the store sets itself, such as created_at: nobody chose their value.
    std::vector<std::string> own_members = {};
    friend bool operator==(const Shape&, const Shape&) = default;
};

struct Member {
    std::string name;
    std::string_view raw_value;  ///< Into the line's text; empty: removed.
    Stamp stamp;
    std::vector<Stamp> over;  ///< What a written member (stamp == at) replaces.
    bool removed() const { return raw_value.empty(); }
};

struct Batch {
    std::string id;
    std::uint32_t number = 0;  ///< From 1.
    std::uint32_t count = 0;
};

/// A value that a line says has lost.
struct ListedValue {
    std::string name;
    std::string_view
        raw_value;  ///< Into the line's text, or what it was made from; empty: removed.
    Stamp stamp;
};

/// What a line of a compaction keeps of those that it stands for.
struct Folded {
    std::vector<std::pair<Stamp, std::vector<std::string>>> over;
    std::vector<std::pair<Stamp, std::string>> by;  ///< In order of stamps.
    Stamp from;
    Stamp since;  ///< none(): the line's own `at`.
    std::vector<Batch> batches;
};

/// Views point into the text that was decoded.
struct Line {
    std::string_view text;
    std::string id;
    bool tombstone = false;
    bool stamped = false;
    bool forced = false;
    Stamp at;
    Stamp from;  ///< none() where nothing was edited.
    std::string by;
    std::uint32_t life = 0;  ///< 0: unknown (unstamped).
    std::int64_t updated_at = 0;
    std::int64_t born_at =
        0;  ///< created_at or started_at, else 0: what tells a re-creation in unstamped lines.
    std::vector<Member> members;  ///< In written order, then removed ones; without _stamps.
    std::optional<Batch> batch;
    std::shared_ptr<const Folded> was;  ///< Null: a line as it was written.
    std::vector<ListedValue> lost;

    /// Null: the line does not name it.
    const Member* find(std::string_view name) const;
    /// Members' indexes in order of names, of lines with many; empty: find() looks at all.
    std::vector<std::uint32_t> by_name;
};

/// Who wrote the line's value of that stamp; empty: nobody knows.
std::string_view writer_of(const Line& line, const Stamp& stamp);

inline constexpr std::size_t kLineBytesMax = 64U << 20U;

/// Decodes lines; keeps buffers, so one per thread. Not thread-safe.
class LineDecoder {
  public:
    /// `own_stamps`: the text is a state that was folded here and put together again, so its
    /// stamps are believed where a line's would not be (it would have been edited by a program that
    /// does not know them).
    explicit LineDecoder(Shape shape = {}, bool own_stamps = false)
        : x_shape(std::move(shape)), x_own_stamps(own_stamps) {}
    /// corrupt: not a line; damage() says where and why. Views in the result live as long as
    /// `text`.
    Result<Line> decode(std::string_view text);
    const JsonDamage& damage() const { return x_damage; }

  private:
    Failure damaged(std::size_t offset, std::string reason);
    Status read_stamps(Line& line, std::string_view raw, std::size_t offset);
    bool read_usual_stamps(Line& line, std::string_view raw);
    static Status read_folded(Line& line, const Json& was);
    Status read_lost(Line& line, std::string_view raw_stamps);
    Shape x_shape;
    bool x_own_stamps;
    JsonSlicer x_slicer;
    std::vector<JsonMember> x_stamps;
    std::vector<JsonMember> x_fields;
    JsonDamage x_damage;
};

/// The place in a batch that a damaged line still tells of, so that its damage does not hide the
/// other lines of the batch: the line was written whole, as its LF shows.
std::optional<Batch> batch_of_damaged(std::string_view text);

/// Whether a member is the record's frame rather than its content: id, updated_at, _stamps.
bool is_frame_member(const Shape& shape, std::string_view name);

/// Rule 5 (fold.hpp): whether two raw values of a member say the same. Of a member that the store
/// sets itself, values of one JSON type do; empty ones are absent.
bool values_agree(const Shape& shape, std::string_view name, std::string_view one,
                  std::string_view other);

}  // namespace taskstore::ledger
