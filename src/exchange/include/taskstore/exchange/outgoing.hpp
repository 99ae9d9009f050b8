#pragma once
// Records on their way out (floor 2): pure writers, whose text the readers take in again without
// loss. Checklists are written by checklist.hpp.
//
// Each record begins with the member (in CSV: the column) `_collection`. A record's own member of
// that name gets a further underscore in front (`__collection`), as has every name that is it
// behind underscores; own_name() takes it away.
//
// JSONL may have one line more for each declared collection, before all records, which is no
// record:
//   {"_declares":NAME,"schema":TEXT}   TEXT: the file in schemas/, as a string
//
// CSV (RFC 4180, LF, a header): an empty cell is an absent member; JSON other than a string stands
// as it is spelled (1.10, true, null, [1], {"a":1}); a string stands as it is, but where it would
// read as one of these, is empty, begins with a quote or holds control characters: then it is
// a JSON string, with its quotes.

#include <taskstore/base/json.hpp>

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace taskstore::exchange {

inline constexpr std::string_view kCollectionMember = "_collection";
inline constexpr std::string_view kDeclaresMember = "_declares";
inline constexpr std::string_view kSchemaMember = "schema";

/// A record's member as it is named in an export, and back.
std::string outgoing_name(std::string_view own);
std::string_view own_name(std::string_view outgoing);

/// Appends {"_collection":NAME,…the members of `data` as they are spelled…,"_stamps":STAMPS} and
/// LF. `data` is a compact JSON object; `stamps` JSON, or empty.
Status append_jsonl(std::string& out, JsonSlicer& slicer, std::string_view collection,
                    std::string_view data, std::string_view stamps = {});

/// Appends the line that declares a collection.
void append_declaration(std::string& out, std::string_view collection, std::string_view schema);

/// Two passes: see() every record, then append() each of them below header().
class CsvWriter {
  public:
    static constexpr std::size_t kColumnsMax = 4096;
    /// invalid: the records have more than kColumnsMax members of unlike names.
    Status see(std::string_view data);
    std::string header() const;
    /// Appends one row.
    Status append(std::string& out, std::string_view collection, std::string_view data);

  private:
    Status slice(std::string_view data);
    JsonSlicer x_slicer;
    std::vector<std::string> x_names;
    std::unordered_set<std::string> x_known;
    std::vector<std::string_view> x_last;  ///< Names in the order of the record that was seen last.
    const std::vector<JsonMember>* x_members = nullptr;
};

}  // namespace taskstore::exchange
