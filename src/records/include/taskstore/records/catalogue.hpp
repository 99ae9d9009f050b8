#pragma once
// The collections of which a plan knows more than the name (floor 4): the founding kinds, and those
// that a file in .taskstore/schemas declares.

#include <taskstore/records/collection_schema.hpp>
#include <taskstore/records/kind.hpp>

#include <map>
#include <memory>
#include <vector>

namespace taskstore::records {

inline constexpr std::size_t kDeclaredMax = 256;  ///< Collections that files declare.

/// A file in the folder of schemas, as it was found.
struct SchemaFile {
    std::string name;  ///< Without its folder.
    Result<std::string> text = fail(Code::not_found, "");
};

/// A file that declares nothing; its collection, if it names one, is untyped.
struct SchemaProblem {
    std::string file;  ///< As SchemaFile::name; empty: the folder itself.
    Error why;
};

/// invalid, conflict: no collection may be declared by this name.
Status check_declarable(std::string_view name);

/// Immutable, so safe to use from many threads; whoever keeps a Kind of it keeps it too. A plan
/// holds one and goes over to another when the files change (Plan::catalogue).
class Catalogue : public std::enable_shared_from_this<Catalogue> {
  public:
    /// The founding kinds alone.
    static const std::shared_ptr<const Catalogue>& founding();
    /// With what the files declare. What `before` has of the same text is shared, not read again.
    static std::shared_ptr<const Catalogue> of(const std::vector<SchemaFile>& files,
                                               const Catalogue* before = nullptr);

    /// The founding ones first, in the order of the founding document; then by name.
    std::span<const Kind> kinds() const { return x_kinds; }
    /// By the exact name of its collection; null where nobody declared it.
    const Kind* find_collection(std::string_view name) const;
    /// By collection, noun or alias, as people name kinds on a command line; null where nobody
    /// declared it.
    const Kind* find_kind(std::string_view name) const;
    /// invalid with the nearest name.
    Result<const Kind*> need_kind(std::string_view name) const;

    /// Of a collection that a file declares; else null.
    const CollectionSchema* schema_of(std::string_view collection) const;
    const std::vector<SchemaProblem>& problems() const { return x_problems; }

  private:
    Catalogue();
    Status take(const SchemaFile& file, const Catalogue* before);
    std::vector<Kind> x_kinds;
    std::map<std::string, std::shared_ptr<const CollectionSchema>, std::less<>> x_schemas;
    std::vector<SchemaProblem> x_problems;
};

}  // namespace taskstore::records
