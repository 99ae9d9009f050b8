// Any bytes as CSV: read or told, the same in whole and in crumbs; what was read survives our own
// exports.
#include "reading.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore::exchange;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_round_trip(read_twice(text, {Syntax::csv, Kind::table}));
    return 0;
}
