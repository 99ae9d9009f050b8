#pragma once
// What verbs share that look at the repository around the store.

#include "context.hpp"

#include <taskstore/store/git_findings.hpp>

namespace taskstore::cli {

/// Ledger files that git left unmerged are merged by the rule. Where git cannot be asked a note
/// says so. Before the plan is opened: no lock may be held.
std::vector<store::Unmerged> settle_unmerged(Context& context, const store::Place& place);
/// What a hook's sync saw last, so that one with nothing to do opens no database. Kept beside our
/// identity in the git folder, not flushed. Where it errs, the next command looks for itself.
class SeenByHook {
  public:
    SeenByHook(Context& context, const store::Place& place);
    /// Nothing of the store has changed since keep().
    bool holds() const;
    /// Call after a sync that had nothing to say.
    void keep();

  private:
    std::string look() const;
    Context& x_context;
    const store::Place& x_place;
    std::string x_path;
    std::string x_before;  ///< As it was before the sync; empty: changed too recently to tell.
};

/// conflict, corrupt: what is staged is not to be committed. Where it cannot be judged: a note.
Status refuse_bad_commit(Context& context);

}  // namespace taskstore::cli
