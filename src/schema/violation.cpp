#include "violation.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>

namespace taskstore::schema {
namespace {

constexpr std::size_t kValueBytes = 80;
constexpr std::size_t kValuesTold = 8;

std::string shortened(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return std::string(text);
    return std::string(cut_utf8(text, bytes_max)) + "…";
}

std::string_view kind_name(const Tape& tape, CellIndex at) {
    switch (tape.at(at).kind) {
        case CellKind::null:
            return "null";
        case CellKind::boolean:
            return "boolean";
        case CellKind::number:
            return tape.at(at).flag || Decimal(tape.raw(at)).integer() ? "integer" : "number";
        case CellKind::string:
            return "string";
        case CellKind::array:
            return "array";
        case CellKind::object:
            return "object";
    }
    return "";
}

}  // namespace

std::string bound_message(std::string_view must, std::uint64_t bound, std::string_view thing,
                          std::uint64_t actual) {
    std::string message(must);
    message += " " + std::to_string(bound) + " " + std::string(thing) + (bound == 1 ? "" : "s");
    const std::string_view verb = must.substr(must.find(' ') + 1).substr(0, 4);
    return message + (verb == "hold" ? ", but holds " : ", but has ") + std::to_string(actual);
}

std::string cut_value(const Tape& tape, CellIndex at) {
    return shortened(tape.raw(at), kValueBytes);
}

std::string Teller::schema_path(const Node& node, std::string_view keyword) const {
    const SchemaText& document = *x_program.documents[node.document];
    CellIndex cell = node.cell;
    if (!keyword.empty()) {
        const CellIndex member = document.tape.member(cell, keyword);
        if (member != kNoCell) cell = member;
    }
    const std::string pointer = document.tape.pointer_to(cell);
    return node.document == 0 ? pointer : document.uri + "#" + pointer;
}

std::string Teller::text_of(const Node& node, std::string_view keyword) const {
    const Tape& tape = x_program.tape_of(node);
    const CellIndex member = tape.member(node.cell, keyword);
    if (member == kNoCell) return {};
    std::string buffer;
    return shortened(
        tape.at(member).kind == CellKind::string ? tape.string(member, buffer) : tape.raw(member),
        200);
}

void Teller::tell(const Node& node, std::string_view keyword, CellIndex at, std::string message) {
    if (full()) return;
    x_violations.push_back({x_tape.pointer_to(at), schema_path(node, keyword), std::string(keyword),
                            cut_value(x_tape, at), std::move(message)});
}

void Teller::add(std::vector<Violation> violations) {
    for (Violation& violation : violations) {
        if (!full()) x_violations.push_back(std::move(violation));
    }
}

void Teller::tell_missing(const Node& node, std::string_view keyword, CellIndex at,
                          std::string_view name, std::string_view because_of) {
    std::string message = "must have the member '" + shortened(name, kValueBytes) + "'";
    if (!because_of.empty()) {
        message += ", because it has '" + shortened(because_of, kValueBytes) + "'";
    }
    tell(node, keyword, at, std::move(message));
}

void Teller::tell_extra(const Node& node, std::string_view keyword, CellIndex at) {
    if (full()) return;
    if (keyword.ends_with("tems")) {
        return tell(node, keyword, at, "no further item is allowed");
    }
    // The name is the cell before its value.
    std::string buffer;
    const std::string_view name = x_tape.string(at - 1, buffer);
    std::string message = "the member '" + shortened(name, kValueBytes) + "' is not allowed";
    std::vector<std::string_view> known;
    if (node.objects) {
        for (const NamedRule& rule : node.objects->names.rules) {
            if (rule.node != kNoNode && known.size() < 256) known.push_back(rule.name);
        }
    }
    if (name.size() <= 64) {
        if (const auto nearest = nearest_name(name, known)) {
            message += "; did you mean '" + shortened(*nearest, kValueBytes) + "'?";
        }
    }
    tell(node, keyword, at, std::move(message));
}

std::string Teller::type_message(std::uint8_t types, CellIndex at) const {
    constexpr std::array<std::pair<std::uint8_t, std::string_view>, 7> kNames{{
        {kNullBit, "null"},
        {kBooleanBit, "boolean"},
        {kNumberBit, "number"},
        {kIntegerBit, "integer"},
        {kStringBit, "string"},
        {kArrayBit, "array"},
        {kObjectBit, "object"},
    }};
    std::string message;
    for (const auto& [bit, name] : kNames) {
        if ((types & bit) == 0 || (bit == kIntegerBit && (types & kNumberBit) != 0)) continue;
        message += (message.empty() ? "must be " : " or ") + std::string(name);
    }
    return message + ", but is " + std::string(kind_name(x_tape, at));
}

std::string Teller::values_message(const Node& node, const Values& values) const {
    const Tape& tape = x_program.tape_of(node);
    std::string message = values.cells.size() == 1 ? "must be " : "must be one of ";
    for (std::size_t i = 0; i < std::min(values.cells.size(), kValuesTold); ++i) {
        message += (i > 0 ? ", " : "") + cut_value(tape, values.cells[i]);
    }
    if (values.cells.size() > kValuesTold) {
        message += " and " + std::to_string(values.cells.size() - kValuesTold) + " more";
    }
    return message;
}

std::string Teller::pattern_message(const Node& node) const {
    return "must match the pattern " + text_of(node, "pattern");
}

std::string Teller::format_message(const Node& node) const {
    return "must have the format " + text_of(node, "format");
}

std::string Teller::limit_message(const Node& node, std::string_view keyword,
                                  std::string_view must) const {
    return std::string(must) + text_of(node, keyword);
}

}  // namespace taskstore::schema
