#pragma once
// Makes the next line of a record (floor 3). Pure: the caller brings the state, the stamp and the
// actor.

#include <taskstore/ledger/fold.hpp>

namespace taskstore::ledger {

/// A member's new raw JSON value; empty: remove the member.
struct Change {
    std::string name;
    std::string raw_value;
};

struct EditOptions {
    std::string by;
    bool forced = false;
    std::optional<Batch> batch;
    /// Of members that this edit writes: the stamps of lost values that it settles and of agreed
    /// ones that it replaces. A member named here is written, also where its value stays.
    std::vector<std::pair<std::string, Stamp>> settles;
    /// Of members that this edit changes: which stamps it replaces instead of what stands (`over`).
    std::vector<std::pair<std::string, std::vector<Stamp>>> restates;
    /// Values that lost and of which no line tells (`lost` of the line; not of tombstones).
    std::vector<ListedValue> lost;
};

/// The stamp for the next line of a record: later than `tick` and than the record's time by at
/// least 1 ms, so that readers that know updated_at alone agree. kStampMsMax is never passed:
/// `invalid`.
Result<Stamp> next_stamp(const Stamp& tick, const State& state);

/// A create (state not live: a new record, or a new life of a deleted one) or an edit. Changes
/// equal to what stands are left out of the written members; nothing changed still makes a line.
/// Text ends with LF. `changes` must not name frame members other than the id member of a create.
std::string encode_edit(const Shape& shape, const State& state, const std::vector<Change>& changes,
                        const Stamp& at, const EditOptions& options);

/// The member `lost` of `_stamps`; nothing where there are none.
void write_lost(JsonWriter& writer, const std::vector<ListedValue>& lost);

/// The record, without its closing brace, and the stamps of a line that encode_edit made.
std::pair<std::string_view, std::string_view> split_own_line(std::string_view text);

/// The same of any line that was decoded and is stamped; both empty where its stamps do not stand
/// at its end as encode_edit puts them.
std::pair<std::string_view, std::string_view> split_line(std::string_view text);

/// Deletes a live record; of a deleted one, settles what its deletion won over (`settles`).
std::string encode_tombstone(const Shape& shape, const State& state, const Stamp& at,
                             const EditOptions& options);

}  // namespace taskstore::ledger
