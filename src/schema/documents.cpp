#include "documents.hpp"

#include "uri.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace taskstore::schema {
namespace {

constexpr std::size_t kTextBytesMax = 8U << 20U;
constexpr std::uint32_t kCountOfLarge = 64;
constexpr std::string_view k202012 = "https://json-schema.org/draft/2020-12/schema";

enum class Holds : std::uint8_t { schema, schemas, named_schemas, schema_or_schemas, dependencies };

struct WalkRow {
    std::string_view keyword;
    Holds holds;
};
/// Where schemas stand in a schema. `definitions` and `dependencies` are read in 2020-12 too, whose
/// metaschema still knows them.
constexpr std::array kWalk{
    WalkRow{"$defs", Holds::named_schemas},
    WalkRow{"additionalItems", Holds::schema},
    WalkRow{"additionalProperties", Holds::schema},
    WalkRow{"allOf", Holds::schemas},
    WalkRow{"anyOf", Holds::schemas},
    WalkRow{"contains", Holds::schema},
    WalkRow{"contentSchema", Holds::schema},
    WalkRow{"definitions", Holds::named_schemas},
    WalkRow{"dependencies", Holds::dependencies},
    WalkRow{"dependentSchemas", Holds::named_schemas},
    WalkRow{"else", Holds::schema},
    WalkRow{"if", Holds::schema},
    WalkRow{"items", Holds::schema_or_schemas},
    WalkRow{"not", Holds::schema},
    WalkRow{"oneOf", Holds::schemas},
    WalkRow{"patternProperties", Holds::named_schemas},
    WalkRow{"prefixItems", Holds::schemas},
    WalkRow{"properties", Holds::named_schemas},
    WalkRow{"propertyNames", Holds::schema},
    WalkRow{"then", Holds::schema},
    WalkRow{"unevaluatedItems", Holds::schema},
    WalkRow{"unevaluatedProperties", Holds::schema},
};

bool only_in_2020(std::string_view keyword) {
    return keyword == "$defs" || keyword == "dependentSchemas" || keyword == "prefixItems" ||
           keyword == "contentSchema" || keyword.starts_with("unevaluated");
}

std::string without_empty_fragment(std::string uri) {
    if (uri.ends_with('#')) uri.pop_back();
    return uri;
}

/// The metaschemas' names, whatever the scheme.
std::string normal_metaschema(std::string_view uri) {
    std::string name = without_empty_fragment(std::string(uri));
    if (name == "https://json-schema.org/draft-07/schema") name.erase(4, 1);
    return name;
}

bool is_anchor(std::string_view name) {
    return !name.empty() && (name[0] < '0' || name[0] > '9') && name[0] != '-' && name[0] != '.' &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.' || c == ':';
           });
}

}  // namespace

std::string Documents::place(std::uint32_t document, CellIndex cell) const {
    const std::string pointer = tape(document).pointer_to(cell);
    if (document == 0) return pointer.empty() ? "the schema" : pointer;
    return x_documents[document]->uri + "#" + pointer;
}

void Documents::problem(std::uint32_t document, CellIndex cell, const std::string& text) {
    if (!full()) x_problems.push_back(place(document, cell) + ": " + text);
}

Result<std::uint32_t> Documents::add(std::string uri, std::string_view text) {
    if (text.size() > kTextBytesMax) {
        return fail(Code::unsupported, "a schema of more than 8 MiB");
    }
    auto document = std::make_unique<SchemaText>();
    document->uri = without_empty_fragment(std::move(uri));
    document->text = std::string(text);
    if (const Status read = document->tape.read(document->text); !read) {
        return fail(Code::invalid, (document->uri.empty() ? "the schema" : document->uri) + " is " +
                                       read.error().message);
    }
    const auto index = static_cast<std::uint32_t>(x_documents.size());
    x_resource_of.emplace_back(document->tape.size(), kNone);
    x_documents_by_uri.emplace(document->uri, index);
    x_documents.push_back(std::move(document));
    return index;
}

Status Documents::load(std::string_view text) {
    TASKSTORE_TRY(add(x_options.base_uri, text));
    std::size_t bytes = text.size();
    for (const Document& document : x_options.documents) {
        bytes += document.text.size();
        if (bytes > kTextBytesMax) return fail(Code::unsupported, "schemas of more than 8 MiB");
        TASKSTORE_TRY(add(document.uri, document.text));
    }
    x_given = static_cast<std::uint32_t>(x_documents.size());
    return walk_document(0);
}

Status Documents::walk_document(std::uint32_t document) {
    if (x_resource_of[document][0] != kNone) return ok();
    Rules rules;
    rules.draft_07 = document < x_given && x_options.dialect == Dialect::draft_07;
    const auto resource = static_cast<std::uint32_t>(x_resources.size());
    const std::string& uri = x_documents[document]->uri;
    x_resources.push_back({uri, document, 0, rules, {}, {}});
    x_by_uri.emplace(uri, resource);
    return walk(document, 0, resource, true);
}

Result<Rules> Documents::rules_of(std::string_view metaschema, const Rules& inherited, int depth) {
    const std::string uri = normal_metaschema(metaschema);
    if (uri == k202012) return Rules{};
    if (uri == "http://json-schema.org/draft-07/schema") {
        Rules rules;
        rules.draft_07 = true;
        return rules;
    }
    const auto known = x_documents_by_uri.find(uri);
    if (known == x_documents_by_uri.end() || depth > 16) {
        return fail(Code::unsupported, "the $schema '" + std::string(cut_utf8(metaschema, 200)) +
                                           "' is not known: draft 2020-12 and draft-07 are");
    }
    const Tape& tape = x_documents[known->second]->tape;
    if (tape.at(0).kind != CellKind::object) return inherited;
    std::string buffer;
    Rules rules = inherited;
    const CellIndex base = tape.member(0, "$schema");
    if (base != kNoCell && tape.at(base).kind == CellKind::string) {
        const std::string name(tape.string(base, buffer));
        if (normal_metaschema(name) != uri) {
            TASKSTORE_LET(rules, rules_of(name, inherited, depth + 1));
        }
    }
    const CellIndex vocabulary = tape.member(0, "$vocabulary");
    if (vocabulary == kNoCell || tape.at(vocabulary).kind != CellKind::object) return rules;
    rules.applicator = rules.unevaluated = rules.validation = rules.format_assertion = false;
    constexpr std::string_view kVocab = "https://json-schema.org/draft/2020-12/vocab/";
    for (CellIndex at = vocabulary + 1; at < tape.at(vocabulary).next; at = tape.at(at + 1).next) {
        const std::string name(tape.string(at, buffer));
        const bool required = tape.at(at + 1).kind == CellKind::boolean && tape.at(at + 1).flag;
        const std::string_view part =
            name.starts_with(kVocab) ? std::string_view(name).substr(kVocab.size()) : "";
        if (part == "applicator") {
            rules.applicator = true;
        } else if (part == "unevaluated") {
            rules.unevaluated = true;
        } else if (part == "validation") {
            rules.validation = true;
        } else if (part == "format-assertion") {
            rules.format_assertion = true;
        } else if (part != "core" && part != "meta-data" && part != "format-annotation" &&
                   part != "content" && required) {
            return fail(Code::unsupported, "the metaschema '" + uri +
                                               "' requires the vocabulary '" + name +
                                               "', which is not known");
        }
    }
    return rules;
}

/// Reads $schema, $id and the anchors of an object; `resource` becomes its own where it has an $id.
Status Documents::enter(std::uint32_t document, CellIndex cell, std::uint32_t& resource,
                        bool root) {
    const Tape& tape = this->tape(document);
    std::string buffer;
    const auto text_of = [&](std::string_view keyword) -> std::optional<std::string> {
        const CellIndex at = tape.member(cell, keyword);
        if (at == kNoCell) return std::nullopt;
        if (tape.at(at).kind != CellKind::string) {
            problem(document, at, "must be a string");
            return std::nullopt;
        }
        return std::string(tape.string(at, buffer));
    };
    const auto schema = text_of("$schema");
    const auto id = text_of("$id");
    Rules rules = x_resources[resource].rules;
    if (schema && (root || id)) {
        TASKSTORE_LET(rules, rules_of(*schema, rules));
        if (root) x_resources[resource].rules = rules;
    }
    const auto add_anchor = [&](const std::string& name, bool dynamic) {
        Resource& own = x_resources[resource];
        const auto [at, fresh] = own.anchors.emplace(name, cell);
        if (!fresh && at->second != cell) {
            problem(document, cell, "the anchor '" + name + "' stands twice in one resource");
        }
        if (dynamic) own.dynamic_anchors.emplace(name, cell);
    };
    if (rules.draft_07 && tape.member(cell, "$ref") != kNoCell) return ok();  // P2
    if (id && rules.draft_07 && id->starts_with('#')) {
        add_anchor(id->substr(1), false);
    } else if (id) {
        const std::string whole = resolve_uri(x_resources[resource].uri, *id);
        const auto [uri, fragment] = split_fragment(whole);
        if (!fragment.empty() && !rules.draft_07) {
            problem(document, cell, "$id must have no fragment; $anchor names a place");
        }
        const std::string own(uri);
        if (root) {
            x_resources[resource].uri = own;
        } else {
            resource = static_cast<std::uint32_t>(x_resources.size());
            x_resources.push_back({own, document, cell, rules, {}, {}});
        }
        const auto [at, fresh] = x_by_uri.emplace(own, resource);
        const Resource& other = x_resources[at->second];
        if (!fresh && at->second != resource && (other.document == document || root)) {
            problem(document, cell, "the $id '" + own + "' stands twice");
        }
        if (!fragment.empty() && rules.draft_07) add_anchor(std::string(fragment), false);
    }
    if (rules.draft_07) return ok();
    for (const bool dynamic : {false, true}) {
        const std::string_view keyword = dynamic ? "$dynamicAnchor" : "$anchor";
        const auto name = text_of(keyword);
        if (!name) continue;
        if (!is_anchor(*name)) {
            problem(document, tape.member(cell, keyword),
                    "must be a name: a letter or '_', then letters, digits, '-', '_', '.'");
            continue;
        }
        add_anchor(*name, dynamic);
    }
    return ok();
}

Status Documents::walk(std::uint32_t document, CellIndex cell, std::uint32_t resource, bool root) {
    const Tape& tape = this->tape(document);
    if (x_resource_of[document][cell] != kNone) return ok();
    if (tape.at(cell).kind == CellKind::object) {
        TASKSTORE_TRY(enter(document, cell, resource, root));
    } else if (tape.at(cell).kind != CellKind::boolean) {
        problem(document, cell, "must be a schema: an object or a boolean");
        return ok();
    }
    x_resource_of[document][cell] = resource;
    return tape.at(cell).kind == CellKind::object ? walk_members(document, cell, resource) : ok();
}

Status Documents::walk_members(std::uint32_t document, CellIndex cell, std::uint32_t resource) {
    const Tape& tape = this->tape(document);
    std::string buffer;
    const auto each = [&](CellIndex container, bool names) -> Status {
        const CellIndex end = tape.at(container).next;
        for (CellIndex at = container + 1; at < end;) {
            const CellIndex value = names ? at + 1 : at;
            TASKSTORE_TRY(walk(document, value, resource, false));
            at = tape.at(value).next;
        }
        return ok();
    };
    const bool draft_07 = x_resources[resource].rules.draft_07;
    const bool only_reference = draft_07 && tape.member(cell, "$ref") != kNoCell;  // P2
    for (CellIndex at = cell + 1; at < tape.at(cell).next; at = tape.at(at + 1).next) {
        const std::string_view keyword = tape.string(at, buffer);
        if (only_reference && keyword != "definitions") continue;
        const auto row = std::ranges::lower_bound(kWalk, keyword, {}, &WalkRow::keyword);
        if (row == kWalk.end() || row->keyword != keyword) continue;
        if (draft_07 ? only_in_2020(keyword) : keyword == "additionalItems") continue;
        const CellIndex value = at + 1;
        const CellKind kind = tape.at(value).kind;
        Holds holds = row->holds;
        if (holds == Holds::schema_or_schemas) {
            holds = draft_07 && kind == CellKind::array ? Holds::schemas : Holds::schema;
        }
        if (holds == Holds::schema) {
            TASKSTORE_TRY(walk(document, value, resource, false));
        } else if (holds == Holds::schemas) {
            if (kind == CellKind::array) {
                TASKSTORE_TRY(each(value, false));
            } else {
                problem(document, value, "must be an array of schemas");
            }
        } else if (kind != CellKind::object) {
            problem(document, value, "must be an object of schemas");
        } else if (holds == Holds::named_schemas) {
            TASKSTORE_TRY(each(value, true));
        } else {
            for (CellIndex name = value + 1; name < tape.at(value).next;
                 name = tape.at(name + 1).next) {
                if (tape.at(name + 1).kind == CellKind::array) continue;
                TASKSTORE_TRY(walk(document, name + 1, resource, false));
            }
        }
    }
    return ok();
}

Result<std::uint32_t> Documents::find_resource(std::string_view uri) {
    if (const auto known = x_by_uri.find(uri); known != x_by_uri.end()) return known->second;
    const std::string name = normal_metaschema(uri);
    if (const auto known = x_by_uri.find(name); known != x_by_uri.end()) return known->second;
    // A document that was given is read when it is asked for: what is wrong in others does not
    // matter. Its name may be an $id in any of them.
    if (const auto given = x_documents_by_uri.find(name); given != x_documents_by_uri.end()) {
        TASKSTORE_TRY(walk_document(given->second));
    } else if (const auto text = metaschema_text(name)) {
        TASKSTORE_LET(const std::uint32_t document, add(name, *text));
        TASKSTORE_TRY(walk_document(document));
    } else {
        for (std::uint32_t document = 1; document < x_given; ++document) {
            TASKSTORE_TRY(walk_document(document));
        }
    }
    const auto found = x_by_uri.find(name);
    return found == x_by_uri.end() ? kNone : found->second;
}

const Documents::Large& Documents::large(std::uint32_t document, CellIndex container) {
    const auto [at, fresh] = x_large.try_emplace({document, container});
    if (!fresh) return at->second;
    const Tape& tape = this->tape(document);
    const bool object = tape.at(container).kind == CellKind::object;
    for (CellIndex cell = container + 1; cell < tape.at(container).next;) {
        if (object) {
            at->second.members.emplace(tape.at(cell).count, cell);
        } else {
            at->second.items.push_back(cell);
        }
        cell = tape.at(object ? cell + 1 : cell).next;
    }
    return at->second;
}

CellIndex Documents::member_of(std::uint32_t document, CellIndex object, std::string_view name) {
    const Tape& tape = this->tape(document);
    if (tape.at(object).count < kCountOfLarge) return tape.member(object, name);
    std::string buffer;
    const auto [first, last] = large(document, object).members.equal_range(hash_of_name(name));
    for (auto at = first; at != last; ++at) {
        if (tape.string(at->second, buffer) == name) return at->second + 1;
    }
    return kNoCell;
}

CellIndex Documents::item_of(std::uint32_t document, CellIndex array, std::uint32_t index) {
    const Tape& tape = this->tape(document);
    if (tape.at(array).count >= kCountOfLarge) return large(document, array).items[index];
    CellIndex item = array + 1;
    for (; index > 0; --index) item = tape.at(item).next;
    return item;
}

/// RFC 6901 from a cell; kNoCell where it leads nowhere.
Result<CellIndex> Documents::follow(std::uint32_t document, CellIndex from,
                                    std::string_view pointer, std::uint32_t& resource) {
    const Tape& tape = this->tape(document);
    CellIndex here = from;
    while (!pointer.empty()) {
        pointer.remove_prefix(1);
        const std::size_t slash = pointer.find('/');
        std::string token;
        for (std::size_t i = 0; i < std::min(slash, pointer.size()); ++i) {
            if (pointer[i] != '~') {
                token += pointer[i];
            } else if (i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
                token += pointer[++i] == '0' ? '~' : '/';
            } else {
                return kNoCell;
            }
        }
        pointer = slash == std::string_view::npos ? std::string_view() : pointer.substr(slash);
        if (tape.at(here).kind == CellKind::object) {
            here = member_of(document, here, token);
            if (here == kNoCell) return kNoCell;
        } else if (tape.at(here).kind == CellKind::array) {
            std::uint32_t index = 0;
            const auto [end, error] =
                std::from_chars(token.data(), token.data() + token.size(), index);
            if (error != std::errc() || end != token.data() + token.size() ||
                (token.size() > 1 && token[0] == '0') || index >= tape.at(here).count) {
                return kNoCell;
            }
            here = item_of(document, here, index);
        } else {
            return kNoCell;
        }
        if (x_resource_of[document][here] != kNone) resource = x_resource_of[document][here];
    }
    if (x_resource_of[document][here] == kNone) {
        TASKSTORE_TRY(walk(document, here, resource, false));
        if (x_resource_of[document][here] == kNone) return kNoCell;
        resource = x_resource_of[document][here];
    }
    return here;
}

Result<Spot> Documents::resolve(const Spot& from, std::string_view reference, bool& dynamic) {
    dynamic = false;
    const std::string whole = resolve_uri(x_resources[from.resource].uri, reference);
    const auto [uri, fragment] = split_fragment(whole);
    std::uint32_t resource = from.resource;
    if (uri != x_resources[from.resource].uri) {
        TASKSTORE_LET(resource, find_resource(uri));
        if (resource == kNone) return Spot{};
    }
    const std::uint32_t document = x_resources[resource].document;
    const CellIndex start = x_resources[resource].cell;
    if (fragment.empty()) return Spot{document, start, x_resource_of[document][start]};
    const std::string name = percent_decoded(fragment);
    if (name[0] == '/') {
        TASKSTORE_LET(const CellIndex cell, follow(document, start, name, resource));
        return Spot{document, cell, resource};
    }
    const Resource& target = x_resources[resource];
    const auto anchor = target.anchors.find(name);
    if (anchor == target.anchors.end()) return Spot{};
    dynamic = target.dynamic_anchors.contains(name);
    return Spot{document, anchor->second, resource};
}

}  // namespace taskstore::schema
