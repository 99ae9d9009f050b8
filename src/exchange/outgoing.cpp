#include "csv_cell.hpp"

#include <taskstore/exchange/outgoing.hpp>

#include <algorithm>

namespace taskstore::exchange {
namespace {

bool is_reserved(std::string_view name) {
    const std::size_t start = name.find_first_not_of('_');
    return start != std::string_view::npos && start > 0 &&
           name.substr(start - 1) == kCollectionMember;
}

}  // namespace

std::string outgoing_name(std::string_view own) {
    return is_reserved(own) ? "_" + std::string(own) : std::string(own);
}

std::string_view own_name(std::string_view outgoing) {
    return is_reserved(outgoing) && outgoing != kCollectionMember ? outgoing.substr(1) : outgoing;
}

Status append_jsonl(std::string& out, JsonSlicer& slicer, std::string_view collection,
                    std::string_view data, std::string_view stamps) {
    out += "{\"_collection\":";
    append_json_string(out, collection);
    // Spelled with an escape, the name does not show in the text.
    const bool plain = data.find("_collection\"") == std::string_view::npos &&
                       data.find("\\u") == std::string_view::npos;
    if (plain) {
        if (data.size() > 2) out += ',';
        out.append(data.substr(1, data.size() - 2));
    } else {
        TASKSTORE_LET(const std::vector<JsonMember>* const members, slicer.slice(data));
        for (const JsonMember& member : *members) {
            out += ',';
            if (is_reserved(member.name))
                append_json_string(out, outgoing_name(member.name));
            else
                out += member.raw_name;
            out += ':';
            out += member.raw_value;
        }
    }
    if (!stamps.empty()) out.append(",\"_stamps\":").append(stamps);
    out += "}\n";
    return ok();
}

void append_declaration(std::string& out, std::string_view collection, std::string_view schema) {
    out.append("{\"").append(kDeclaresMember).append("\":");
    append_json_string(out, collection);
    out.append(",\"").append(kSchemaMember).append("\":");
    append_json_string(out, schema);
    out += "}\n";
}

Status CsvWriter::slice(std::string_view data) {
    TASKSTORE_LET(x_members, x_slicer.slice(data));
    return ok();
}

Status CsvWriter::see(std::string_view data) {
    TASKSTORE_TRY(slice(data));
    // Most records have the members of the one before.
    const bool same = std::ranges::equal(*x_members, x_last, {}, &JsonMember::name);
    if (same) return ok();
    x_last.clear();
    for (const JsonMember& member : *x_members) {
        const auto [entry, fresh] = x_known.insert(std::string(member.name));
        x_last.push_back(*entry);
        if (!fresh) continue;
        if (member.name.find('\0') != std::string_view::npos) {
            return fail(Code::invalid, "a member's name holds U+0000, which CSV cannot")
                .with_hint("use --format jsonl");
        }
        if (x_names.size() == kColumnsMax) {
            return fail(Code::invalid,
                        "the records have more than 4096 members of unlike names: too many columns")
                .with_hint("use --format jsonl");
        }
        x_names.emplace_back(member.name);
    }
    return ok();
}

std::string CsvWriter::header() const {
    std::string out(kCollectionMember);
    for (const std::string& name : x_names) {
        out += ',';
        append_cell(out, outgoing_name(name));
    }
    return out + "\n";
}

Status CsvWriter::append(std::string& out, std::string_view collection, std::string_view data) {
    TASKSTORE_TRY(slice(data));
    append_cell(out, cell_of_raw("\"" + std::string(collection) + "\""));
    std::size_t likely = 0;
    for (const std::string& name : x_names) {
        out += ',';
        // Members mostly come in the order of the columns.
        auto found = x_members->begin() + static_cast<std::ptrdiff_t>(likely);
        if (found == x_members->end() || found->name != name)
            found = std::ranges::find(*x_members, name, &JsonMember::name);
        if (found == x_members->end()) continue;
        likely = static_cast<std::size_t>(found - x_members->begin()) + 1;
        append_cell(out, cell_of_raw(found->raw_value));
    }
    out += '\n';
    return ok();
}

}  // namespace taskstore::exchange
