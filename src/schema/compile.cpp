// From documents to a program. Nodes are made on demand, from the root along keywords and
// references, and built from a list of work, so that a chain of references costs no stack.

#include "documents.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>

namespace taskstore::schema {
namespace {

constexpr std::size_t kNodesMax = 100'000;
constexpr std::size_t kPatternsMax = 512;
constexpr std::size_t kValuesLookedThrough = 8;
constexpr std::size_t kLargePatterns = 16;  // The first ones may use more memory than the rest.
constexpr std::size_t kLargePatternBytes = 4U << 20U;
constexpr std::size_t kPatternBytes = 256U << 10U;

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 7> kTypes{{
    {"null", kNullBit},
    {"boolean", kBooleanBit},
    {"number", kNumberBit | kIntegerBit},
    {"integer", kIntegerBit},
    {"string", kStringBit},
    {"array", kArrayBit},
    {"object", kObjectBit},
}};

/// What is no rule has a type all the same: a mistake in it is a mistake of the schema.
constexpr std::array<std::pair<std::string_view, CellKind>, 10> kNotes{{
    {"title", CellKind::string},
    {"description", CellKind::string},
    {"$comment", CellKind::string},
    {"contentEncoding", CellKind::string},
    {"contentMediaType", CellKind::string},
    {"deprecated", CellKind::boolean},
    {"readOnly", CellKind::boolean},
    {"writeOnly", CellKind::boolean},
    {"examples", CellKind::array},
    {"$vocabulary", CellKind::object},
}};

template <typename T>
T& made(std::unique_ptr<T>& rules) {
    if (!rules) rules = std::make_unique<T>();
    return *rules;
}

class Compiler {
  public:
    explicit Compiler(const CompileOptions& options) : x_options(options), x_documents(options) {}

    Result<Program> run(std::string_view text) {
        TASKSTORE_TRY(x_documents.load(text));
        // Where the whole is no schema the problem is noted, and there is nothing to build.
        if (const Spot root = x_documents.root(); root.resource != kNone) {
            x_program.root = node_at(root);
        }
        // What the schema defines and does not use is checked too.
        for (CellIndex cell = 1; cell < x_documents.tape(0).size(); ++cell) {
            if (const Spot spot = x_documents.spot(0, cell); spot.resource != kNone) node_at(spot);
        }
        TASKSTORE_TRY(build_all());
        find_cycles();
        if (!x_documents.problems().empty()) {
            std::string message = "not a usable schema: ";
            for (const std::string& problem : x_documents.problems()) {
                if (&problem != &x_documents.problems()[0]) message += "; ";
                message += problem;
            }
            return fail(x_unsupported ? Code::unsupported : Code::invalid, std::move(message));
        }
        mark_trivial();
        x_program.documents = x_documents.release();
        return std::move(x_program);
    }

  private:
    const Tape& tape() const { return x_documents.tape(x_spot.document); }
    void problem(CellIndex cell, const std::string& text) {
        x_documents.problem(x_spot.document, cell, text);
    }

    NodeIndex node_at(const Spot& spot) {
        while (x_node_of.size() <= spot.document) {
            const auto document = static_cast<std::uint32_t>(x_node_of.size());
            x_node_of.emplace_back(x_documents.tape(document).size(), kNoNode);
        }
        NodeIndex& index = x_node_of[spot.document][spot.cell];
        if (index == kNoNode) {
            index = static_cast<NodeIndex>(x_program.nodes.size());
            Node& node = x_program.nodes.emplace_back();
            node.document = spot.document;
            node.cell = spot.cell;
            node.resource = spot.resource;
        }
        return index;
    }
    /// A schema below the one that is being built.
    NodeIndex child(CellIndex cell) {
        const Spot spot = x_documents.spot(x_spot.document, cell);
        // The walk has told that it is no schema.
        return spot.resource == kNone ? kNoNode : node_at(spot);
    }
    std::vector<NodeIndex> children(CellIndex array) {
        std::vector<NodeIndex> nodes;
        if (tape().at(array).kind != CellKind::array) return nodes;
        if (tape().at(array).count == 0) problem(array, "must have at least one schema");
        for (CellIndex at = array + 1; at < tape().at(array).next; at = tape().at(at).next) {
            nodes.push_back(child(at));
        }
        return nodes;
    }

    Status build_all() {
        std::size_t next = 0;
        do {
            for (; next < x_program.nodes.size() && !x_documents.full(); ++next) {
                if (x_program.nodes.size() > kNodesMax) {
                    return fail(Code::unsupported, "a schema of more than 100,000 subschemas");
                }
                TASKSTORE_TRY(build(static_cast<NodeIndex>(next)));
            }
        } while (!x_documents.full() && take_dynamic_anchors());
        return ok();
    }
    /// Makes nodes of the dynamic anchors that are asked for. Whether there were new ones.
    bool take_dynamic_anchors() {
        const std::size_t before = x_program.nodes.size();
        if (x_dynamic_names.empty()) return false;
        x_program.dynamic = true;
        x_program.dynamic_anchors.assign(x_documents.resource_count(), {});
        for (std::uint32_t i = 0; i < x_documents.resource_count(); ++i) {
            const Resource& resource = x_documents.resource(i);
            for (const auto& [name, number] : x_dynamic_names) {
                const auto anchor = resource.dynamic_anchors.find(name);
                if (anchor == resource.dynamic_anchors.end()) continue;
                x_program.dynamic_anchors[i].emplace_back(
                    number, node_at(x_documents.spot(resource.document, anchor->second)));
            }
        }
        return x_program.nodes.size() > before;
    }

    Status build(NodeIndex index) {
        Node node;
        const Node& blank = x_program.nodes[index];
        node.document = blank.document;
        node.cell = blank.cell;
        node.resource = blank.resource;
        x_spot = {node.document, node.cell, node.resource};
        if (tape().at(node.cell).kind == CellKind::boolean) {
            node.never = !tape().at(node.cell).flag;
        } else {
            const CellIndex reference = tape().member(node.cell, "$ref");
            if (rules().draft_07 && reference != kNoCell) {  // P2
                TASKSTORE_TRY(keyword(node, "$ref", reference));
            } else {
                std::string buffer;
                const CellIndex end = tape().at(node.cell).next;
                for (CellIndex at = node.cell + 1; at < end; at = tape().at(at + 1).next) {
                    TASKSTORE_TRY(keyword(node, tape().string(at, buffer), at + 1));
                }
            }
            if (node.objects) node.objects->names.index();
        }
        x_program.nodes[index] = std::move(node);
        return ok();
    }
    const Rules& rules() const { return x_documents.resource(x_spot.resource).rules; }

    // --- values of keywords ---------------------------------------------------------------------

    std::uint64_t bound(CellIndex at, std::uint64_t otherwise) {
        if (tape().at(at).kind == CellKind::number) {
            if (const auto bound = to_bound(Decimal(tape().raw(at)))) return *bound;
        }
        problem(at, "must be an integer of at least 0");
        return otherwise;
    }
    std::optional<Limit> limit(CellIndex at) {
        if (tape().at(at).kind != CellKind::number) {
            problem(at, "must be a number");
            return std::nullopt;
        }
        Limit limit;
        limit.exact = Decimal(tape().raw(at));
        if (tape().at(at).flag) {
            limit.small = true;
            limit.whole = *raw_to_int64(tape().raw(at));
        }
        return limit;
    }
    std::vector<std::string> names(CellIndex at) {
        std::vector<std::string> names;
        const auto wrong = [&] { problem(at, "must be an array of unlike strings"); };
        if (tape().at(at).kind != CellKind::array) return wrong(), names;
        for (CellIndex item = at + 1; item < tape().at(at).next; item = tape().at(item).next) {
            if (tape().at(item).kind != CellKind::string) return wrong(), names;
            std::string buffer;
            names.emplace_back(tape().string(item, buffer));
        }
        std::vector<std::string_view> sorted(names.begin(), names.end());
        std::ranges::sort(sorted);
        if (std::ranges::adjacent_find(sorted) != sorted.end()) wrong();
        return names;
    }
    std::uint32_t pattern(std::string_view source, CellIndex at) {
        const auto known = x_patterns.find(source);
        if (known != x_patterns.end()) return known->second;
        auto& patterns = x_program.patterns;
        Result<Pattern> compiled =
            patterns.size() < kPatternsMax
                ? Pattern::compile(
                      source, patterns.size() < kLargePatterns ? kLargePatternBytes : kPatternBytes)
                : Result<Pattern>(fail(Code::unsupported, "more than 512 patterns"));
        if (!compiled) {
            x_unsupported = x_unsupported || compiled.error().code == Code::unsupported;
            problem(at, compiled.error().message);
            return kNone;
        }
        const auto index = static_cast<std::uint32_t>(patterns.size());
        patterns.push_back(std::move(*compiled));
        x_patterns.emplace(source, index);
        return index;
    }
    std::uint8_t type_named(CellIndex at) {
        std::string buffer;
        if (tape().at(at).kind == CellKind::string) {
            for (const auto& [name, bit] : kTypes) {
                if (name == tape().string(at, buffer)) return bit;
            }
        }
        problem(at, "must be array, boolean, integer, null, number, object or string");
        return kAnyType;
    }

    // --- keywords -------------------------------------------------------------------------------

    Status keyword(Node& node, std::string_view name, CellIndex at) {
        if (name == "$ref" || name == "$dynamicRef") return reference(node, name, at);
        if (rules().validation && validation(node, name, at)) return ok();
        if (rules().applicator && applicator(node, name, at)) return ok();
        if (name == "format") {
            format(node, at);
        } else if (const auto row = std::ranges::find(
                       kNotes, name, &std::pair<std::string_view, CellKind>::first);
                   row != kNotes.end()) {
            if (tape().at(at).kind != row->second) {
                problem(at, row->second == CellKind::string    ? "must be a string"
                            : row->second == CellKind::boolean ? "must be true or false"
                            : row->second == CellKind::array   ? "must be an array"
                                                               : "must be an object");
            }
        } else if (rules().unevaluated && !rules().draft_07) {
            if (name == "unevaluatedItems") node.unevaluated_items = child(at);
            if (name == "unevaluatedProperties") node.unevaluated_properties = child(at);
        }
        return ok();
    }

    Status reference(Node& node, std::string_view name, CellIndex at) {
        const bool wants_dynamic = name == "$dynamicRef";
        if (wants_dynamic && rules().draft_07) return ok();
        std::string buffer;
        if (tape().at(at).kind != CellKind::string) {
            problem(at, "must be a string");
            return ok();
        }
        const std::string target(tape().string(at, buffer));
        auto [known, fresh] =
            x_references.try_emplace({x_spot.resource, target}, std::pair<Spot, bool>{});
        if (fresh) {
            TASKSTORE_LET(known->second.first,
                          x_documents.resolve(x_spot, target, known->second.second));
        }
        const auto& [spot, dynamic] = known->second;
        if (!spot.found()) {
            problem(at, "reaches nothing: '" + std::string(cut_utf8(target, 200)) +
                            "' (nothing is fetched)");
            return ok();
        }
        InPlaceRules& rules = made(node.in_place);
        (wants_dynamic ? rules.dynamic_reference : rules.reference) = node_at(spot);
        if (wants_dynamic && dynamic) {
            const std::string anchor = target.substr(target.find('#') + 1);
            rules.dynamic_name =
                x_dynamic_names.emplace(anchor, static_cast<std::uint32_t>(x_dynamic_names.size()))
                    .first->second;
        }
        return ok();
    }

    bool validation(Node& node, std::string_view name, CellIndex at) {
        if (name == "type") {
            type(node, at);
        } else if (name == "enum" || name == "const") {
            values(node, at, name == "enum");
        } else if (name == "minLength") {
            made(node.strings).min_length = bound(at, 0);
        } else if (name == "maxLength") {
            made(node.strings).max_length = bound(at, UINT64_MAX);
        } else if (name == "pattern") {
            std::string buffer;
            if (tape().at(at).kind != CellKind::string)
                return problem(at, "must be a string"), true;
            made(node.strings).pattern = pattern(tape().string(at, buffer), at);
        } else if (name == "minimum") {
            made(node.numbers).minimum = limit(at);
        } else if (name == "maximum") {
            made(node.numbers).maximum = limit(at);
        } else if (name == "exclusiveMinimum") {
            made(node.numbers).exclusive_minimum = limit(at);
        } else if (name == "exclusiveMaximum") {
            made(node.numbers).exclusive_maximum = limit(at);
        } else if (name == "multipleOf") {
            multiple_of(node, at);
        } else if (name == "minItems") {
            made(node.arrays).min_items = bound(at, 0);
        } else if (name == "maxItems") {
            made(node.arrays).max_items = bound(at, UINT64_MAX);
        } else if (name == "uniqueItems") {
            if (tape().at(at).kind != CellKind::boolean) problem(at, "must be true or false");
            made(node.arrays).unique = tape().at(at).flag;
        } else if (name == "minContains" && !rules().draft_07) {
            made(node.arrays).min_contains = bound(at, 1);
        } else if (name == "maxContains" && !rules().draft_07) {
            made(node.arrays).max_contains = bound(at, UINT64_MAX);
        } else if (name == "minProperties") {
            made(node.objects).min_properties = bound(at, 0);
        } else if (name == "maxProperties") {
            made(node.objects).max_properties = bound(at, UINT64_MAX);
        } else if (name == "required") {
            for (std::string& required : names(at)) {
                NamedRule& rule = rule_named(made(node.objects), std::move(required));
                made(node.objects).required_count += rule.required ? 0 : 1;
                rule.required = true;
            }
        } else if (name == "dependentRequired" && !rules().draft_07) {
            dependencies(node, at, name);
        } else {
            return false;
        }
        return true;
    }

    bool applicator(Node& node, std::string_view name, CellIndex at) {
        if (name == "properties") {
            each_member(at, [&](std::string member, CellIndex value) {
                rule_named(made(node.objects), std::move(member)).node = child(value);
            });
        } else if (name == "patternProperties") {
            each_member(at, [&](const std::string& member, CellIndex value) {
                const std::uint32_t index = pattern(member, value);
                made(node.objects).patterns.emplace_back(index, child(value));
            });
        } else if (name == "additionalProperties") {
            made(node.objects).additional = child(at);
        } else if (name == "propertyNames") {
            made(node.objects).property_names = child(at);
        } else if (name == "dependencies" || (name == "dependentSchemas" && !rules().draft_07)) {
            dependencies(node, at, name);
        } else if (name == "prefixItems" && !rules().draft_07) {
            made(node.arrays).prefix = children(at);
        } else if (name == "items") {
            ArrayRules& arrays = made(node.arrays);
            if (!rules().draft_07 || tape().at(at).kind != CellKind::array) {
                arrays.rest = child(at);
            } else {
                arrays.prefix = children(at);
                const CellIndex rest = tape().member(node.cell, "additionalItems");
                if (rest != kNoCell) arrays.rest = child(rest);
                arrays.rest_is_additional = true;
            }
        } else if (name == "contains") {
            made(node.arrays).contains = child(at);
            made(node.arrays).contains_counts_as_evaluated = !rules().draft_07;
        } else if (name == "allOf") {
            made(node.in_place).all_of = children(at);
        } else if (name == "anyOf") {
            made(node.in_place).any_of = children(at);
        } else if (name == "oneOf") {
            made(node.in_place).one_of = children(at);
        } else if (name == "not") {
            made(node.in_place).negated = child(at);
        } else if (name == "if") {
            made(node.in_place).condition = child(at);
        } else if (name == "then") {
            made(node.in_place).then_node = child(at);
        } else if (name == "else") {
            made(node.in_place).else_node = child(at);
        } else {
            return false;
        }
        return true;
    }

    template <typename Each>
    void each_member(CellIndex object, Each&& each) {
        if (tape().at(object).kind != CellKind::object) return;
        for (CellIndex at = object + 1; at < tape().at(object).next; at = tape().at(at + 1).next) {
            std::string buffer;
            each(std::string(tape().string(at, buffer)), at + 1);
        }
    }
    NamedRule& rule_named(ObjectRules& objects, std::string name) {
        const auto [at, fresh] = x_rules.try_emplace({&objects, name}, objects.names.rules.size());
        if (!fresh) return objects.names.rules[at->second];
        const std::uint32_t hash = hash_of_name(name);
        objects.names.rules.push_back({std::move(name), hash});
        return objects.names.rules.back();
    }

    void type(Node& node, CellIndex at) {
        if (tape().at(at).kind != CellKind::array) {
            node.types = type_named(at);
            return;
        }
        if (tape().at(at).count == 0) problem(at, "must name at least one type");
        node.types = 0;
        names(at);
        for (CellIndex item = at + 1; item < tape().at(at).next; item = tape().at(item).next) {
            if (tape().at(item).kind == CellKind::string) node.types |= type_named(item);
        }
    }
    void values(Node& node, CellIndex at, bool list) {
        // Both may stand side by side; then a value must be in both.
        Values values;
        std::string buffer;
        const auto add = [&](CellIndex value) {
            values.cells.push_back(value);
            if (tape().at(value).kind == CellKind::string) {
                values.strings.emplace_back(tape().string(value, buffer));
            } else {
                values.only_strings = false;
            }
        };
        if (!list) {
            add(at);
        } else if (tape().at(at).kind != CellKind::array) {
            return problem(at, "must be an array of values");
        } else {
            for (CellIndex item = at + 1; item < tape().at(at).next; item = tape().at(item).next) {
                add(item);
            }
        }
        std::ranges::sort(values.strings);
        if (!values.only_strings && values.cells.size() > kValuesLookedThrough) {
            Effort effort{UINT64_MAX};
            for (const CellIndex value : values.cells) {
                values.by_hash.emplace_back(hash_of_value(tape(), value, effort), value);
            }
            std::ranges::sort(values.by_hash);
        }
        made(list ? node.listed : node.constant) = std::move(values);
    }
    void multiple_of(Node& node, CellIndex at) {
        if (tape().at(at).kind == CellKind::number) {
            const Decimal number(tape().raw(at));
            if (!number.zero() && !number.negative()) {
                if (number.size() <= Divisor::kDigitsMax) {
                    made(node.numbers).multiple_of = Divisor(number);
                } else {
                    x_unsupported = true;
                    problem(at, "more than 37 digits cannot be divided by");
                }
                return;
            }
        }
        problem(at, "must be a number above 0");
    }
    void format(Node& node, CellIndex at) {
        std::string buffer;
        if (tape().at(at).kind != CellKind::string) return problem(at, "must be a string");
        if (!x_options.assert_formats && !rules().format_assertion) return;
        if (const auto format = format_named(tape().string(at, buffer))) {
            made(node.strings).format = format;
        }
    }
    void dependencies(Node& node, CellIndex at, std::string_view keyword) {
        if (keyword == "dependentRequired" && tape().at(at).kind != CellKind::object) {
            return problem(at, "must be an object of arrays of strings");
        }
        ObjectRules& objects = made(node.objects);
        each_member(at, [&](std::string name, CellIndex value) {
            const std::uint32_t hash = hash_of_name(name);
            const bool list =
                keyword == "dependentRequired" ||
                (keyword == "dependencies" && tape().at(value).kind == CellKind::array);
            if (!list) {
                objects.dependent_schemas.push_back({std::move(name), hash, child(value)});
                return;
            }
            DependentNames rule{std::move(name), hash, {}, keyword == "dependencies"};
            for (std::string& needed : names(value)) {
                const std::uint32_t needed_hash = hash_of_name(needed);
                rule.needed.push_back({std::move(needed), needed_hash});
            }
            objects.dependent_names.push_back(std::move(rule));
        });
    }

    // --- after all nodes are there --------------------------------------------------------------

    /// Calls each(node) for what applies to the same value (P1).
    template <typename Each>
    static void each_in_place(const Node& node, Each&& each) {
        const auto one = [&](NodeIndex index) {
            if (index != kNoNode) each(index);
        };
        if (node.objects) {
            for (const NamedRule& rule : node.objects->dependent_schemas) one(rule.node);
        }
        if (!node.in_place) return;
        const InPlaceRules& rules = *node.in_place;
        one(rules.reference);
        if (rules.dynamic_name == kNone) one(rules.dynamic_reference);
        for (const auto* list : {&rules.all_of, &rules.any_of, &rules.one_of}) {
            for (const NodeIndex index : *list) one(index);
        }
        one(rules.negated);
        if (rules.condition == kNoNode) return;
        one(rules.condition);
        one(rules.then_node);
        one(rules.else_node);
    }

    void find_cycles() {
        if (x_documents.full()) return;
        enum class Seen : std::uint8_t { no, open, done };
        std::vector<Seen> seen(x_program.nodes.size(), Seen::no);
        std::vector<std::pair<NodeIndex, bool>> work;
        for (NodeIndex start = 0; start < seen.size(); ++start) {
            work.emplace_back(start, false);
            while (!work.empty()) {
                const auto [index, leaving] = work.back();
                work.pop_back();
                if (leaving) {
                    seen[index] = Seen::done;
                    continue;
                }
                if (seen[index] != Seen::no) continue;
                seen[index] = Seen::open;
                work.emplace_back(index, true);
                const Node& node = x_program.nodes[index];
                bool cycle = false;
                each_in_place(node, [&](NodeIndex next) {
                    cycle = cycle || seen[next] == Seen::open;
                    if (seen[next] == Seen::no) work.emplace_back(next, false);
                });
                if (cycle) {
                    x_documents.problem(node.document, node.cell,
                                        "refers to itself for the same value: it would never end");
                    return;
                }
            }
        }
    }

    void mark_trivial() {
        for (Node& node : x_program.nodes) {
            node.trivial = !node.never && node.types == kAnyType && !node.listed &&
                           !node.constant && !node.strings && !node.numbers && !node.objects &&
                           !node.arrays && !node.in_place && node.unevaluated_items == kNoNode &&
                           node.unevaluated_properties == kNoNode;
        }
    }

    const CompileOptions& x_options;
    Documents x_documents;
    Program x_program;
    Spot x_spot;
    std::vector<std::vector<NodeIndex>> x_node_of;
    std::map<std::string, std::uint32_t, std::less<>> x_patterns;
    std::map<std::pair<std::uint32_t, std::string>, std::pair<Spot, bool>> x_references;
    std::map<std::string, std::uint32_t> x_dynamic_names;
    std::map<std::pair<const ObjectRules*, std::string>, std::size_t> x_rules;
    bool x_unsupported = false;
};

}  // namespace

void NameTable::index() {
    std::uint32_t size = 8;
    while (size < 2 * rules.size()) size *= 2;
    x_mask = size - 1;
    x_slots.assign(size, kNone);
    for (std::uint32_t i = 0; i < rules.size(); ++i) {
        std::uint32_t slot = rules[i].hash & x_mask;
        while (x_slots[slot] != kNone) slot = (slot + 1) & x_mask;
        x_slots[slot] = i;
    }
}

Result<Program> compile_program(std::string_view text, const CompileOptions& options) {
    return Compiler(options).run(text);
}

}  // namespace taskstore::schema
