#include <taskstore/base/ascii.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/ledger/files.hpp>
#include <taskstore/records/catalogue.hpp>

#include <algorithm>

namespace taskstore::records {
namespace {

constexpr std::string_view kSuffix = ".json";

}  // namespace

Status check_declarable(std::string_view name) {
    const std::string shown(name);
    if (!ledger::is_collection_name(name)) {
        return fail(Code::invalid, "'" + std::string(cut_utf8(name, 80)) +
                                       "' is no collection's name: 1 to 64 of A-Z a-z 0-9 _ -");
    }
    // Its table in store.db is called as it is, and SQLite's names know no case.
    const std::string plain = ascii::lowered(name);
    for (const Kind& kind : kinds()) {
        if (plain == kind.collection || plain == kind.noun ||
            std::ranges::find(kind.aliases, plain) != kind.aliases.end()) {
            return fail(Code::conflict,
                        "'" + shown + "' is a built-in kind: " + std::string(kind.help))
                .with_hint("choose another name");
        }
    }
    if (plain == "records" || plain.starts_with("taskstore_") || plain.starts_with("sqlite_")) {
        return fail(Code::conflict, "store.db has a table of its own called '" + shown + "'")
            .with_hint("choose another name");
    }
    return ok();
}

Catalogue::Catalogue() : x_kinds(records::kinds().begin(), records::kinds().end()) {}

const std::shared_ptr<const Catalogue>& Catalogue::founding() {
    static const std::shared_ptr<const Catalogue> kFounding(new Catalogue);
    return kFounding;
}

std::shared_ptr<const Catalogue> Catalogue::of(const std::vector<SchemaFile>& files,
                                               const Catalogue* before) {
    const std::shared_ptr<Catalogue> made(new Catalogue);
    for (const SchemaFile& file : files) {
        if (auto taken = made->take(file, before); !taken)
            made->x_problems.push_back({file.name, taken.error()});
    }
    for (const auto& [name, schema] : made->x_schemas) made->x_kinds.push_back(schema->kind());
    return made;
}

Status Catalogue::take(const SchemaFile& file, const Catalogue* before) {
    if (!file.text) return fail(file.text.error());
    const std::string name = file.name.substr(0, file.name.size() - kSuffix.size());
    TASKSTORE_TRY(check_declarable(name));
    for (const auto& [other, schema] : x_schemas) {
        if (ascii::same_word(other, name))
            return fail(Code::conflict, "'" + other + "' differs from it only in case")
                .with_hint("rename one of them");
    }
    if (x_schemas.size() >= kDeclaredMax)
        return fail(Code::invalid,
                    "more than " + std::to_string(kDeclaredMax) + " collections are declared");
    if (before != nullptr) {
        const auto known = before->x_schemas.find(name);
        if (known != before->x_schemas.end() && known->second->file_text() == *file.text) {
            x_schemas.emplace(name, known->second);
            return ok();
        }
    }
    TASKSTORE_LET(auto schema, CollectionSchema::parse(name, *file.text));
    x_schemas.emplace(name, std::move(schema));
    return ok();
}

const Kind* Catalogue::find_collection(std::string_view name) const {
    const auto found = std::ranges::find(x_kinds, name, &Kind::collection);
    return found == x_kinds.end() ? nullptr : &*found;
}

const Kind* Catalogue::find_kind(std::string_view name) const {
    const auto found = std::ranges::find_if(x_kinds, [&](const Kind& kind) {
        return name == kind.collection || name == kind.noun ||
               std::ranges::find(kind.aliases, name) != kind.aliases.end();
    });
    return found == x_kinds.end() ? nullptr : &*found;
}

Result<const Kind*> Catalogue::need_kind(std::string_view name) const {
    if (const Kind* kind = find_kind(name)) return kind;
    std::vector<std::string_view> names;
    std::string list;
    for (const Kind& kind : x_kinds) {
        names.push_back(kind.noun);
        list += (list.empty() ? "" : ", ") + std::string(kind.noun);
    }
    const auto nearest = nearest_name(name, names);
    return fail(Code::invalid, "no kind is called '" + std::string(name) + "': one of " + list)
        .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?" : "");
}

const CollectionSchema* Catalogue::schema_of(std::string_view collection) const {
    const auto found = x_schemas.find(collection);
    return found == x_schemas.end() ? nullptr : found->second.get();
}

}  // namespace taskstore::records
