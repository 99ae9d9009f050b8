// Ratios of the plan against the physical limit on the same disk, interleaved, median of several
// rounds.
//   plan_bench FOLDER [RECORDS]     FOLDER on the disk to measure; RECORDS of the large runs
//   (default 100000)
#include "timing.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/records/plan.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

namespace {

using namespace taskstore;
using bench::median;
using bench::seconds_of;

struct Compared {
    std::vector<double> ours;
    std::vector<double> raw;
};

void report(const char* what, Compared compared, double per) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < compared.ours.size(); ++i)
        ratios.push_back(compared.ours[i] / compared.raw[i]);
    std::printf("%-44s ratio %5.2f  (ours %.1f us, raw %.1f us each)\n", what, median(ratios),
                median(compared.ours) / per * 1e6, median(compared.raw) / per * 1e6);
}

std::string body(int i) {
    return "\"prd_id\":\"prd-" + std::to_string(i % 100) + "\",\"phase_name\":\"phase number " +
           std::to_string(i) +
           "\",\"description\":\"a step of the plan that somebody wrote down\",\"created_at\":" +
           std::to_string(1'700'000'000'000 + i) + ",\"status\":\"" +
           (i % 97 == 0 ? "running" : "pending") +
           "\",\"workflow_name\":null,\"assigned_to\":null,\"content\":\"\"";
}
std::string line_of(int i) {
    return "{\"id\":\"ts-" + std::to_string(i) + "\"," + body(i) +
           ",\"updated_at\":" + std::to_string(1'700'000'000'000 + i) + "}\n";
}

/// As long as what the plan writes beside the record: in a line of its own, in a line of a batch.
std::string stamps_of(int i, bool batch) {
    std::string text = "{\"v\":1,\"at\":\"" + std::to_string(1'700'000'000'000 + i) +
                       "@abcdefghij\",\"by\":\"bench\"";
    if (batch)
        text += ",\"b\":[\"01890a5d-ac96-774b-bcce-b302099a8057\"," + std::to_string(i) + ",10000]";
    return text + "}";
}
std::string stamped_line_of(int i, bool batch) {
    std::string line = line_of(i);
    line.resize(line.size() - 2);
    return line + ",\"_stamps\":" + stamps_of(i, batch) + "}\n";
}
/// As long as a UUID, and as random in its place in the index as a UUIDv7 of this moment: last.
std::string id_of(int i) {
    std::string text = std::to_string(i);
    return "zzzzzzzz-zzzz-7000-8000-" + std::string(12 - text.size(), '0') + text;
}

/// The same rows and indexes as the cache's, by hand.
struct Raw {
    explicit Raw(const std::string& path, const char* synchronous) {
        sqlite3_open(path.c_str(), &db);
        run("PRAGMA journal_mode=WAL");
        run((std::string("PRAGMA synchronous=") + synchronous).c_str());
        run("CREATE TABLE IF NOT EXISTS t(rid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
            "updated_at INTEGER "
            "NOT NULL, revision TEXT NOT NULL, prd_id TEXT, phase_name TEXT, "
            "description TEXT, created_at INTEGER, status TEXT, workflow_name TEXT, assigned_to "
            "TEXT, data TEXT NOT NULL, stamps TEXT NOT NULL) STRICT");
        run("CREATE INDEX IF NOT EXISTS i1 ON t(prd_id,created_at,id)");
        run("CREATE INDEX IF NOT EXISTS i2 ON t(created_at,id)");
        run("CREATE INDEX IF NOT EXISTS i3 ON t(status,created_at,id)");
        sqlite3_prepare_v2(db,
                           "INSERT INTO t VALUES(NULL,?1,?2,'r',?3,?4,'a step of the plan that "
                           "somebody wrote down',?5,?6,NULL,NULL,?7,?8)",
                           -1, &insert, nullptr);
    }
    Raw(const Raw&) = delete;
    Raw& operator=(const Raw&) = delete;
    ~Raw() {
        sqlite3_finalize(insert);
        sqlite3_close(db);
    }
    void run(const char* sql) { sqlite3_exec(db, sql, nullptr, nullptr, nullptr); }
    void put(int i, const std::string& id, bool batch = false, const std::string& stamps = {}) {
        const std::string prd = "prd-" + std::to_string(i % 100);
        const std::string phase = "phase number " + std::to_string(i);
        const std::string data = line_of(i);
        sqlite3_bind_text(insert, 1, id.c_str(), -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 2, 1'700'000'000'000 + i);
        sqlite3_bind_text(insert, 3, prd.c_str(), -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 4, phase.c_str(), -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 5, 1'700'000'000'000 + i);
        sqlite3_bind_text(insert, 6, i % 97 == 0 ? "running" : "pending", -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 7, data.c_str(), -1, SQLITE_STATIC);
        const std::string own = stamps.empty() ? stamps_of(i, batch) : stamps;
        sqlite3_bind_text(insert, 8, own.c_str(), -1, SQLITE_STATIC);
        sqlite3_step(insert);
        sqlite3_reset(insert);
    }
    sqlite3* db = nullptr;
    sqlite3_stmt* insert = nullptr;
};

struct Bench {
    std::filesystem::path folder;
    SystemClock clock;
    SystemRandom random;
    os::SystemFileSystem files;
    sqlite::Driver driver;
    int next = 0;

    std::unique_ptr<records::Plan> open(const std::string& name) {
        std::filesystem::create_directories(folder / name / "run");
        auto plan = records::Plan::open(files, driver, clock, random,
                                        {.folder = folder / name,
                                         .replica_path = folder / name / "run/replica.json",
                                         .actor = "bench"});
        if (!plan) {
            std::fprintf(stderr, "%s\n", plan.error().message.c_str());
            std::exit(1);
        }
        return std::move(*plan);
    }
    /// A raw database of the size that the plan's has by now, flushed.
    std::string raw_copy(const std::string& name) const {
        const auto path = folder / (name + ".db");
        std::filesystem::copy_file(folder / "raw0.db", path);
        const int file = ::open(path.c_str(), O_RDWR);
        fsync(file);
        close(file);
        return path;
    }
    records::Write create(int i) {
        return {.collection = "task_specs",
                .changes = {{"prd_id", "\"prd-" + std::to_string(i % 100) + "\""},
                            {"phase_name", "\"phase number " + std::to_string(i) + "\""},
                            {"description", "\"a step of the plan that somebody wrote down\""}},
                .check_references = false};
    }
};

/// A change is looked at more closely while it is so young that another one could look the same.
void let_it_age() {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
}

/// What a sync costs after a change of the file, against hashing the file.
void sync_figures(Bench& bench, records::Plan& plan) {
    const std::string path = bench.folder / "sync/task_specs.jsonl";
    const auto hash = [&] {
        const auto file = bench.files.open(path, os::OpenMode::read);
        std::string chunk(1 << 20, '\0');
        std::uint64_t sum = 0;
        for (std::int64_t at = 0;; at += static_cast<std::int64_t>(chunk.size())) {
            const auto got = (*file)->read_at(at, chunk.data(), chunk.size());
            sum ^= xxh3_64(std::string_view(chunk).substr(0, *got));
            if (*got < chunk.size()) return sum;
        }
    };
    std::vector<double> own;
    std::vector<double> hashed;
    std::vector<double> foreign;
    std::vector<double> switched;
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 100; ++i) (void)plan.write({bench.create(bench.next++)}).has_value();
        own.push_back(seconds_of([&] { (void)bench.open("sync")->sync().has_value(); }));
        hashed.push_back(seconds_of([&] { hash(); }));
        std::ofstream(path, std::ios::app)
            << "{\"id\":\"foreign" << round << "\"," << body(1) << ",\"updated_at\":1}\n";
        foreign.push_back(seconds_of([&] { (void)plan.sync().has_value(); }));
        let_it_age();
        (void)plan.sync().has_value();

        std::string text = *os::read_file(bench.files, path, std::size_t{1} << 40);
        std::size_t at = text.size() - 1;
        for (int line = 0; line < 1000; ++line) at = text.rfind('\n', at - 1);
        for (std::size_t i = text.find("phase number", at); i != std::string::npos;
             i = text.find("phase number", i))
            text[i] = text[i] == 'p' ? 'P' : 'p';
        (void)os::replace_file(bench.files, path, text).has_value();
        text = {};
        switched.push_back(seconds_of([&] { (void)plan.sync().has_value(); }));
        let_it_age();
        (void)plan.sync().has_value();
    }
    std::printf("%-44s %.2f ms\n", "open and sync after 100 lines of ours", median(own) * 1e3);
    std::printf("%-44s %.2f ms\n", "hashing the file", median(hashed) * 1e3);
    const auto against_hashing = [&](const char* what, const std::vector<double>& took) {
        std::printf("%-44s %.2f ms = 1.3 x hashing %+.0f ms\n", what, median(took) * 1e3,
                    (median(took) - 1.3 * median(hashed)) * 1e3);
    };
    against_hashing("sync after a foreign append", foreign);
    against_hashing("sync after a switch of the last 1000 lines", switched);
}

/// What every durable write has to pay: an append and a flush.
struct RawLog {
    explicit RawLog(const std::filesystem::path& path)
        : file(open(path.c_str(), O_CREAT | O_RDWR | O_APPEND, 0644)) {}
    RawLog(const RawLog&) = delete;
    RawLog& operator=(const RawLog&) = delete;
    ~RawLog() { close(file); }
    void append(const std::string& text) const {
        if (write(file, text.data(), text.size()) < 0) std::exit(1);
        fdatasync(file);
    }
    int file;
};

void flush_figure(const RawLog& log) {
    std::vector<double> flushes;
    for (int i = 0; i < 200; ++i) flushes.push_back(seconds_of([&] { log.append(line_of(i)); }));
    std::printf("append + fdatasync of 300 bytes: %.0f us median\n", median(flushes) * 1e6);
}

/// Leaves the plan "sync" and raw0.db with as many rows behind, which the other figures grow from.
void full_sync_figure(Bench& bench, int records) {
    std::filesystem::create_directories(bench.folder / "sync/run");
    std::ofstream file(bench.folder / "sync/task_specs.jsonl");
    for (int i = 0; i < records; ++i) file << line_of(i);
    file.close();
    Compared full;
    for (int round = 0; round < 3; ++round) {
        full.raw.push_back(seconds_of([&] {
            const auto path = bench.folder / ("raw" + std::to_string(round) + ".db");
            Raw raw(path, "OFF");
            raw.run("BEGIN");
            for (int i = 0; i < records; ++i) raw.put(i, "ts-" + std::to_string(i), false, "{}");
            raw.run("COMMIT");
        }));
        for (const char* name : {"store.db", "store.db-wal", "store.db-shm"})
            std::filesystem::remove(bench.folder / "sync" / name);
        full.ours.push_back(seconds_of([&] { bench.open("sync"); }));
    }
    report("full sync : raw bulk insert", full, records);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%-44s %ld MB\n", "peak memory so far", usage.ru_maxrss / 1024);
}

void single_creates_figure(Bench& bench, records::Plan& plan, const RawLog& log, int records) {
    Compared one;
    Raw raw(bench.raw_copy("one"), "NORMAL");
    for (int round = 0; round < 15; ++round) {
        one.raw.push_back(seconds_of([&] {
            for (int i = 0; i < 200; ++i) {
                log.append(stamped_line_of(i, false));
                raw.put(records + round * 200 + i, id_of(round * 200 + i));
            }
        }));
        one.ours.push_back(seconds_of([&] {
            for (int i = 0; i < 200; ++i)
                (void)plan.write({bench.create(bench.next++)}).has_value();
        }));
    }
    report("durable create, one thread", one, 200);
}

void group_figure(Bench& bench, records::Plan& plan, const RawLog& log, int records) {
    Compared many;
    Raw raw(bench.raw_copy("many"), "NORMAL");
    for (int round = 0; round < 5; ++round) {
        many.raw.push_back(seconds_of([&] {
            for (int group = 0; group < 40; ++group) {
                std::string text;
                for (int i = 0; i < 64; ++i) text += stamped_line_of(i, false);
                log.append(text);
                raw.run("BEGIN");
                for (int i = 0; i < 64; ++i)
                    raw.put(records + i, id_of((round * 40 + group) * 64 + i));
                raw.run("COMMIT");
            }
        }));
        const int first = bench.next;
        bench.next += 64 * 40;
        many.ours.push_back(seconds_of([&] {
            std::vector<std::thread> threads;
            for (int t = 0; t < 64; ++t) {
                threads.emplace_back([&, t] {
                    for (int i = 0; i < 40; ++i)
                        (void)plan.write({bench.create(first + t * 40 + i)}).has_value();
                });
            }
            for (auto& thread : threads) thread.join();
        }));
    }
    report("durable creates, 64 threads", many, 64 * 40);
}

void batch_figure(Bench& bench, records::Plan& plan, const RawLog& log, int records) {
    Compared batch;
    for (int round = 0; round < 3; ++round) {
        Raw raw(bench.raw_copy("batch" + std::to_string(round)), "NORMAL");
        std::vector<records::Write> writes;
        for (int i = 0; i < 10'000; ++i) writes.push_back(bench.create(bench.next++));
        batch.raw.push_back(seconds_of([&] {
            std::string text;
            for (int i = 0; i < 10'000; ++i) text += stamped_line_of(i, true);
            log.append(text);
            raw.run("BEGIN");
            for (int i = 0; i < 10'000; ++i) raw.put(records + i, id_of(i), true);
            raw.run("COMMIT");
        }));
        batch.ours.push_back(seconds_of([&] { (void)plan.write(std::move(writes)).has_value(); }));
    }
    report("batch of 10k creates", batch, 10'000);
}

std::size_t bytes_of_text(sqlite3_stmt* row, int column) {
    return std::string(reinterpret_cast<const char*>(sqlite3_column_text(row, column))).size();
}

void get_figure(sqlite3* db, records::Plan& plan, int records) {
    std::size_t copied = 0;
    sqlite3_stmt* get = nullptr;
    sqlite3_prepare_v2(db, "SELECT id,data,revision,updated_at FROM task_specs WHERE id=?1", -1,
                       &get, nullptr);
    Compared gets;
    for (int round = 0; round < 5; ++round) {
        gets.raw.push_back(seconds_of([&] {
            for (int i = 0; i < 20'000; ++i) {
                const std::string id = "ts-" + std::to_string(i * 7 % records);
                sqlite3_bind_text(get, 1, id.c_str(), -1, SQLITE_STATIC);
                sqlite3_step(get);
                copied += bytes_of_text(get, 1);
                sqlite3_reset(get);
            }
        }));
        gets.ours.push_back(seconds_of([&] {
            for (int i = 0; i < 20'000; ++i)
                (void)plan.get("task_specs", "ts-" + std::to_string(i * 7 % records)).has_value();
        }));
    }
    sqlite3_finalize(get);
    report("get by id", gets, 20'000);
    if (copied == 0) std::exit(1);
}

void filter_figure(sqlite3* db, records::Plan& plan, int records) {
    std::size_t copied = 0;
    sqlite3_stmt* one = nullptr;
    sqlite3_prepare_v2(db, "SELECT id,data,revision,updated_at FROM task_specs WHERE created_at=?1",
                       -1, &one, nullptr);
    Compared filters;
    for (int round = 0; round < 5; ++round) {
        filters.raw.push_back(seconds_of([&] {
            for (int i = 0; i < 5'000; ++i) {
                sqlite3_bind_int64(one, 1, 1'700'000'000'000 + i * 7 % records);
                sqlite3_step(one);
                copied += bytes_of_text(one, 1);
                sqlite3_reset(one);
            }
        }));
        filters.ours.push_back(seconds_of([&] {
            for (int i = 0; i < 5'000; ++i) {
                (void)plan
                    .list({.collection = "task_specs",
                           .filter = records::Filter::compare(
                               "created_at", records::Op::eq,
                               std::to_string(1'700'000'000'000 + i * 7 % records))})
                    .has_value();
            }
        }));
    }
    sqlite3_finalize(one);
    report("filter that matches one row", filters, 5'000);
    if (copied == 0) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return std::fprintf(stderr, "usage: plan_bench FOLDER [RECORDS]\n"), 2;
    Bench bench;
    bench.folder = std::filesystem::path(argv[1]) / ("taskstore-bench-" + std::to_string(getpid()));
    std::filesystem::create_directories(bench.folder);
    const int records = argc > 2 ? std::atoi(argv[2]) : 100'000;
    std::printf("SQLite %s, %u cores, %d records\n", sqlite3_libversion(),
                std::thread::hardware_concurrency(), records);
    {
        const RawLog log(bench.folder / "raw.log");
        flush_figure(log);
        full_sync_figure(bench, records);
        const auto plan = bench.open("sync");
        sync_figures(bench, *plan);
        single_creates_figure(bench, *plan, log, records);
        group_figure(bench, *plan, log, records);
        batch_figure(bench, *plan, log, records);
        sqlite3* db = nullptr;
        sqlite3_open((bench.folder / "sync/store.db").c_str(), &db);
        get_figure(db, *plan, records);
        filter_figure(db, *plan, records);
        sqlite3_close(db);
    }
    std::filesystem::remove_all(bench.folder);
    return 0;
}
