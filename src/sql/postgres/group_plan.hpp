#pragma once
// What a group sends: which rows of its batches go out as one statement.

#include "group.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace taskstore::postgres {

/// A statement of a member's batch.
struct Row {
    Member* member = nullptr;
    std::size_t part = 0;
};
inline const CheckedBatch::Part& part_of(const Row& row) {
    return row.member->batch->parts[row.part];
}

/// One statement on the wire: of one row, or of many.
struct Item {
    std::vector<Row> rows;
    const Translated* statement = nullptr;
    bool merged = false;  ///< By the form of many.
    Parameters parameters{};
    std::int64_t changes = -1;
};
/// Whether its answer is more than a number.
bool returns_rows(const Item& item);

/// In the order in which they are sent: of each batch the statements in theirs. Batches with the
/// same forms meet in one place, and neighbours of one form in a batch. Each member gets room for
/// its answers.
std::deque<Item> plan(const std::vector<Member*>& members);

}  // namespace taskstore::postgres
