#include <taskstore/exchange/stream.hpp>

#include <algorithm>
#include <cstring>

namespace taskstore::exchange {
namespace {

class FileSource final : public ByteSource {
  public:
    explicit FileSource(std::unique_ptr<os::File> file) : x_file(std::move(file)) {}
    Result<std::size_t> read(char* out, std::size_t bytes) override {
        TASKSTORE_LET(const std::size_t got, x_file->read_at(x_at, out, bytes));
        x_at += static_cast<std::int64_t>(got);
        return got;
    }

  private:
    std::unique_ptr<os::File> x_file;
    std::int64_t x_at = 0;
};

class TextSource final : public ByteSource {
  public:
    explicit TextSource(std::string_view text) : x_rest(text) {}
    Result<std::size_t> read(char* out, std::size_t bytes) override {
        const std::size_t got = std::min(bytes, x_rest.size());
        if (got > 0) std::memcpy(out, x_rest.data(), got);
        x_rest.remove_prefix(got);
        return got;
    }

  private:
    std::string_view x_rest;
};

}  // namespace

std::unique_ptr<ByteSource> file_source(std::unique_ptr<os::File> file) {
    return std::make_unique<FileSource>(std::move(file));
}

std::unique_ptr<ByteSource> text_source(std::string_view text) {
    return std::make_unique<TextSource>(text);
}

std::string_view name_of(Packing packing) {
    switch (packing) {
        case Packing::gzip:
            return "gzip";
        case Packing::xz:
            return "xz";
        case Packing::zstd:
            return "zstd";
        case Packing::none:
            break;
    }
    return {};
}

}  // namespace taskstore::exchange
