#include <taskstore/base/code.hpp>

#include <array>

namespace taskstore {
namespace {

constexpr std::array kRows{
    CodeRow{Code::failed, "failed", 1, false, 500},
    CodeRow{Code::invalid, "invalid", 2, false, 400},
    CodeRow{Code::not_found, "not_found", 3, false, 404},
    CodeRow{Code::exists, "exists", 4, false, 409},
    CodeRow{Code::conflict, "conflict", 4, false, 409},
    CodeRow{Code::lease_lost, "lease_lost", 4, false, 409},
    CodeRow{Code::unavailable, "unavailable", 5, true, 503},
    CodeRow{Code::timed_out, "timed_out", 5, true, 504},
    CodeRow{Code::corrupt, "corrupt", 6, false, 500},
    CodeRow{Code::denied, "denied", 7, false, 403},
    CodeRow{Code::outcome_unknown, "outcome_unknown", 8, false, 503},
    CodeRow{Code::unsupported, "unsupported", 1, false, 501},
    CodeRow{Code::cancelled, "cancelled", 1, false, 499},
    CodeRow{Code::partial, "partial", 9, true, 207},
};

constexpr bool in_order_of_enumerators() {
    for (std::size_t i = 0; i < kRows.size(); ++i) {
        if (kRows[i].code != static_cast<Code>(i)) return false;
    }
    return kRows.back().code == Code::partial;
}
static_assert(in_order_of_enumerators(), "one row per code, in the order of the enumerators");

}  // namespace

std::span<const CodeRow> code_rows() {
    return kRows;
}

const CodeRow& row_of(Code code) {
    return kRows[static_cast<std::size_t>(code)];
}

}  // namespace taskstore
