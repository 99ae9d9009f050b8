#include "record.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/founding/adt.hpp>

namespace taskstore::founding {

Status read_queue(std::string_view text, const std::string& where, const Zone& zone, Found& found) {
    if (auto status = check_json(text); !status)
        return fail(Code::corrupt, where + " is no JSON: " + status.error().message)
            .with_hint("mend the file, or move it away to import the rest");
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (kind_of_raw(text) != JsonKind::array)
        return fail(Code::invalid, where + " is no array of tasks");
    JsonSlicer slicer;
    std::int64_t at = 0;
    for (const std::string_view item : items_of_raw(text)) {
        Record record{.where = where + ", item " + std::to_string(++at)};
        const auto members = slicer.slice(item);
        if (!members) {
            ++found.records;
            found.refused.push_back({record.where, slicer.damage().reason});
            continue;
        }
        for (const JsonMember& member : **members)
            if (kind_of_raw(member.raw_value) != JsonKind::null)
                record.members.push_back({std::string(member.name), std::string(member.raw_value)});
        take_record(record, zone, found);
    }
    return ok();
}

}  // namespace taskstore::founding
