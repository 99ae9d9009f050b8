#pragma once
// What a merge makes of one member of a record. Private to ledger.

#include "merge_record.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace taskstore::ledger {

/// A member's version on one side.
struct Version {
    std::string_view raw;  ///< Empty: absent or removed.
    Stamp stamp;
    bool known = false;  ///< The side has it, or removed it.
};

/// The members of a state, by name. A record may have a hundred thousand.
class Versions {
  public:
    /// `state` must outlive this.
    explicit Versions(const State& state);
    Version of(std::string_view name) const;
    const State& state() const { return *x_state; }

  private:
    const State* x_state;
    std::unordered_map<std::string_view, const MemberState*> x_members;
    std::unordered_map<std::string_view, const RemovedMember*> x_removed;
};

/// Of a state's lists, which are in order of names, the part of that name.
std::span<const LostValue> lost_of(const State& state, std::string_view name);
std::span<const AgreedValue> agreed_of(const State& state, std::string_view name);

/// Who lines of merges are by.
inline constexpr std::string_view kMergeActor = "taskstore-merge";

/// Values that merges have said again, because a line that they took carried another one along: no
/// edits, but the versions that they were said first in.
class Corrections {
  public:
    /// `versions` must outlive this.
    explicit Corrections(const RecordVersions& versions);
    bool has(const Stamp& stamp) const { return x_lines.contains(stamp); }
    /// Whether the value comes from a line of `other`, and not of the base: a commit of that side
    /// was picked, so whatever that side has now was written by who had seen it.
    bool comes_from(const std::vector<const Line*>& other, std::string_view name,
                    const Version& version) const;

  private:
    const RecordVersions& x_versions;
    std::map<Stamp, const Line*> x_lines;
};

/// What the merge says of one member.
struct Choice {
    std::string raw;
    Stamp stamp = {};  ///< Of the version that was chosen; none() where it is no side's.
    bool clash = false;
    /// Both versions are in it: it replaces them, of which this is the older one.
    bool joins = false;
    Stamp older = {};
    /// Both changed it, and of that side not all stands.
    bool ours_lost = false;
    bool theirs_lost = false;
};

class MemberMerge {
  public:
    /// All must outlive this.
    MemberMerge(const Shape& shape, const RecordVersions& versions, const Versions& base,
                const Versions& ours, const Versions& theirs, const Corrections& corrections)
        : x_shape(shape),
          x_versions(versions),
          x_base(base),
          x_ours(ours),
          x_theirs(theirs),
          x_corrections(corrections) {}

    /// `later`: of two versions without stamps, <0: ours is older, >0: theirs, 0: nobody knows.
    Choice choose(const std::string& name, int later) const;
    /// Of all members that a side has or removed, in order.
    std::vector<std::string> names() const;

  private:
    bool restored(const std::vector<const Line*>& lines, const Version& side, const Version& base,
                  std::string_view name, const Version& other) const;

    const Shape& x_shape;
    const RecordVersions& x_versions;
    const Versions& x_base;
    const Versions& x_ours;
    const Versions& x_theirs;
    const Corrections& x_corrections;
};

}  // namespace taskstore::ledger
