#pragma once
// A record of a founding system, member by member, as the task that it stands for.

#include <taskstore/founding/found.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::founding {

struct RecordMember {
    std::string name;
    std::string raw;  ///< JSON; of a column of text a string.
};

struct Record {
    std::vector<RecordMember> members;  ///< Without those that are null.
    std::string where;                  ///< Until the id is known.
    bool of_table = false;              ///< JSON stands in it as text.
};

/// A task more, or one refused.
void take_record(const Record& record, const Zone& zone, Found& found);

}  // namespace taskstore::founding
