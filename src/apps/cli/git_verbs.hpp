#pragma once
// What verbs share that look at the repository around the store.

#include "context.hpp"

#include <taskstore/store/git_findings.hpp>

namespace taskstore::cli {

/// Ledger files that git left unmerged are merged by the rule. Where git cannot be asked a note
/// says so. Before the plan is opened: no lock may be held.
std::vector<store::Unmerged> settle_unmerged(Context& context, const store::Place& place);
/// conflict, corrupt: what is staged is not to be committed. Where it cannot be judged: a note.
Status refuse_bad_commit(Context& context);

}  // namespace taskstore::cli
