// The plan on the disk in memory: what is acknowledged stays, caches may go, foreign bytes are
// named.
#include "plan_process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <set>
#include <thread>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

std::string status_of(const Record& record) {
    return *Json::parse(record.data)->get("status").as_string();
}

TEST(Plan, CreatesChangesListsAndDeletes) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p.opened) << p.opened.error().message;
    const auto made = p->create("prds", prd("one"), "a");
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(status_of(*made), "draft");
    EXPECT_EQ(p->create("prds", prd("again"), "a").error().code, Code::exists);
    const auto changed = p->update("prds", "a", {{"status", "\"READY\""}});
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(status_of(*p->get("prds", "a")), "ready");
    EXPECT_EQ(p->update("prds", "a", {{"title", "\"x\""}}, made->revision).error().code,
              Code::conflict);
    EXPECT_EQ(p->update("prds", "b", prd("x")).error().code, Code::not_found);
    ASSERT_TRUE(p->remove("prds", "a"));
    EXPECT_EQ(p->get("prds", "a").error().code, Code::not_found);
    ASSERT_TRUE(p->create("prds", prd("second life"), "a"));
    EXPECT_EQ(p->history("prds", "a")->size(), 4U);
}

TEST(Plan, AMemberThatIsNamedTwiceIsRefused) {
    auto disk = new_disk();
    Process p(*disk);
    const std::vector<ledger::Change> twice{{"title", "\"a\""}, {"title", "\"b\""}};
    EXPECT_EQ(p->create("prds", twice, "a").error().code, Code::invalid);
    ASSERT_TRUE(p->create("prds", prd("one"), "a"));
    EXPECT_EQ(p->update("prds", "a", twice).error().code, Code::invalid);
    EXPECT_TRUE(p->take_notes().empty());
}

TEST(Plan, EveryShortFormOfAnIdFindsItAgain) {
    auto disk = new_disk();
    Process p(*disk);
    SeededRandom random(7);
    std::set<std::string> ids{"01890a5d-ac96-774b-bcce-b302099a8057",
                              "11890a5d-ac96-774b-bcce-b302099a8057",
                              "099a8057",
                              "b302099a8057",
                              "099a8057-ac96-774b-bcce-b302099a8058",
                              "größe-größe-größe",
                              "größe-größe-größé"};
    // Few letters, so that endings and parts coincide often.
    while (ids.size() < 300) {
        std::string id;
        const std::uint64_t length = 1 + random.next_u64() % 40;
        while (id.size() < length) id += random.next_u64() % 3 == 0 ? "b" : "ä";
        ids.insert(id);
    }
    std::vector<Write> writes;
    for (const std::string& id : ids) {
        writes.push_back({.collection = "prds", .id = id, .changes = prd("x")});
        writes.push_back({.collection = "notes", .id = id, .changes = {{"text", "1"}}});
    }
    ASSERT_TRUE(p->write(writes));
    const std::vector<std::string> all(ids.begin(), ids.end());
    for (const char* collection : {"prds", "notes"}) {
        const auto short_forms = p->short_ids(collection, all);
        ASSERT_TRUE(short_forms) << short_forms.error().message;
        for (std::size_t i = 0; i < all.size(); ++i) {
            const auto found = p->resolve(collection, (*short_forms)[i]);
            ASSERT_TRUE(found) << (*short_forms)[i] << ": " << found.error().message;
            EXPECT_EQ(*found, all[i]);
        }
    }
    EXPECT_EQ(p->resolve("prds", "099a805").error().code, Code::conflict);
    EXPECT_EQ(*p->resolve("prds", "b302099a8058"), "099a8057-ac96-774b-bcce-b302099a8058");
}

TEST(Plan, FindsARecordInAnyCollectionByItsIdOrAPartOfIt) {
    auto disk = new_disk();
    Process p(*disk);
    for (const char* id : {"abc", "abcdefgh-1", "-starts-with-dashes", "twice"})
        ASSERT_TRUE(p->create("prds", prd("x"), id)) << id;
    for (const char* id : {"xabcx", "twice", "gone-for-good"})
        ASSERT_TRUE(p->create("notes", {{"text", "1"}}, id)) << id;
    ASSERT_TRUE(p->remove("notes", "gone-for-good"));
    const auto ids = [&](const char* part, const char* collection = "") {
        const auto found = p->find(part, collection);
        EXPECT_TRUE(found) << found.error().message;
        std::multiset<std::string> out;
        for (const Found& one : *found)
            out.insert(one.collection + " " + one.id + (one.deleted ? " deleted" : ""));
        return out;
    };
    using Ids = std::multiset<std::string>;
    EXPECT_EQ(ids("abc"), Ids{"prds abc"});  // a whole id wins over parts of others
    EXPECT_EQ(ids("ab"), (Ids{"prds abc", "prds abcdefgh-1", "notes xabcx"}));
    EXPECT_EQ(ids("defgh-1"), Ids{"prds abcdefgh-1"});
    EXPECT_EQ(ids("twice"), (Ids{"prds twice", "notes twice"}));
    EXPECT_EQ(ids("twice", "notes"), Ids{"notes twice"});
    EXPECT_EQ(ids("good"), Ids{"notes gone-for-good deleted"});
    EXPECT_EQ(ids("good", "prds"), Ids{});
    EXPECT_EQ(p->short_ids("prds", {"-starts-with-dashes"})->at(0), "h-dashes");
    EXPECT_EQ(p->undo("notes", "gone-for-good")->records[0].id, "gone-for-good");
}

TEST(Plan, ShortFormsDoNotBeginWithADash) {
    auto disk = new_disk();
    Process p(*disk);
    const std::vector<std::string> all{"0123456789-abcdefg", "-short", "--", "1123456789xabcdefg",
                                       "--abcd-abcd-abcd"};
    for (const std::string& id : all) ASSERT_TRUE(p->create("notes", {{"text", "1"}}, id));
    const auto forms = p->short_ids("notes", all);
    ASSERT_TRUE(forms) << forms.error().message;
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_TRUE(!(*forms)[i].starts_with('-') || all[i] == "--") << (*forms)[i];
        EXPECT_EQ(*p->resolve("notes", (*forms)[i]), all[i]);
    }
}

TEST(Plan, ANounIsNoCollection) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("x"), "a"));
    EXPECT_EQ(p->get("prd", "a").error().code, Code::not_found);
    ASSERT_TRUE(p->create("prd", {{"anything", "1"}}, "a"));
    EXPECT_EQ(p->get("prd", "a")->data, "{\"id\":\"a\",\"anything\":1,\"updated_at\":" +
                                            std::to_string(p->get("prd", "a")->updated_at) + "}");
    EXPECT_EQ(*p->count({.collection = "prd"}), 1);
}

TEST(Plan, ACacheThatWasKeptUpSaysWhatAFreshOneSays) {
    constexpr std::uint64_t kSeed = 11;
    SCOPED_TRACE("seed " + std::to_string(kSeed));
    auto disk = new_disk();
    SeededRandom random(kSeed);
    Process one(*disk);
    Process two(*disk, 2, &one);
    const std::array<std::string, 3> collections{"prds", "notes", "workflows"};
    const auto changes = [](const std::string& collection, const std::string& name) {
        return std::vector<ledger::Change>{
            {collection == "workflows" ? "name" : "title", "\"" + name + "\""}};
    };
    for (int step = 0; step < 150; ++step) {
        Process& p = random.next_u64() % 2 == 0 ? one : two;
        const std::string& collection = collections.at(random.next_u64() % collections.size());
        const std::string id = "id" + std::to_string(random.next_u64() % 12);
        const std::string path = "/p/" + collection + ".jsonl";
        const std::uint64_t what = random.next_u64() % 5;
        const std::string told = std::to_string(what) + " " + collection + " " + id;
        switch (what) {
            case 0:
            case 1: {
                std::vector<Write> writes;
                for (int i = 0; i < 3; ++i) {
                    const std::string each =
                        i == 0 ? id : "id" + std::to_string(random.next_u64() % 12);
                    writes.push_back({.collection = collection,
                                      .id = each,
                                      .changes = changes(collection, each)});
                }
                (void)p->write(std::move(writes)).has_value();
                break;
            }
            case 2:
                (void)p->remove(collection, id).has_value();
                break;
            case 3:
                disk->put_file(path, disk->get_file(path).value_or("") + "{\"id\":\"" + id +
                                         "\",\"deleted\":true,\"updated_at\":9999999999999}\n");
                break;
            default: {  // an earlier version of the file, as by a checkout
                const std::string text = disk->get_file(path).value_or("");
                const std::size_t half = text.find('\n', text.size() / 2);
                if (half != std::string::npos) disk->put_file(path, text.substr(0, half + 1));
            }
        }
        disk->advance_time_ns(1'000'000'000);
        const auto report = p->sync();
        ASSERT_TRUE(report) << report.error().message;
        std::int64_t sum = 0;
        const auto counts = p->collections();
        for (const auto& [name, live] : *counts) {
            EXPECT_EQ(live, *p->count({.collection = name})) << name << " after step " << step;
            sum += live;
        }
        ASSERT_EQ(report->records, sum) << "after step " << step;
        // I7: a cache made from nothing says the same.
        auto other = new_disk();
        for (const std::string& name : collections) {
            if (const auto text = disk->get_file("/p/" + name + ".jsonl"))
                other->put_file("/p/" + name + ".jsonl", *text);
        }
        Process fresh(*other);
        ASSERT_EQ(*fresh->state_hash(), *p->state_hash()) << "after step " << step << ": " << told;
    }
}

TEST(Plan, RefusesWhatTheKindDoesNotAllow) {
    auto disk = new_disk();
    Process p(*disk);
    EXPECT_EQ(p->create("prds", {}).error().code, Code::invalid);
    EXPECT_EQ(p->create("prds", {{"titel", "\"x\""}}).error().hint, "did you mean 'title'?");
    EXPECT_EQ(p->create("prds", {{"title", "7"}}).error().code, Code::invalid);
    EXPECT_EQ(p->create("prds", {{"title", "\"x\""}, {"created_at", "1"}}).error().code,
              Code::invalid);
    EXPECT_EQ(
        p->create("task_specs", {{"prd_id", "\"none\""}, {"phase_name", "\"x\""}}).error().code,
        Code::not_found);
    EXPECT_EQ(p->create("../x", prd("x")).error().code, Code::invalid);
    ASSERT_TRUE(p->create("prds", prd("x"), "a"));
    EXPECT_EQ(p->update("prds", "a", {{"status", "\"complete\""}}).error().code, Code::conflict);
    ASSERT_TRUE(p->create("workflows", {{"name", "\"w\""}}));
    EXPECT_EQ(p->create("workflows", {{"name", "\"w\""}}).error().code, Code::exists);
}

TEST(Plan, ABatchIsAllOrNothingAndSeesItself) {
    auto disk = new_disk();
    Process p(*disk);
    const auto good = p->write({{.collection = "prds", .id = "a", .changes = prd("x")},
                                {.collection = "task_specs",
                                 .id = "t",
                                 .changes = {{"prd_id", "\"a\""}, {"phase_name", "\"y\""}}},
                                {.kind = WriteKind::update,
                                 .collection = "prds",
                                 .id = "a",
                                 .changes = {{"status", "\"ready\""}}}});
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(good->records.size(), 3U);
    const auto before = disk->get_file("/p/prds.jsonl");
    EXPECT_FALSE(p->write({{.collection = "prds", .id = "b", .changes = prd("x")},
                           {.collection = "prds", .id = "b", .changes = prd("x")}}));
    EXPECT_EQ(disk->get_file("/p/prds.jsonl"), before);
    const std::string hash = *p->state_hash();
    ASSERT_TRUE(p->sync(true));
    EXPECT_EQ(*p->state_hash(), hash);
    EXPECT_EQ(status_of(*p->get("prds", "a")), "ready");
}

TEST(Plan, FiltersOrderAndPages) {
    auto disk = new_disk();
    Process p(*disk);
    for (int i = 0; i < 25; ++i) {
        p.clock.advance_ms(1);
        ASSERT_TRUE(
            p->create("prds",
                      {{"title", "\"t" + std::to_string(i) + (i % 5 == 0 ? "%" : "") + "\""},
                       {"review_passes", std::to_string(i)}},
                      "id" + std::to_string(i)));
    }
    const auto ids = [&](Query query) {
        std::vector<std::string> out;
        do {
            auto page = p->list(query);
            EXPECT_TRUE(page) << page.error().message;
            for (const Record& record : page->records) out.push_back(record.id);
            query.cursor = page->next_cursor;
        } while (!query.cursor.empty());
        return out;
    };
    const auto all = ids({.collection = "prds"});
    EXPECT_EQ(all.front(), "id24");
    EXPECT_EQ(ids({.collection = "prds", .limit = 7}), all);
    EXPECT_EQ(ids({.collection = "prds", .filter = *parse_filter("title~%")}).size(), 5U);
    EXPECT_EQ(ids({.collection = "prds", .filter = *parse_filter("review_passes>=20")}).size(), 5U);
    EXPECT_EQ(
        ids({.collection = "prds",
             .filter = Filter::any_of({*parse_filter("review_passes<2"), *parse_filter("id=id9")})})
            .size(),
        3U);
    EXPECT_EQ(ids({.collection = "prds", .order_field = "review_passes", .limit = 4}).front(),
              "id0");
    EXPECT_EQ(*p->count({.collection = "prds", .filter = *parse_filter("status!=draft")}), 0);
    EXPECT_EQ(p->list({.collection = "prds", .filter = *parse_filter("statsu=draft")}).error().hint,
              "did you mean 'status'?");
    EXPECT_EQ(p->list({.collection = "prds", .cursor = "bm9wZQ"}).error().code, Code::invalid);
    const std::string cursor = p->list({.collection = "prds", .limit = 3})->next_cursor;
    EXPECT_EQ(p->list({.collection = "executions", .limit = 3, .cursor = cursor}).error().code,
              Code::invalid);
}

TEST(Plan, ShippedQueriesRunOnIndexes) {
    auto disk = new_disk();
    Process p(*disk);
    auto connection = p.driver.connect(p->cache_path(), {.create = false, .checksums = true});
    ASSERT_TRUE(connection);
    const Filter status = Filter::compare("status", Op::eq, "\"draft\"");
    for (const Query& query :
         {Query{.collection = "prds"}, Query{.collection = "prds", .filter = status},
          Query{.collection = "executions"},
          Query{.collection = "executions",
                .filter = Filter::compare("status", Op::eq, "\"running\"")},
          Query{.collection = "task_specs",
                .filter = Filter::compare("prd_id", Op::eq, "\"a\"")}}) {
        const std::string sql = *list_sql_for_testing(query);
        auto rows = (*connection)->prepare("EXPLAIN QUERY PLAN " + sql);
        ASSERT_TRUE(rows) << rows.error().message;
        std::string plan;
        while (*(*rows)->step()) plan += std::string((*rows)->column_text(3)) + "\n";
        EXPECT_NE(plan.find("USING INDEX"), std::string::npos) << sql << "\n" << plan;
        EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << sql << "\n" << plan;
    }
}

TEST(Plan, ADeletedTruncatedOrDamagedCacheChangesNoAnswer) {
    auto disk = new_disk();
    std::string hash;
    {
        Process p(*disk);
        for (int i = 0; i < 40; ++i) ASSERT_TRUE(p->create("prds", prd("t" + std::to_string(i))));
        hash = *p->state_hash();
    }
    const std::string good = *disk->get_file("/p/store.db");
    for (int round = 0; round < 12; ++round) {
        std::string bad = good;
        if (round == 0)
            bad.clear();
        else if (round == 1)
            bad = std::string(5000, 'x');
        else if (round < 6)
            bad.resize(good.size() * static_cast<std::size_t>(round) / 7);
        else
            bad[good.size() * static_cast<std::size_t>(round) / 12] =
                static_cast<char>(bad[good.size() * static_cast<std::size_t>(round) / 12] ^ 0x55);
        disk->put_file("/p/store.db", bad);
        for (const char* name : {"/p/store.db-wal", "/p/store.db-shm"})
            (void)disk->unlink(name).has_value();
        Process p(*disk);
        ASSERT_TRUE(p.opened) << p.opened.error().message;
        const auto count =
            p->count({.collection = "prds", .filter = *parse_filter("status=draft")});
        // A flipped bit that SQLite cannot see (inside a value) is found by a rebuild, not by a
        // read.
        if (!count || *count != 40) {
            ASSERT_TRUE(p->sync(true));
        }
        EXPECT_EQ(*p->count({.collection = "prds", .filter = *parse_filter("status=draft")}), 40)
            << round;
        ASSERT_TRUE(p->sync(true));
        EXPECT_EQ(*p->state_hash(), hash) << round;
    }
}

TEST(Plan, ForeignLinesAreTakenInAndDamagedOnesNamed) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl",
                   "{\"id\":\"a\",\"title\":\"A\",\"status\":\"active\",\"updated_at\":5,\"x\":1."
                   "10,\"big\":123456789012345678901}\r\n"
                   "{\"id\":\"b\",\"title\":\"B\",\"updated_at\":6\n"
                   "\n"
                   "{\"title\":\"no id\"}\n"
                   "\xff\xfe\n"
                   "{\"id\":\"c\",\"title\":\"C\",\"status\":\"draft\",\"updated_at\":7}");
    disk->put_directory("/p/x.jsonl");
    Process p(*disk);
    ASSERT_TRUE(p.opened) << p.opened.error().message;
    EXPECT_EQ(
        p->get("prds", "a")->data,
        R"({"id":"a","title":"A","status":"active","updated_at":5,"x":1.10,"big":123456789012345678901})");
    EXPECT_TRUE(p->get("prds", "c"));
    const auto findings = *p->findings();
    std::vector<std::string> damaged;
    for (const Finding& finding : findings) {
        if (finding.what == "damaged_line") damaged.push_back(finding.where);
    }
    EXPECT_EQ(damaged, (std::vector<std::string>{"prds.jsonl, line 2, column 37",
                                                 "prds.jsonl, line 4, column 1",
                                                 "prds.jsonl, line 5, column 1"}));
    ASSERT_TRUE(p->update("prds", "a", {{"status", "\"complete\""}}));
    EXPECT_NE(p->get("prds", "a")->data.find("\"x\":1.10,\"big\":123456789012345678901"),
              std::string::npos);
}

TEST(Plan, EveryCheckOfAWriteIsMadeOnWhatOthersWrote) {
    auto disk = new_disk();
    std::string lines = R"({"id":"good","title":"x","status":"draft","updated_at":1})"
                        "\n";
    const std::vector<std::pair<std::string, std::string>> wrong{
        {R"("title":7,"status":"draft")", "prd.title is text"},
        {R"("status":"draft")", "it has no title"},
        {R"("title":"","status":"draft")", "not empty"},
        {R"("title":"x")", "it has no status"},
        {R"("title":"x","status":"nonsense")", "'nonsense' is no status"},
        {R"("title":"x","status":"DONE")", "spelled \"DONE\""},
        {R"("title":"x","status":"draft","review_passes":256)", "at most 255"},
        {R"("title":"x","status":"draft","review_passes":-1)", "a whole number from 0"},
        {R"("title":"x","status":"draft","created_at":"soon")", "a whole number from 0"},
        {R"("title":"x","status":"draft","created_at":9000000000000)", "before the year 2200"},
        {R"("title":"x","status":"draft","content":null)", "never null"},
        {R"("title":"a\u0000b","status":"draft")", "without U+0000"}};
    for (std::size_t i = 0; i < wrong.size(); ++i)
        lines += "{\"id\":\"bad" + std::to_string(100 + i) + "\"," + wrong[i].first +
                 ",\"updated_at\":1}\n";
    lines += R"({"id":"c\u0007","title":"x","status":"draft","updated_at":1})" + std::string("\n");
    disk->put_file("/p/prds.jsonl", lines);
    disk->put_file("/p/workflows.jsonl", R"({"id":"w1","name":"twin","updated_at":1})"
                                         "\n"
                                         R"({"id":"w2","name":"twin","updated_at":1})"
                                         "\n");
    Process p(*disk);
    const auto findings = p->findings();
    ASSERT_TRUE(findings) << findings.error().message;
    std::map<std::string, std::string> why;
    for (const Finding& finding : *findings) {
        EXPECT_EQ(finding.what, "misfit") << finding.why;
        why[finding.where] += finding.why;
    }
    for (std::size_t i = 0; i < wrong.size(); ++i) {
        const std::string where = "prd bad" + std::to_string(100 + i);
        EXPECT_NE(why[where].find(wrong[i].second), std::string::npos)
            << wrong[i].first << ": " << why[where];
        why.erase(where);
    }
    EXPECT_NE(why["prd c\a"].find("control"), std::string::npos);
    EXPECT_NE(why["workflow w2"].find("'twin' is that of workflow w1"), std::string::npos);
    EXPECT_EQ(why.size(), 2U);
}

TEST(Plan, FindingsSayHowManyMoreThereAreAndCountDeletedRecordsToo) {
    auto disk = new_disk();
    const std::string ahead = std::to_string(FakeClock().wall_ms() + std::int64_t{48} * 3'600'000);
    std::string lines;
    for (int i = 0; i < 150; ++i)
        lines += "{\"id\":\"n" + std::to_string(i) + "\",\"updated_at\":" + ahead + "}\n";
    lines += "{\"id\":\"gone\",\"deleted\":true,\"updated_at\":" + ahead + "}\n";
    disk->put_file("/p/notes.jsonl", lines);
    Process p(*disk);
    const auto findings = p->findings();
    ASSERT_TRUE(findings) << findings.error().message;
    ASSERT_EQ(findings->size(), 101U);
    EXPECT_EQ(findings->back().what, "more");
    EXPECT_EQ(findings->back().where, "clock_ahead");
    EXPECT_EQ(findings->back().why.substr(0, 3), "51 ");
}

TEST(Plan, AForeignChangeOfTheMiddleIsSeenThoughInodeAndSizeStay) {
    auto disk = new_disk();
    Process p(*disk);
    for (int i = 0; i < 10; ++i)
        ASSERT_TRUE(p->create("prds", prd("title" + std::to_string(i)), "p" + std::to_string(i)));
    std::string text = *disk->get_file("/p/prds.jsonl");
    text.replace(text.find("title4"), 6, "TITLE4");
    disk->overwrite_file("/p/prds.jsonl", text);
    disk->advance_time_ns(1'000'000'000);
    ASSERT_TRUE(p->sync());
    EXPECT_NE(p->get("prds", "p4")->data.find("TITLE4"), std::string::npos);
    disk->put_file("/p/prds.jsonl", text.substr(0, text.find('\n') + 1));
    const auto report = p->sync();
    EXPECT_EQ(report->records, 1);
    EXPECT_EQ(p->get("prds", "p4").error().code, Code::not_found);
}

TEST(Plan, LinesThatOthersAppendDuringAWriteAreSeenAtOnce) {
    for (const os::Call moment : {os::Call::write, os::Call::sync_data, os::Call::set_mtime}) {
        auto disk = new_disk();
        Process p(*disk);
        ASSERT_TRUE(p->create("prds", prd("one"), "a"));
        bool come = false;
        disk->set_hook([&](const os::CallRecord& call) {
            if (call.call != moment || call.path != "/p/prds.jsonl" || std::exchange(come, true))
                return;
            auto file = disk->open("/p/prds.jsonl", os::OpenMode::read_write);
            std::size_t written = 0;
            ASSERT_TRUE(
                (*file)->append("{\"id\":\"f\",\"title\":\"F\",\"updated_at\":5}\n", written));
        });
        const auto mine = p->create("prds", prd("two"), "b");
        ASSERT_TRUE(mine) << mine.error().message;
        EXPECT_EQ(p->take_notes(), std::vector<std::string>{});
        disk->set_hook({});
        EXPECT_TRUE(p->get("prds", "f"));
        EXPECT_TRUE(p->get("prds", "b"));
        ASSERT_TRUE(p->update("prds", "f", {{"title", "\"G\""}}));
        Process fresh(*disk, 2, &p);
        EXPECT_EQ(fresh->list({.collection = "prds"})->records.size(), 3U);
    }
}

TEST(Plan, LeftoverMergeMarkersAreSettledOrKept) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl",
                   "<<<<<<< "
                   "ours\n{\"id\":\"a\",\"title\":\"A\",\"updated_at\":5}\n=======\n{\"id\":\"a\","
                   "\"title\":\"B\",\"updated_at\":6}\n>>>>>>> theirs\n");
    Process p(*disk);
    auto report = p->sync();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->clashes, 0);
    EXPECT_EQ(disk->get_file("/p/prds.jsonl")->find("<<<<"), std::string::npos);
    EXPECT_NE(p->get("prds", "a")->data.find("\"B\""), std::string::npos);
    disk->put_file("/p/prds.jsonl",
                   "<<<<<<< "
                   "ours\n{\"id\":\"a\",\"title\":\"A\",\"updated_at\":5}\n=======\n{\"id\":\"a\","
                   "\"title\":\"B\",\"updated_at\":5}\n>>>>>>> theirs\n");
    report = p->sync();
    EXPECT_EQ(report->clashes, 1);
    EXPECT_NE(disk->get_file("/p/prds.jsonl")->find("<<<<"), std::string::npos);
}

TEST(Plan, UnlikeValuesOfOneTimeAreSettledByTheirBytesAndListedOnce) {
    auto disk = new_disk();
    const std::string two =
        "{\"id\":\"a\",\"title\":\"B\",\"updated_at\":5}\n"
        "{\"id\":\"a\",\"title\":\"A\",\"updated_at\":5}\n";
    disk->put_file("/p/prds.jsonl", two);
    Process p(*disk);
    for (const bool rebuild : {false, false, true}) {
        const auto report = p->sync(rebuild);
        ASSERT_TRUE(report);
        EXPECT_EQ(report->clashes, 0) << "no person is needed";
        EXPECT_EQ(report->lost_values, 1);
    }
    EXPECT_NE(p->get("prds", "a")->data.find("\"B\""), std::string::npos);
    const auto findings = *p->findings();
    EXPECT_EQ(std::ranges::count(findings, "lost_value", &Finding::what), 1);
    EXPECT_EQ(*disk->get_file("/p/prds.jsonl"), two);

    // Nor does it hold up a merge of lines that only carry it on.
    disk->put_file("/p/prds.jsonl",
                   two +
                       "<<<<<<< ours\n{\"id\":\"a\",\"title\":\"C\",\"updated_at\":6}\n=======\n{"
                       "\"id\":\"a\",\"title\":\"D\",\"updated_at\":7}\n>>>>>>> theirs\n");
    auto report = p->sync();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->clashes, 0);
    EXPECT_EQ(disk->get_file("/p/prds.jsonl")->find("<<<<"), std::string::npos);
    ASSERT_TRUE(p->update("prds", "a", {{"title", "\"E\""}}));
    EXPECT_EQ(p->sync()->lost_values, 0);
}

TEST(Plan, ABlockWithoutItsEndIsKeptAndCounted) {
    auto disk = new_disk();
    const std::string broken =
        "<<<<<<< ours\n{\"id\":\"a\",\"title\":\"A\",\"updated_at\":5}\n=======\n{\"id\":\"a\","
        "\"title\":\"B\",\"updated_at\":6}\n";
    disk->put_file("/p/prds.jsonl", broken);
    Process p(*disk);
    const auto report = p->sync();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->broken_blocks, 1);
    EXPECT_EQ(report->clashes, 0);
    EXPECT_EQ(*disk->get_file("/p/prds.jsonl"), broken);
    const auto findings = *p->findings();
    for (const Finding& finding : findings)
        EXPECT_TRUE(finding.what != "merge_marker" ||
                    finding.mend.find("editor") != std::string::npos)
            << finding.mend;
}

/// Of record "a", whose title is `title`.
std::string titled(const std::string& title, int at) {
    return "{\"id\":\"a\",\"title\":\"" + title + "\",\"updated_at\":" + std::to_string(at) + "}\n";
}

bool tells_git_add(const SyncReport& report) {
    return std::ranges::any_of(report.notes, [](const std::string& note) {
        return note.find("git add") != std::string::npos;
    });
}

TEST(Plan, AMergeInTheBaseOfABlockBelongsToTheBase) {
    // As git writes a criss-cross merge with merge.conflictStyle=diff3; where sides hold lines of
    // the base, only a part of its merge stands there.
    const std::string nested[] = {
        "<<<<<<<<< Temporary merge branch 1\n" + titled("T1", 3) + "||||||||| 1a2b3c4\n" +
            titled("T0", 1) + "=========\n" + titled("T2", 4) +
            ">>>>>>>>> Temporary merge branch 2\n",
        "<<<<<<<<< Temporary merge branch 1\n<<<<<<<<<<< deeper\n" + titled("T1", 3) +
            "===========\n>>>>>>>>>>> deeper\n=========\n>>>>>>>>> Temporary merge branch 2\n",
        "=========\n" + titled("T2", 4) + ">>>>>>>>> Temporary merge branch 2\n",
        "<<<<<<<<< Temporary merge branch 1\n"};
    for (const std::string& base : nested) {
        SCOPED_TRACE(base);
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", "<<<<<<< HEAD\n" + titled("A", 5) + "||||||| base\n" +
                                            base + "=======\n" + titled("B", 6) +
                                            ">>>>>>> FETCH_HEAD\n" + titled("after", 2));
        Process p(*disk);
        const auto report = p->sync();
        ASSERT_TRUE(report) << report.error().message;
        EXPECT_EQ(report->broken_blocks, 0);
        EXPECT_TRUE(tells_git_add(*report));
        const std::string text = *disk->get_file("/p/prds.jsonl");
        EXPECT_EQ(text.find_first_of("<>|="), std::string::npos) << text;
        for (const char* title : {"A", "B", "after"})
            EXPECT_NE(text.find("\"" + std::string(title) + "\""), std::string::npos) << title;
        EXPECT_NE(p->get("prds", "a")->data.find("\"B\""), std::string::npos);
        const auto found = *p->findings();
        for (const Finding& finding : found) EXPECT_NE(finding.what, "merge_marker");
    }
}

TEST(Plan, AFileWithABrokenBlockStaysAsItIs) {
    const std::string whole =
        "<<<<<<< ours\n" + titled("A", 5) + "=======\n" + titled("B", 6) + ">>>>>>> theirs\n";
    const std::string broken[] = {
        // Its end is another block's.
        "<<<<<<< ours\n" + titled("A", 5) + "=======\n" + titled("B", 6) + ">>>>>>>>> other\n",
        "<<<<<<< ours\n" + titled("A", 5) + ">>>>>>> theirs\n",
        // Longer markers belong to a base, not to a side.
        "<<<<<<< ours\n" + titled("A", 5) + "=========\n=======\n" + titled("B", 6) +
            ">>>>>>> theirs\n",
        "<<<<<<< ours\n" + titled("A", 5) + "=======\n||||||| base\n" + titled("B", 6) +
            ">>>>>>> theirs\n"};
    for (const std::string& block : broken) {
        for (const std::string& text : {whole + block, block + whole}) {
            SCOPED_TRACE(text);
            auto disk = new_disk();
            disk->put_file("/p/prds.jsonl", text);
            Process p(*disk);
            const auto report = p->sync();
            ASSERT_TRUE(report) << report.error().message;
            EXPECT_EQ(report->broken_blocks, 1);
            EXPECT_FALSE(tells_git_add(*report));
            EXPECT_EQ(*disk->get_file("/p/prds.jsonl"), text);
            const auto found = *p->findings();
            for (const Finding& finding : found) {
                EXPECT_FALSE(finding.mend.starts_with("run 'taskstore sync'")) << finding.mend;
            }
        }
    }
}

TEST(Plan, GitIsToldOnlyWhereNoMarkerStays) {
    auto disk = new_disk();
    const auto block = [](int theirs_at) {
        return "<<<<<<< ours\n" + titled("A", 5) + "=======\n" + titled("B", theirs_at) +
               ">>>>>>> theirs\n";
    };
    const std::string other = "{\"id\":\"b\",\"title\":\"C\",\"updated_at\":7}\n";
    disk->put_file("/p/prds.jsonl",
                   block(5) + "<<<<<<< ours\n" + other + "=======\n>>>>>>> theirs\n");
    Process p(*disk);
    const auto report = p->sync();
    ASSERT_TRUE(report) << report.error().message;
    const std::string text = *disk->get_file("/p/prds.jsonl");
    ASSERT_NE(text.find("<<<<<<<"), std::string::npos) << "the clash needs a person";
    ASSERT_EQ(text.find("<<<<<<<"), text.rfind("<<<<<<<")) << "the other block is settled";
    EXPECT_FALSE(report->notes.empty());
    EXPECT_FALSE(tells_git_add(*report));
}

TEST(Plan, GitIsToldToLeaveTheCacheAloneBeforeThereIsOne) {
    for (const bool sync : {false, true}) {
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", "{\"id\":\"a\",\"title\":\"A\",\"updated_at\":5}\n");
        disk->put_file("/p/.gitignore", "taskstore.db");
        int seen = 0;
        disk->set_hook([&](const os::CallRecord&) {
            if (!disk->get_file("/p/store.db") && !disk->get_file("/p/lock") &&
                !disk->get_file("/p/.store.db.tmp"))
                return;
            ++seen;
            EXPECT_NE(disk->get_file("/p/.gitignore")->find("\nstore.db*\n"), std::string::npos);
        });
        Process p(*disk);
        if (sync) {
            ASSERT_TRUE(p->sync());
        }
        EXPECT_TRUE(p->get("prds", "a"));
        disk->set_hook({});
        EXPECT_GT(seen, 0);
    }
}

TEST(Plan, MergeMarkersAreSettledBlockByBlockAndOtherBytesStay) {
    auto disk = new_disk();
    const auto line = [](const std::string& id, const std::string& title, int at) {
        return "{\"id\":\"" + id + "\",\"title\":\"" + title +
               "\",\"updated_at\":" + std::to_string(at) + "}";
    };
    const auto block = [&](const std::string& id, int theirs_at) {
        return "<<<<<<< ours\n" + line(id, "A", 5) + "\n=======\n" + line(id, "B", theirs_at) +
               "\n>>>>>>> theirs\n";
    };
    const std::string first = line("x", "X", 1) + "\r\n\n";
    const std::string last = line("y", "Y", 1);
    disk->put_file("/p/prds.jsonl", first + block("a", 6) + block("b", 5) + last);
    Process p(*disk);
    const auto report = p->sync();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->clashes, 1);
    EXPECT_EQ(*disk->get_file("/p/prds.jsonl"),
              first + line("a", "A", 5) + "\n" + line("a", "B", 6) + "\n" + block("b", 5) + last);
    EXPECT_EQ(p->list({.collection = "prds"})->records.size(), 4U);
    const auto lost = *p->lost();
    ASSERT_EQ(lost.size(), 1U);
    ASSERT_TRUE(p->update("prds", "b", {{"title", "\"A\""}}));
    ASSERT_TRUE(p->sync());
    EXPECT_EQ(disk->get_file("/p/prds.jsonl")->find("<<<<"), std::string::npos)
        << "the clash is settled, so its markers go";
}

TEST(Plan, AnIncompleteBatchDoesNotCountUntilItIsWhole) {
    auto disk = new_disk();
    std::string specs;
    {
        Process p(*disk);
        ASSERT_TRUE(p->write({{.collection = "prds", .id = "a", .changes = prd("x")},
                              {.collection = "task_specs",
                               .id = "t",
                               .changes = {{"prd_id", "\"a\""}, {"phase_name", "\"y\""}}}}));
        specs = *disk->get_file("/p/task_specs.jsonl");
    }
    disk->put_file("/p/task_specs.jsonl", "");
    Process p(*disk, 2);
    const auto report = p->sync();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->incomplete_batches, 1);
    EXPECT_EQ(p->get("prds", "a").error().code, Code::not_found);
    disk->put_file("/p/task_specs.jsonl", specs);
    const auto whole = p->sync();
    ASSERT_TRUE(whole) << whole.error().message;
    EXPECT_EQ(whole->incomplete_batches, 0);
    EXPECT_TRUE(p->get("prds", "a"));
}

TEST(Plan, ADamagedLineHidesNothingOfItsBatchButItself) {
    auto disk = new_disk();
    {
        Process p(*disk);
        ASSERT_TRUE(p->write({{.collection = "prds", .id = "a", .changes = prd("first")},
                              {.collection = "prds", .id = "b", .changes = prd("second")},
                              {.collection = "prds", .id = "c", .changes = prd("third")}}));
    }
    const std::string whole = *disk->get_file("/p/prds.jsonl");
    std::string text = whole;
    text[text.find("second")] = '\1';
    disk->put_file("/p/prds.jsonl", text);
    Process p(*disk, 2);
    const auto report = p->sync();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->damaged_lines, 1);
    EXPECT_EQ(report->incomplete_batches, 0);
    EXPECT_TRUE(p->get("prds", "a"));
    EXPECT_EQ(p->get("prds", "b").error().code, Code::not_found);
    // Its end is gone with it: now the batch is not whole.
    disk->put_file("/p/prds.jsonl", text.substr(0, text.find('\1')) + "\n" +
                                        text.substr(text.find("{\"id\":\"c\"")));
    EXPECT_EQ(p->sync()->incomplete_batches, 1);
    EXPECT_EQ(p->get("prds", "a").error().code, Code::not_found);
    disk->put_file("/p/prds.jsonl", whole);
    EXPECT_EQ(p->sync()->incomplete_batches, 0);
    EXPECT_TRUE(p->get("prds", "b"));
    // A batch of which nothing is left is nobody's concern.
    disk->put_file("/p/prds.jsonl", whole.substr(0, whole.find('\n') + 1));
    EXPECT_EQ(p->sync()->incomplete_batches, 1);
    disk->put_file("/p/prds.jsonl", "");
    EXPECT_EQ(p->sync()->incomplete_batches, 0);
}

TEST(Plan, ADependencyOfAnEarlierProgramKeepsItsRevision) {
    // Its time is that of the first of updated_at, resolved_at, created_at that it has: two lines
    // may fold to a record whose members tell another time than its latest stamp.
    auto disk = new_disk();
    disk->put_file("/p/dependencies.jsonl",
                   "{\"id\":\"d\",\"from_exec_id\":\"x\",\"to_exec_id\":\"y\",\"created_at\":200}\n"
                   "{\"id\":\"d\",\"resolved_at\":150,\"created_at\":100}\n");
    Process p(*disk);
    const auto listed = p->list({.collection = "dependencies"});
    ASSERT_TRUE(listed) << listed.error().message;
    ASSERT_EQ(listed->records.size(), 1U);
    const auto got = p->get("dependencies", "d");
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->revision, listed->records[0].revision);
    const auto updated =
        p->update("dependencies", "d", {{"dependency_type", "\"notify\""}}, got->revision);
    EXPECT_TRUE(updated) << updated.error().message;
}

TEST(Plan, TheClockFollowsWhatOthersStampedButNotTooFar) {
    auto disk = new_disk();
    auto other = new_disk();
    std::string theirs;
    {
        Process q(*other, 2);
        q.clock.advance_ms(3'600'000);
        ASSERT_TRUE(q->create("prds", prd("an hour ahead"), "h"));
        theirs = *other->get_file("/p/prds.jsonl");
        q.clock.advance_ms(std::int64_t{48} * 3'600'000);
        ASSERT_TRUE(q->create("prds", prd("two days ahead"), "d"));
    }
    const std::string both = *other->get_file("/p/prds.jsonl");
    for (const std::string& text : {theirs, both}) {
        disk->put_file("/p/prds.jsonl", text);
        {
            Process reading(*disk, 3);
            ASSERT_TRUE(reading->sync());
        }
        // Another process, which has nothing to take in.
        Process p(*disk, 3);
        const auto mine = p->create("task_specs", {{"prd_id", "\"h\""}, {"phase_name", "\"x\""}});
        ASSERT_TRUE(mine) << mine.error().message;
        EXPECT_GT(*parse_stamp(mine->revision), *parse_stamp(p->get("prds", "h")->revision));
        EXPECT_LT(mine->updated_at, p.clock.wall_ms() + 3'600'100);
    }
}

TEST(Plan, UndoOfADeletePutsTheWholeRecordBack) {
    auto disk = new_disk();
    disk->put_file(
        "/p/prds.jsonl",
        R"({"id":"a","title":"A","status":"complete","created_at":3,"completed_at":4,"updated_at":5,"x":1.10})"
        "\n");
    Process p(*disk);
    const auto members = [&] {
        std::set<std::string> out;
        const auto json = *Json::parse(p->get("prds", "a")->data);
        for (const std::string& name : json.names()) {
            if (name != "updated_at") out.insert(name + "=" + json.get(name).to_text());
        }
        return out;
    };
    const auto before = members();
    ASSERT_TRUE(p->remove("prds", "a"));
    const auto undone = p->undo("prds", "a");
    ASSERT_TRUE(undone) << undone.error().message;
    EXPECT_EQ(members(), before);
    ASSERT_TRUE(p->update("prds", "a", {{"x", "2"}, {"title", "\"B\""}}));
    ASSERT_TRUE(p->undo("", ""));
    EXPECT_EQ(members(), before);
    ASSERT_TRUE(p->undo("", ""));
    EXPECT_NE(p->get("prds", "a")->data.find("\"B\""), std::string::npos) << "undo of an undo";
}

TEST(Plan, UndoTakesABatchBackAsAWholeAndLeavesOthersChangesAlone) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("kept"), "k"));
    ASSERT_TRUE(
        p->write({{.collection = "prds", .id = "a", .changes = prd("x")},
                  {.collection = "task_specs",
                   .id = "t",
                   .changes = {{"prd_id", "\"a\""}, {"phase_name", "\"y\""}}},
                  {.kind = WriteKind::update, .collection = "prds", .id = "a", .changes = prd("z")},
                  {.kind = WriteKind::remove, .collection = "prds", .id = "k"}}));
    disk->put_file("/p/prds.jsonl",
                   *disk->get_file("/p/prds.jsonl") +
                       "{\"id\":\"f\",\"title\":\"F\",\"updated_at\":4000000000000}\n");
    const auto undone = p->undo("", "");
    ASSERT_TRUE(undone) << undone.error().message;
    EXPECT_EQ(p->get("prds", "a").error().code, Code::not_found);
    EXPECT_EQ(p->get("task_specs", "t").error().code, Code::not_found);
    EXPECT_TRUE(p->get("prds", "k"));
    EXPECT_TRUE(p->get("prds", "f"));
    ASSERT_TRUE(p->write({{.collection = "prds", .id = "c", .changes = prd("x")},
                          {.collection = "prds", .id = "d", .changes = prd("x")}}));
    disk->put_file(
        "/p/prds.jsonl",
        *disk->get_file("/p/prds.jsonl") +
            "{\"id\":\"c\",\"title\":\"theirs\",\"created_at\":1,\"updated_at\":4000000000000}\n");
    EXPECT_EQ(p->undo("", "").error().code, Code::conflict);
    EXPECT_TRUE(p->get("prds", "d"));
}

TEST(Plan, UndoTakesBackEachKindOfChange) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("one"), "a"));
    ASSERT_TRUE(p->update("prds", "a", {{"title", "\"two\""}, {"status", "\"ready\""}}));
    ASSERT_TRUE(p->undo("prds", "a"));
    EXPECT_EQ(status_of(*p->get("prds", "a")), "draft");
    ASSERT_TRUE(p->remove("prds", "a"));
    ASSERT_TRUE(p->undo("", ""));
    EXPECT_NE(p->get("prds", "a")->data.find("\"one\""), std::string::npos);
    ASSERT_TRUE(p->create("notes", {{"t", "1"}}, "n"));
    ASSERT_TRUE(p->undo("notes", "n"));
    EXPECT_EQ(p->get("notes", "n").error().code, Code::not_found);
}

TEST(Plan, ANewerFormatIsRefused) {
    auto disk = new_disk();
    disk->put_file("/p/.version", "2\n");
    EXPECT_EQ(Process(*disk).opened.error().code, Code::unsupported);
}

TEST(Plan, ManyThreadsShareFlushesAndEachIsAnsweredAfterItsOwn) {
    auto disk = new_disk();
    Process p(*disk);
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 16; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) {
                const std::string id = "t" + std::to_string(t) + "-" + std::to_string(i);
                // One of a group fails without harm to the rest.
                if (i % 5 == 4) {
                    EXPECT_EQ(p->create("prds", {{"title", "1"}}, id).error().code, Code::invalid);
                } else if (p->create("prds", prd(id), id))
                    good += disk->get_file("/p/prds.jsonl")->find("\"" + id + "\"") !=
                            std::string::npos;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(good, 16 * 16);
    EXPECT_EQ(*p->count({.collection = "prds"}), 16 * 16);
    const std::string hash = *p->state_hash();
    ASSERT_TRUE(p->sync(true));
    EXPECT_EQ(*p->state_hash(), hash);
}

TEST(Plan, ARebuildReadsEveryFileOnce) {
    auto disk = new_disk();
    std::vector<Write> writes;
    for (int i = 0; i < 50; ++i)
        writes.push_back({.collection = "prds", .changes = prd("title " + std::to_string(i))});
    ASSERT_TRUE(Process(*disk)->write(std::move(writes)));
    {
        auto file = disk->open("/p/prds.jsonl", os::OpenMode::read_write);
        std::size_t written = 0;
        ASSERT_TRUE((*file)->append("{\"id\":\"x\",\"title\":\"t\",\"updated_at\":1}\n", written));
    }
    const std::int64_t size = disk->info("/p/prds.jsonl")->identity.size;
    FakeClock clock;
    SeededRandom random(1);
    sqlite::Driver driver(disk.get());
    disk->reset_calls();
    auto plan = Plan::open(*disk, driver, clock, random,
                           {.folder = "/p",
                            .replica_path = "/p/run/replica.json",
                            .actor = "ann",
                            .boot_id = "boot",
                            .take_in_on_open = false});
    ASSERT_TRUE(plan) << plan.error().message;
    const auto report = (*plan)->sync(true);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->records, 51);
    std::int64_t read = 0;
    for (const os::CallRecord& call : disk->log()) {
        if (call.call == os::Call::read && call.path == "/p/prds.jsonl")
            read += std::min<std::int64_t>(static_cast<std::int64_t>(call.bytes),
                                           std::max<std::int64_t>(0, size - call.offset));
    }
    EXPECT_GT(read, 0);
    EXPECT_LE(read, size);
}

TEST(Plan, AVersionThatIsGoneIsWrittenAgain) {
    auto disk = new_disk();
    {
        Process p(*disk);
        ASSERT_TRUE(p->create("prds", prd("one")));
    }
    EXPECT_TRUE(disk->info("/p/.version"));
    ASSERT_TRUE(disk->unlink("/p/.version"));
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("two")));
    EXPECT_EQ(os::read_file(*disk, "/p/.version", 100)->front(), '1');
}

TEST(Plan, LongReadsTellOfThemselves) {
    auto disk = new_disk();
    FakeClock clock;
    SeededRandom random(1);
    sqlite::Driver driver(disk.get());
    std::map<std::string, std::int64_t, std::less<>> totals;
    auto plan =
        Plan::open(*disk, driver, clock, random,
                   {.folder = "/p",
                    .replica_path = "/p/run/replica.json",
                    .actor = "ann",
                    .boot_id = "boot",
                    .progress = [&](std::string_view what, std::int64_t done, std::int64_t total) {
                        EXPECT_LE(done, total) << what;
                        totals[std::string(what)] = total;
                    }});
    ASSERT_TRUE(plan) << plan.error().message;
    std::vector<Write> writes;
    for (int i = 0; i < 1500; ++i)
        writes.push_back({.collection = "notes", .id = "n" + std::to_string(i)});
    ASSERT_TRUE((*plan)->write(std::move(writes)));
    for (int i = 0; i < 100; ++i)
        ASSERT_TRUE((*plan)->update("notes", "n1", {{"i", std::to_string(i)}}));
    totals.clear();
    ASSERT_TRUE((*plan)->state_hash());
    EXPECT_EQ(totals["hashing"], 1500);
    ASSERT_TRUE((*plan)->history("notes", "n1"));
    EXPECT_EQ(totals["folding versions"], 101);
}

TEST(Plan, AnIdThatNobodyCanSeeIsRefused) {
    auto disk = new_disk();
    Process p(*disk);
    for (const char* id : {" ", "\u00A0", " \u2003 ", "\u3000", "\u200B", "\uFEFF"}) {
        const auto made = p->create("notes", {{"n", "1"}}, id);
        ASSERT_FALSE(made) << id;
        EXPECT_EQ(made.error().message, "an id is not blank");
    }
    EXPECT_TRUE(p->create("notes", {{"n", "1"}}, "\u00A0x"));
}

}  // namespace
}  // namespace taskstore::records
