#include <taskstore/base/check.hpp>
#include <taskstore/base/hash.hpp>

#include <openssl/evp.h>
#include <xxhash.h>

#include <array>

namespace taskstore {

struct Sha256::State {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : x_state(std::make_unique<State>()) {
    TASKSTORE_CHECK(x_state->context != nullptr &&
                    EVP_DigestInit_ex(x_state->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
    TASKSTORE_CHECK(EVP_DigestUpdate(x_state->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish_hex() {
    std::array<unsigned char, 32> digest{};
    TASKSTORE_CHECK(EVP_DigestFinal_ex(x_state->context, digest.data(), nullptr) == 1);
    std::string hex;
    hex.reserve(64);
    for (const unsigned char byte : digest) {
        hex += "0123456789abcdef"[byte >> 4U];
        hex += "0123456789abcdef"[byte & 15U];
    }
    return hex;
}

std::string sha256_hex(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.finish_hex();
}

std::uint64_t xxh3_64(std::string_view bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace taskstore
