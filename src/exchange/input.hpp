#pragma once
// A window over a source that grows as far as one record needs. Private to exchange.

#include <taskstore/exchange/incoming.hpp>

namespace taskstore::exchange {

class Input {
  public:
    explicit Input(std::unique_ptr<ByteSource> source) : x_source(std::move(source)) {}
    std::string_view rest() const { return {x_buffer.data() + x_start, x_end - x_start}; }
    /// Reads on; false at the end. Views of rest() end here.
    Result<bool> more();
    void skip(std::size_t bytes) { x_start += bytes; }
    /// The next line without LF; `ended`: there is none. Where it is longer than a record may be,
    /// `too_long` and its first part; skip_line() is due after every line.
    struct Line {
        std::string_view text;
        bool ended = false;
        bool too_long = false;
    };
    Result<Line> line();
    Status skip_line();
    /// Before the first record.
    Status skip_byte_order_mark();

  private:
    std::unique_ptr<ByteSource> x_source;
    std::string x_buffer;
    std::size_t x_start = 0;
    std::size_t x_end = 0;
    std::size_t x_line = 0;  ///< Bytes of the line that line() gave, with its LF.
    bool x_cut = false;
};

std::unique_ptr<Reader> open_json(std::unique_ptr<ByteSource> source, ReaderOptions options);
std::unique_ptr<Reader> open_csv(std::unique_ptr<ByteSource> source, ReaderOptions options);
std::unique_ptr<Reader> open_checklist(std::unique_ptr<ByteSource> source, ReaderOptions options);

/// The delimiter of a header line: the most frequent of , ; and tab outside quotes.
char delimiter_of(std::string_view header);

}  // namespace taskstore::exchange
