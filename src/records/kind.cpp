#include <taskstore/base/ascii.hpp>
#include <taskstore/records/catalogue.hpp>
#include <taskstore/records/planning.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace taskstore::records {
namespace {

constexpr std::array<std::string_view, 0> kNoAliases{};
constexpr std::array<std::string_view, 2> kSpecAliases{"ts", "task-spec"};
constexpr std::array<std::string_view, 1> kExecutionAliases{"exec"};
constexpr std::array<std::string_view, 1> kUpdated{"updated_at"};
constexpr std::array<std::string_view, 3> kDependencyTimes{"updated_at", "resolved_at",
                                                           "created_at"};

// Ends are not prisons: finished work may be taken up again, cancelled plans revived as drafts.
constexpr std::array kPrdTransitions{
    Transition{"draft", "ready"},      Transition{"draft", "active"},
    Transition{"draft", "cancelled"},  Transition{"ready", "draft"},
    Transition{"ready", "active"},     Transition{"ready", "cancelled"},
    Transition{"active", "ready"},     Transition{"active", "complete"},
    Transition{"active", "cancelled"}, Transition{"complete", "active"},
    Transition{"cancelled", "draft"},
};
constexpr std::array kSpecTransitions{
    Transition{"pending", "running"},  Transition{"pending", "complete"},
    Transition{"pending", "failed"},   Transition{"running", "pending"},
    Transition{"running", "complete"}, Transition{"running", "failed"},
    Transition{"failed", "pending"},   Transition{"failed", "running"},
    Transition{"complete", "pending"},
};
constexpr std::array kExecutionTransitions{
    Transition{"running", "paused"}, Transition{"running", "complete"},
    Transition{"running", "failed"}, Transition{"running", "stopped"},
    Transition{"paused", "running"}, Transition{"paused", "failed"},
    Transition{"paused", "stopped"}, Transition{"stopped", "running"},
    Transition{"failed", "running"},
};

constexpr auto kPrdFields = fields_of<Prd>();
constexpr auto kSpecFields = fields_of<TaskSpec>();
constexpr auto kExecutionFields = fields_of<Execution>();
constexpr auto kDependencyFields = fields_of<Dependency>();
constexpr auto kWorkflowFields = fields_of<Workflow>();
constexpr auto kRepoFields = fields_of<RepoState>();

constexpr std::array kKinds{
    Kind{"prds", "prd", kNoAliases, "id", kUpdated, kPrdFields, kPrdTransitions, "created_at", true,
         "product requirements: what is to be built"},
    Kind{"task_specs", "spec", kSpecAliases, "id", kUpdated, kSpecFields, kSpecTransitions,
         "created_at", false, "task specifications: the steps of a PRD"},
    Kind{"executions", "execution", kExecutionAliases, "id", kUpdated, kExecutionFields,
         kExecutionTransitions, "started_at", true, "executions: runs of a task spec"},
    Kind{"dependencies",
         "dependency",
         kNoAliases,
         "id",
         kDependencyTimes,
         kDependencyFields,
         {},
         "created_at",
         true,
         "dependencies between executions"},
    Kind{"workflows",
         "workflow",
         kNoAliases,
         "id",
         kUpdated,
         kWorkflowFields,
         {},
         "created_at",
         true,
         "workflow definitions"},
    Kind{"repo_state",
         "repo",
         kNoAliases,
         "repo_path",
         kUpdated,
         kRepoFields,
         {},
         "updated_at",
         true,
         "states of other programs' syncs"},
};

constexpr bool transitions_name_states() {
    for (const Kind& kind : kKinds) {
        for (const Transition& transition : kind.transitions) {
            for (const Field& field : kind.fields) {
                if (field.name != "status") continue;
                bool from = false;
                bool to = false;
                for (const std::string_view state : field.choices) {
                    from = from || state == transition.from;
                    to = to || state == transition.to;
                }
                if (!from || !to || transition.from == transition.to) return false;
            }
        }
    }
    return true;
}
static_assert(std::ranges::equal(kKinds, kFoundingNames, {}, &Kind::collection));
static_assert(transitions_name_states(), "every transition goes between two states of its kind");

// One table of words that mean the same (docs/internals/glossary.md).
struct Word {
    std::string_view input;
    std::string_view meaning;
};
constexpr std::array kWords{
    Word{"completed", "complete"},  Word{"done", "complete"},       Word{"finished", "complete"},
    Word{"in_progress", "running"}, Word{"in-progress", "running"}, Word{"error", "failed"},
    Word{"canceled", "cancelled"},  Word{"open", "pending"},
};

}  // namespace

const Field* Kind::field(std::string_view name) const {
    const auto found = std::ranges::find(fields, name, &Field::name);
    return found == fields.end() ? nullptr : &*found;
}

ledger::Shape Kind::shape() const {
    ledger::Shape shape{std::string(id_member),
                        std::vector<std::string>(time_members.begin(), time_members.end()),
                        {}};
    for (const Field& field : fields) {
        if (field.setter != FieldSetter::user) shape.own_members.emplace_back(field.name);
    }
    return shape;
}

std::span<const Kind> kinds() {
    return kKinds;
}

const Kind* find_collection(std::string_view name) {
    return Catalogue::founding()->find_collection(name);
}

ledger::Shape shape_of_file(std::string_view path) {
    constexpr std::string_view kSuffix = ".jsonl";
    std::string name = os::name_of_path(path);
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
    const Kind* kind = find_collection(name);
    return kind != nullptr ? kind->shape() : ledger::Shape{};
}

const Kind* find_kind(std::string_view name) {
    return Catalogue::founding()->find_kind(name);
}

Result<std::string_view> parse_choice(const Field& field, std::string_view text) {
    const std::string lower = ascii::lowered(text);
    const auto find = [&](std::string_view word) -> const std::string_view* {
        const auto found = std::ranges::find_if(
            field.choices, [&](std::string_view choice) { return ascii::same_word(choice, word); });
        return found == field.choices.end() ? nullptr : &*found;
    };
    const auto exact = std::ranges::find(field.choices, text);
    if (exact != field.choices.end()) return *exact;
    if (const auto* choice = find(lower)) return *choice;
    for (const Word& word : kWords) {
        if (word.input == lower && find(word.meaning) != nullptr) return *find(word.meaning);
        // `active` and `pending` are what a running or open thing is called where there is no such
        // state.
        if (word.input == lower && word.meaning == "running" && find("active") != nullptr)
            return *find("active");
    }
    std::string list;
    for (const std::string_view choice : field.choices)
        list += (list.empty() ? "" : ", ") + std::string(choice);
    return fail(Code::invalid, "'" + std::string(text) + "' is no " + std::string(field.name) +
                                   " here: one of " + list);
}

std::string with_article(std::string_view noun) {
    const bool vowel =
        !noun.empty() && std::string_view("aeioAEIO").find(noun[0]) != std::string_view::npos;
    return (vowel ? "an " : "a ") + std::string(noun);
}

bool allowed(const Kind& kind, std::string_view from, std::string_view to) {
    // A status that another program made up is no place to be stuck in.
    const bool known = std::ranges::any_of(kind.transitions, [&](const Transition& transition) {
        return transition.from == from || transition.to == from;
    });
    return from == to || !known ||
           std::ranges::any_of(kind.transitions, [&](const Transition& transition) {
               return transition.from == from && transition.to == to;
           });
}

}  // namespace taskstore::records
