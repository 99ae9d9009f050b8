#pragma once
// What two sides wrote unlike, and nobody has settled yet (I6; floor 4).
//
// A value that lost to a concurrent edit or to a deletion is kept beside the record until a person
// settles it. Here `ours` is what stands: what the record says now, or that it is deleted; `theirs`
// is what lost. Between the markers of an unfinished merge they are the sides as git names them.

#include <taskstore/ledger/edit.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::records {

struct ConflictSide {
    std::string raw_value;  ///< JSON; empty: the member was removed, or its record deleted.
    Stamp stamp;            ///< When it was written; its ms are the time.
    std::string by;         ///< Who wrote it; empty where that is not known.
    bool stands = false;
};

struct ConflictMember {
    std::string name;
    ConflictSide ours;
    std::vector<ConflictSide> theirs;  ///< At least one; more after merges of more than two sides.
    bool clash = false;                ///< Of equal time: by bytes the larger one stands.
};

struct Conflict {
    std::string collection;
    std::string id;
    std::string revision;  ///< What settle() expects to be still there.
    bool deleted = false;  ///< What lost are edits beside the deletion.
    /// The record as it stands; of a deleted one, as it would be without its deletion.
    std::string data;
    std::vector<ConflictMember> members;  ///< By name.
};

/// What a person decided.
struct Settlement {
    std::string collection;
    std::string id;
    std::string expected_revision;  ///< Empty: any.
    /// The stamps that the person was shown: of what lost these alone are settled.
    std::vector<Stamp> seen;
    /// Of a deleted record: it is created again, as Conflict::data with `members`; else its
    /// deletion is confirmed, and all that lost to it is settled.
    bool revive = false;
    /// The value that each member shall have, whichever side's or another; empty: none. What lost
    /// of these is settled; other members stay listed.
    std::vector<ledger::Change> members;
};

/// What `ours`, `theirs`, MEMBER=ours, MEMBER=theirs and MEMBER=STAMP say of a conflict; several
/// are joined by commas or given one by one. Of a deleted record only the first two go, without a
/// member. invalid, with the words that go: others, a member that has no conflict, `theirs` where
/// there are several of them (of a deleted record: of any member), both sides of one member.
Result<Settlement> settlement_of(const Conflict& conflict, const std::vector<std::string>& takes);

/// All of it as it stands.
Settlement accept(const Conflict& conflict);
/// Without a decision yet: whose conflict it is, and what was shown of it.
Settlement undecided(const Conflict& conflict);

}  // namespace taskstore::records
