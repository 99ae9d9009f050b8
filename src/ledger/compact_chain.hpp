#pragma once
// Compaction of the usual history: each line an edit of the one before it. Private to ledger.

#include "compact_fold.hpp"

#include <array>
#include <optional>

namespace taskstore::ledger {

/// Reads the lines as they stand, stamps as texts, which costs a third of decoding them. Says what
/// compact_record() says of the same lines, or nothing. Not thread-safe.
class ChainFolder {
  public:
    explicit ChainFolder(const Shape& shape) : x_shape(shape), x_decoder(shape) {}
    /// Two lines or more of one record, all of which may be dropped, in the order of the file.
    /// Nothing: there is more to them, and compact_record() must look. The text ends with LF.
    std::optional<std::string> fold(const std::vector<std::string_view>& texts);

  private:
    /// A stamp as it is written: two are equal where their texts are.
    struct Field {
        std::string_view name;
        std::string_view raw_value;
        std::string_view stamp;
    };
    struct Version {
        JsonSlicer slicer;
        std::vector<Field> fields;  ///< Content alone.
        std::string_view at;
        std::string_view from;
        std::string_view life;
        Stamp stamp;  ///< `at`, read.
    };
    struct Writer {
        std::string_view at;
        std::string_view by;
    };
    bool read(std::string_view text, Version& version);
    bool read_fields(const std::vector<JsonMember>& members, Version& version);
    bool follow(const Version& before, const Version& now);
    bool add_over(const Field& field, std::string_view replaced, const Version& now);
    bool name_writers(Folding& folding, const Version& last) const;

    const Shape& x_shape;
    LineDecoder x_decoder;
    std::array<Version, 2> x_versions;  ///< This line and the one before it.
    std::vector<JsonMember> x_stamps;
    std::vector<JsonMember> x_marks;  ///< Of `f`.
    std::vector<JsonMember> x_over;
    std::vector<Writer> x_writers;                                          ///< One per line.
    std::vector<std::pair<std::string_view, std::string_view>> x_replaced;  ///< Stamp, member.
};

}  // namespace taskstore::ledger
