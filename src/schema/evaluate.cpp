#include "evaluate.hpp"

#include "violation.hpp"

#include <algorithm>
#include <unordered_map>

namespace taskstore::schema {
namespace {

// Levels of schemas within schemas; an instance has at most 512 of its own.
constexpr int kDepthMax = 1500;
constexpr std::uint64_t kStepsPerValue = 64;
constexpr std::uint64_t kStepsPerByte = 4;
constexpr std::uint32_t kItemsComparedInPairs = 8;

/// Which members or items of one value some schema has looked at (for unevaluated…).
struct Marks {
    std::vector<bool> seen;
    explicit Marks(std::uint32_t count) : seen(count) {}
    void add(const Marks& other) {
        for (std::size_t i = 0; i < seen.size(); ++i) {
            if (other.seen[i]) seen[i] = true;
        }
    }
};

std::uint8_t bit_of(CellKind kind) {
    switch (kind) {
        case CellKind::null:
            return kNullBit;
        case CellKind::boolean:
            return kBooleanBit;
        case CellKind::number:
            return kNumberBit;
        case CellKind::string:
            return kStringBit;
        case CellKind::array:
            return kArrayBit;
        case CellKind::object:
            return kObjectBit;
    }
    return 0;
}

std::int64_t plain_integer(std::string_view raw) {
    const bool negative = raw[0] == '-';
    std::int64_t value = 0;
    for (const char c : raw.substr(negative ? 1 : 0)) value = value * 10 + (c - '0');
    return negative ? -value : value;
}

/// `kTell`: all reasons are wanted; else the first one ends the run.
template <bool kTell>
class Evaluator {
  public:
    Evaluator(const Program& program, const Tape& tape, std::uint64_t steps, Teller* teller)
        : x_program(program), x_tape(tape), x_effort{steps}, x_teller(teller) {}

    bool run() { return node(x_program.root, 0, nullptr); }
    bool stopped() const { return x_stopped != nullptr; }
    const char* why_stopped() const { return x_stopped; }

  private:
    bool spend(std::uint64_t steps) { return x_effort.spend(steps) || stop("too many steps"); }
    bool stop(const char* why) {
        if (x_stopped == nullptr) x_stopped = why;
        return false;
    }
    /// Whether to go on after a part that did not hold.
    bool broken() const { return !kTell || x_stopped != nullptr || x_teller->full(); }
    template <typename Message>
    void tell(const Node& node, std::string_view keyword, CellIndex at, Message&& message) {
        if constexpr (kTell) x_teller->tell(node, keyword, at, message());
    }
    /// Without telling, whatever this run does.
    bool holds(NodeIndex index, CellIndex at, Marks* marks) {
        if constexpr (!kTell) {
            return node(index, at, marks);
        } else {
            Evaluator<false> quiet(x_program, x_tape, x_effort.left, nullptr);
            quiet.adopt(x_scope, x_depth);
            const bool fits = quiet.node(index, at, marks);
            x_effort.left = quiet.left();
            if (quiet.stopped()) stop(quiet.why_stopped());
            return fits;
        }
    }

  public:
    void adopt(const std::vector<std::uint32_t>& scope, int depth) {
        x_scope = scope;
        x_depth = depth;
    }
    std::uint64_t left() const { return x_effort.left; }

    bool node(NodeIndex index, CellIndex at, Marks* marks) {
        const Node& node = x_program.nodes[index];
        if (node.trivial) return true;
        if (!spend(1)) return false;
        if (node.never) {
            tell(node, "", at, [] { return std::string("nothing is allowed here"); });
            return false;
        }
        if (x_depth >= kDepthMax) return stop("schemas refer to each other too deeply");
        ++x_depth;
        const bool scoped =
            x_program.dynamic && (x_scope.empty() || x_scope.back() != node.resource);
        if (scoped) x_scope.push_back(node.resource);
        const bool unevaluated =
            (node.unevaluated_properties != kNoNode && x_tape.at(at).kind == CellKind::object) ||
            (node.unevaluated_items != kNoNode && x_tape.at(at).kind == CellKind::array);
        const bool fits = unevaluated ? with_marks(node, at, marks) : parts(node, at, marks);
        if (scoped) x_scope.pop_back();
        --x_depth;
        return fits;
    }

  private:
    bool parts(const Node& node, CellIndex at, Marks* marks) {
        const Cell& cell = x_tape.at(at);
        bool fits = true;
        if (node.types != kAnyType && !type(node, at)) {
            fits = false;
            if (broken()) return false;
        }
        if ((node.listed || node.constant) && !values(node, at)) {
            fits = false;
            if (broken()) return false;
        }
        bool part = true;
        switch (cell.kind) {
            case CellKind::string:
                if (node.strings) part = string(node, *node.strings, at);
                break;
            case CellKind::number:
                if (node.numbers) part = number(node, *node.numbers, at);
                break;
            case CellKind::object:
                if (node.objects) part = object(node, *node.objects, at, marks);
                break;
            case CellKind::array:
                if (node.arrays) part = array(node, *node.arrays, at, marks);
                break;
            default:
                break;
        }
        if (!part) {
            fits = false;
            if (broken()) return false;
        }
        if (node.in_place && !in_place(node, *node.in_place, at, marks)) fits = false;
        return fits;
    }

    bool with_marks(const Node& node, CellIndex at, Marks* outer) {
        const Cell& cell = x_tape.at(at);
        if (!spend(cell.count / 16)) return false;
        Marks marks(cell.count);
        bool fits = parts(node, at, &marks);
        if (!fits && broken()) return false;
        const bool object = cell.kind == CellKind::object;
        const NodeIndex rest = object ? node.unevaluated_properties : node.unevaluated_items;
        CellIndex child = object ? at + 2 : at + 1;
        for (std::uint32_t i = 0; i < cell.count; ++i) {
            if (!marks.seen[i]) {
                marks.seen[i] = true;
                if (!extra(node, object ? "unevaluatedProperties" : "unevaluatedItems", rest,
                           child)) {
                    fits = false;
                    if (broken()) return false;
                }
            }
            child = x_tape.at(child).next + (object ? 1 : 0);
        }
        if (outer != nullptr) outer->add(marks);
        return fits;
    }

    /// A member or item that no keyword names.
    bool extra(const Node& node, std::string_view keyword, NodeIndex rest, CellIndex at) {
        if constexpr (kTell) {
            if (x_program.nodes[rest].never) {
                x_teller->tell_extra(node, keyword, at);
                return false;
            }
        }
        return this->node(rest, at, nullptr);
    }

    bool type(const Node& node, CellIndex at) {
        const Cell& cell = x_tape.at(at);
        const std::uint8_t bit = bit_of(cell.kind);
        if ((node.types & bit) != 0) return true;
        if (bit == kNumberBit && (node.types & kIntegerBit) != 0 &&
            (cell.flag || Decimal(x_tape.raw(at)).integer())) {
            return true;
        }
        tell(node, "type", at, [&] { return x_teller->type_message(node.types, at); });
        return false;
    }

    bool among(const Node& node, const Values& values, CellIndex at) {
        std::string buffer;
        if (x_tape.at(at).kind == CellKind::string) {
            return std::ranges::binary_search(
                values.strings, x_tape.string(at, buffer), {},
                [](const std::string& s) { return std::string_view(s); });
        }
        if (values.only_strings) return false;
        const Tape& own = x_program.tape_of(node);
        if (!values.by_hash.empty()) {
            const std::uint64_t hash = hash_of_value(x_tape, at, x_effort);
            auto candidate = std::ranges::lower_bound(values.by_hash, hash, {},
                                                      &std::pair<std::uint64_t, CellIndex>::first);
            for (; candidate != values.by_hash.end() && candidate->first == hash; ++candidate) {
                if (equal_values(x_tape, at, own, candidate->second, x_effort)) return true;
            }
            return false;
        }
        return std::ranges::any_of(values.cells, [&](CellIndex value) {
            return spend(1) && equal_values(x_tape, at, own, value, x_effort);
        });
    }
    bool values(const Node& node, CellIndex at) {
        bool fits = true;
        for (const auto& [list, keyword] :
             {std::pair{node.listed.get(), "enum"}, std::pair{node.constant.get(), "const"}}) {
            if (list == nullptr || among(node, *list, at)) continue;
            if (x_effort.left == 0) return stop("too many steps");
            fits = false;
            tell(node, keyword, at, [&] { return x_teller->values_message(node, *list); });
        }
        return fits;
    }

    bool string(const Node& node, const StringRules& rules, CellIndex at) {
        const Cell& cell = x_tape.at(at);
        const std::uint64_t bytes = cell.end - cell.start - 2;
        bool fits = true;
        // A character has at most four bytes, or twelve as an escape: often the size decides.
        const std::uint64_t fewest = (bytes + 11) / 12;
        if (fewest < rules.min_length || bytes > rules.max_length) {
            const std::uint64_t length = x_tape.length(at);
            if (!spend(bytes / 64)) return false;
            if (length < rules.min_length) {
                fits = false;
                tell(node, "minLength", at, [&] {
                    return bound_message("must have at least", rules.min_length, "character",
                                         length);
                });
            }
            if (length > rules.max_length) {
                fits = false;
                tell(node, "maxLength", at, [&] {
                    return bound_message("must have at most", rules.max_length, "character",
                                         length);
                });
            }
            if (!fits && broken()) return false;
        }
        if (rules.pattern == kNone && !rules.format) return fits;
        std::string buffer;
        const std::string_view text = x_tape.string(at, buffer);
        if (rules.pattern != kNone && !matches(rules.pattern, text)) {
            fits = false;
            tell(node, "pattern", at, [&] { return x_teller->pattern_message(node); });
            if (broken()) return false;
        }
        if (rules.format && spend(bytes / 64) && !has_format(*rules.format, text)) {
            fits = false;
            tell(node, "format", at, [&] { return x_teller->format_message(node); });
        }
        return fits;
    }
    bool matches(std::uint32_t pattern, std::string_view text) {
        const Pattern& compiled = x_program.patterns[pattern];
        return spend(compiled.cost(text.size())) && compiled.matches(text);
    }

    bool number(const Node& node, const NumberRules& rules, CellIndex at) {
        const bool plain = x_tape.at(at).flag;
        const std::string_view raw = x_tape.raw(at);
        const std::int64_t whole = plain ? plain_integer(raw) : 0;
        std::optional<Decimal> exact;
        const auto decimal = [&]() -> const Decimal& {
            if (!exact) exact = Decimal(raw);
            return *exact;
        };
        const auto against = [&](const Limit& limit) {
            if (plain && limit.small) return whole < limit.whole ? -1 : whole > limit.whole ? 1 : 0;
            return compare(decimal(), limit.exact);
        };
        bool fits = spend(raw.size() / 64);
        const auto check = [&](bool good, std::string_view keyword, std::string_view must) {
            if (good) return;
            fits = false;
            tell(node, keyword, at, [&] { return x_teller->limit_message(node, keyword, must); });
        };
        if (rules.minimum) check(against(*rules.minimum) >= 0, "minimum", "must be at least ");
        if (rules.maximum) check(against(*rules.maximum) <= 0, "maximum", "must be at most ");
        if (rules.exclusive_minimum) {
            check(against(*rules.exclusive_minimum) > 0, "exclusiveMinimum", "must be above ");
        }
        if (rules.exclusive_maximum) {
            check(against(*rules.exclusive_maximum) < 0, "exclusiveMaximum", "must be below ");
        }
        if (rules.multiple_of) {
            const Divisor& divisor = *rules.multiple_of;
            check(plain && divisor.small() ? divisor.divides_integer(whole)
                                           : divisor.divides(decimal()),
                  "multipleOf", "must be a multiple of ");
        }
        return fits;
    }

    bool count(const Node& node, std::uint64_t count, std::uint64_t least, std::uint64_t most,
               bool object, CellIndex at) {
        bool fits = true;
        if (count < least) {
            fits = false;
            tell(node, object ? "minProperties" : "minItems", at, [&] {
                return bound_message("must have at least", least, object ? "member" : "item",
                                     count);
            });
        }
        if (count > most) {
            fits = false;
            tell(node, object ? "maxProperties" : "maxItems", at, [&] {
                return bound_message("must have at most", most, object ? "member" : "item", count);
            });
        }
        return fits;
    }

    bool object(const Node& node, const ObjectRules& rules, CellIndex at, Marks* marks) {
        const Cell& cell = x_tape.at(at);
        bool fits = count(node, cell.count, rules.min_properties, rules.max_properties, true, at);
        if (!fits && broken()) return false;
        if (rules.required_count > cell.count && !kTell) return false;
        if (!spend(cell.count / 4)) return false;
        std::uint32_t required = 0;
        std::uint32_t position = 0;
        std::string buffer;
        for (CellIndex name = at + 1; name < cell.next; name = x_tape.at(name + 1).next) {
            bool known = false;
            const std::string_view text = x_tape.string(name, buffer);
            if (const NamedRule* rule = rules.names.find(x_tape.at(name).count, text)) {
                required += rule->required ? 1 : 0;
                if (rule->node != kNoNode) {
                    known = true;
                    if (!this->node(rule->node, name + 1, nullptr)) {
                        fits = false;
                        if (broken()) return false;
                    }
                }
            }
            for (const auto& [pattern, index] : rules.patterns) {
                if (!matches(pattern, text)) continue;
                known = true;
                if (!this->node(index, name + 1, nullptr)) {
                    fits = false;
                    if (broken()) return false;
                }
            }
            if (!known && rules.additional != kNoNode) {
                known = true;
                if (!extra(node, "additionalProperties", rules.additional, name + 1)) {
                    fits = false;
                    if (broken()) return false;
                }
            }
            if (rules.property_names != kNoNode &&
                !this->node(rules.property_names, name, nullptr)) {
                fits = false;
                if (broken()) return false;
            }
            if (known && marks != nullptr) marks->seen[position] = true;
            ++position;
        }
        if (required < rules.required_count) {
            fits = false;
            if constexpr (kTell) {
                for (const NamedRule& rule : rules.names.rules) {
                    if (!rule.required || !spend(1 + cell.count / 16)) continue;
                    if (x_tape.member(at, rule.name, rule.hash) == kNoCell) {
                        x_teller->tell_missing(node, "required", at, rule.name, {});
                    }
                }
            }
            if (broken()) return false;
        }
        if (!rules.dependent_names.empty() && !dependent_names(node, rules, at)) {
            fits = false;
            if (broken()) return false;
        }
        for (const NamedRule& rule : rules.dependent_schemas) {
            if (!spend(1 + cell.count / 16)) return false;
            if (x_tape.member(at, rule.name, rule.hash) == kNoCell) continue;
            if (!this->node(rule.node, at, marks)) {
                fits = false;
                if (broken()) return false;
            }
        }
        return fits;
    }

    bool dependent_names(const Node& node, const ObjectRules& rules, CellIndex at) {
        bool fits = true;
        const std::uint64_t cost = 1 + x_tape.at(at).count / 16;
        for (const DependentNames& rule : rules.dependent_names) {
            if (!spend(cost)) return false;
            if (x_tape.member(at, rule.name, rule.hash) == kNoCell) continue;
            for (const NamedRule& needed : rule.needed) {
                if (!spend(cost)) return false;
                if (x_tape.member(at, needed.name, needed.hash) != kNoCell) continue;
                fits = false;
                if constexpr (kTell) {
                    x_teller->tell_missing(
                        node, rule.of_dependencies ? "dependencies" : "dependentRequired", at,
                        needed.name, rule.name);
                }
                if (broken()) return false;
            }
        }
        return fits;
    }

    bool array(const Node& node, const ArrayRules& rules, CellIndex at, Marks* marks) {
        const Cell& cell = x_tape.at(at);
        bool fits = count(node, cell.count, rules.min_items, rules.max_items, false, at);
        if (!fits && broken()) return false;
        if (!rules.prefix.empty() || rules.rest != kNoNode) {
            if (!spend(cell.count / 16)) return false;
            std::uint32_t position = 0;
            for (CellIndex item = at + 1; item < cell.next; item = x_tape.at(item).next) {
                const bool first = position < rules.prefix.size();
                const NodeIndex index = first ? rules.prefix[position] : rules.rest;
                if (index == kNoNode) break;
                if (marks != nullptr) marks->seen[position] = true;
                if (first ? !this->node(index, item, nullptr)
                          : !extra(node, rules.rest_is_additional ? "additionalItems" : "items",
                                   index, item)) {
                    fits = false;
                    if (broken()) return false;
                }
                ++position;
            }
        }
        if (rules.contains != kNoNode && !contains(node, rules, at, marks)) {
            fits = false;
            if (broken()) return false;
        }
        if (rules.unique && cell.count > 1 && !unique(node, at)) fits = false;
        return fits;
    }

    bool contains(const Node& node, const ArrayRules& rules, CellIndex at, Marks* marks) {
        const Cell& cell = x_tape.at(at);
        std::uint64_t found = 0;
        std::uint32_t position = 0;
        const bool mark = marks != nullptr && rules.contains_counts_as_evaluated;
        for (CellIndex item = at + 1; item < cell.next; item = x_tape.at(item).next, ++position) {
            // Enough is known when no upper bound is left to break.
            if (!mark && found >= rules.min_contains && rules.max_contains == UINT64_MAX) break;
            if (!holds(rules.contains, item, nullptr)) {
                if (x_stopped != nullptr) return false;
                continue;
            }
            ++found;
            if (mark) marks->seen[position] = true;
        }
        if (found < rules.min_contains) {
            tell(node, rules.min_contains == 1 ? "contains" : "minContains", at, [&] {
                return bound_message("must hold at least", rules.min_contains, "fitting item",
                                     found);
            });
            return false;
        }
        if (found > rules.max_contains) {
            tell(node, "maxContains", at, [&] {
                return bound_message("must hold at most", rules.max_contains, "fitting item",
                                     found);
            });
            return false;
        }
        return true;
    }

    bool unique(const Node& node, CellIndex at) {
        const Cell& cell = x_tape.at(at);
        std::unordered_multimap<std::uint64_t, std::pair<CellIndex, std::uint32_t>> seen;
        if (cell.count > kItemsComparedInPairs) seen.reserve(cell.count);
        std::uint32_t position = 0;
        for (CellIndex item = at + 1; item < cell.next; item = x_tape.at(item).next, ++position) {
            const std::uint64_t hash = hash_of_value(x_tape, item, x_effort);
            const auto [first, last] = seen.equal_range(hash);
            for (auto other = first; other != last; ++other) {
                if (!equal_values(x_tape, item, x_tape, other->second.first, x_effort)) continue;
                tell(node, "uniqueItems", item, [&] {
                    return "must differ from the other items, but equals item " +
                           std::to_string(other->second.second);
                });
                return false;
            }
            if (x_effort.left == 0) return stop("too many steps");
            seen.emplace(hash, std::pair{item, position});
        }
        return true;
    }

    bool in_place(const Node& node, const InPlaceRules& rules, CellIndex at, Marks* marks) {
        bool fits = true;
        if (rules.reference != kNoNode && !this->node(rules.reference, at, marks)) {
            fits = false;
            if (broken()) return false;
        }
        if (rules.dynamic_reference != kNoNode && !this->node(dynamic_target(rules), at, marks)) {
            fits = false;
            if (broken()) return false;
        }
        for (const NodeIndex index : rules.all_of) {
            if (this->node(index, at, marks)) continue;
            fits = false;
            if (broken()) return false;
        }
        if (!rules.any_of.empty() && !any_of(node, rules.any_of, at, marks)) {
            fits = false;
            if (broken()) return false;
        }
        if (!rules.one_of.empty() && !one_of(node, rules.one_of, at, marks)) {
            fits = false;
            if (broken()) return false;
        }
        if (rules.negated != kNoNode && holds(rules.negated, at, nullptr)) {
            fits = false;
            tell(node, "not", at, [] { return std::string("must not fit the schema under not"); });
            if (broken()) return false;
        }
        if (rules.condition != kNoNode &&
            (rules.then_node != kNoNode || rules.else_node != kNoNode || marks != nullptr)) {
            Marks branch(marks != nullptr ? x_tape.at(at).count : 0);
            const bool yes = holds(rules.condition, at, marks != nullptr ? &branch : nullptr);
            if (yes && marks != nullptr) marks->add(branch);
            const NodeIndex next = yes ? rules.then_node : rules.else_node;
            if (x_stopped != nullptr || (next != kNoNode && !this->node(next, at, marks))) {
                fits = false;
            }
        }
        return fits;
    }

    NodeIndex dynamic_target(const InPlaceRules& rules) const {
        if (rules.dynamic_name == kNone) return rules.dynamic_reference;
        // The outermost resource in scope that has the name.
        for (const std::uint32_t resource : x_scope) {
            for (const auto& [name, target] : x_program.dynamic_anchors[resource]) {
                if (name == rules.dynamic_name) return target;
            }
        }
        return rules.dynamic_reference;
    }

    bool any_of(const Node& node, const std::vector<NodeIndex>& branches, CellIndex at,
                Marks* marks) {
        bool fits = false;
        for (const NodeIndex index : branches) {
            if (marks == nullptr) {
                fits = holds(index, at, nullptr);
                if (fits) return true;
            } else {
                Marks branch(x_tape.at(at).count);
                if (!spend(branch.seen.size() / 64)) return false;
                if (holds(index, at, &branch)) {
                    marks->add(branch);
                    fits = true;
                }
            }
            if (x_stopped != nullptr) return false;
        }
        if constexpr (kTell) {
            if (!fits) tell_branches(node, "anyOf", branches, at);
        }
        return fits;
    }

    bool one_of(const Node& node, const std::vector<NodeIndex>& branches, CellIndex at,
                Marks* marks) {
        std::uint32_t fitting = 0;
        std::uint32_t first = 0;
        for (std::uint32_t i = 0; i < branches.size(); ++i) {
            Marks branch(marks != nullptr ? x_tape.at(at).count : 0);
            const bool fits = holds(branches[i], at, marks != nullptr ? &branch : nullptr);
            if (x_stopped != nullptr) return false;
            if (!fits) continue;
            if (++fitting == 2) {
                tell(node, "oneOf", at, [&] {
                    return "must fit exactly one of " + std::to_string(branches.size()) +
                           " schemas, but fits those at " + std::to_string(first) + " and " +
                           std::to_string(i);
                });
                return false;
            }
            first = i;
            if (marks != nullptr) marks->add(branch);
        }
        if constexpr (kTell) {
            if (fitting == 0) tell_branches(node, "oneOf", branches, at);
        }
        return fitting == 1;
    }

    /// Tells that no branch fits, and why the nearest one does not: the one whose first reason lies
    /// deepest in the instance, then the one with the fewest reasons.
    void tell_branches(const Node& node, std::string_view keyword,
                       const std::vector<NodeIndex>& branches, CellIndex at) {
        if constexpr (kTell) {
            std::size_t nearest = 0;
            std::pair<std::size_t, std::size_t> best{0, SIZE_MAX};
            std::vector<Violation> reasons;
            for (std::size_t i = 0; i < branches.size() && x_stopped == nullptr; ++i) {
                Teller teller = x_teller->aside();
                Evaluator<true> aside(x_program, x_tape, x_effort.left, &teller);
                aside.adopt(x_scope, x_depth);
                aside.node(branches[i], at, nullptr);
                x_effort.left = aside.left();
                if (aside.stopped()) stop(aside.why_stopped());
                std::vector<Violation> told = teller.take();
                if (told.empty()) continue;
                std::size_t depth = 0;
                for (const Violation& violation : told) {
                    depth = std::max<std::size_t>(
                        depth,
                        static_cast<std::size_t>(std::ranges::count(violation.instance_path, '/')));
                }
                if (reasons.empty() || depth > best.first ||
                    (depth == best.first && told.size() < best.second)) {
                    best = {depth, told.size()};
                    nearest = i;
                    reasons = std::move(told);
                }
            }
            tell(node, keyword, at, [&] {
                std::string message = "must fit " +
                                      std::string(keyword == "anyOf" ? "one" : "exactly one") +
                                      " of " + std::to_string(branches.size()) + " schemas";
                return reasons.empty() ? message
                                       : message + ", and fits none; the nearest is at " +
                                             std::to_string(nearest);
            });
            x_teller->add(std::move(reasons));
        }
    }

    const Program& x_program;
    const Tape& x_tape;
    Effort x_effort;
    Teller* x_teller;
    const char* x_stopped = nullptr;
    int x_depth = 0;
    std::vector<std::uint32_t> x_scope;
};

std::uint64_t steps_of(const Tape& instance, const ValidateOptions& options) {
    return options.steps_max + kStepsPerValue * instance.size() +
           kStepsPerByte * instance.text().size();
}

}  // namespace

Result<bool> instance_fits(const Program& program, const Tape& instance,
                           const ValidateOptions& options) {
    Evaluator<false> evaluator(program, instance, steps_of(instance, options), nullptr);
    const bool fits = evaluator.run();
    if (evaluator.stopped()) {
        return fail(Code::invalid, "checking against the schema was given up: " +
                                       std::string(evaluator.why_stopped()));
    }
    return fits;
}

std::vector<Violation> tell_violations(const Program& program, const Tape& instance,
                                       const ValidateOptions& options) {
    Teller teller(program, instance, std::max<std::size_t>(options.violations_max, 1));
    Evaluator<true> evaluator(program, instance, steps_of(instance, options), &teller);
    evaluator.run();
    std::vector<Violation> violations = teller.take();
    if (violations.empty()) {
        // The budget went to telling: what is certain is that the whole does not fit.
        violations.push_back({"", "", "", cut_value(instance, 0), "does not fit the schema"});
    }
    return violations;
}

}  // namespace taskstore::schema
