#include "parameters.hpp"

#include <bit>
#include <variant>

namespace taskstore::postgres {
namespace {

constexpr int kBinary = 1;

void store_big_endian(char* out, std::uint64_t bits) {
    for (int i = 7; i >= 0; --i) {
        out[i] = static_cast<char>(bits & 0xff);
        bits >>= 8;
    }
}
void append_32(std::string& out, std::uint32_t bits) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((bits >> shift) & 0xff);
}
void append_64(std::string& out, std::uint64_t bits) {
    std::array<char, 8> bytes{};
    store_big_endian(bytes.data(), bits);
    out.append(bytes.data(), bytes.size());
}

/// The element type of a value; 0 for NULL.
Oid element_of(const sql::Value& value) {
    constexpr std::array<Oid, 5> kTypes{type::kNone, type::kInt8, type::kFloat8, type::kText,
                                        type::kBytea};
    return kTypes[value.index()];
}

Oid array_of(Oid element) {
    switch (element) {
        case type::kInt8:
            return type::kInt8Array;
        case type::kFloat8:
            return type::kFloat8Array;
        case type::kBytea:
            return type::kByteaArray;
        default:
            return type::kTextArray;  // A cast of the statement makes of NULLs what it needs.
    }
}

void append_element(std::string& out, const sql::Value& value) {
    const auto append_bytes = [&](std::string_view bytes) {
        append_32(out, static_cast<std::uint32_t>(bytes.size()));
        out += bytes;
    };
    if (std::holds_alternative<std::monostate>(value)) {
        append_32(out, 0xffff'ffff);
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        append_32(out, 8);
        append_64(out, static_cast<std::uint64_t>(*integer));
    } else if (const auto* number = std::get_if<double>(&value)) {
        append_32(out, 8);
        append_64(out, std::bit_cast<std::uint64_t>(*number));
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        append_bytes(*text);
    } else {
        append_bytes(std::get<sql::Blob>(value).bytes);
    }
}

}  // namespace

void Parameters::clear() {
    for (Slot& slot : x_slots) slot = {};
}

void Parameters::set(int index, std::int64_t value) {
    Slot& slot = at(index);
    slot = {.type = type::kInt8, .length = 8, .is_null = false};
    store_big_endian(slot.number.data(), static_cast<std::uint64_t>(value));
}

void Parameters::set(int index, double value) {
    Slot& slot = at(index);
    slot = {.type = type::kFloat8, .length = 8, .is_null = false};
    store_big_endian(slot.number.data(), std::bit_cast<std::uint64_t>(value));
}

void Parameters::set_text(int index, std::string_view text) {
    at(index) = {.type = type::kText,
                 .length = static_cast<int>(text.size()),
                 .borrowed = text.data() != nullptr ? text.data() : "",
                 .is_null = false};
}

void Parameters::set_blob(int index, std::string_view bytes) {
    set_text(index, bytes);
    at(index).type = type::kBytea;
}

void Parameters::set_value(int index, const sql::Value& value) {
    if (std::holds_alternative<std::monostate>(value)) {
        set_null(index);
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        set(index, *integer);
    } else if (const auto* number = std::get_if<double>(&value)) {
        set(index, *number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        set_text(index, *text);
    } else {
        set_blob(index, std::get<sql::Blob>(value).bytes);
    }
}

bool Parameters::set_column(int index, std::span<const std::vector<sql::Value>* const> rows) {
    static const sql::Value kNull{};
    const auto n = static_cast<std::size_t>(index);
    const auto value_of = [&](const std::vector<sql::Value>& row) -> const sql::Value& {
        return n < row.size() ? row[n] : kNull;
    };
    Oid element = type::kNone;
    bool nulls = false;
    for (const auto* row : rows) {
        const Oid one = element_of(value_of(*row));
        nulls = nulls || one == type::kNone;
        if (one == type::kNone || one == element) continue;
        if (element != type::kNone) return false;
        element = one;
    }
    Slot& slot = at(index);
    slot = {.type = array_of(element), .is_null = false, .is_owned = true};
    std::string& out = slot.owned;
    append_32(out, 1);  // Dimensions.
    append_32(out, nulls ? 1 : 0);
    append_32(out, element != type::kNone ? element : type::kText);
    append_32(out, static_cast<std::uint32_t>(rows.size()));
    append_32(out, 1);  // The first index.
    for (const auto* row : rows) append_element(out, value_of(*row));
    slot.length = static_cast<int>(out.size());
    return true;
}

void Parameters::append_types(std::string& key) const {
    for (const Slot& slot : x_slots) {
        key += '\0';
        append_32(key, slot.type);
    }
}

const Parameters::Arrays& Parameters::arrays() const {
    const std::size_t count = x_slots.size();
    x_arrays.types.resize(count);
    x_arrays.values.resize(count);
    x_arrays.lengths.resize(count);
    x_arrays.formats.assign(count, kBinary);
    for (std::size_t i = 0; i < count; ++i) {
        const Slot& slot = x_slots[i];
        x_arrays.types[i] = slot.type;
        x_arrays.lengths[i] = slot.length;
        const char* const bytes = slot.is_owned              ? slot.owned.data()
                                  : slot.borrowed != nullptr ? slot.borrowed
                                                             : slot.number.data();
        x_arrays.values[i] = slot.is_null ? nullptr : bytes;
    }
    return x_arrays;
}

}  // namespace taskstore::postgres
