#pragma once
// Where schemas are: documents, the resources in them ($id), anchors, dialects; and what a
// reference reaches. The compiler asks; nothing here knows what keywords assert.

#include "program.hpp"

#include <map>
#include <unordered_map>

namespace taskstore::schema {

/// What the metaschema of a resource switches on.
struct Rules {
    bool draft_07 = false;
    bool applicator = true;
    bool unevaluated = true;
    bool validation = true;
    bool format_assertion = false;
};

struct Resource {
    std::string uri;
    std::uint32_t document = 0;
    CellIndex cell = 0;
    Rules rules;
    std::map<std::string, CellIndex, std::less<>> anchors;
    std::map<std::string, CellIndex, std::less<>> dynamic_anchors;
};

/// A schema's place: a cell of a document, and the resource that it belongs to.
struct Spot {
    std::uint32_t document = 0;
    CellIndex cell = kNoCell;
    std::uint32_t resource = 0;
    bool found() const { return cell != kNoCell; }
};

class Documents {
  public:
    explicit Documents(const CompileOptions& options) : x_options(options) {}

    /// Errors as Schema::compile, but for problems(), which are gathered.
    Status load(std::string_view text);
    /// What `reference`, seen from `from`, reaches; not found() where nothing. `dynamic`: it is the
    /// name of a dynamic anchor.
    Result<Spot> resolve(const Spot& from, std::string_view reference, bool& dynamic);

    const Resource& resource(std::uint32_t index) const { return x_resources[index]; }
    std::uint32_t resource_count() const { return static_cast<std::uint32_t>(x_resources.size()); }
    const Tape& tape(std::uint32_t document) const { return x_documents[document]->tape; }
    Spot root() const { return {0, 0, x_resource_of[0][0]}; }
    /// The resource of a place that is known to be a schema.
    Spot spot(std::uint32_t document, CellIndex cell) const {
        return {document, cell, x_resource_of[document][cell]};
    }
    /// For messages: "/properties/a", with the document's URI in front where it is not the first.
    std::string place(std::uint32_t document, CellIndex cell) const;
    void problem(std::uint32_t document, CellIndex cell, const std::string& text);
    const std::vector<std::string>& problems() const { return x_problems; }
    bool full() const { return x_problems.size() >= 8; }
    std::vector<std::unique_ptr<SchemaText>> release() { return std::move(x_documents); }

  private:
    Result<std::uint32_t> add(std::string uri, std::string_view text);
    Status walk_document(std::uint32_t document);
    Status walk(std::uint32_t document, CellIndex cell, std::uint32_t resource, bool root);
    Status walk_members(std::uint32_t document, CellIndex cell, std::uint32_t resource);
    Status enter(std::uint32_t document, CellIndex cell, std::uint32_t& resource, bool root);
    Result<Rules> rules_of(std::string_view metaschema, const Rules& inherited, int depth = 0);
    Result<std::uint32_t> find_resource(std::string_view uri);
    Result<CellIndex> follow(std::uint32_t document, CellIndex from, std::string_view pointer,
                             std::uint32_t& resource);

    /// Members and items of large containers, for pointers: references come in thousands.
    struct Large {
        std::unordered_multimap<std::uint32_t, CellIndex> members;  ///< Hash and name.
        std::vector<CellIndex> items;
    };
    const Large& large(std::uint32_t document, CellIndex container);
    CellIndex member_of(std::uint32_t document, CellIndex object, std::string_view name);
    CellIndex item_of(std::uint32_t document, CellIndex array, std::uint32_t index);

    const CompileOptions& x_options;
    std::vector<std::unique_ptr<SchemaText>> x_documents;
    std::map<std::pair<std::uint32_t, CellIndex>, Large> x_large;
    std::vector<std::vector<std::uint32_t>> x_resource_of;  ///< Per document and cell; kNone: no
                                                            ///< schema.
    std::vector<Resource> x_resources;
    std::map<std::string, std::uint32_t, std::less<>> x_by_uri;
    std::map<std::string, std::uint32_t, std::less<>> x_documents_by_uri;
    std::uint32_t x_given = 0;  ///< Documents that the caller gave; metaschemas come after them.
    std::vector<std::string> x_problems;
};

}  // namespace taskstore::schema
