#include <taskstore/testing/record_factory.hpp>

#include <array>

namespace taskstore {

using records::Dependency;
using records::Execution;
using records::Prd;
using records::TaskSpec;
using records::Workflow;

std::string RecordFactory::numbered(const char* what) {
    return std::string(what) + " " + std::to_string(++x_made);
}

std::string RecordFactory::prose() {
    static constexpr std::array kWords{"index", "the",    "quickly", "\"quoted\"", "Größe",
                                       "搜索",  "before", "a\\b",    "🦊",         "release"};
    std::string text;
    const std::uint64_t count = 3 + x_random.next_u64() % 20;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (!text.empty()) text += i % 9 == 0 ? ".\n" : " ";
        text += kWords.at(x_random.next_u64() % kWords.size());
    }
    return text + ".";
}

Prd RecordFactory::prd() {
    return {.title = numbered("PRD"), .description = prose(), .content = "# Why\n\n" + prose()};
}

TaskSpec RecordFactory::task_spec(const Id<Prd>& prd) {
    return {.prd_id = prd,
            .phase_name = numbered("Phase"),
            .description = prose(),
            .assigned_to = "tester",
            .content = prose()};
}

Execution RecordFactory::execution(const Id<TaskSpec>& task_spec) {
    const std::string branch = numbered("branch");
    return {.ts_id = task_spec,
            .worktree_path = "/work trees/" + branch,
            .branch_name = branch,
            .current_phase = "testing"};
}

Dependency RecordFactory::dependency(const Id<Execution>& from, const Id<Execution>& to) {
    return {.from_exec_id = from,
            .to_exec_id = to,
            .dependency_type = records::DependencyType::share,
            .payload = prose()};
}

Workflow RecordFactory::workflow() {
    return {.name = numbered("workflow"),
            .description = prose(),
            .awl_code = "step one\nstep two\n",
            .version = "1"};
}

Result<RecordFactory::Filled> RecordFactory::fill(Store& store, std::size_t prds) {
    Filled out;
    TASKSTORE_LET(Workflow flow, store.collection<Workflow>().create(workflow()));
    for (std::size_t i = 0; i < prds; ++i) {
        TASKSTORE_LET(Prd one, store.collection<Prd>().create(prd()));
        std::vector<Id<Execution>> runs;
        for (int step = 0; step < 2; ++step) {
            TaskSpec draft = task_spec(one.id);
            draft.workflow_name = flow.name;
            TASKSTORE_LET(TaskSpec spec, store.collection<TaskSpec>().create(draft));
            TASKSTORE_LET(Execution run, store.collection<Execution>().create(execution(spec.id)));
            runs.push_back(run.id);
            out.task_specs.push_back(std::move(spec));
            out.executions.push_back(std::move(run));
        }
        TASKSTORE_LET(Dependency link,
                      store.collection<Dependency>().create(dependency(runs[0], runs[1])));
        out.dependencies.push_back(std::move(link));
        out.prds.push_back(std::move(one));
    }
    out.workflows.push_back(std::move(flow));
    return out;
}

}  // namespace taskstore
