#include <taskstore/ledger/files.hpp>
#include <taskstore/ledger/replica.hpp>
#include <taskstore/ledger/scan.hpp>
#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

namespace taskstore::ledger {
namespace {

class LedgerFiles : public testing::Test {
  protected:
    void put(const std::string& text) {
        std::ofstream(x_folder / "c.jsonl", std::ios::binary) << text;
    }
    std::string get() { return *os::read_file(x_files, x_folder / "c.jsonl"); }
    Result<Appended> append(const std::string& lines) {
        const auto guard = x_ledger.lock().acquire();
        EXPECT_TRUE(guard);
        return x_ledger.append("c", lines);
    }
    std::vector<std::string> scan_texts(std::vector<Chunk>& chunks, ScanStart start = {}) {
        std::vector<std::string> texts;
        auto file = x_files.open(x_folder / "c.jsonl", os::OpenMode::read);
        const std::int64_t size = (*file)->info()->identity.size;
        EXPECT_TRUE(scan(**file, size, start, chunks, [&](const ScannedLine& line) {
            texts.push_back(std::string(line.text));
            return ok();
        }));
        return texts;
    }
    TemporaryFolder x_home;
    std::filesystem::path x_folder = x_home.path();
    FakeClock x_clock;
    os::SystemFileSystem x_files;
    LedgerFolder x_ledger{x_files, x_folder.string(), x_clock};
};

TEST_F(LedgerFiles, AppendMakesTheFileAndMarksIt) {
    const auto first = append("{\"id\":\"a\"}\n");
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_TRUE(first->created);
    const auto second = append("{\"id\":\"b\"}\n");
    ASSERT_TRUE(second);
    EXPECT_EQ(second->before, first->after);
    EXPECT_EQ(get(), "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
}

TEST(LedgerFolders, AnIgnoreFileThatGitCheckedOutWithCarriageReturnsIsWhole) {
    os::FaultFileSystem disk;
    disk.put_directory("/p");
    ASSERT_TRUE(complete_gitignore(disk, "/p"));
    std::string text = *disk.get_file("/p/.gitignore");
    for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 2))
        text.insert(at, "\r");
    disk.put_file("/p/.gitignore", text);
    ASSERT_TRUE(complete_gitignore(disk, "/p"));
    EXPECT_EQ(*disk.get_file("/p/.gitignore"), text);
    disk.put_file("/p/.gitignore", "own\r\n");
    ASSERT_TRUE(complete_gitignore(disk, "/p"));
    EXPECT_EQ(*disk.get_file("/p/.gitignore"), "own\r\n" + text);
}

Result<LedgerFolder::Rewritten> rewrite_to(LedgerFolder& ledger, const std::string& text) {
    const auto guard = ledger.lock().acquire();
    return ledger.rewrite("c", [&](std::string_view, const LedgerFolder::Put& put) -> Result<bool> {
        TASKSTORE_TRY(put(text));
        return true;
    });
}

TEST_F(LedgerFiles, WhoKeepsTheReplacedFileOpenLosesNothing) {
    put("{\"id\":\"a\"}\n");
    std::ofstream other(x_folder / "c.jsonl", std::ios::binary | std::ios::app);
    const auto rewritten = rewrite_to(x_ledger, "{\"id\":\"new\"}\n");
    ASSERT_TRUE(rewritten) << rewritten.error().message;
    ASSERT_EQ(rewritten->notes.size(), 1U);
    EXPECT_NE(rewritten->notes[0].find("keeps the old"), std::string::npos);
    other << "{\"id\":\"b\"}\n{\"id\":" << std::flush;
    const auto guard = x_ledger.lock().acquire();
    auto notes = x_ledger.take_in_replaced();
    ASSERT_TRUE(notes);
    EXPECT_EQ(get(), "{\"id\":\"new\"}\n{\"id\":\"b\"}\n") << "half a line waits";
    ASSERT_TRUE(x_ledger.take_in_replaced());
    other << "\"c\"}\n{\"id\":\"d\"}" << std::flush;
    ASSERT_TRUE(x_ledger.take_in_replaced());
    EXPECT_EQ(get(), "{\"id\":\"new\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n");
    EXPECT_FALSE(std::filesystem::is_empty(x_folder / "run/replaced"));
    other.close();
    ASSERT_TRUE(x_ledger.take_in_replaced());
    EXPECT_EQ(get(), "{\"id\":\"new\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n{\"id\":\"d\"}\n");
    EXPECT_TRUE(std::filesystem::is_empty(x_folder / "run/replaced"));
}

TEST(LedgerRewrite, LinesOfOthersAreWholeAndThereWhateverFails) {
    // A writer that knows no lock: half a line as soon as the new file is there, the rest later.
    for (std::size_t n = 0; n < 60; ++n) {
        os::FaultFileSystem disk;
        disk.put_file("/p/c.jsonl", "{\"id\":\"a\"}\n");
        FakeClock clock;
        LedgerFolder ledger(disk, "/p", clock);
        auto other = std::move(*disk.open("/p/c.jsonl", os::OpenMode::read_write));
        std::size_t calls = 0;
        bool replaced = false;
        disk.set_hook([&](const os::CallRecord&) {
            std::size_t written = 0;
            if (!replaced) {
                replaced = disk.get_file("/p/c.jsonl")->starts_with("{\"id\":\"new");
                return;
            }
            ++calls;
            if (calls == 1) {
                ASSERT_TRUE(other->append("{\"id\":", written));
            } else if (calls == 8) {
                ASSERT_TRUE(other->append("\"late\"}\n", written));
                other.reset();
            }
        });
        if (n > 0) disk.fail_at(n, {.only = std::nullopt});
        const auto rewritten = rewrite_to(ledger, "{\"id\":\"new\"}\n");
        disk.set_hook({});
        disk.clear_faults();
        std::size_t written = 0;
        if (calls > 0 && other) {
            ASSERT_TRUE(other->append("\"late\"}\n", written));
        }
        other.reset();
        const auto guard = ledger.lock().acquire();
        ASSERT_TRUE(ledger.take_in_replaced()) << n;
        const std::string text = *disk.get_file("/p/c.jsonl");
        if (!replaced) continue;
        EXPECT_NE(text.find("{\"id\":\"late\"}\n"), std::string::npos)
            << n << ": " << text << disk.log_text();
        EXPECT_EQ(text.find("{\"id\":\n"), std::string::npos) << n << ": " << text;
        EXPECT_TRUE(text.starts_with("{\"id\":\"new\"}") || text.starts_with("{\"id\":\"a\"}"))
            << n;
        EXPECT_TRUE(disk.list("/p/run/replaced")->empty()) << n;
    }
}

TEST_F(LedgerFiles, ATornTailIsSavedAndCut) {
    put("{\"id\":\"a\"}\n{\"id\":\"b");
    const auto appended = append("{\"id\":\"c\"}\n");
    ASSERT_TRUE(appended) << appended.error().message;
    EXPECT_EQ(get(), "{\"id\":\"a\"}\n{\"id\":\"c\"}\n");
    ASSERT_EQ(appended->notes.size(), 1U);
    const auto saved = std::filesystem::directory_iterator(x_folder / "run" / "torn");
    EXPECT_EQ(*os::read_file(x_files, saved->path()), "{\"id\":\"b");
}

TEST_F(LedgerFiles, AWholeLastRecordGetsItsNewline) {
    put("{\"id\":\"a\"}");
    ASSERT_TRUE(append("{\"id\":\"c\"}\n"));
    EXPECT_EQ(get(), "{\"id\":\"a\"}\n{\"id\":\"c\"}\n");
}

TEST(LedgerFilesOnABadDisk, AFileReplacedDuringTheAppendGetsTheLinesToo) {
    os::FaultFileSystem disk;
    disk.put_file("/s/c.jsonl", "{\"id\":\"a\"}\n");
    FakeClock clock;
    LedgerFolder ledger(disk, "/s", clock);
    bool replaced = false;
    for (const os::Call moment : {os::Call::write, os::Call::sync_data, os::Call::set_mtime}) {
        disk.set_hook([&](const os::CallRecord& call) {
            if (call.call != moment || call.path != "/s/c.jsonl" || replaced) return;
            replaced = true;
            disk.put_file("/s/c.jsonl", "{\"id\":\"b\"}\n");
        });
        replaced = false;
        const auto appended = ledger.append("c", "{\"id\":\"mine\"}\n");
        ASSERT_TRUE(appended) << appended.error().message;
        EXPECT_TRUE(replaced);
        EXPECT_EQ(*disk.get_file("/s/c.jsonl"), "{\"id\":\"b\"}\n{\"id\":\"mine\"}\n");
        EXPECT_EQ(appended->offset, 11);
        EXPECT_EQ(appended->after, disk.info("/s/c.jsonl")->identity);
        EXPECT_EQ(*disk.after_power_cut(os::PowerCut::drop_all())->get_file("/s/c.jsonl"),
                  *disk.get_file("/s/c.jsonl"));
    }
}

TEST(LedgerFilesOnABadDisk, WhatAFailedFlushLeftIsFlushedWithTheNextAppend) {
    os::FaultFileSystem disk;
    disk.put_file("/s/c.jsonl", "{\"id\":\"a\"}\n");
    FakeClock clock;
    LedgerFolder ledger(disk, "/s", clock);
    disk.fail_at(1, {.only = os::Call::sync_data});
    const auto unknown = ledger.append("c", "{\"id\":\"b\"}\n");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::outcome_unknown);
    ASSERT_TRUE(ledger.append("c", "{\"id\":\"c\"}\n"));
    EXPECT_EQ(*disk.after_power_cut(os::PowerCut::drop_all())->get_file("/s/c.jsonl"),
              "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n");
}

TEST(LedgerFilesOnABadDisk, BytesThatOthersAppendMeanwhileAreNeverWrittenOver) {
    for (const os::Call moment : {os::Call::write, os::Call::sync_data, os::Call::set_mtime}) {
        os::FaultFileSystem disk;
        disk.put_file("/s/c.jsonl", "{\"id\":\"a\"}\n");
        FakeClock clock;
        LedgerFolder ledger(disk, "/s", clock);
        bool come = false;
        disk.set_hook([&](const os::CallRecord& call) {
            if (call.call != moment || call.path != "/s/c.jsonl" || std::exchange(come, true))
                return;
            auto file = disk.open("/s/c.jsonl", os::OpenMode::read_write);
            std::size_t written = 0;
            ASSERT_TRUE((*file)->append("{\"id\":\"theirs\"}\n", written));
        });
        const auto appended = ledger.append("c", "{\"id\":\"mine\"}\n");
        ASSERT_TRUE(appended) << appended.error().message;
        const std::string text = *disk.get_file("/s/c.jsonl");
        EXPECT_TRUE(come);
        EXPECT_NE(text.find("{\"id\":\"theirs\"}\n"), std::string::npos);
        EXPECT_NE(text.find("{\"id\":\"mine\"}\n"), std::string::npos);
        EXPECT_FALSE(appended->chained);
    }
}

TEST(LedgerFilesOnABadDisk, ATailThatBecomesALineWhileItIsSavedIsNotCut) {
    os::FaultFileSystem disk;
    disk.put_file("/s/c.jsonl", "{\"id\":\"a\"}\n{\"id\":\"b");
    FakeClock clock;
    LedgerFolder ledger(disk, "/s", clock);
    bool come = false;
    disk.set_hook([&](const os::CallRecord& call) {
        if (call.call != os::Call::rename || std::exchange(come, true)) return;
        disk.overwrite_file("/s/c.jsonl", "{\"id\":\"a\"}\n{\"i\":1}\n");
    });
    ASSERT_TRUE(ledger.append("c", "{\"id\":\"mine\"}\n"));
    EXPECT_TRUE(come);
    EXPECT_EQ(*disk.get_file("/s/c.jsonl"), "{\"id\":\"a\"}\n{\"i\":1}\n{\"id\":\"mine\"}\n");
}

/// Whoever knows no lock may write half a line at any moment: our own line must not stand on it.
TEST(LedgerFilesOnABadDisk, OurLinesStandOnTheirOwnBesideALineThatSomebodyHasHalfWritten) {
    const std::string mine = "{\"id\":\"mine\"}\n";
    for (const std::string& start : {std::string(), std::string("{\"id\":\"b")}) {
        for (int n = 1;; ++n) {
            os::FaultFileSystem disk;
            disk.put_file("/s/c.jsonl", "{\"id\":\"a\"}\n" + start);
            FakeClock clock;
            LedgerFolder ledger(disk, "/s", clock);
            int calls = 0;
            disk.set_hook([&](const os::CallRecord& call) {
                if (call.path != "/s/c.jsonl" || call.call == os::Call::open || ++calls != n)
                    return;
                auto file = disk.open("/s/c.jsonl", os::OpenMode::read_write);
                std::size_t written = 0;
                ASSERT_TRUE((*file)->append("{\"id\":\"torn", written));
            });
            const auto appended = ledger.append("c", mine);
            ASSERT_TRUE(appended) << appended.error().message;
            const std::string text = *disk.get_file("/s/c.jsonl");
            EXPECT_NE(text.find("\n" + mine), std::string::npos) << "call " << n << ": " << text;
            if (calls < n) break;
        }
    }
}

TEST(LedgerFilesOnABadDisk, AFailedFlushIsTriedAgainForAllThatStandsBesideAHalfLineToo) {
    os::FaultFileSystem disk;
    disk.put_file("/s/c.jsonl", "{\"id\":\"a\"}\n");
    FakeClock clock;
    LedgerFolder ledger(disk, "/s", clock);
    bool come = false;
    disk.set_hook([&](const os::CallRecord& call) {
        if (call.call != os::Call::write || std::exchange(come, true)) return;
        auto file = disk.open("/s/c.jsonl", os::OpenMode::read_write);
        std::size_t written = 0;
        ASSERT_TRUE((*file)->append("{\"id\":\"torn", written));
    });
    disk.fail_at(1, {.only = os::Call::sync_data});
    EXPECT_EQ(ledger.append("c", "{\"id\":\"mine\"}\n").error().code, Code::outcome_unknown);
    EXPECT_TRUE(come);
    // The second flush succeeded: what the next process sees is on the disk to its last byte.
    EXPECT_EQ(*disk.after_power_cut(os::PowerCut::drop_all())->get_file("/s/c.jsonl"),
              *disk.get_file("/s/c.jsonl"));
}

TEST(LedgerFilesOnABadDisk, AFailedWriteTakesBackItsOwnPartAlone) {
    os::FaultFileSystem disk;
    disk.put_file("/s/c.jsonl", "{\"id\":\"a\"}\n");
    FakeClock clock;
    LedgerFolder ledger(disk, "/s", clock);
    disk.fail_at(1, {.kind = os::FaultKind::short_write, .only = os::Call::write});
    EXPECT_EQ(ledger.append("c", "{\"id\":\"mine\"}\n").error().code, Code::failed);
    EXPECT_EQ(*disk.get_file("/s/c.jsonl"), "{\"id\":\"a\"}\n");
    disk.fail_at(1, {.kind = os::FaultKind::short_write, .only = os::Call::write});
    bool come = false;
    disk.set_hook([&](const os::CallRecord& call) {
        if (call.call != os::Call::write || std::exchange(come, true)) return;
        auto file = disk.open("/s/c.jsonl", os::OpenMode::read_write);
        std::size_t written = 0;
        ASSERT_TRUE((*file)->append("{\"id\":\"theirs\"}\n", written));
    });
    EXPECT_EQ(ledger.append("c", "{\"id\":\"mine\"}\n").error().code, Code::outcome_unknown);
    EXPECT_NE(disk.get_file("/s/c.jsonl")->find("theirs"), std::string::npos);
}

TEST_F(LedgerFiles, AppendWaitsForTheLockOnTheFileItself) {
    put("{\"id\":\"a\"}\n");
    auto theirs = x_files.open(x_folder / "c.jsonl", os::OpenMode::read_write);
    ASSERT_TRUE((*theirs)->lock_exclusive());
    std::atomic<bool> done = false;
    std::thread ours([&] {
        EXPECT_TRUE(append("{\"id\":\"mine\"}\n"));
        done = true;
    });
    const std::string inode = ":" + std::to_string((*theirs)->info()->identity.inode) + " ";
    const auto waits = [&] {
        std::ifstream locks("/proc/locks");
        for (std::string line; std::getline(locks, line);) {
            if (line.find("->") != std::string::npos && line.find(inode) != std::string::npos)
                return true;
        }
        return false;
    };
    while (!waits()) std::this_thread::yield();
    EXPECT_FALSE(done);
    std::size_t written = 0;
    ASSERT_TRUE((*theirs)->append("{\"id\":\"theirs\"}\n", written));
    (*theirs)->unlock();
    ours.join();
    EXPECT_EQ(get(), "{\"id\":\"a\"}\n{\"id\":\"theirs\"}\n{\"id\":\"mine\"}\n");
}

TEST_F(LedgerFiles, StrangersAreNamedNotRead) {
    std::filesystem::create_directory(x_folder / "x.jsonl");
    put("");
    EXPECT_EQ(*x_ledger.collections(), std::vector<std::string>{"c"});
    EXPECT_EQ(x_ledger.strangers()->size(), 1U);
}

TEST_F(LedgerFiles, ALinkLeadsNowhere) {
    std::ofstream(x_folder / "elsewhere") << "{\"id\":\"a\"}\n";
    std::filesystem::create_symlink("elsewhere", x_folder / "c.jsonl");
    std::filesystem::create_symlink("nothing", x_folder / "d.jsonl");
    EXPECT_EQ(*x_ledger.collections(), std::vector<std::string>{});
    EXPECT_EQ(x_ledger.strangers()->size(), 2U);
    EXPECT_EQ(append("{\"id\":\"b\"}\n").error().code, Code::denied);
    EXPECT_EQ(x_ledger.append("d", "{\"id\":\"b\"}\n").error().code, Code::denied);
    EXPECT_EQ(*os::read_file(x_files, x_folder / "elsewhere"), "{\"id\":\"a\"}\n");
    EXPECT_FALSE(x_files.info(x_folder / "nothing"));
}

TEST_F(LedgerFiles, ScanTellsMarkersAndTornTailsFromRecords) {
    put("{\"id\":\"a\"}\r\n<<<<<<< ours\n\n{\"id\":\"b\"}\n=======\n>>>>>>>>> theirs\n{\"id\":");
    std::vector<LineKind> kinds;
    std::vector<std::int64_t> numbers;
    std::vector<std::size_t> markers;
    auto file = x_files.open(x_folder / "c.jsonl", os::OpenMode::read);
    std::vector<Chunk> chunks;
    ASSERT_TRUE(
        scan(**file, (*file)->info()->identity.size, {}, chunks, [&](const ScannedLine& line) {
            kinds.push_back(line.kind);
            markers.push_back(line.marker_bytes);
            numbers.push_back(line.number);
            return ok();
        }));
    EXPECT_EQ(kinds,
              (std::vector{LineKind::record, LineKind::ours_marker, LineKind::record,
                           LineKind::middle_marker, LineKind::theirs_marker, LineKind::torn}));
    EXPECT_EQ(numbers, (std::vector<std::int64_t>{1, 2, 4, 5, 6, 7}));
    EXPECT_EQ(markers, (std::vector<std::size_t>{0, 7, 0, 7, 9, 0}));
}

TEST_F(LedgerFiles, AChangeAnywhereIsFoundAndReadFromItsLineOn) {
    const std::uint64_t seed = 5;
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    std::string text;
    for (int i = 0; i < 40'000; ++i)
        text += "{\"id\":\"" + std::to_string(i) + "\",\"n\":\"" + std::string(60, 'x') + "\"}\n";
    for (int round = 0; round < 24; ++round) {
        if (round == 6) text.resize(3 << 20);           // ends in a line, on a chunk's end
        if (round == 12) text[text.size() - 1] = '\n';  // on a line's and a chunk's end
        if (round == 18) text.resize(1000);
        put(text);
        std::vector<Chunk> chunks;
        const auto before = scan_texts(chunks);
        std::string changed = text;
        const std::size_t place = random.next_u64() % text.size();
        if (round % 3 == 0)
            changed += "{\"id\":\"new\"}\n";
        else if (round % 3 == 1)
            changed[place] = changed[place] == 'x' ? 'y' : changed[place];
        else
            changed.resize(place);
        put(changed);
        auto file = x_files.open(x_folder / "c.jsonl", os::OpenMode::read);
        const auto start = first_difference(**file, static_cast<std::int64_t>(changed.size()),
                                            static_cast<std::int64_t>(text.size()), chunks);
        ASSERT_TRUE(start);
        if (changed == text) {
            EXPECT_EQ(start->offset, static_cast<std::int64_t>(text.size()));
            continue;
        }
        EXPECT_TRUE(start->offset == 0 ||
                    changed[static_cast<std::size_t>(start->offset) - 1] == '\n');
        EXPECT_EQ(changed.substr(0, static_cast<std::size_t>(start->offset)),
                  text.substr(0, static_cast<std::size_t>(start->offset)));
        scan_texts(chunks, *start);
        std::vector<Chunk> fresh;
        const auto texts = scan_texts(fresh);
        EXPECT_EQ(chunks, fresh);
        if (round % 3 == 0) {
            EXPECT_EQ(texts.back().substr(texts.back().size() - 12), "{\"id\":\"new\"}");
            EXPECT_GE(start->offset,
                      static_cast<std::int64_t>(text.rfind('\n', text.size() - 1)) + 1)
                << "what did not change is not read again";
        }
        EXPECT_EQ(unpack_chunks(pack_chunks(fresh)), fresh);
    }
}

TEST_F(LedgerFiles, AReplicaKeepsItsIdAndACopyGetsItsOwn) {
    SeededRandom random(1);
    const std::string path = x_folder / "run" / "replica.json";
    auto first = Replica::open(x_files, x_clock, random, x_folder, path);
    ASSERT_TRUE(first) << first.error().message;
    const Stamp stamp = (*first)->clock().tick();
    ASSERT_TRUE((*first)->save());
    x_clock.set_wall_ms(5);
    auto again = Replica::open(x_files, x_clock, random, x_folder, path);
    EXPECT_EQ((*again)->clock().replica(), stamp.replica);
    EXPECT_GT((*again)->clock().tick(), stamp);
    const auto copy = x_folder / "copy";
    std::filesystem::create_directory(copy);
    auto copied = Replica::open(x_files, x_clock, random, copy, path);
    EXPECT_NE((*copied)->clock().replica(), stamp.replica);
}

}  // namespace
}  // namespace taskstore::ledger
