// The adapters of liblzma, libzstd and zlib.

#include <taskstore/exchange/stream.hpp>

// zlib then promises not to write to its input.
#define ZLIB_CONST

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cstring>
#include <string>

namespace taskstore::exchange {
namespace {

constexpr std::uint64_t kXzMemoryMax = 256U << 20U;
constexpr int kZstdWindowLogMax = 27;
constexpr std::uint64_t kFreeBytes = 1U << 30U;
constexpr std::uint64_t kTimesMax = 1000;

/// What was read to look at, then the rest.
class Prefixed final : public ByteSource {
  public:
    Prefixed(std::string prefix, std::unique_ptr<ByteSource> rest)
        : x_prefix(std::move(prefix)), x_rest(std::move(rest)) {}
    Result<std::size_t> read(char* out, std::size_t bytes) override {
        if (x_at == x_prefix.size()) return x_rest->read(out, bytes);
        const std::size_t got = x_prefix.copy(out, bytes, x_at);
        x_at += got;
        return got;
    }

  private:
    std::string x_prefix;
    std::unique_ptr<ByteSource> x_rest;
    std::size_t x_at = 0;
};

/// One step of an engine: what it took and gave.
struct Step {
    std::size_t taken = 0;
    std::size_t given = 0;
    bool ended = false;  ///< A stream is complete; another one may follow.
};

class Engine {
  public:
    Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    virtual ~Engine() = default;
    /// `last`: nothing comes after `in`.
    virtual Result<Step> step(std::string_view in, char* out, std::size_t bytes, bool last) = 0;
    /// Before the stream that follows another one.
    virtual Status restart() = 0;
};

Failure damaged(std::string_view what) {
    return fail(Code::corrupt, "the " + std::string(what) + " data is damaged")
        .with_hint("get the file again, or unpack what can be had by hand");
}

class XzEngine final : public Engine {
  public:
    ~XzEngine() override { lzma_end(&x_stream); }
    Status restart() override {
        return lzma_stream_decoder(&x_stream, kXzMemoryMax, 0) == LZMA_OK
                   ? ok()
                   : Status(fail(Code::failed, "no memory to unpack xz"));
    }
    Result<Step> step(std::string_view in, char* out, std::size_t bytes, bool last) override {
        x_stream.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
        x_stream.avail_in = in.size();
        x_stream.next_out = reinterpret_cast<std::uint8_t*>(out);
        x_stream.avail_out = bytes;
        const lzma_ret answer = lzma_code(&x_stream, last ? LZMA_FINISH : LZMA_RUN);
        if (answer == LZMA_MEMLIMIT_ERROR) {
            return fail(Code::invalid, "the xz data wants more than 256 MiB to unpack")
                .with_hint("unpack it by hand: xz -dk FILE");
        }
        if (answer != LZMA_OK && answer != LZMA_STREAM_END && answer != LZMA_BUF_ERROR)
            return damaged("xz");
        return Step{in.size() - x_stream.avail_in, bytes - x_stream.avail_out,
                    answer == LZMA_STREAM_END};
    }

  private:
    lzma_stream x_stream = LZMA_STREAM_INIT;
};

class ZstdEngine final : public Engine {
  public:
    ~ZstdEngine() override { ZSTD_freeDStream(x_stream); }
    Status restart() override {
        if (x_stream == nullptr) x_stream = ZSTD_createDStream();
        if (x_stream == nullptr) return fail(Code::failed, "no memory to unpack zstd");
        ZSTD_DCtx_reset(x_stream, ZSTD_reset_session_only);
        ZSTD_DCtx_setParameter(x_stream, ZSTD_d_windowLogMax, kZstdWindowLogMax);
        return ok();
    }
    Result<Step> step(std::string_view in, char* out, std::size_t bytes, bool) override {
        ZSTD_inBuffer input{in.data(), in.size(), 0};
        ZSTD_outBuffer output{out, bytes, 0};
        const std::size_t answer = ZSTD_decompressStream(x_stream, &output, &input);
        if (ZSTD_isError(answer) != 0) {
            if (std::strstr(ZSTD_getErrorName(answer), "memory") != nullptr) {
                return fail(Code::invalid, "the zstd data wants a window of more than 128 MiB")
                    .with_hint("unpack it by hand: zstd -dk --long=31 FILE");
            }
            return damaged("zstd");
        }
        return Step{input.pos, output.pos, answer == 0};
    }

  private:
    ZSTD_DStream* x_stream = nullptr;
};

class GzipEngine final : public Engine {
  public:
    ~GzipEngine() override { inflateEnd(&x_stream); }
    Status restart() override {
        constexpr int kGzipOnly = 15 + 16;
        const int answer = x_started ? inflateReset(&x_stream) : inflateInit2(&x_stream, kGzipOnly);
        x_started = true;
        return answer == Z_OK ? ok() : Status(fail(Code::failed, "no memory to unpack gzip"));
    }
    Result<Step> step(std::string_view in, char* out, std::size_t bytes, bool) override {
        x_stream.next_in = reinterpret_cast<const Bytef*>(in.data());
        x_stream.avail_in = static_cast<uInt>(in.size());
        x_stream.next_out = reinterpret_cast<Bytef*>(out);
        x_stream.avail_out = static_cast<uInt>(bytes);
        const int answer = inflate(&x_stream, Z_NO_FLUSH);
        if (answer != Z_OK && answer != Z_STREAM_END && answer != Z_BUF_ERROR)
            return damaged("gzip");
        return Step{in.size() - x_stream.avail_in, bytes - x_stream.avail_out,
                    answer == Z_STREAM_END};
    }

  private:
    z_stream x_stream{};
    bool x_started = false;
};

class Unpacker final : public ByteSource {
  public:
    Unpacker(Packing packing, std::unique_ptr<Engine> engine, std::unique_ptr<ByteSource> packed)
        : x_packing(packing), x_engine(std::move(engine)), x_packed(std::move(packed)) {}

    Result<std::size_t> read(char* out, std::size_t bytes) override {
        bytes = std::min<std::size_t>(bytes, 1U << 20U);
        while (true) {
            if (x_at == x_end && !x_last) {
                TASKSTORE_LET(x_end, x_packed->read(x_buffer.data(), x_buffer.size()));
                x_at = 0;
                x_last = x_end == 0;
            }
            if (!x_inside) {
                // Some programs fill the end of a file up with zeros.
                while (x_at < x_end && x_buffer[x_at] == '\0' && x_out > 0) ++x_at;
                if (x_at == x_end) {
                    if (x_last) return std::size_t{0};
                    continue;
                }
                TASKSTORE_TRY(x_engine->restart());
                x_inside = true;
            }
            TASKSTORE_LET(const Step step, x_engine->step({x_buffer.data() + x_at, x_end - x_at},
                                                          out, bytes, x_last));
            x_at += step.taken;
            x_in += step.taken;
            x_out += step.given;
            if (step.ended) x_inside = false;
            if (x_out > kFreeBytes && x_out / kTimesMax > x_in) {
                return fail(Code::invalid, "the " + std::string(name_of(x_packing)) +
                                               " data grows to more than a thousand times its size")
                    .with_hint("unpack it by hand if that is what you want");
            }
            if (step.given > 0) return step.given;
            if (!step.ended && step.taken == 0 && x_last) {
                return fail(Code::corrupt,
                            "the " + std::string(name_of(x_packing)) + " data ends too early")
                    .with_hint("get the file again");
            }
        }
    }

  private:
    Packing x_packing;
    std::unique_ptr<Engine> x_engine;
    std::unique_ptr<ByteSource> x_packed;
    std::array<char, 65536> x_buffer{};
    std::size_t x_at = 0;
    std::size_t x_end = 0;
    bool x_last = false;
    bool x_inside = false;
    std::uint64_t x_in = 0;
    std::uint64_t x_out = 0;
};

/// RFC 1952, the .xz file format 2.1.1.1, RFC 8878 section 3.1.1 and 3.1.2.
Packing packing_of(std::string_view head) {
    if (head.starts_with("\x1F\x8B")) return Packing::gzip;
    if (head.starts_with(std::string_view("\xFD"
                                          "7zXZ\0",
                                          6)))
        return Packing::xz;
    if (head.starts_with("\x28\xB5\x2F\xFD")) return Packing::zstd;
    if (head.size() >= 4 && head.substr(1, 3) == "\x2A\x4D\x18" &&
        (static_cast<unsigned char>(head[0]) & 0xF0U) == 0x50U)
        return Packing::zstd;
    return Packing::none;
}

}  // namespace

Result<Unpacked> unpacked(std::unique_ptr<ByteSource> source) {
    std::string head(6, '\0');
    std::size_t have = 0;
    while (have < head.size()) {
        TASKSTORE_LET(const std::size_t got, source->read(head.data() + have, head.size() - have));
        if (got == 0) break;
        have += got;
    }
    head.resize(have);
    Unpacked out;
    out.packing = packing_of(head);
    out.bytes = std::make_unique<Prefixed>(std::move(head), std::move(source));
    std::unique_ptr<Engine> engine;
    switch (out.packing) {
        case Packing::none:
            return out;
        case Packing::gzip:
            engine = std::make_unique<GzipEngine>();
            break;
        case Packing::xz:
            engine = std::make_unique<XzEngine>();
            break;
        case Packing::zstd:
            engine = std::make_unique<ZstdEngine>();
            break;
    }
    out.bytes = std::make_unique<Unpacker>(out.packing, std::move(engine), std::move(out.bytes));
    return out;
}

}  // namespace taskstore::exchange
