#pragma once
// Declarations of collections in an export: looked at with its records, and written before them.
// Private to store.

#include <taskstore/exchange/incoming.hpp>
#include <taskstore/records/plan.hpp>

#include <map>
#include <string>
#include <vector>

namespace taskstore::store {

class Declarations {
  public:
    /// A line of an export that declares a collection instead of being a record.
    static bool is_one(const exchange::Incoming& record);
    /// Why it cannot be taken in; empty: it is kept for write().
    std::string look_at(const exchange::Incoming& record);
    bool none() const { return x_texts.empty(); }
    /// Declares what is not declared here, and names it in `declared` (with `dry_run` it only does
    /// that). What is declared otherwise here stands, with a note. Errors as Plan::declare.
    Status write(records::Plan& plan, bool dry_run, std::vector<std::string>& declared,
                 std::vector<std::string>& notes) const;

  private:
    std::map<std::string, std::string> x_texts;  ///< By collection.
};

}  // namespace taskstore::store
