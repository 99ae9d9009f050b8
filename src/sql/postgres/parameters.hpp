#pragma once
// Bound values as the protocol takes them: binary, so that nothing is copied, quoted or rounded,
// and with the type of the value, so that the server does not guess one from a text.

#include <libpq-fe.h>
#include <taskstore/sql/value.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::postgres {

/// pg_type.oid of what this driver sends and knows; they never change.
namespace type {
inline constexpr Oid kNone = 0;  ///< The server finds out: for NULL.
inline constexpr Oid kBool = 16;
inline constexpr Oid kBytea = 17;
inline constexpr Oid kInt8 = 20;
inline constexpr Oid kInt2 = 21;
inline constexpr Oid kInt4 = 23;
inline constexpr Oid kText = 25;
inline constexpr Oid kOid = 26;
inline constexpr Oid kFloat4 = 700;
inline constexpr Oid kFloat8 = 701;
inline constexpr Oid kByteaArray = 1001;
inline constexpr Oid kTextArray = 1009;
inline constexpr Oid kInt8Array = 1016;
inline constexpr Oid kFloat8Array = 1022;
inline constexpr Oid kNumeric = 1700;
}  // namespace type

class Parameters {
  public:
    explicit Parameters(int count = 0) : x_slots(static_cast<std::size_t>(count)) {}
    int count() const { return static_cast<int>(x_slots.size()); }
    /// All NULL again.
    void clear();

    // Indexes count from 0. Text and bytes are borrowed.
    void set_null(int index) { at(index) = {}; }
    void set(int index, std::int64_t value);
    void set(int index, double value);
    void set_text(int index, std::string_view text);
    void set_blob(int index, std::string_view bytes);
    void set_value(int index, const sql::Value& value);
    /// An array of the index-th values of `rows`. False: they are of unlike types.
    bool set_column(int index, std::span<const std::vector<sql::Value>* const> rows);

    /// Tells one list of types from another.
    void append_types(std::string& key) const;

    /// Valid until the next change, like everything that libpq is given.
    struct Arrays {
        std::vector<Oid> types;
        std::vector<const char*> values;
        std::vector<int> lengths;
        std::vector<int> formats;
    };
    const Arrays& arrays() const;

  private:
    struct Slot {
        Oid type = type::kNone;
        int length = 0;
        std::array<char, 8> number{};
        const char* borrowed = nullptr;
        std::string owned;
        bool is_null = true;
        bool is_owned = false;
    };
    Slot& at(int index) { return x_slots[static_cast<std::size_t>(index)]; }

    std::vector<Slot> x_slots;
    mutable Arrays x_arrays;
};

}  // namespace taskstore::postgres
