#pragma once
// A ledger file by its records, as text whose differences read well (floor 4; git's textconv).
//
//   prd p1                       one block per record, ordered by id
//     title: Search              one line per member: those of the kind in its order, others by
//     name content:
//       | first line             text of several lines as lines
//     lost title: Find (ben)     what lost and is not settled
//     edited: 2026-11-21T08:15:30Z by anna
//   prd p2 (deleted)
//     edited: …
//
// Lines that are no records come last, as they are. It depends on the set of lines alone. Files of
// one plan are looked at one by one, so lines of a batch that is not whole are taken as they stand.

#include <taskstore/base/result.hpp>

#include <functional>
#include <string_view>

namespace taskstore::records {

/// `collection` tells the kind; any other word will do. Calls `put` with pieces of the text, of
/// some KiB, and stops with its error. Control characters of values and foreign lines are made
/// harmless. Memory: some 100 bytes per line of the file.
Status write_readable(std::string_view file, std::string_view collection,
                      const std::function<Status(std::string_view)>& put);

}  // namespace taskstore::records
