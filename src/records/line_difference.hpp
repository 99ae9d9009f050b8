#pragma once
// Which lines two ledger files do not share, and the lines of some records in one of them. Private
// to records; changes.cpp puts them together. Views point into the files' bytes.

#include <taskstore/ledger/scan.hpp>
#include <taskstore/records/changes.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace taskstore::records {

/// A line, without CR and LF, where it stands.
struct PlacedText {
    std::string_view text;
    std::int64_t number = 0;
    ledger::LineKind kind = ledger::LineKind::record;
};

struct LineDifference {
    std::vector<PlacedText> gone;   ///< In `before` alone.
    std::vector<PlacedText> added;  ///< In `after` alone.
};

/// Order and repetition of lines mean nothing. Appending, the usual case, costs one comparison of
/// the bytes; any other change one look at each line between the first and the last difference.
LineDifference difference_of(std::string_view before, std::string_view after);

/// Tells lines of wanted records, or of wanted batches, without decoding the others where a line
/// begins with its id as our own writers put it.
class LinePicker {
  public:
    explicit LinePicker(const ledger::Shape& shape);
    /// The id that the line begins with; empty: only decoding tells.
    std::string_view id_of(std::string_view line) const;
    /// The name of the batch that the line may belong to; empty: of none; null: only decoding
    /// tells.
    static std::optional<std::string_view> batch_of(std::string_view line);

  private:
    std::string x_quoted_id;  ///< "\"id\""
};

}  // namespace taskstore::records
