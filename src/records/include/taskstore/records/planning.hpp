#pragma once
// The six planning kinds as structs (floor 4), each with its one declaration. Fields and spellings
// are those of the founding data model; times are ms UTC and set by the store.

#include <taskstore/records/declare.hpp>

namespace taskstore::records {

enum class PrdStatus : std::uint8_t { draft, ready, active, complete, cancelled };
enum class TaskSpecStatus : std::uint8_t { pending, running, complete, failed };
enum class ExecutionStatus : std::uint8_t { running, paused, complete, failed, stopped };
enum class DependencyType : std::uint8_t { notify, query, share };

/// Product requirements: what is to be built.
struct Prd {
    Id<Prd> id{};
    std::int64_t updated_at = 0;
    std::string revision{};
    std::string title{};
    std::string description{};
    std::int64_t created_at = 0;
    PrdStatus status = PrdStatus::draft;
    std::uint8_t review_passes = 0;
    std::string content{};
};

/// A step of a PRD.
struct TaskSpec {
    Id<TaskSpec> id{};
    std::int64_t updated_at = 0;
    std::string revision{};
    Id<Prd> prd_id{};
    std::string phase_name{};
    std::string description{};
    std::int64_t created_at = 0;
    TaskSpecStatus status = TaskSpecStatus::pending;
    std::optional<std::string> workflow_name{};
    std::optional<std::string> assigned_to{};
    std::string content{};
};

/// A run of a task spec.
struct Execution {
    Id<Execution> id{};
    std::int64_t updated_at = 0;
    std::string revision{};
    Id<TaskSpec> ts_id{};
    std::string worktree_path{};
    std::string branch_name{};
    ExecutionStatus status = ExecutionStatus::running;
    std::int64_t started_at = 0;
    std::optional<std::int64_t> completed_at{};
    std::optional<std::string> current_phase{};
    std::uint32_t iteration_count = 0;
    std::optional<std::string> error_message{};
};

/// What passes between two executions.
struct Dependency {
    Id<Dependency> id{};
    std::int64_t updated_at = 0;
    std::string revision{};
    Id<Execution> from_exec_id{};
    Id<Execution> to_exec_id{};
    DependencyType dependency_type = DependencyType::notify;
    std::int64_t created_at = 0;
    std::optional<std::int64_t> resolved_at{};  ///< Give it any value: the store sets its time.
    std::optional<std::string> payload{};
};

/// A workflow's definition.
struct Workflow {
    Id<Workflow> id{};
    std::int64_t updated_at = 0;
    std::string revision{};
    std::string name{};  ///< Unique.
    std::string description{};
    std::string awl_code{};
    std::optional<std::string> version{};
    std::int64_t created_at = 0;
    std::optional<std::string> content{};
};

/// The state of another program's sync; its id is the member repo_path.
struct RepoState {
    Id<RepoState> id{};
    std::int64_t updated_at = 0;
    std::string revision{};
    std::string last_synced_commit{};
};

template <>
struct Choices<PrdStatus> {
    static constexpr std::array<std::string_view, 5> names{"draft", "ready", "active", "complete",
                                                           "cancelled"};
};
template <>
struct Choices<TaskSpecStatus> {
    static constexpr std::array<std::string_view, 4> names{"pending", "running", "complete",
                                                           "failed"};
};
template <>
struct Choices<ExecutionStatus> {
    static constexpr std::array<std::string_view, 5> names{"running", "paused", "complete",
                                                           "failed", "stopped"};
    static constexpr std::array<std::string_view, 3> ends{"complete", "failed", "stopped"};
};
template <>
struct Choices<DependencyType> {
    static constexpr std::array<std::string_view, 3> names{"notify", "query", "share"};
};

inline constexpr Field kCreatedAt{.name = "created_at",
                                  .type = FieldType::time_ms,
                                  .indexed = true,
                                  .setter = FieldSetter::created,
                                  .help = "when it was created"};

template <>
struct Declaration<Prd> {
    static constexpr std::string_view collection = "prds";
    static constexpr auto fields = std::tuple{
        field(&Prd::title, {.name = "title", .required = true, .help = "one line that names it"}),
        field(&Prd::description,
              {.name = "description", .initial = "\"\"", .help = "what it is about"}),
        field(&Prd::created_at, kCreatedAt),
        field(
            &Prd::status,
            {.name = "status", .indexed = true, .initial = "\"draft\"", .help = "where it stands"}),
        field(
            &Prd::review_passes,
            {.name = "review_passes", .initial = "0", .help = "how often it was reviewed (0-255)"}),
        field(&Prd::content, {.name = "content",
                              .initial = "\"\"",
                              .document = true,
                              .help = "the document, Markdown"})};
};

template <>
struct Declaration<TaskSpec> {
    static constexpr std::string_view collection = "task_specs";
    static constexpr auto fields = std::tuple{
        field(&TaskSpec::prd_id, {.name = "prd_id",
                                  .required = true,
                                  .indexed = true,
                                  .refers_to = "prds",
                                  .help = "the PRD that it belongs to"}),
        field(&TaskSpec::phase_name,
              {.name = "phase_name", .required = true, .help = "one line that names it"}),
        field(&TaskSpec::description,
              {.name = "description", .initial = "\"\"", .help = "what is to be done"}),
        field(&TaskSpec::created_at, kCreatedAt),
        field(&TaskSpec::status, {.name = "status",
                                  .indexed = true,
                                  .initial = "\"pending\"",
                                  .help = "where it stands"}),
        field(&TaskSpec::workflow_name, {.name = "workflow_name",
                                         .refers_to = "workflows",
                                         .help = "the workflow that carries it out"}),
        field(&TaskSpec::assigned_to, {.name = "assigned_to", .help = "who works on it"}),
        field(&TaskSpec::content, {.name = "content",
                                   .initial = "\"\"",
                                   .document = true,
                                   .help = "the specification, Markdown"})};
};

template <>
struct Declaration<Execution> {
    static constexpr std::string_view collection = "executions";
    static constexpr auto fields = std::tuple{
        field(&Execution::ts_id, {.name = "ts_id",
                                  .required = true,
                                  .indexed = true,
                                  .refers_to = "task_specs",
                                  .help = "the task spec that it carries out"}),
        field(&Execution::worktree_path,
              {.name = "worktree_path", .initial = "\"\"", .help = "where it works"}),
        field(&Execution::branch_name,
              {.name = "branch_name", .initial = "\"\"", .help = "the branch that it works on"}),
        field(&Execution::status, {.name = "status",
                                   .indexed = true,
                                   .initial = "\"running\"",
                                   .help = "where it stands"}),
        field(&Execution::started_at, {.name = "started_at",
                                       .type = FieldType::time_ms,
                                       .indexed = true,
                                       .setter = FieldSetter::created,
                                       .help = "when it started"}),
        field(&Execution::completed_at, {.name = "completed_at",
                                         .type = FieldType::time_ms,
                                         .setter = FieldSetter::entered,
                                         .choices = Choices<ExecutionStatus>::ends,
                                         .help = "when it ended"}),
        field(&Execution::current_phase, {.name = "current_phase", .help = "what it is doing"}),
        field(&Execution::iteration_count,
              {.name = "iteration_count", .initial = "0", .help = "how often it went round"}),
        field(&Execution::error_message, {.name = "error_message", .help = "why it failed"})};
};

template <>
struct Declaration<Dependency> {
    static constexpr std::string_view collection = "dependencies";
    static constexpr auto fields = std::tuple{
        field(&Dependency::from_exec_id, {.name = "from_exec_id",
                                          .required = true,
                                          .indexed = true,
                                          .refers_to = "executions",
                                          .help = "the execution that waits or tells"}),
        field(&Dependency::to_exec_id, {.name = "to_exec_id",
                                        .required = true,
                                        .indexed = true,
                                        .refers_to = "executions",
                                        .help = "the execution that is waited for or told"}),
        field(&Dependency::dependency_type,
              {.name = "dependency_type", .required = true, .help = "what passes between them"}),
        field(&Dependency::created_at, kCreatedAt),
        field(&Dependency::resolved_at, {.name = "resolved_at",
                                         .type = FieldType::time_ms,
                                         .setter = FieldSetter::marked,
                                         .help = "when it was resolved"}),
        field(&Dependency::payload, {.name = "payload", .help = "what is passed"})};
};

template <>
struct Declaration<Workflow> {
    static constexpr std::string_view collection = "workflows";
    static constexpr auto fields = std::tuple{
        field(&Workflow::name, {.name = "name",
                                .required = true,
                                .indexed = true,
                                .unique = true,
                                .help = "its name, unique"}),
        field(&Workflow::description,
              {.name = "description", .initial = "\"\"", .help = "what it does"}),
        field(&Workflow::awl_code, {.name = "awl_code",
                                    .initial = "\"\"",
                                    .document = true,
                                    .help = "its definition, AWL"}),
        field(&Workflow::version, {.name = "version", .help = "its version"}),
        field(&Workflow::created_at, kCreatedAt),
        field(&Workflow::content, {.name = "content", .document = true, .help = "further text"})};
};

template <>
struct Declaration<RepoState> {
    static constexpr std::string_view collection = "repo_state";
    static constexpr auto fields = std::tuple{
        field(&RepoState::last_synced_commit, {.name = "last_synced_commit",
                                               .initial = "\"\"",
                                               .help = "the commit that was synced last"})};
};

}  // namespace taskstore::records
