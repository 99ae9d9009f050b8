#include "import_declarations.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/exchange/meaning.hpp>
#include <taskstore/exchange/outgoing.hpp>
#include <taskstore/records/catalogue.hpp>

#include <algorithm>
#include <utility>

namespace taskstore::store {
namespace {

bool same_json(std::string_view one, std::string_view other) {
    const auto left = Json::parse(one);
    const auto right = Json::parse(other);
    return left && right && *left == *right;
}

}  // namespace

bool Declarations::is_one(const exchange::Incoming& record) {
    return !record.raw_of(exchange::kDeclaresMember).empty() &&
           record.raw_of(exchange::kCollectionMember).empty();
}

std::string Declarations::look_at(const exchange::Incoming& record) {
    const std::string name = exchange::text_of_raw(record.raw_of(exchange::kDeclaresMember));
    if (const auto status = records::check_declarable(name); !status) return status.error().message;
    const std::string_view raw = record.raw_of(exchange::kSchemaMember);
    if (kind_of_raw(raw.empty() ? "null" : raw) != JsonKind::string)
        return "the declaration of '" + name + "' has no text of a schema";
    std::string text = exchange::text_of_raw(raw);
    if (const auto schema = records::CollectionSchema::parse(name, text); !schema)
        return "the declaration of '" + name + "': " + schema.error().message;
    if (!x_texts.try_emplace(name, std::move(text)).second)
        return "the collection '" + name + "' is declared twice; the first declaration is taken";
    return {};
}

Status Declarations::write(records::Plan& plan, bool dry_run, std::vector<std::string>& declared,
                           std::vector<std::string>& notes) const {
    if (none()) return ok();
    TASKSTORE_LET(const auto catalogue, plan.catalogue());
    for (const auto& [name, text] : x_texts) {
        const records::CollectionSchema* const here = catalogue->schema_of(name);
        const bool damaged =
            std::ranges::find(catalogue->problems(), name + ".json",
                              &records::SchemaProblem::file) != catalogue->problems().end();
        if (here != nullptr || damaged) {
            if (here == nullptr || !same_json(here->file_text(), text)) {
                notes.push_back("the collection '" + name + "' is declared " +
                                (damaged ? "by a damaged file" : "otherwise") +
                                " here, and stays so: 'taskstore collection show " + name +
                                "' prints it");
            }
            continue;
        }
        if (!dry_run) {
            records::CollectionRequest request{.name = name};
            request.schema = text;
            TASKSTORE_LET(records::Declaring done, plan.declare(request, records::Declare::add));
            std::ranges::move(done.notes, std::back_inserter(notes));
        }
        declared.push_back(name);
    }
    return ok();
}

}  // namespace taskstore::store
