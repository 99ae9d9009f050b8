#pragma once
// The line that stands for several. Private to ledger.

#include <taskstore/ledger/line.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::ledger {

/// A member that edits change, and the fold looks for where it lost.
inline bool is_content(const Shape& shape, std::string_view name) {
    return !is_frame_member(shape, name) && name != "id";
}

/// What a folded line says, collected from the lines that it stands for.
struct Folding {
    struct Entry {
        std::string_view name;
        std::string_view raw_value;  ///< Empty: removed.
        const Stamp* stamp = nullptr;
    };
    const Line* latest = nullptr;  ///< Of which it takes `at`, `by`, and the flag `forced`.
    std::vector<Entry> entries;
    std::map<Stamp, std::string_view> by;
    std::map<Stamp, std::vector<std::string_view>> over;
    Stamp from;
    Stamp since;
    std::vector<Batch> batches;
};

void say_over(Folding& folding, const Stamp& stamp, std::string_view name);

/// The folded line of a record that lives, with LF.
std::string encode_folded_edit(const Shape& shape, const Folding& folding);
/// Of one that is deleted: the tombstone keeps its own `from` and `over`.
std::string encode_folded_tombstone(const Folding& folding);

}  // namespace taskstore::ledger
