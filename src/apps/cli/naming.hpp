#pragma once
// How a command line names kinds, collections and records.

#include "context.hpp"

namespace taskstore::cli {

/// "prd" of prds; other collections are called by their own name.
std::string noun_of(std::string_view collection);

/// The collection that a word of the command line means: a file's exact name, else a kind's noun.
Result<std::string> collection_of(Context& context, const std::string& word);

/// The record that "[COLLECTION] ID" means: any part of its id, in whichever collection it is where
/// none is named; deleted ones too, for they have a history.
Result<records::Found> find_anywhere(Context& context, records::Plan& plan);

/// --limit, else the setting list.limit.
Result<std::int64_t> limit_of(Context& context);

}  // namespace taskstore::cli
