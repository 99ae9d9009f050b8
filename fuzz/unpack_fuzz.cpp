// Any bytes as a packed file: unpacked or refused, with bounded memory.
#include <taskstore/exchange/stream.hpp>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore::exchange;
    const auto source =
        unpacked(text_source(std::string_view(reinterpret_cast<const char*>(data), size)));
    if (!source) return 0;
    std::string buffer(65536, '\0');
    // Zeros pack well: what matters shows long before.
    for (int i = 0; i < 256; ++i) {
        const auto got = source->bytes->read(buffer.data(), buffer.size());
        if (!got || *got == 0) break;
    }
    return 0;
}
