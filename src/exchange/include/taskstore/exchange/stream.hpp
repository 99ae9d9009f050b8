#pragma once
// Bytes that come one after the other, unpacked on the way (floor 2; readers and importers use it).
// xz, zstd and gzip are known by their first bytes, never by a file's name.

#include <taskstore/os/file_system.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace taskstore::exchange {

/// Not thread-safe.
class ByteSource {
  public:
    virtual ~ByteSource() = default;
    /// At most `bytes` bytes, at least one; 0 is the end. After an error nothing more may be asked.
    virtual Result<std::size_t> read(char* out, std::size_t bytes) = 0;
};

/// From the start of the file.
std::unique_ptr<ByteSource> file_source(std::unique_ptr<os::File> file);
/// `text` must live as long as the source.
std::unique_ptr<ByteSource> text_source(std::string_view text);

enum class Packing : std::uint8_t { none, gzip, xz, zstd };
/// "gzip"; empty for none.
std::string_view name_of(Packing packing);

struct Unpacked {
    Packing packing = Packing::none;
    std::unique_ptr<ByteSource> bytes;
};

/// Looks at the first bytes and unpacks the rest as it is read. Joined streams are read one after
/// the other. Memory is bounded: dictionaries of at most 256 MiB (xz) and windows of 128 MiB
/// (zstd). Reading fails with `corrupt` where the packed bytes are damaged or end early, and with
/// `invalid` where they want more memory, or give more than 1 GiB and more than a thousand times
/// their own size.
Result<Unpacked> unpacked(std::unique_ptr<ByteSource> source);

}  // namespace taskstore::exchange
