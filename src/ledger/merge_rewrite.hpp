#pragma once
// Merges of records of which each side has one line without stamps, as trackers write them that
// rewrite their lines. Private to ledger.

#include <taskstore/ledger/fold.hpp>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace taskstore::ledger {

/// Members by name; empty: absent.
using Values = std::map<std::string, std::string, std::less<>>;

/// A time to compare lines without stamps by: ms, then what a text says beyond them.
std::pair<std::int64_t, std::string> time_of(const Shape& shape, const Line& line);

/// The line that says `values`, with LF: `newer` as it is where it says so, else its frame, and
/// members in its order, then in that of `older`.
std::string rewritten_line(const Shape& shape, const Line& newer, const Line& older,
                           const Values& values);

/// Makes of such a line one that lists what lost. Its time stays: for who knows no stamps nothing
/// is new in it. `replica`: of its stamp. Values of the newer line's time get stamps of their own.
void note_lost(std::string& line, const Line& newer, const Values& values,
               std::vector<MemberState>& lost, const ReplicaId& replica);

}  // namespace taskstore::ledger
