#pragma once
// A compiled schema as data. Nodes refer to each other by index; cells point into the documents,
// which the program owns, so that a violation finds its place without any path being kept.
//
//   P1  No cycle of nodes that apply to the same value (checked at compile), but for $dynamicRef,
//       whose target is known only when it is reached: there the depth limit ends it.
//   P2  A node of draft-07 with $ref has nothing but the reference.

#include "decimal.hpp"
#include "format.hpp"
#include "pattern.hpp"
#include "tape.hpp"

#include <taskstore/schema/schema.hpp>

#include <memory>
#include <optional>

namespace taskstore::schema {

using NodeIndex = std::uint32_t;
inline constexpr NodeIndex kNoNode = UINT32_MAX;
inline constexpr std::uint32_t kNone = UINT32_MAX;

enum TypeBit : std::uint8_t {
    kNullBit = 1,
    kBooleanBit = 2,
    kNumberBit = 4,
    kIntegerBit = 8,
    kStringBit = 16,
    kArrayBit = 32,
    kObjectBit = 64,
    kAnyType = 127,
};

struct SchemaText {
    std::string uri;  ///< "" for the schema itself.
    std::string text;
    Tape tape;
};

struct Values {
    std::vector<CellIndex> cells;
    std::vector<std::string> strings;  ///< Those of them that are strings, sorted.
    bool only_strings = true;
    /// (hash, cell), sorted by hash, where there are too many to look through.
    std::vector<std::pair<std::uint64_t, CellIndex>> by_hash;
};

struct StringRules {
    std::uint64_t min_length = 0;
    std::uint64_t max_length = UINT64_MAX;
    std::uint32_t pattern = kNone;
    std::optional<Format> format;
};

/// A bound of a number; `whole` is it where it is an integer of at most 18 digits.
struct Limit {
    Decimal exact;
    std::int64_t whole = 0;
    bool small = false;
};

struct NumberRules {
    std::optional<Limit> minimum;
    std::optional<Limit> maximum;
    std::optional<Limit> exclusive_minimum;
    std::optional<Limit> exclusive_maximum;
    std::optional<Divisor> multiple_of;
};

struct NamedRule {
    std::string name;
    std::uint32_t hash = 0;
    NodeIndex node = kNoNode;
    bool required = false;
};

/// Names of members, found by hash.
class NameTable {
  public:
    std::vector<NamedRule> rules;
    /// Once all rules are in.
    void index();
    const NamedRule* find(std::uint32_t hash, std::string_view name) const {
        if (x_slots.empty()) return nullptr;
        for (std::uint32_t slot = hash & x_mask;; slot = (slot + 1) & x_mask) {
            const std::uint32_t rule = x_slots[slot];
            if (rule == kNone) return nullptr;
            if (rules[rule].hash == hash && rules[rule].name == name) return &rules[rule];
        }
    }

  private:
    std::vector<std::uint32_t> x_slots;
    std::uint32_t x_mask = 0;
};

struct DependentNames {
    std::string name;
    std::uint32_t hash = 0;
    std::vector<NamedRule> needed;
    bool of_dependencies = false;  ///< The old keyword that also holds schemas.
};

struct ObjectRules {
    std::uint64_t min_properties = 0;
    std::uint64_t max_properties = UINT64_MAX;
    NameTable names;
    std::uint32_t required_count = 0;
    std::vector<std::pair<std::uint32_t, NodeIndex>> patterns;
    NodeIndex additional = kNoNode;
    NodeIndex property_names = kNoNode;
    std::vector<DependentNames> dependent_names;
    std::vector<NamedRule> dependent_schemas;
};

struct ArrayRules {
    std::uint64_t min_items = 0;
    std::uint64_t max_items = UINT64_MAX;
    bool unique = false;
    std::vector<NodeIndex> prefix;
    NodeIndex rest = kNoNode;
    bool rest_is_additional = false;  ///< Draft-07: `additionalItems` says it, not `items`.
    NodeIndex contains = kNoNode;
    std::uint64_t min_contains = 1;
    std::uint64_t max_contains = UINT64_MAX;
    bool contains_counts_as_evaluated = true;
};

struct InPlaceRules {
    NodeIndex reference = kNoNode;
    NodeIndex dynamic_reference = kNoNode;  ///< Where it leads when nothing in scope says more.
    std::uint32_t dynamic_name = kNone;  ///< Looked for in the dynamic scope; kNone: a plain $ref.
    std::vector<NodeIndex> all_of;
    std::vector<NodeIndex> any_of;
    std::vector<NodeIndex> one_of;
    NodeIndex negated = kNoNode;
    NodeIndex condition = kNoNode;
    NodeIndex then_node = kNoNode;
    NodeIndex else_node = kNoNode;
};

struct Node {
    std::uint32_t document = 0;
    CellIndex cell = 0;
    std::uint32_t resource = 0;
    std::uint8_t types = kAnyType;
    bool never = false;
    bool trivial = true;  ///< Nothing can break it and it marks nothing.
    NodeIndex unevaluated_items = kNoNode;
    NodeIndex unevaluated_properties = kNoNode;
    std::unique_ptr<Values> listed;    ///< enum
    std::unique_ptr<Values> constant;  ///< const
    std::unique_ptr<StringRules> strings;
    std::unique_ptr<NumberRules> numbers;
    std::unique_ptr<ObjectRules> objects;
    std::unique_ptr<ArrayRules> arrays;
    std::unique_ptr<InPlaceRules> in_place;
};

struct Program {
    std::vector<std::unique_ptr<SchemaText>> documents;  ///< The first is the schema itself.
    std::vector<Node> nodes;
    NodeIndex root = 0;
    std::vector<Pattern> patterns;
    bool dynamic = false;
    /// Per resource: (name, node) of its dynamic anchors that some $dynamicRef asks for.
    std::vector<std::vector<std::pair<std::uint32_t, NodeIndex>>> dynamic_anchors;

    const Tape& tape_of(const Node& node) const { return documents[node.document]->tape; }
};

/// Errors as Schema::compile.
Result<Program> compile_program(std::string_view text, const CompileOptions& options);

/// The text of a built-in metaschema, or nothing.
std::optional<std::string_view> metaschema_text(std::string_view uri);

}  // namespace taskstore::schema
