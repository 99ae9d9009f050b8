#include <taskstore/schema/schema.hpp>

#include "evaluate.hpp"

#include <algorithm>
#include <set>

namespace taskstore::schema {
namespace {

constexpr int kReferencesFollowed = 16;

/// Keeps its memory between calls, but not that of a giant.
class ScratchTape {
  public:
    ScratchTape() = default;
    ~ScratchTape() { shared().shrink(); }
    ScratchTape(const ScratchTape&) = delete;
    ScratchTape& operator=(const ScratchTape&) = delete;
    Tape& operator*() { return shared(); }

  private:
    static Tape& shared() {
        thread_local Tape tape;
        return tape;
    }
};

std::string text_member(const Tape& tape, CellIndex object, std::string_view name) {
    if (tape.at(object).kind != CellKind::object) return {};
    const CellIndex at = tape.member(object, name);
    if (at == kNoCell || tape.at(at).kind != CellKind::string) return {};
    std::string buffer;
    return std::string(tape.string(at, buffer));
}

}  // namespace

struct Schema::Compiled {
    Program program;

    void collect(NodeIndex index, std::vector<Property>& properties,
                 std::set<std::string>& required, std::set<NodeIndex>& visited) const;
    void fill(Property& property, NodeIndex index) const;
};

Schema::Schema(std::shared_ptr<const Compiled> compiled) : x_(std::move(compiled)) {}

Result<Schema> Schema::compile(std::string_view text, const CompileOptions& options) {
    TASKSTORE_LET(Program program, compile_program(text, options));
    return Schema(std::make_shared<const Compiled>(Compiled{std::move(program)}));
}

Result<bool> Schema::fits(std::string_view json, const ValidateOptions& options) const {
    ScratchTape tape;
    TASKSTORE_TRY((*tape).read(json));
    return instance_fits(x_->program, *tape, options);
}

Result<std::vector<Violation>> Schema::validate(std::string_view json,
                                                const ValidateOptions& options) const {
    ScratchTape tape;
    TASKSTORE_TRY((*tape).read(json));
    TASKSTORE_LET(const bool fits, instance_fits(x_->program, *tape, options));
    if (fits) return std::vector<Violation>{};
    return tell_violations(x_->program, *tape, options);
}

/// The nearest reference first: what stands beside a $ref wins over what it reaches.
void Schema::Compiled::fill(Property& property, NodeIndex index) const {
    for (int i = 0; i < kReferencesFollowed && index != kNoNode; ++i) {
        const Node& node = program.nodes[index];
        const Tape& tape = program.tape_of(node);
        if (tape.at(node.cell).kind != CellKind::object) return;
        for (auto [member, name] : {std::pair{&Property::title, "title"},
                                    std::pair{&Property::description, "description"},
                                    std::pair{&Property::format, "format"}}) {
            if ((property.*member).empty()) property.*member = text_member(tape, node.cell, name);
        }
        const CellIndex initial = tape.member(node.cell, "default");
        if (initial != kNoCell && property.default_json.empty()) {
            property.default_json = std::string(tape.raw(initial));
        }
        std::string buffer;
        const CellIndex type = tape.member(node.cell, "type");
        if (property.types.empty() && type != kNoCell) {
            if (tape.at(type).kind == CellKind::string) {
                property.types.emplace_back(tape.string(type, buffer));
            } else if (tape.at(type).kind == CellKind::array) {
                for (CellIndex at = type + 1; at < tape.at(type).next; at = tape.at(at).next) {
                    property.types.emplace_back(tape.string(at, buffer));
                }
            }
        }
        for (const Values* values : {node.listed.get(), node.constant.get()}) {
            if (values == nullptr || !property.enum_values.empty()) continue;
            std::set<std::string> kinds;
            for (const CellIndex at : values->cells) {
                property.enum_values.emplace_back(tape.raw(at));
                switch (tape.at(at).kind) {
                    case CellKind::null:
                        kinds.insert("null");
                        break;
                    case CellKind::boolean:
                        kinds.insert("boolean");
                        break;
                    case CellKind::number:
                        kinds.insert(Decimal(tape.raw(at)).integer() ? "integer" : "number");
                        break;
                    case CellKind::string:
                        kinds.insert("string");
                        break;
                    case CellKind::array:
                        kinds.insert("array");
                        break;
                    case CellKind::object:
                        kinds.insert("object");
                        break;
                }
            }
            if (property.types.empty()) property.types.assign(kinds.begin(), kinds.end());
        }
        index = node.in_place ? node.in_place->reference : kNoNode;
    }
}

void Schema::Compiled::collect(NodeIndex index, std::vector<Property>& properties,
                               std::set<std::string>& required,
                               std::set<NodeIndex>& visited) const {
    std::vector<NodeIndex> work{index};
    while (!work.empty()) {
        const Node& node = program.nodes[work.back()];
        const bool fresh = visited.insert(work.back()).second;
        work.pop_back();
        if (!fresh) continue;
        if (node.objects) {
            for (const NamedRule& rule : node.objects->names.rules) {
                if (rule.required) required.insert(rule.name);
            }
            const Tape& tape = program.tape_of(node);
            const CellIndex own = tape.member(node.cell, "properties");
            if (own != kNoCell && tape.at(own).kind == CellKind::object) {
                for (CellIndex at = own + 1; at < tape.at(own).next; at = tape.at(at + 1).next) {
                    std::string buffer;
                    const std::string_view name = tape.string(at, buffer);
                    const NamedRule* rule = node.objects->names.find(tape.at(at).count, name);
                    if (rule == nullptr || rule->node == kNoNode) continue;
                    Property property;
                    property.name = std::string(name);
                    fill(property, rule->node);
                    properties.push_back(std::move(property));
                }
            }
        }
        if (!node.in_place) continue;
        for (auto at = node.in_place->all_of.rbegin(); at != node.in_place->all_of.rend(); ++at) {
            work.push_back(*at);
        }
        if (node.in_place->reference != kNoNode) work.push_back(node.in_place->reference);
    }
}

std::vector<Property> Schema::properties() const {
    std::vector<Property> all;
    std::set<std::string> required;
    std::set<NodeIndex> visited;
    x_->collect(x_->program.root, all, required, visited);
    std::vector<Property> properties;
    std::set<std::string_view> names;
    for (Property& property : all) {
        property.required = required.contains(property.name);
        if (names.insert(property.name).second) properties.push_back(property);
    }
    return properties;
}

std::string Schema::title() const {
    return text_member(x_->program.documents[0]->tape, 0, "title");
}

std::string Schema::description() const {
    return text_member(x_->program.documents[0]->tape, 0, "description");
}

std::string_view Schema::text() const {
    return x_->program.documents[0]->text;
}

std::string to_text(const Violation& violation) {
    return (violation.instance_path.empty() ? "the whole" : violation.instance_path) + ": " +
           violation.message + " (" + violation.value + ")";
}

}  // namespace taskstore::schema
