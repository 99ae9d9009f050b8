#pragma once
// How records answer: one document each, and the line that says what became of one.

#include "context.hpp"

namespace taskstore::cli {

/// A JSON string.
std::string quoted(std::string_view text);

/// A record's document: its members, its revision beside them; of a write also what became of it.
std::string json_of(const records::Record& record, std::string_view effect = {});

/// The answer to a write of one record; `verb` instead of the effect's word. What was printed is
/// also what context.wrote says from then on.
Status print_written(Context& context, const records::Written& written, std::string_view verb);

}  // namespace taskstore::cli
