// Structs as records: one declaration, both ways.
#include "plan_process.hpp"

#include <taskstore/records/collection.hpp>
#include <taskstore/records/planning.hpp>

#include <gtest/gtest.h>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::Process;

TEST(Collections, AStructComesBackAsItWentIn) {
    auto disk = new_disk();
    Process p(*disk);
    Collection<Prd> prds(*p);
    const auto made = prds.create({.title = "a \"title\"\n2",
                                   .description = "wide: 漢字",
                                   .status = PrdStatus::ready,
                                   .review_passes = 255,
                                   .content = "# text"});
    ASSERT_TRUE(made) << made.error().message;
    const auto got = prds.get(made->id);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->title, "a \"title\"\n2");
    EXPECT_EQ(got->description, "wide: 漢字");
    EXPECT_EQ(got->status, PrdStatus::ready);
    EXPECT_EQ(got->review_passes, 255);
    EXPECT_EQ(got->content, "# text");
    EXPECT_GT(got->created_at, 0);
    EXPECT_EQ(got->created_at, got->updated_at);
    EXPECT_EQ(got->revision, made->revision);
}

TEST(Collections, AnUpdateWritesOnlyWhatDiffersAndRefusesAStaleRevision) {
    auto disk = new_disk();
    Process p(*disk);
    Collection<Prd> prds(*p);
    const auto made = prds.create({.title = "one"});
    ASSERT_TRUE(made);
    const auto same = prds.update(*made);
    ASSERT_TRUE(same) << same.error().message;
    EXPECT_EQ(same->revision, made->revision);
    EXPECT_EQ(p->history("prds", made->id.text())->size(), 1U);

    Prd changed = *made;
    changed.status = PrdStatus::active;
    ASSERT_TRUE(prds.update(changed));
    EXPECT_EQ(p->history("prds", made->id.text())->back().changed.size(), 1U);
    EXPECT_EQ(prds.update(changed).error().code, Code::conflict);
    changed.revision.clear();
    changed.title = "two";
    EXPECT_EQ(prds.update(changed)->title, "two");
}

TEST(Collections, OptionalsAreNullAndStoreTimesAreSet) {
    auto disk = new_disk();
    Process p(*disk);
    const auto prd = Collection<Prd>(*p).create({.title = "one"});
    const auto spec = Collection<TaskSpec>(*p).create({.prd_id = prd->id, .phase_name = "step"});
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->assigned_to, std::nullopt);
    Collection<Execution> executions(*p);
    auto run = executions.create({.ts_id = spec->id, .iteration_count = 4294967295U});
    ASSERT_TRUE(run) << run.error().message;
    EXPECT_EQ(run->completed_at, std::nullopt);
    run->status = ExecutionStatus::failed;
    run->error_message = "no disk";
    const auto failed = executions.update(*run);
    ASSERT_TRUE(failed) << failed.error().message;
    EXPECT_EQ(failed->completed_at, failed->updated_at);
    EXPECT_EQ(failed->error_message, "no disk");
    EXPECT_EQ(failed->iteration_count, 4294967295U);
    const auto next = executions.create({.ts_id = spec->id});
    const auto tie = Collection<Dependency>(*p).create({.from_exec_id = run->id,
                                                        .to_exec_id = next->id,
                                                        .dependency_type = DependencyType::share});
    ASSERT_TRUE(tie) << tie.error().message;
    EXPECT_EQ(tie->dependency_type, DependencyType::share);
    EXPECT_EQ(tie->resolved_at, std::nullopt);
    Collection<Dependency> dependencies(*p);
    Dependency resolved = *tie;
    resolved.resolved_at = 5;  // any value: the time is the store's
    const auto done = dependencies.update(resolved);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->resolved_at, done->updated_at);
    resolved = *done;
    resolved.payload = "later";
    EXPECT_EQ(dependencies.update(resolved)->resolved_at, done->resolved_at);
    resolved = *dependencies.get(done->id);
    resolved.resolved_at.reset();
    EXPECT_EQ(dependencies.update(resolved)->resolved_at, std::nullopt);
}

TEST(Collections, ListsFilterAndNameWhatDoesNotFit) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl",
                   "{\"id\":\"odd\",\"title\":7,\"status\":\"draft\",\"updated_at\":5}\n"
                   "{\"id\":\"old\",\"title\":\"x\",\"status\":\"COMPLETED\",\"updated_at\":6,"
                   "\"extra\":[1]}\n");
    Process p(*disk);
    ASSERT_TRUE(p.opened) << p.opened.error().message;
    Collection<Prd> prds(*p);
    ASSERT_TRUE(prds.create({.title = "new", .status = PrdStatus::ready}));
    const auto all = prds.list();
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_EQ(all->records.size(), 2U);
    ASSERT_EQ(all->misfits.size(), 1U);
    EXPECT_EQ(all->misfits[0].message, "prds 'odd': title is 7, not text");
    EXPECT_EQ(prds.get(Id<Prd>("old"))->status, PrdStatus::complete);
    const auto ready = prds.list({.filter = Filter::compare("status", Op::eq, "\"ready\"")});
    ASSERT_EQ(ready->records.size(), 1U);
    EXPECT_EQ(ready->records[0].title, "new");
    EXPECT_EQ(*prds.count(), 3);
    // What nobody declared stays where it is.
    Prd old = *prds.get(Id<Prd>("old"));
    old.title = "renamed";
    ASSERT_TRUE(prds.update(old));
    EXPECT_EQ(Json::parse(p->get("prds", "old")->data)->get("extra").to_text(), "[1]");
}

}  // namespace
}  // namespace taskstore::records
