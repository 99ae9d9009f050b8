// What the world does to a plan: equal and backward clocks, files replaced at bad moments, full and
// read-only disks, locks that are held, caches that are taken away while they are in use.
#include "plan_process.hpp"

#include <taskstore/ledger/scan.hpp>
#include <taskstore/os/lock.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <set>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

std::set<std::string> ids_where(Plan& plan, const std::string& filter) {
    const auto page = plan.list({.collection = "prds", .filter = *parse_filter(filter)});
    EXPECT_TRUE(page) << page.error().message;
    std::set<std::string> ids;
    if (page)
        for (const Record& record : page->records) ids.insert(record.id);
    return ids;
}

TEST(HostileTime, EditsOfOneMillisecondStandInTheirOrderAfterARebuild) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("one"), "a"));
    for (const char* title : {"two", "three", "four"})
        ASSERT_TRUE(p->update("prds", "a", prd(title)));
    ASSERT_TRUE(p->sync(true));
    EXPECT_NE(p->get("prds", "a")->data.find("four"), std::string::npos);
}

TEST(HostileTime, AnEditWithAClockSetBackStands) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("one"), "a"));
    p.clock.set_wall_ms(p.clock.wall_ms() - 3'600'000);
    ASSERT_TRUE(p->update("prds", "a", prd("two")));
    ASSERT_TRUE(p->sync(true));
    EXPECT_NE(p->get("prds", "a")->data.find("two"), std::string::npos);
}

TEST(HostileTime, ARecordStampedInTheFutureIsChangedAndDeletedForGood) {
    auto disk = new_disk();
    const std::string ahead = std::to_string(FakeClock().wall_ms() + 10'000'000);
    disk->put_file("/p/prds.jsonl",
                   "{\"id\":\"a\",\"title\":\"A\",\"status\":\"draft\",\"updated_at\":" + ahead +
                       "}\n{\"id\":\"b\",\"title\":\"B\",\"status\":\"draft\",\"updated_at\":" +
                       ahead + "}\n");
    Process p(*disk);
    ASSERT_TRUE(p->remove("prds", "a"));
    ASSERT_TRUE(p->update("prds", "b", {{"status", "\"ready\""}}));
    ASSERT_TRUE(p->sync(true));
    EXPECT_EQ(p->get("prds", "a").error().code, Code::not_found);
    EXPECT_EQ(ids_where(*p, "status=ready"), std::set<std::string>{"b"});
}

TEST(HostileTime, LinesOfEqualTimesByOthersGiveTheSameRecordInEitherOrder) {
    const std::string one =
        "{\"id\":\"a\",\"title\":\"A\",\"status\":\"draft\",\"updated_at\":5}\n";
    const std::string two =
        "{\"id\":\"a\",\"title\":\"B\",\"status\":\"draft\",\"updated_at\":5}\n";
    std::vector<std::string> data;
    for (const std::string& text : {one + two, two + one}) {
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", text);
        Process p(*disk);
        data.push_back(p->get("prds", "a")->data);
        EXPECT_EQ(p->lost()->size(), 1U) << "the other value stays listed";
    }
    EXPECT_EQ(data[0], data[1]);
}

/// A checkout that adds a line puts a new file in place at each call of a create.
TEST(HostileFiles, AFileReplacedAtAnyCallOfACreateKeepsBothLines) {
    const std::string theirs =
        "{\"id\":\"theirs\",\"title\":\"T\",\"status\":\"draft\",\"updated_at\":5}\n";
    std::size_t n = 1;
    for (bool replaced = true; replaced; ++n) {
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", "");
        Process p(*disk);
        replaced = false;
        bool mine_was_in = false;
        const std::size_t start = disk->calls();
        disk->set_hook([&](const os::CallRecord& call) {
            if (replaced || call.number != start + n) return;
            replaced = true;
            // What git has seen of the file stays; it takes no lock.
            const std::string seen = *disk->get_file("/p/prds.jsonl");
            mine_was_in = seen.find("\"mine\"") != std::string::npos;
            disk->put_file("/p/prds.jsonl", theirs + seen);
        });
        const auto made = p->create("prds", prd("mine"), "mine");
        disk->set_hook({});
        ASSERT_TRUE(made) << n << ": " << made.error().message;
        p.clock.advance_ms(20);
        std::set<std::string> want{"mine"};
        if (replaced) want.insert("theirs");
        EXPECT_EQ(ids_where(*p, "status=draft"), want) << n << " " << mine_was_in;
        ASSERT_TRUE(p->sync(true));
        EXPECT_EQ(ids_where(*p, "status=draft"), want) << n;
        if (HasFailure()) return;
    }
    EXPECT_GT(n, 5U);
}

TEST(HostileFiles, AFileThatGoesBackToWhatWasSeenOnceLosesWhatCameAfter) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl",
                   "{\"id\":\"a\",\"title\":\"A\",\"status\":\"draft\",\"updated_at\":5}\n");
    const std::string seen = *disk->get_file("/p/prds.jsonl");
    Process p(*disk);
    ASSERT_TRUE(p->update("prds", "a", {{"status", "\"ready\""}}));
    EXPECT_EQ(ids_where(*p, "status=ready"), std::set<std::string>{"a"});
    disk->overwrite_file("/p/prds.jsonl", seen);
    p.clock.advance_ms(20);
    EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
}

TEST(HostileFiles, AFullDiskIsReadInMemoryUntilThereIsSpace) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl",
                   "{\"id\":\"a\",\"title\":\"A\",\"status\":\"draft\",\"updated_at\":5}\n");
    disk->fail_at(1, {.kind = os::FaultKind::disk_full});
    Process p(*disk);
    ASSERT_TRUE(p.opened) << p.opened.error().message;
    EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
    const auto refused = p->create("prds", prd("b"), "b");
    EXPECT_EQ(refused.error().code, Code::failed) << refused.error().message;
    EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
    disk->clear_faults();
    ASSERT_TRUE(p->create("prds", prd("b"), "b"));
    EXPECT_EQ(ids_where(*p, "status=draft"), (std::set<std::string>{"a", "b"}));
    EXPECT_TRUE(disk->get_file("/p/store.db"));
}

constexpr std::string_view kDraftA =
    "{\"id\":\"a\",\"title\":\"A\",\"status\":\"draft\",\"updated_at\":5}\n";
constexpr std::string_view kDraftB =
    "{\"id\":\"b\",\"title\":\"B\",\"status\":\"draft\",\"updated_at\":6}\n";

void append_foreign(os::FaultFileSystem& disk, std::string_view line) {
    disk.overwrite_file("/p/prds.jsonl", *disk.get_file("/p/prds.jsonl") + std::string(line));
}

bool told(Plan& plan, std::string_view part) {
    bool found = false;
    for (const std::string& text : plan.take_notes())
        found = found || text.find(part) != std::string::npos;
    return found;
}

/// A writer of another process that holds the lock for as long as it lives. A read that waited for
/// it would never return.
struct Writer {
    explicit Writer(os::FileSystem& files) : lock(files, "/p/lock"), guard(lock.acquire()) {}
    os::FileLock lock;
    Result<os::FileLock::Guard> guard;
};

TEST(HostileLock, ReadsAnswerFromTheLastCommitWhileAWriterHoldsTheLock) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl", kDraftA);
    Process before(*disk);
    ASSERT_TRUE(before.opened);
    {
        const Writer writer(*disk);
        append_foreign(*disk, kDraftB);  // what it has appended and not yet committed
        before.clock.advance_ms(20);
        Process fresh(*disk, 2, &before);
        ASSERT_TRUE(fresh.opened) << fresh.opened.error().message;
        for (Plan* plan : {before.opened->get(), fresh.opened->get()}) {
            EXPECT_EQ(ids_where(*plan, "status=draft"), std::set<std::string>{"a"});
            EXPECT_EQ(plan->history("prds", "a")->size(), 1U);
            EXPECT_TRUE(plan->state_hash());
            EXPECT_TRUE(plan->findings());
            EXPECT_TRUE(plan->take_notes().empty());
        }
    }
    before.clock.advance_ms(20);
    EXPECT_EQ(ids_where(*before, "status=draft"), (std::set<std::string>{"a", "b"}));
}

TEST(HostileLock, WithoutACacheReadsFoldInMemoryWhileAWriterHoldsTheLock) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl", kDraftA);
    std::optional<Writer> writer(std::in_place, *disk);
    Process p(*disk);
    ASSERT_TRUE(p.opened) << p.opened.error().message;
    EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
    EXPECT_TRUE(told(*p, "read into memory"));
    EXPECT_FALSE(disk->get_file("/p/store.db"));
    append_foreign(*disk, kDraftB);
    p.clock.advance_ms(20);
    EXPECT_EQ(ids_where(*p, "status=draft"), (std::set<std::string>{"a", "b"}));
    writer.reset();
    ASSERT_TRUE(p->create("prds", prd("c"), "c"));
    EXPECT_EQ(ids_where(*p, "status=draft"), (std::set<std::string>{"a", "b", "c"}));
    EXPECT_TRUE(disk->get_file("/p/store.db"));
}

TEST(HostileLock, WhatWasAcknowledgedIsSeenWhileAnotherWriterHoldsTheLock) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("a"), "a"));
    const Writer writer(*disk);
    EXPECT_TRUE(p->get("prds", "a"));
    Process other(*disk, 2, &p);
    EXPECT_TRUE(other->get("prds", "a"));
}

/// The line is durable, the cache is not: a success with a warning, and nobody is shown a state
/// without it, not even while the next writer holds the lock.
TEST(HostileCache, AnAcknowledgedLineThatTheCacheLacksIsSeenByAll) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("a"), "a"));
    disk->fail_at(
        1, {.error = ENOSPC, .forever = true, .only = os::Call::write, .path_part = "store.db"});
    const auto made = p->write({{.collection = "prds", .id = "b", .changes = prd("b")}});
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_FALSE(made->notes.empty());
    EXPECT_NE(made->notes[0].find("the cache stayed behind"), std::string::npos) << made->notes[0];
    EXPECT_TRUE(p->get("prds", "b"));
    const Writer writer(*disk);
    EXPECT_TRUE(p->get("prds", "b"));
    Process other(*disk, 2, &p);
    EXPECT_TRUE(other->get("prds", "b"));
    EXPECT_TRUE(other->get("prds", "a"));
}

/// `rm store.db*`, or another file in its place, at each call of an operation.
TEST(HostileCache, ACacheTakenAwayAtAnyCallFailsNothing) {
    const int step = std::getenv("TASKSTORE_FULL") != nullptr ? 1 : 5;
    for (const bool garbage : {false, true}) {
        for (int operation = 0; operation < 3; ++operation) {
            int n = 1 + operation + (garbage ? 2 : 0);
            for (bool taken = true; taken; n += step) {
                auto disk = new_disk();
                disk->put_file("/p/prds.jsonl", kDraftA);
                Process p(*disk);
                ASSERT_TRUE(p->get("prds", "a"));
                append_foreign(*disk, kDraftB);
                p.clock.advance_ms(20);
                taken = false;
                int calls = 0;
                disk->set_hook([&](const os::CallRecord&) {
                    if (taken || ++calls != n) return;
                    taken = true;
                    for (const char* suffix : {"", "-wal", "-shm"})
                        (void)disk->unlink(std::string("/p/store.db") + suffix).has_value();
                    if (garbage) disk->put_file("/p/store.db", std::string(8192, 'x'));
                });
                std::set<std::string> want{"a", "b"};
                SCOPED_TRACE(std::to_string(operation) + ", call " + std::to_string(n));
                if (operation == 0) {
                    const auto made = p->create("prds", prd("c"), "c");
                    ASSERT_TRUE(made) << made.error().message << disk->log_text();
                    want.insert("c");
                } else if (operation == 1) {
                    EXPECT_EQ(ids_where(*p, "status=draft"), want);
                } else {
                    const auto synced = p->sync(false);
                    ASSERT_TRUE(synced) << synced.error().message << disk->log_text();
                }
                disk->set_hook({});
                EXPECT_EQ(ids_where(*p, "status=draft"), want);
                p.clock.advance_ms(20);
                EXPECT_EQ(ids_where(*p, "status=draft"), want);
                Process next(*disk, 2, &p);
                EXPECT_EQ(ids_where(*next, "status=draft"), want);
                ASSERT_TRUE(next->create("prds", prd("d"), "d"));
                EXPECT_EQ(next->get("prds", "d")->id, "d");
                if (HasFailure()) return;
            }
            EXPECT_GT(n, 5);
        }
    }
}

TEST(HostileCache, HistoryOfAFileThatIsReplacedUnderItNeedsNoRebuild) {
    const std::string moved = std::string(kDraftB).append(kDraftA);
    for (int i = 0; i < 6; ++i) {
        const std::string other = i % 3 == 0   ? moved
                                  : i % 3 == 1 ? moved.substr(0, moved.size() / 2)
                                               : std::string();
        SCOPED_TRACE(i);
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", std::string(kDraftA).append(kDraftB));
        Process p(*disk);
        if (i >= 3) p.clock.advance_ms(1'000);  // else the file is too young to be believed
        ASSERT_TRUE(p->sync());
        int opened = 0;
        disk->set_hook([&](const os::CallRecord& call) {
            if (call.call != os::Call::open || call.path != "/p/prds.jsonl" || ++opened != 1)
                return;
            if (other.empty())
                (void)disk->unlink("/p/prds.jsonl").has_value();
            else
                disk->put_file("/p/prds.jsonl", other);
        });
        const auto versions = p->history("prds", "b");
        disk->set_hook({});
        if (other.empty()) {
            EXPECT_EQ(versions.error().code, Code::not_found);
        } else {
            ASSERT_TRUE(versions) << versions.error().message;
            EXPECT_EQ(versions->size(), 1U);
        }
        EXPECT_EQ(p->take_notes(), std::vector<std::string>{});
        const auto report = p->sync();
        ASSERT_TRUE(report) << report.error().message;
        EXPECT_FALSE(report->rebuilt);
    }
}

TEST(HostileCache, ALineOfAnotherRecordIsNotTakenForOneOfThis) {
    const auto line = [](const std::string& id, const std::string& content) {
        return R"({"id":")" + id + R"(","title":"t","content":")" + content +
               R"(","updated_at":170000000000)" + (id == "a" ? "0}\n" : "1}\n");
    };
    auto disk = new_disk();
    // The long line keeps what follows it in another chunk: the others are not read again.
    disk->put_file("/p/prds.jsonl", line("a", "of a") + line("b", "of b") +
                                        line("z", std::string(ledger::kChunkBytes, 'z')));
    {
        Process p(*disk);
        auto connection = p.driver.connect(
            "/p/store.db",
            {.durability = sql::Durability::cache, .create = false, .checksums = true});
        ASSERT_TRUE(connection) << connection.error().message;
        ASSERT_TRUE((*connection)->execute("UPDATE taskstore_lines SET rid=1 WHERE rid=2"));
    }
    append_foreign(*disk, "{\"id\":\"a\",\"title\":\"new\",\"updated_at\":1800000000000}\n");
    Process q(*disk, 2);
    const auto a = q->get("prds", "a");
    ASSERT_TRUE(a) << a.error().message;
    EXPECT_NE(a->data.find("of a"), std::string::npos) << a->data;
    EXPECT_EQ(a->data.find("of b"), std::string::npos) << a->data;
    EXPECT_TRUE(told(*q, "built again"));
}

/// Its log alone: what was committed last stands only there.
TEST(HostileCache, ALogTakenAwayIsNoticedBeforeTheNextWrite) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("prds", prd("a"), "a"));
    (void)disk->unlink("/p/store.db-wal").has_value();
    (void)disk->unlink("/p/store.db-shm").has_value();
    ASSERT_TRUE(p->create("prds", prd("b"), "b"));
    EXPECT_TRUE(told(*p, "built again"));
    Process other(*disk, 2, &p);
    EXPECT_EQ(ids_where(*other, "status=draft"), (std::set<std::string>{"a", "b"}));
}

TEST(HostileFolder, AnErrorWhileWritingLeavesNothingBehind) {
    for (const os::FaultKind kind : {os::FaultKind::disk_full, os::FaultKind::read_only}) {
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", kDraftA);
        disk->put_file("/p/lock", "");
        const auto names = *disk->list("/p");
        disk->fail_at(1, {.kind = kind});
        Process p(*disk);
        ASSERT_TRUE(p.opened) << p.opened.error().message;
        EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
        EXPECT_TRUE(told(*p, "cannot be written"));
        const auto refused = p->create("prds", prd("b"), "b");
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code,
                  kind == os::FaultKind::disk_full ? Code::failed : Code::denied);
        EXPECT_NE(refused.error().message.find("'/p' cannot be written"), std::string::npos)
            << refused.error().message;
        EXPECT_EQ(p->history("prds", "a")->size(), 1U);
        EXPECT_TRUE(p->sync(false));
        EXPECT_FALSE(p->sync(true));
        EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
        EXPECT_EQ(*disk->list("/p"), names);
        EXPECT_EQ(*disk->get_file("/p/prds.jsonl"), kDraftA);
    }
}

TEST(HostileFolder, AFolderWhereAFileBelongsIsNamed) {
    {
        auto disk = new_disk();
        disk->put_directory("/p/prds.jsonl");
        Process p(*disk);
        EXPECT_EQ(p->list({.collection = "prds"}).error().code, Code::denied);
        EXPECT_EQ(p->get("prds", "a").error().code, Code::denied);
        EXPECT_EQ(p->history("prds", "a").error().code, Code::denied);
        const auto refused = p->create("prds", prd("a"), "a");
        EXPECT_EQ(refused.error().code, Code::denied);
        EXPECT_NE(refused.error().message.find("/p/prds.jsonl"), std::string::npos);
        ASSERT_TRUE(p->create("notes", {{"text", "1"}}, "n")) << "others are not concerned";
        EXPECT_FALSE(told(*p, "built again")) << "the cache is in order";
    }
    for (const char* name : {"store.db", "lock"}) {
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", kDraftA);
        disk->put_directory(std::string("/p/") + name);
        Process p(*disk);
        ASSERT_TRUE(p.opened) << p.opened.error().message;
        EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
        EXPECT_TRUE(told(*p, name));
        const auto refused = p->create("prds", prd("b"), "b");
        EXPECT_EQ(refused.error().code, Code::corrupt) << refused.error().message;
        EXPECT_NE(refused.error().message.find(name), std::string::npos);
    }
}

TEST(HostileFolder, TheFirstCacheCompletesTheGitignoreOfAnEarlierProgram) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl", kDraftA);
    disk->put_file("/p/.gitignore", "store.db*\nmine");
    Process p(*disk);
    EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
    EXPECT_EQ(*disk->get_file("/p/prds.jsonl"), kDraftA) << "a read leaves the ledger alone";
    const std::string text = *disk->get_file("/p/.gitignore");
    EXPECT_EQ(text.substr(0, 15), "store.db*\nmine\n");
    for (const char* line : {"\nlock\n", "\nrun/\n"})
        EXPECT_NE(text.find(line), std::string::npos) << text;
}

TEST(HostileFolder, PeoplesSqlInMemoryReachesNoDisk) {
    auto disk = new_disk();
    disk->put_file("/p/prds.jsonl", kDraftA);
    disk->fail_at(1, {.kind = os::FaultKind::read_only});
    Process p(*disk);
    const auto run = [&](const std::string& sql) {
        return p->query([&](sql::Connection& db) -> Status {
            TASKSTORE_LET(auto rows, db.prepare(sql));
            return rows->run();
        });
    };
    EXPECT_TRUE(run(" /* all */ SELECT * FROM prds -- x"));
    EXPECT_TRUE(run("WITH t AS (SELECT 1) SELECT * FROM t"));
    for (const char* sql :
         {"DELETE FROM prds", "WITH t AS (SELECT 'a' i) DELETE FROM prds WHERE id IN t",
          "ATTACH '/tmp/taskstore-hostile-test' AS x", "VACUUM INTO '/tmp/taskstore-hostile-test'",
          "PRAGMA query_only=OFF", "/* */ DROP TABLE prds"}) {
        EXPECT_EQ(run(sql).error().code, Code::denied) << sql;
    }
    EXPECT_EQ(ids_where(*p, "status=draft"), std::set<std::string>{"a"});
}

TEST(HostileCache, ACacheThatVanishesWhileInUseChangesNoAnswer) {
    auto disk = new_disk();
    Process p(*disk);
    std::set<std::string> ready;
    for (int i = 0; i < 12; ++i) {
        const std::string id = "p" + std::to_string(i);
        ASSERT_TRUE(p->create("prds", prd("title " + id), id));
        if (i % 2 == 0) {
            ASSERT_TRUE(p->update("prds", id, {{"status", "\"ready\""}}));
            ready.insert(id);
        }
    }
    for (int round = 0; round < 4; ++round) {
        EXPECT_EQ(ids_where(*p, "status=ready"), ready);
        for (const char* suffix : {"", "-wal", "-shm"}) {
            if (round == 1 && *suffix == '\0') continue;  // only its log
            (void)disk->unlink(std::string("/p/store.db") + suffix).has_value();
        }
        if (round == 2) disk->put_file("/p/store.db", "something else altogether");
        if (round == 3) {
            ASSERT_TRUE(p->create("prds", prd("late"), "late"));
            ready.insert("late");
            ASSERT_TRUE(p->update("prds", "late", {{"status", "\"ready\""}}));
        }
        p.clock.advance_ms(20);
        EXPECT_EQ(ids_where(*p, "status=ready"), ready) << round;
        ASSERT_TRUE(p->sync(true)) << round;
        EXPECT_EQ(ids_where(*p, "status=ready"), ready) << round;
    }
}

// Whoever folded the ledger in memory for want of a cache answers from there, whatever has come to
// the ledger since then.
TEST(HostileCache, ACacheTakenAwayAgainAndAgainWhileOthersWriteFailsNoRead) {
    const auto remove = [](os::FaultFileSystem& disk) {
        for (const char* suffix : {"", "-wal", "-shm"})
            (void)disk.unlink(std::string("/p/store.db") + suffix).has_value();
    };
    for (int look = 1; look <= 8; ++look) {
        SCOPED_TRACE("at look " + std::to_string(look) + " at each cache that is built");
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", kDraftA);
        Process p(*disk);
        ASSERT_TRUE(p->get("prds", "a"));
        int looks = 0;
        disk->set_hook([&](const os::CallRecord& call) {
            if (call.call == os::Call::rename && call.other_path == "/p/store.db") looks = 0;
            if (call.call != os::Call::path_info || call.path != "/p/store.db") return;
            if (++looks != look) return;
            remove(*disk);
            append_foreign(*disk, kDraftB);
            p.clock.advance_ms(20);
        });
        remove(*disk);
        p.clock.advance_ms(20);
        EXPECT_TRUE(ids_where(*p, "status=draft").contains("a"));
        disk->set_hook({});
    }
}

TEST(HostileCache, ARebuildTriesAgainAndThenSaysThatTheCacheIsTakenAway) {
    for (const int times : {1, 2, 1000}) {
        for (const bool garbage : {false, true}) {
            SCOPED_TRACE(std::to_string(times) + (garbage ? ", something else put there" : ""));
            auto disk = new_disk();
            disk->put_file("/p/prds.jsonl", kDraftA);
            Process p(*disk);
            int taken = 0;
            disk->set_hook([&](const os::CallRecord&) {
                if (taken == times || !disk->get_file("/p/store.db")) return;
                if (disk->get_file("/p/store.db") == std::string(8192, 'x')) return;
                ++taken;
                for (const char* suffix : {"", "-wal", "-shm"})
                    (void)disk->unlink(std::string("/p/store.db") + suffix).has_value();
                if (garbage) disk->put_file("/p/store.db", std::string(8192, 'x'));
            });
            const auto synced = p->sync(true);
            disk->set_hook({});
            if (times < 1000) {
                ASSERT_TRUE(synced) << synced.error().message << disk->log_text();
            } else {
                ASSERT_FALSE(synced);
                EXPECT_EQ(synced.error().code, Code::unavailable) << synced.error().message;
                EXPECT_NE(synced.error().hint.find("/p/store.db"), std::string::npos);
                ASSERT_TRUE(p->sync(true));
            }
            EXPECT_EQ(p->get("prds", "a")->id, "a");
        }
    }
}

}  // namespace
}  // namespace taskstore::records
