#pragma once
// Hashes (floor 0): SHA-256 (FIPS 180-4, through OpenSSL) where others may check it; XXH3-64
// (xxHash 0.8) where only this device looks, as for the chunks of a file.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace taskstore {

/// Not thread-safe; one per computation.
class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    void update(std::string_view bytes);
    /// 64 lower-case hexadecimal characters. Call once.
    std::string finish_hex();

  private:
    struct State;
    std::unique_ptr<State> x_state;
};

std::string sha256_hex(std::string_view bytes);
std::uint64_t xxh3_64(std::string_view bytes);

/// XXH3-128 (xxHash 0.8): for sets of texts that are told apart by their hashes alone.
struct Hash128 {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const Hash128&, const Hash128&) = default;
};
Hash128 xxh3_128(std::string_view bytes);

}  // namespace taskstore
