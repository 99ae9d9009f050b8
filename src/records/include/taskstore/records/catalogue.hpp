#pragma once
// The collections of which a plan knows more than the name (floor 4).

#include <taskstore/records/kind.hpp>

#include <memory>
#include <vector>

namespace taskstore::records {

/// Immutable, so safe to use from many threads; whoever keeps a Kind of it keeps it too. A plan
/// holds one and goes over to another when what it follows from changes (Plan::catalogue).
class Catalogue : public std::enable_shared_from_this<Catalogue> {
  public:
    /// The founding kinds alone.
    static const std::shared_ptr<const Catalogue>& founding();

    /// The founding ones first, in the order of the founding document.
    std::span<const Kind> kinds() const { return x_kinds; }
    /// By the exact name of its collection; null where nobody declared it.
    const Kind* find_collection(std::string_view name) const;
    /// By collection, noun or alias, as people name kinds on a command line; null where nobody
    /// declared it.
    const Kind* find_kind(std::string_view name) const;
    /// invalid with the nearest name.
    Result<const Kind*> need_kind(std::string_view name) const;

  private:
    Catalogue();
    std::vector<Kind> x_kinds;
};

}  // namespace taskstore::records
