#include "scratch_plan.hpp"

#include <map>
#include <random>

namespace taskstore::store {
namespace {

std::string pick(std::mt19937_64& random, const std::vector<std::string>& from) {
    return from[random() % from.size()];
}

std::string raw_text(std::mt19937_64& random) {
    std::string text;
    for (std::uint64_t n = random() % 4; n > 0; --n) {
        text += pick(random, {"a b", "1", "true", "\"", ",", "\n", "\r\n", "é", "[1]", "# h",
                              "- [ ] x", "😀", " ", "```"});
    }
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

/// PRDs, specs with members that nobody declared, and a collection of anything.
void fill(records::Plan& plan, std::mt19937_64& random) {
    std::vector<records::Write> writes;
    for (int p = 0; p < 4; ++p) {
        const std::string prd = "p" + std::to_string(p);
        writes.push_back({.collection = "prds",
                          .id = prd,
                          .changes = {{"title", "\"T " + prd + "\""},
                                      {"content", raw_text(random)},
                                      {"status", pick(random, {"\"draft\"", "\"active\""})}}});
        for (std::uint64_t s = random() % 4; s > 0; --s) {
            writes.push_back({.collection = "task_specs",
                              .id = prd + "-" + std::to_string(s) + pick(random, {"", " é", "--"}),
                              .changes = {{"prd_id", "\"" + prd + "\""},
                                          {"phase_name", "\"step " + std::to_string(s) + "\""},
                                          {"content", raw_text(random)},
                                          {"status", pick(random, {"\"pending\"", "\"complete\"",
                                                                   "\"failed\""})},
                                          {"description", raw_text(random)},
                                          {"workflow_name", "null"},
                                          {"assigned_to", "null"},
                                          {"created_at", std::to_string(random() % 1'000'000)},
                                          {"labels", "[\"a\", 1.10]"}},
                              .verbatim = true});
        }
    }
    for (int n = 0; n < 10; ++n) {
        std::vector<ledger::Change> changes{{"text", raw_text(random)}};
        for (const char* name : {"n", "_collection", "a,b", "\"", "_import"}) {
            if (random() % 2 == 0)
                changes.push_back({name, pick(random, {"1", "1.10", "null", "true", "{}",
                                                       "[\"x\", 2]", "\"1\"", "\"\""})});
        }
        writes.push_back({.collection = "notes-" + std::to_string(n % 2),
                          .id = "n" + std::to_string(n),
                          .changes = std::move(changes)});
    }
    ASSERT_TRUE(plan.write(std::move(writes)));
}

/// Records by collection and id, without the time that an import sets anew.
std::map<std::string, Json> all_of(ScratchPlan& plan) {
    std::map<std::string, Json> out;
    const auto collections = plan->collections();
    for (const auto& [name, count] : *collections) {
        const auto page = plan->list({.collection = name});
        for (const records::Record& record : page->records) {
            std::string data = record.data;
            const std::size_t at = data.find("\"updated_at\":");
            const std::size_t end = data.find_first_of(",}", at);
            data.replace(at, end - at, "\"updated_at\":0");
            out[name + " " + record.id] = *Json::parse(data);
        }
    }
    return out;
}

TEST(Export, ImportingItGivesTheSameRecords) {
    const std::uint64_t seed = std::random_device{}();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 6; ++round) {
        ScratchPlan from;
        fill(*from.operator->(), random);
        const auto want = all_of(from);
        for (const ExportFormat format : {ExportFormat::jsonl, ExportFormat::csv}) {
            const std::string text = from.give({.format = format});
            ScratchPlan to;
            const auto report = to.take(text);
            ASSERT_TRUE(report) << report.error().message << text;
            EXPECT_EQ(report->format.kind, exchange::Kind::own);
            EXPECT_TRUE(report->complete()) << text;
            EXPECT_EQ(all_of(to), want) << text;
            EXPECT_EQ(to.give({.collections = {"notes-0"}, .format = format}).size(),
                      from.give({.collections = {"notes-0"}, .format = format}).size());
            const std::string hash = *to->state_hash();
            ASSERT_TRUE(to.take(text));
            EXPECT_EQ(*to->state_hash(), hash);
        }
    }
}

TEST(Export, AChecklistCarriesPlansAndTicks) {
    const std::uint64_t seed = std::random_device{}();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 6; ++round) {
        ScratchPlan from;
        fill(*from.operator->(), random);
        const std::string text = from.give({.format = ExportFormat::markdown});
        ScratchPlan to;
        ASSERT_TRUE(to.take(text, {.name = "other.md"})) << text;
        EXPECT_EQ(to.give({.format = ExportFormat::markdown}), text);
        for (const char* collection : {"prds", "task_specs"}) {
            const auto page = from->list({.collection = collection});
            for (const records::Record& record : page->records) {
                const Json was = *Json::parse(record.data);
                const Json now = to.get(collection, record.id);
                for (const char* member : {"title", "phase_name", "content", "prd_id"})
                    EXPECT_EQ(now.get(member), was.get(member)) << text;
                if (std::string_view(collection) == "task_specs") {
                    EXPECT_EQ(now.get("status").as_string() == "complete",
                              was.get("status").as_string() == "complete");
                }
            }
        }
        // Back into where it came from it changes nothing.
        const auto before = all_of(from);
        const auto report = from.take(text, {.name = "other.md"});
        ASSERT_TRUE(report);
        for (const auto& [name, counts] : report->collections) EXPECT_EQ(counts.updated, 0) << name;
        for (const auto& [name, record] : all_of(from))
            EXPECT_EQ(record.to_text(), before.at(name).to_text());
    }
}

TEST(Export, AnOldExportDoesNotTakeBackWhatCameLater) {
    ScratchPlan plan;
    ASSERT_TRUE(plan->create("notes", {{"text", "\"old\""}}, "a"));
    ASSERT_TRUE(plan->create("notes", {{"text", "\"b\""}}, "b"));
    const std::string text = plan.give();
    plan.clock().advance_ms(5000);
    ASSERT_TRUE(plan->update("notes", "a", {{"text", "\"new\""}}));
    ASSERT_TRUE(plan->remove("notes", "b"));
    const auto report = plan.take(text);
    EXPECT_EQ(report->skipped.at("newer here than in the export"), 1);
    EXPECT_EQ(plan.get("notes", "a").get("text").as_string(), "new");
    EXPECT_FALSE(plan->get("notes", "b"));
    ASSERT_TRUE(plan.take(text, {.revive = true}));
    EXPECT_TRUE(plan->get("notes", "b"));
    // One that is newer is taken as it is.
    plan.clock().advance_ms(5000);
    ScratchPlan elsewhere;
    ASSERT_TRUE(elsewhere.take(text));
    elsewhere.clock().advance_ms(1'000'000);
    ASSERT_TRUE(elsewhere->update("notes", "a", {{"text", {}}, {"more", "1"}}));
    ASSERT_TRUE(plan.take(elsewhere.give()));
    EXPECT_FALSE(plan.get("notes", "a").has("text"));
    EXPECT_EQ(plan.get("notes", "a").get("more").to_text(), "1");
}

TEST(Export, SaysWhatItDoesNotCarry) {
    ScratchPlan plan;
    ASSERT_TRUE(plan->create("notes", {{"text", "1"}}, "a"));
    ExportRequest request;
    request.write = [](std::string_view) { return ok(); };
    request.format = ExportFormat::markdown;
    EXPECT_EQ(export_records(*plan.operator->(), request)->notes.size(), 1U);
    request.collections = {"notes"};
    EXPECT_EQ(export_records(*plan.operator->(), request).error().code, Code::invalid);
    request.collections = {"nothing"};
    EXPECT_EQ(export_records(*plan.operator->(), request).error().code, Code::not_found);
    request.collections = {};
    request.stamps = true;
    EXPECT_EQ(export_records(*plan.operator->(), request).error().code, Code::invalid);
    EXPECT_NE(plan.give({.stamps = true}).find("\"_stamps\":{\"v\":1"), std::string::npos);
}

TEST(Export, ItsStampsAreNoReasonToRefuseIt) {
    ScratchPlan plan;
    ASSERT_TRUE(plan->create("notes", {{"text", "1"}}, "a"));
    const std::string text = plan.give({.stamps = true});
    ScratchPlan to;
    const auto report = to.take(text, {.strict = true});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->complete());
    EXPECT_EQ(to.get("notes", "a").get("text").to_text(), "1");
}

TEST(Export, CsvSaysWhichDeclarationsItLeavesOut) {
    ScratchPlan plan;
    ASSERT_TRUE(plan->declare({.name = "bugs", .schema = "{}"}, records::Declare::add));
    ASSERT_TRUE(plan->create("bugs", {{"n", "3"}}, "b1"));
    ExportRequest request;
    request.write = [](std::string_view) { return ok(); };
    EXPECT_TRUE(export_records(*plan.operator->(), request)->notes.empty());
    request.format = ExportFormat::csv;
    const auto report = export_records(*plan.operator->(), request);
    ASSERT_EQ(report->notes.size(), 1U);
    EXPECT_NE(report->notes[0].find("'bugs'"), std::string::npos);
}

TEST(Export, ADeclarationStandsBeforeItsRecords) {
    ScratchPlan plan;
    ASSERT_TRUE(plan->declare({.name = "bugs", .schema = "{}"}, records::Declare::add));
    ASSERT_TRUE(plan->declare({.name = "other", .schema = "{}"}, records::Declare::add));
    ASSERT_TRUE(plan->create("bugs", {{"n", "3"}}, "b1"));
    const std::string text = plan.give({.collections = {"bugs"}});
    EXPECT_TRUE(
        text.starts_with("{\"_declares\":\"bugs\",\"schema\":\"{}\\n\"}\n"
                         "{\"_collection\":\"bugs\""))
        << text;
    EXPECT_EQ(text.find("other"), std::string::npos);
}

TEST(Export, AWriteThatFailsEndsItWithItsError) {
    ScratchPlan plan;
    ASSERT_TRUE(plan->create("notes", {{"text", "1"}}, "a"));
    int calls = 0;
    ExportRequest request;
    request.write = [&](std::string_view) -> Status {
        ++calls;
        return fail(Code::failed, "the disk is full");
    };
    const auto report = export_records(*plan.operator->(), request);
    EXPECT_EQ(report.error().message, "the disk is full");
    EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace taskstore::store
