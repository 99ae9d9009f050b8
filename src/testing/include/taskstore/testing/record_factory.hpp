#pragma once
// Records for tests (floor 7): complete, unlike each other, the same for the same seed. Change the
// member that the test is about; the rest is filled in.
//
//   RecordFactory make;
//   Prd prd = make.prd();                    // "PRD 1"
//   prd.status = PrdStatus::ready;
//   TASKSTORE_LET(prd, store.collection<Prd>().create(prd));

#include <taskstore/base/clock.hpp>
#include <taskstore/records/planning.hpp>
#include <taskstore/taskstore.hpp>

namespace taskstore {

/// Makes values; writes nothing but in fill(). Not thread-safe.
class RecordFactory {
  public:
    explicit RecordFactory(std::uint64_t seed = 1) : x_random(seed) {}

    records::Prd prd();
    records::TaskSpec task_spec(const Id<records::Prd>& prd);
    records::Execution execution(const Id<records::TaskSpec>& task_spec);
    records::Dependency dependency(const Id<records::Execution>& from,
                                   const Id<records::Execution>& to);
    records::Workflow workflow();
    /// Words of one to three sentences, some of them not ASCII.
    std::string prose();

    /// What fill() has written, as it then stood.
    struct Filled {
        std::vector<records::Prd> prds;
        std::vector<records::TaskSpec> task_specs;
        std::vector<records::Execution> executions;
        std::vector<records::Dependency> dependencies;
        std::vector<records::Workflow> workflows;
    };
    /// A small plan that refers to itself throughout: a workflow; `prds` PRDs with two task specs
    /// each, an execution of each spec, and a dependency between a PRD's two executions.
    Result<Filled> fill(Store& store, std::size_t prds = 2);

  private:
    /// "PRD 1", "PRD 2", …
    std::string numbered(const char* what);

    SeededRandom x_random;
    int x_made = 0;
};

}  // namespace taskstore
