#include <taskstore/exchange/stream.hpp>

#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

namespace taskstore::exchange {
namespace {

std::string gzip_of(const std::string& text) {
    z_stream stream{};
    deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string input = text;
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string xz_of(const std::string& text) {
    std::string out(lzma_stream_buffer_bound(text.size()), '\0');
    std::size_t size = 0;
    EXPECT_EQ(lzma_easy_buffer_encode(
                  1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                  text.size(), reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size()),
              LZMA_OK);
    out.resize(size);
    return out;
}

std::string zstd_of(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

Result<std::string> all_of(ByteSource& source, std::size_t piece = 4096) {
    std::string out;
    std::string buffer(piece, '\0');
    while (true) {
        TASKSTORE_LET(const std::size_t got, source.read(buffer.data(), buffer.size()));
        if (got == 0) return out;
        out.append(buffer, 0, got);
    }
}

Result<std::string> unpacked_text(const std::string& bytes, std::size_t piece = 4096) {
    TASKSTORE_LET(const Unpacked unpacked_bytes, unpacked(text_source(bytes)));
    return all_of(*unpacked_bytes.bytes, piece);
}

std::string sample() {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i * 7919) + "\n";
    return text;
}

TEST(Unpack, EachPackingIsKnownByItsFirstBytes) {
    const std::string text = sample();
    const std::pair<Packing, std::string> packed[] = {{Packing::none, text},
                                                      {Packing::gzip, gzip_of(text)},
                                                      {Packing::xz, xz_of(text)},
                                                      {Packing::zstd, zstd_of(text)}};
    for (const auto& [packing, bytes] : packed) {
        EXPECT_EQ(unpacked(text_source(bytes))->packing, packing);
        EXPECT_EQ(unpacked_text(bytes).value_or(""), text);
        EXPECT_EQ(unpacked_text(bytes, 1).value_or("").size(), text.size());
    }
    EXPECT_EQ(unpacked_text("").value_or("x"), "");
    EXPECT_EQ(unpacked_text("ab").value_or("x"), "ab");
}

TEST(Unpack, JoinedStreamsAreOneText) {
    EXPECT_EQ(unpacked_text(gzip_of("a") + gzip_of("b")).value_or(""), "ab");
    EXPECT_EQ(unpacked_text(xz_of("a") + std::string(4, '\0') + xz_of("b")).value_or(""), "ab");
    EXPECT_EQ(unpacked_text(zstd_of("a") + zstd_of("b")).value_or(""), "ab");
}

TEST(Unpack, WhatEndsEarlyIsCorrupt) {
    const std::string text = sample();
    for (const std::string& bytes : {gzip_of(text), xz_of(text), zstd_of(text)}) {
        for (const std::size_t cut : {bytes.size() - 1, bytes.size() / 2, std::size_t{7}}) {
            const auto got = unpacked_text(bytes.substr(0, cut));
            ASSERT_FALSE(got) << cut << " of " << bytes.size();
            EXPECT_EQ(got.error().code, Code::corrupt);
        }
    }
}

TEST(Unpack, FlippedBytesNeverGiveOtherText) {
    const std::string text = sample();
    // Bytes of gzip's header (time, system) say nothing about the text.
    for (const std::string& bytes : {gzip_of(text), xz_of(text)}) {
        for (std::size_t at = 12; at < bytes.size(); at += bytes.size() / 50) {
            std::string bad = bytes;
            bad[at] = static_cast<char>(bad[at] ^ 0x10);
            const auto got = unpacked_text(bad);
            EXPECT_TRUE(!got || *got == text) << at;
        }
    }
}

TEST(Unpack, ABombIsRefusedWithinBoundedMemory) {
    // 2 GiB of zeros, made as members of 64 MiB each.
    const std::string piece = zstd_of(std::string(64U << 20U, '\0'));
    std::string bomb;
    for (int i = 0; i < 32; ++i) bomb += piece;
    const Unpacked source = *unpacked(text_source(bomb));
    std::string buffer(1U << 20U, '\0');
    std::size_t seen = 0;
    auto got = source.bytes->read(buffer.data(), buffer.size());
    while (got && *got > 0) {
        seen += *got;
        got = source.bytes->read(buffer.data(), buffer.size());
    }
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Code::invalid);
    EXPECT_LE(seen, (std::size_t{1} << 30U) + buffer.size());
}

}  // namespace
}  // namespace taskstore::exchange
