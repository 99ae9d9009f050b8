#pragma once
// What loses in a merge, and of which no line that stays would tell. Private to ledger.

#include "merge_member.hpp"
#include "merge_record.hpp"

#include <taskstore/ledger/edit.hpp>

#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace taskstore::ledger {

/// Whether any line of the record has no stamps: then the fold alone does not tell all that lost.
bool has_unstamped(const RecordVersions& versions);

/// A stamp of its own, for a value of whose stamp there is another one.
Stamp own_stamp(const MemberState& value);

/// Of records with lines without stamps. What it asks often is looked up.
class LostKeeper {
  public:
    /// `stay`: the lines that stay; `stands`: their fold. All must outlive this.
    LostKeeper(const Shape& shape, const RecordVersions& versions, const Versions& base,
               const Versions& ours, const Versions& theirs, const std::vector<const Line*>& stay,
               const State& stands)
        : x_shape(shape),
          x_versions(versions),
          x_base(base),
          x_ours(ours),
          x_theirs(theirs),
          x_stay(stay),
          x_stands(stands) {}

    /// What lost of that member, unless nobody chose it.
    std::vector<MemberState> losers(const std::string& name, const Choice& choice) const;
    /// Of these, those that nobody who wrote a line has seen, and no line tells of.
    std::vector<MemberState> unseen_losers(const std::string& name, const Choice& choice);
    /// What a side lists, and would not be listed any more for lines without stamps whose writers
    /// never saw it.
    std::vector<MemberState> forgotten();
    /// Into the line that the merge adds: the values, and those without stamps that are listed and
    /// would not be beside a line made from so late a version. `values` must outlive `with`.
    void list(std::vector<MemberState>& values, EditOptions& with);

  private:
    using Keys = std::set<std::tuple<std::string_view, Stamp, std::string_view>>;
    using Lines = std::vector<const Line*>;

    const Keys& replaced_by(const Lines& lines, std::optional<Keys>& keys) const;
    const Keys& plain_values(const Lines& lines, std::optional<Keys>& keys) const;
    bool names(const Lines& lines, std::optional<Keys>& keys, const MemberState& value) const;
    bool knows(const Versions& side, std::optional<Keys>& keys, const MemberState& value) const;
    bool is_noted(const MemberState& value);
    bool is_listed(const MemberState& value) const;
    bool is_unseen(const MemberState& value, bool ours);

    const Shape& x_shape;
    const RecordVersions& x_versions;
    const Versions& x_base;
    const Versions& x_ours;
    const Versions& x_theirs;
    const Lines& x_stay;
    const State& x_stands;
    std::optional<Keys> x_noted;
    std::optional<Keys> x_replaced_ours;
    std::optional<Keys> x_replaced_theirs;
    std::optional<Keys> x_replaced_stay;
    std::optional<Keys> x_plain_ours;
    std::optional<Keys> x_plain_theirs;
    std::optional<Keys> x_lost_base;
    std::optional<Keys> x_lost_ours;
    std::optional<Keys> x_lost_theirs;
};

}  // namespace taskstore::ledger
