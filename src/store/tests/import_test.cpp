#include "scratch_plan.hpp"

namespace taskstore::store {
namespace {

const std::string kTracker =
    R"({"id":"x-1","title":"Epic","issue_type":"epic","status":"in_progress","created_at":"2025-01-02T03:04:05.678901Z","priority":1})"
    "\n"
    R"({"id":"x-2","title":"Step","description":"how","status":"closed","issue_type":"task","assignee":"kay","labels":["a", "b"],"estimate":1.10,"dependencies":[{"issue_id":"x-2","depends_on_id":"x-1","type":"parent-child"}],"updated_at":"2025-02-01T00:00:00Z"})"
    "\n"
    R"({"id":"x-3","title":"Sub","status":"sideways","parent":"x-2","content":7})"
    "\n"
    R"({"id":"x-4","title":"Gone","status":"tombstone"})"
    "\n"
    R"({"id":"x-5","title":"Loose","status":"open"})"
    "\n";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

TEST(Import, EpicsBecomePrdsAndIssuesTheirSpecs) {
    ScratchPlan plan;
    const auto report = plan.take(kTracker);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->format, (exchange::Format{exchange::Syntax::json, exchange::Kind::tracker}));
    EXPECT_EQ(report->collections.at("prds").created, 2);
    EXPECT_EQ(report->collections.at("task_specs").created, 3);
    EXPECT_EQ(report->skipped.at("deleted in the source"), 1);
    EXPECT_TRUE(report->complete());
    ASSERT_EQ(report->notes.size(), 1U);
    EXPECT_NE(report->notes[0].find("'sideways'"), std::string::npos);

    const Json epic = plan.get("prds", "x-1");
    EXPECT_EQ(epic.get("status").as_string(), "active");
    EXPECT_EQ(epic.get("created_at").as_int64(), 1'735'787'045'678);
    EXPECT_EQ(epic.get("priority").to_text(), "1");
    EXPECT_EQ(epic.get("_import").get("tracker").get("was").get("created_at").as_string(),
              "2025-01-02T03:04:05.678901Z");

    const Json step = plan.get("task_specs", "x-2");
    EXPECT_EQ(step.get("prd_id").as_string(), "x-1");
    EXPECT_EQ(step.get("phase_name").as_string(), "Step");
    EXPECT_EQ(step.get("description").as_string(), "how");
    EXPECT_EQ(step.get("status").as_string(), "complete");
    EXPECT_EQ(step.get("assigned_to").as_string(), "kay");
    EXPECT_EQ(step.get("estimate").to_text(), "1.10");
    EXPECT_FALSE(step.has("title"));
    EXPECT_EQ(step.get("_import").get("tracker").get("was").get("status").as_string(), "closed");
    EXPECT_NE(plan->get("task_specs", "x-2")->data.find("\"labels\":[\"a\", \"b\"]"),
              std::string::npos);

    const Json sub = plan.get("task_specs", "x-3");
    EXPECT_EQ(sub.get("prd_id").as_string(), "x-1");
    EXPECT_EQ(sub.get("status").as_string(), "pending");
    EXPECT_EQ(sub.get("content").as_string(), "7");
    EXPECT_EQ(sub.get("_import").get("tracker").get("was").get("content").to_text(), "7");
    const Json loose = plan.get("task_specs", "x-5");
    EXPECT_EQ(plan.get("prds", *loose.get("prd_id").as_string()).get("title").as_string(),
              "source");
    EXPECT_TRUE(plan->findings()->empty());
}

TEST(Import, TwiceChangesNothing) {
    ScratchPlan plan;
    ASSERT_TRUE(plan.take(kTracker));
    const std::string hash = *plan->state_hash();
    const auto again = plan.take(kTracker);
    EXPECT_EQ(again->collections.at("prds").unchanged, 1);
    EXPECT_EQ(again->collections.at("task_specs").unchanged, 3);
    EXPECT_EQ(*plan->state_hash(), hash);
}

TEST(Import, WhatPeopleChangedStandsUntilTheSourceChangesTheSame) {
    ScratchPlan plan;
    ASSERT_TRUE(plan.take(kTracker));
    ASSERT_TRUE(plan->update("task_specs", "x-2", {{"assigned_to", "\"lee\""}, {"estimate", "3"}}));
    ASSERT_TRUE(plan.take(kTracker));
    EXPECT_EQ(plan.get("task_specs", "x-2").get("assigned_to").as_string(), "lee");

    const auto report = plan.take(replaced(kTracker, "\"how\"", "\"how then\""));
    EXPECT_EQ(report->collections.at("task_specs").updated, 1);
    EXPECT_TRUE(report->replaced.empty());
    Json step = plan.get("task_specs", "x-2");
    EXPECT_EQ(step.get("description").as_string(), "how then");
    EXPECT_EQ(step.get("assigned_to").as_string(), "lee");
    EXPECT_EQ(step.get("estimate").to_text(), "3");

    const auto both = plan.take(replaced(replaced(kTracker, "\"how\"", "\"how then\""),
                                         "\"estimate\":1.10,", "\"estimate\":2,"));
    EXPECT_EQ(both->replaced, std::vector<std::string>{"task_specs x-2 estimate"});
    step = plan.get("task_specs", "x-2");
    EXPECT_EQ(step.get("estimate").to_text(), "2");
    EXPECT_EQ(step.get("assigned_to").as_string(), "lee");
}

TEST(Import, WhatTheSourceLeavesOutIsTakenAwayUnlessChangedHere) {
    ScratchPlan plan;
    ASSERT_TRUE(plan.take(kTracker));
    ASSERT_TRUE(plan->update("task_specs", "x-2", {{"estimate", "3"}}));
    ASSERT_TRUE(plan.take(
        replaced(replaced(kTracker, "\"estimate\":1.10,", ""), "\"labels\":[\"a\", \"b\"],", "")));
    const Json step = plan.get("task_specs", "x-2");
    EXPECT_FALSE(step.has("labels"));
    EXPECT_EQ(step.get("estimate").to_text(), "3");
}

TEST(Import, DeletionsStandOnBothSides) {
    ScratchPlan plan;
    ASSERT_TRUE(plan.take(kTracker));
    ASSERT_TRUE(plan->remove("task_specs", "x-5"));
    const auto report =
        plan.take(replaced(kTracker, "\"status\":\"sideways\"", "\"status\":\"tombstone\""));
    EXPECT_EQ(report->collections.at("task_specs").deleted, 1);
    EXPECT_EQ(report->skipped.at("deleted here (--revive takes them in again)"), 1);
    EXPECT_FALSE(plan->get("task_specs", "x-3"));
    EXPECT_FALSE(plan->get("task_specs", "x-5"));
    ASSERT_TRUE(plan.take(kTracker, {.revive = true}));
    EXPECT_TRUE(plan->get("task_specs", "x-5"));
}

TEST(Import, ARecordMadeHereIsOnlyGivenWhatTheSourceSays) {
    ScratchPlan plan;
    ASSERT_TRUE(plan->create("prds", {{"title", "\"Mine\""}, {"content", "\"text\""}}, "x-1"));
    ASSERT_TRUE(plan.take(kTracker));
    const Json epic = plan.get("prds", "x-1");
    EXPECT_EQ(epic.get("title").as_string(), "Epic");
    EXPECT_EQ(epic.get("content").as_string(), "text");
}

TEST(Import, DamagedLinesAreListedAndTheRestIsTakenIn) {
    ScratchPlan plan;
    const std::string text = kTracker + "{\"id\":\"x-6\",\"title\":}\n" +
                             R"({"id":"x-1","title":"again","status":"open"})" + "\n";
    const auto report = plan.take(text);
    ASSERT_EQ(report->damaged.size(), 2U);
    EXPECT_EQ(report->damaged[0].line, 6);
    EXPECT_EQ(report->damaged[0].column, 21);
    EXPECT_EQ(report->damaged[1].line, 7);
    EXPECT_NE(report->damaged[1].reason.find("twice"), std::string::npos);
    EXPECT_FALSE(report->complete());
    EXPECT_EQ(plan.get("prds", "x-1").get("title").as_string(), "Epic");

    ScratchPlan strict;
    const auto refused = strict.take(text, {.strict = true});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("line 6 column 21"), std::string::npos);
    EXPECT_EQ(*strict->count({.collection = "prds"}), 0);
}

TEST(Import, ADryRunWritesNothing) {
    ScratchPlan plan;
    const auto report = plan.take(kTracker, {.dry_run = true});
    EXPECT_EQ(report->collections.at("task_specs").created, 3);
    EXPECT_EQ(*plan->count({.collection = "task_specs"}), 0);
}

TEST(Import, ACollectionTakesRecordsAsTheyAre) {
    ScratchPlan plan;
    const std::string csv = "id,colour,n\na,red,1\nb,,2.50\n,blue,3\n";
    const auto report = plan.take(csv, {.to = "things"});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->collections.at("things").created, 2);
    ASSERT_EQ(report->damaged.size(), 1U);
    EXPECT_EQ(report->damaged[0].reason, "it has no id");
    EXPECT_EQ(plan.get("things", "b").get("n").to_text(), "2.50");
    EXPECT_FALSE(plan.get("things", "b").has("colour"));
    ASSERT_TRUE(plan->update("things", "a", {{"colour", "\"green\""}}));
    ASSERT_TRUE(plan.take("id,colour,n\na,red,7\n", {.to = "things"}));
    EXPECT_EQ(plan.get("things", "a").get("colour").as_string(), "green");
    EXPECT_EQ(plan.get("things", "a").get("n").to_text(), "7");
    EXPECT_EQ(plan.take("id,colour\na,red\n").error().code, Code::invalid);
}

TEST(Import, ADeclaredCollectionTakesWhatItsFieldsHold) {
    ScratchPlan plan;
    const auto report = plan.take(
        R"({"id":"a","title":"A","status":"done","created_at":"2024-01-31","colour":"red"})"
        "\n"
        R"({"id":"b","status":"ready"})"
        "\n",
        {.to = "prds"});
    ASSERT_TRUE(report) << report.error().message;
    ASSERT_EQ(report->damaged.size(), 1U);
    EXPECT_EQ(report->damaged[0].line, 2);
    EXPECT_EQ(report->damaged[0].reason, "a prd needs title");
    const Json a = plan.get("prds", "a");
    EXPECT_EQ(a.get("status").as_string(), "complete");
    EXPECT_EQ(a.get("created_at").as_int64(), 1'706'659'200'000);
    EXPECT_EQ(a.get("colour").as_string(), "red");
    EXPECT_TRUE(plan->findings()->empty());
}

TEST(Import, RowsWithoutAnIdGetTheSameOneEachTime) {
    ScratchPlan plan;
    const std::string csv = "Title,Status,Project\nOne,done,P\nOne,open,P\nTwo,open,\n";
    ASSERT_TRUE(plan.take(csv, {.name = "t.csv"}));
    EXPECT_EQ(*plan->count({.collection = "task_specs"}), 3);
    EXPECT_EQ(*plan->count({.collection = "prds"}), 2);
    const std::string hash = *plan->state_hash();
    ASSERT_TRUE(plan.take(csv, {.name = "t.csv.gz"}));
    EXPECT_EQ(*plan->state_hash(), hash);
}

TEST(Import, ChecklistsFollowTheirTicks) {
    ScratchPlan plan;
    ASSERT_TRUE(plan.take("# A\n- [ ] one\n- [ ] two\n", {.name = "a.md"}));
    const auto page = plan->list({.collection = "task_specs"});
    ASSERT_EQ(page->records.size(), 2U);
    const std::string two = page->records[1].id;
    ASSERT_TRUE(plan->update("task_specs", two, {{"status", "\"complete\""}}));
    ASSERT_TRUE(plan.take("# A\n- [x] one\n- [ ] two\n", {.name = "a.md"}));
    EXPECT_EQ(plan.get("task_specs", page->records[0].id).get("status").as_string(), "complete");
    EXPECT_EQ(plan.get("task_specs", two).get("status").as_string(), "complete");
}

TEST(Import, SourcesOfTwoKindsLeaveEachOtherAlone) {
    ScratchPlan plan;
    ASSERT_TRUE(plan.take(kTracker));
    std::string list = plan.give({.format = ExportFormat::markdown});
    const std::string hash = *plan->state_hash();
    ASSERT_TRUE(plan.take(list, {.name = "list.md"}));
    EXPECT_EQ(*plan->state_hash(), hash);
    list = replaced(list, "- [ ] Loose", "- [x] Loose");
    ASSERT_TRUE(plan.take(list, {.name = "list.md"}));
    Json loose = plan.get("task_specs", "x-5");
    EXPECT_EQ(loose.get("status").as_string(), "complete");
    EXPECT_EQ(loose.get("_import").names(), (std::vector<std::string>{"tracker", "markdown"}));
    // Neither source has changed since: what people do stands.
    ASSERT_TRUE(plan->update("task_specs", "x-5", {{"status", "\"pending\""}}));
    ASSERT_TRUE(plan.take(list, {.name = "list.md"}));
    ASSERT_TRUE(plan.take(kTracker));
    loose = plan.get("task_specs", "x-5");
    EXPECT_EQ(loose.get("status").as_string(), "pending");
}

TEST(Import, UnderAnotherNameItChangesNothing) {
    ScratchPlan plan;
    ASSERT_TRUE(plan.take(kTracker));
    const std::string hash = *plan->state_hash();
    for (const char* name : {"stdin", "elsewhere/copy.json", "plans/source.jsonl.gz"}) {
        const auto again = plan.take(kTracker, {.name = name});
        ASSERT_TRUE(again);
        EXPECT_EQ(again->collections.at("task_specs").unchanged, 3) << name;
        EXPECT_EQ(again->collections.at("prds").created, 0) << name;
        EXPECT_EQ(*plan->state_hash(), hash) << name;
    }
    const std::string changed = replaced(kTracker, "\"Loose\"", "\"Looser\"");
    const std::string was = *plan.get("task_specs", "x-5").get("prd_id").as_string();
    ASSERT_TRUE(plan.take(changed, {.name = "third.jsonl"}));
    EXPECT_EQ(plan.get("task_specs", "x-5").get("phase_name").as_string(), "Looser");
    EXPECT_EQ(plan.get("task_specs", "x-5").get("prd_id").as_string(), was);
    EXPECT_EQ(*plan->count({.collection = "prds"}), 2);
}

TEST(Import, ASpecWithoutAParentStaysWherePeoplePutIt) {
    ScratchPlan plan;
    ASSERT_TRUE(plan.take(kTracker));
    ASSERT_TRUE(plan->update("task_specs", "x-5", {{"prd_id", "\"x-1\""}}));
    const std::string hash = *plan->state_hash();
    ASSERT_TRUE(plan.take(kTracker, {.name = "other.jsonl"}));
    EXPECT_EQ(*plan->state_hash(), hash);
    // The source names a parent of its own now.
    const std::string text = replaced(kTracker, R"("Loose",)", R"("Loose","parent":"x-0",)") +
                             R"({"id":"x-0","title":"Other","issue_type":"epic","status":"open"})" +
                             "\n";
    ASSERT_TRUE(plan.take(text));
    EXPECT_EQ(plan.get("task_specs", "x-5").get("prd_id").as_string(), "x-0");
}

TEST(Import, ASpecMadeHereKeepsItsParentAndNoEmptyPrdIsMade) {
    ScratchPlan plan;
    ASSERT_TRUE(plan->create("prds", {{"title", "\"Mine\""}}, "mine"));
    ASSERT_TRUE(
        plan->create("task_specs", {{"prd_id", "\"mine\""}, {"phase_name", "\"Old\""}}, "x-5"));
    ASSERT_TRUE(plan.take(R"({"id":"x-5","title":"Loose","status":"open"})"
                          "\n"));
    EXPECT_EQ(plan.get("task_specs", "x-5").get("prd_id").as_string(), "mine");
    EXPECT_EQ(plan.get("task_specs", "x-5").get("phase_name").as_string(), "Loose");
    EXPECT_EQ(*plan->count({.collection = "prds"}), 1);
}

TEST(Import, AProjectIsOnePrdWhateverTheFileIsCalled) {
    ScratchPlan plan;
    const std::string tasks =
        R"([{"uuid":"u1","description":"a","status":"pending","project":"Home"}])";
    ASSERT_TRUE(plan.take(tasks, {.name = "one.json"}));
    const std::string hash = *plan->state_hash();
    ASSERT_TRUE(plan.take(tasks, {.name = "stdin"}));
    EXPECT_EQ(*plan->state_hash(), hash);
    // Milestones of two repositories are two.
    const auto issue = [](const std::string& repository) {
        return R"([{"number":1,"title":"T","state":"open","milestone":{"title":"v1"},)"
               R"("html_url":"https://github.com/)" +
               repository + R"(/issues/1"}])";
    };
    ASSERT_TRUE(plan.take(issue("a/b"), {.name = "1.json"}));
    ASSERT_TRUE(plan.take(issue("a/c"), {.name = "2.json"}));
    EXPECT_EQ(*plan->count({.collection = "prds"}), 3);
}

TEST(Import, APlanAndItsSpecMayShareAnId) {
    ScratchPlan plan;
    const std::string list =
        "# One <!-- taskstore:x -->\n\n- [x] Step <!-- taskstore:x -->\n"
        "- [ ] Next <!-- taskstore:y -->\n";
    const auto report = plan.take(list, {.name = "a.md"});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->complete());
    EXPECT_EQ(plan.get("task_specs", "x").get("prd_id").as_string(), "x");
    EXPECT_EQ(plan.get("task_specs", "x").get("status").as_string(), "complete");
    EXPECT_EQ(plan.get("task_specs", "y").get("prd_id").as_string(), "x");
}

TEST(Import, WhatIsEmptyIsToldAlike) {
    for (const char* text : {"", " \n\n", "\xEF\xBB\xBF", "[]", "[ ]\n", "[[],[]]", "id,title\n"}) {
        ScratchPlan plan;
        const auto report = plan.take(text);
        ASSERT_TRUE(report) << text << report.error().message;
        EXPECT_TRUE(report->empty()) << text;
        const auto strict = plan.take(text, {.strict = true});
        ASSERT_FALSE(strict) << text;
        EXPECT_EQ(strict.error().code, Code::failed) << text;
        EXPECT_NE(strict.error().message.find("nothing to import"), std::string::npos);
    }
}

TEST(Import, WhatHoldsNoWholeRecordIsAnErrorThatSaysWhere) {
    ScratchPlan plan;
    for (const char* text : {"[{\"number\":1,", "{\"id\":", "[1,2]"}) {
        const auto cut = plan.take(text);
        ASSERT_FALSE(cut) << text;
        EXPECT_EQ(cut.error().code, Code::invalid) << text;
        EXPECT_NE(cut.error().message.find("line 1"), std::string::npos) << cut.error().message;
    }
    const auto github = plan.take("[{\"number\":1,", {.from = exchange::Kind::github});
    ASSERT_FALSE(github);
    EXPECT_NE(github.error().message.find("does not end"), std::string::npos);
    // Rows that are all none leave nothing either.
    const auto rows = plan.take("number,title\n1,One\n", {.from = exchange::Kind::github});
    ASSERT_FALSE(rows);
    EXPECT_NE(rows.error().message.find("line 1"), std::string::npos) << rows.error().message;
}

TEST(Import, ADeclarationOfAnExportIsTakenInOnce) {
    ScratchPlan from;
    const std::string schema =
        "{\n  \"type\": \"object\",\n  \"properties\": {\"n\": {\"type\": "
        "\"integer\", \"maximum\": 5}}\n}\n";
    ASSERT_TRUE(from->declare({.name = "bugs", .schema = schema, .indexes = {{"n"}}},
                              records::Declare::add));
    ASSERT_TRUE(from->declare({.name = "empty", .schema = "{}"}, records::Declare::add));
    ASSERT_TRUE(from->create("bugs", {{"n", "3"}}, "b1"));
    const std::string text = from.give();
    const auto file_of = [](ScratchPlan& plan, std::string_view name) {
        const auto catalogue = plan->catalogue();
        const auto* const one = (*catalogue)->schema_of(name);
        return one == nullptr ? std::string() : std::string(one->file_text());
    };

    ScratchPlan to;
    const auto dry = to.take(text, {.dry_run = true});
    ASSERT_TRUE(dry) << dry.error().message;
    EXPECT_EQ(dry->declared, (std::vector<std::string>{"bugs", "empty"}));
    EXPECT_EQ(file_of(to, "bugs"), "");
    const auto first = to.take(text, {.strict = true});
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->declared, (std::vector<std::string>{"bugs", "empty"}));
    EXPECT_EQ(file_of(to, "bugs"), file_of(from, "bugs"));
    EXPECT_EQ(file_of(to, "empty"), file_of(from, "empty"));
    EXPECT_EQ(to.get("bugs", "b1").get("n").to_text(), "3");
    EXPECT_EQ(to.give().size(), text.size());
    const auto again = to.take(text);
    EXPECT_TRUE(again->declared.empty());
    EXPECT_TRUE(again->notes.empty());

    // What is declared here stands.
    ScratchPlan other;
    ASSERT_TRUE(other->declare({.name = "bugs", .schema = "{}"}, records::Declare::add));
    const auto unlike = other.take(text);
    ASSERT_TRUE(unlike);
    EXPECT_EQ(unlike->declared, std::vector<std::string>{"empty"});
    ASSERT_EQ(unlike->notes.size(), 1U);
    EXPECT_NE(unlike->notes[0].find("'bugs'"), std::string::npos);
    EXPECT_NE(file_of(other, "bugs"), file_of(from, "bugs"));
}

TEST(Import, ADamagedDeclarationIsTold) {
    ScratchPlan plan;
    for (const char* line : {R"({"_declares":"bugs","schema":"{\"type\": 7}"})",
                             R"({"_declares":"prds","schema":"{}"})",
                             R"({"_declares":"../x","schema":"{}"})", R"({"_declares":"bugs"})"}) {
        const std::string text =
            std::string(line) + "\n" + R"({"_collection":"bugs","id":"b1"})" + "\n";
        const auto report = plan.take(text);
        ASSERT_TRUE(report) << line << report.error().message;
        ASSERT_EQ(report->damaged.size(), 1U) << line;
        EXPECT_EQ(report->damaged[0].line, 1);
        EXPECT_FALSE(plan.take(text, {.strict = true})) << line;
    }
    EXPECT_TRUE(plan->get("bugs", "b1"));
}

TEST(Import, AnUnreadableSourceLeavesNothingBehind) {
    ScratchPlan plan;
    std::string text;
    for (int i = 0; i < 9000; ++i)
        text += R"({"id":")" + std::to_string(i) + R"(","title":"T","status":"open"})" + "\n";
    int opened = 0;
    ImportRequest request;
    request.name = "x";
    request.open = [&]() -> Result<std::unique_ptr<exchange::ByteSource>> {
        ++opened;
        // gzip that breaks off.
        return exchange::text_source(std::string_view("\x1F\x8B\x08\0\0\0\0\0\0\x03+I", 12));
    };
    FakeClock clock;
    ScratchPlan other;
    const auto report = import_records(*other.operator->(), clock, request);
    EXPECT_EQ(report.error().code, Code::corrupt);
    EXPECT_EQ(*other->count({.collection = "task_specs"}), 0);
}

}  // namespace
}  // namespace taskstore::store
