#pragma once
// The library in one piece (floor 6), for programs that embed it: a store of the system's files,
// its clock and SQLite. What it hands out is the contract of records/plan.hpp and
// records/collection.hpp; whoever wants other files, another clock or another driver wires Plan by
// hand.
//
//   TASKSTORE_LET(auto store, taskstore::Store::open("."));
//   auto prds = store->collection<taskstore::records::Prd>();
//   TASKSTORE_LET(auto prd, prds.create({.title = "Search"}));

#include <taskstore/records/collection.hpp>
#include <taskstore/records/planning.hpp>

#include <memory>
#include <string>

namespace taskstore {

struct StoreOptions {
    std::string actor = {};  ///< Who writes: the `by` of each line; empty: the user's name.
    bool create = true;      ///< Makes the store where there is none; otherwise not_found.
};

/// An open plan. Thread-safe as Plan is; whatever it hands out must not outlive it.
class Store {
  public:
    /// The store that `path` belongs to: .taskstore in it or in a folder above, up to the root of
    /// the git work tree, where it is made if there is none. denied: it belongs to another user.
    static Result<std::unique_ptr<Store>> open(const std::string& path, StoreOptions options = {});
    virtual ~Store() = default;

    virtual records::Plan& plan() = 0;
    /// The folder of the ledger, absolute.
    virtual const std::string& folder() const = 0;

    /// Of a struct with a declaration (records/declare.hpp); others are told by the compiler what
    /// they lack.
    template <typename T>
    records::Collection<T> collection() {
        return records::Collection<T>(plan());
    }
};

}  // namespace taskstore
