#pragma once
// THE RULE (I6): what a set of lines of one record says (floor 3; the only place that decides).
//
// 1. Life. A stamped line names its life. An unstamped tombstone belongs to the largest life among
//    the lines stamped before it, at least 1. An unstamped edit belongs to life 1, or, where its
//    created_at or started_at is later than a tombstone, to the life after that tombstone's. The
//    record is in the largest life of its lines.
// 2. Tombstone. If that life holds a tombstone, the record is deleted, whatever else it holds.
// 3. Stamps. Otherwise each member has the value with the largest stamp among the lines of that
//    life; of equal stamps with unlike values, the larger by bytes; a removal is a value smaller
//    than any.
// 4. Lost values. A value that was written here (a line of its stamp is in the set; one that lines
//    only carry on was never said here: git picks a commit without the one before), is not the one
//    that stands, and was replaced by no line that names it in `over` lost to a concurrent edit or
//    delete. A later line without stamps replaces whatever stood before it; what a line without
//    stamps says is replaced, too, by every later line that was made from (`from`) a version as
//    late as it. It stays in `lost` until an edit names it.
// 5. Agreed values. Such a value that says the same as the one that stands has lost nothing: equal
//    bytes, or, of a member that the store sets itself, a value of the same JSON type. Whoever
//    changes the member has seen what it says and names it in `over` as well, lest it seem lost
//    from then on.
//
// 6. Compaction. A line with `was` says what the lines said that it stands for: all its members are
//    written, each at its stamp, and whatever those lines replaced is replaced.
//
// 7. Listed values. A value that a line says has lost (`lost`) never stands by that; it is lost as
// in
//    rule 4, as if it was written when the line was, so that what came before the line does not
//    replace it.
//
// The result depends on the set of lines alone: not on their order, nor on how often one stands in
// a file, nor on any clock. So folding is commutative, associative and idempotent, and every clone
// with the same lines agrees.

#include <taskstore/ledger/line.hpp>

#include <span>

namespace taskstore::ledger {

struct MemberState {
    std::string name;
    std::string raw_value;
    Stamp stamp;
    friend bool operator==(const MemberState&, const MemberState&) = default;
};

struct RemovedMember {
    std::string name;
    Stamp stamp;
    friend bool operator==(const RemovedMember&, const RemovedMember&) = default;
};

enum class LostTo : std::uint8_t { edit, deletion };

struct LostValue {
    std::string name;
    std::string raw_value;  ///< Empty: what lost is a removal.
    Stamp stamp;
    std::string by;
    LostTo lost_to = LostTo::edit;
    /// Equal stamps with unlike values: no edit came after the other, a person must choose.
    bool clash = false;
    friend bool operator==(const LostValue&, const LostValue&) = default;
};

/// A concurrent value that says the same as the one that stands (rule 5).
struct AgreedValue {
    std::string name;
    Stamp stamp;
    friend bool operator==(const AgreedValue&, const AgreedValue&) = default;
};

struct State {
    std::string id;
    std::uint32_t life = 0;  ///< 0: no line, no record.
    bool deleted = false;
    Stamp
        at;  ///< The largest of its life: what an edit names as `from`, and the record's revision.
    std::string by;
    std::int64_t updated_at = 0;
    std::vector<MemberState>
        members;  ///< Order: as in the latest line, then the others by (stamp, name).
    std::vector<RemovedMember> removed;
    std::vector<LostValue> lost;
    std::vector<AgreedValue> agreed;
    friend bool operator==(const State&, const State&) = default;

    bool live() const { return life != 0 && !deleted; }
    const MemberState* find(std::string_view name) const;
};

/// Folds the lines of one record (of one id; in any order; repeats are harmless).
State fold(const Shape& shape, std::span<const Line> lines);
State fold(const Shape& shape, std::span<const Line* const> lines);

/// fold(lines), in the time of one line where the last line, which has the largest stamp, was made
/// from what the others say: for whoever wants all versions of a long history. `before` is the fold
/// of all but the last.
State fold_next(const Shape& shape, const State& before, std::span<const Line> lines);

/// The record as compact JSON, without _stamps.
std::string to_record_text(const State& state);

}  // namespace taskstore::ledger
