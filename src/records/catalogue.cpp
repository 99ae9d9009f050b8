#include <taskstore/base/text.hpp>
#include <taskstore/records/catalogue.hpp>

#include <algorithm>

namespace taskstore::records {

Catalogue::Catalogue() : x_kinds(records::kinds().begin(), records::kinds().end()) {}

const std::shared_ptr<const Catalogue>& Catalogue::founding() {
    static const std::shared_ptr<const Catalogue> kFounding(new Catalogue);
    return kFounding;
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

}  // namespace taskstore::records
