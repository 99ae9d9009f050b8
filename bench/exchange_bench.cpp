// Ratios of import and export against what they cannot do without, interleaved, median of rounds.
//   exchange_bench FOLDER [RECORDS]     FOLDER on the disk to measure; RECORDS default 100000
#include "timing.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/store/export.hpp>
#include <taskstore/store/import.hpp>
#include <taskstore/store/place.hpp>

#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

namespace {

using namespace taskstore;
using bench::median;
using bench::seconds_of;

constexpr int kRounds = 5;

[[noreturn]] void give_up(const Error& error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    std::exit(1);
}
template <typename T>
T need(Result<T> result) {
    if (!result) give_up(result.error());
    return std::move(*result);
}
void need(Status status) {
    if (!status) give_up(status.error());
}

void report(const char* what, const std::vector<double>& ours, const std::vector<double>& raw,
            int records) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / raw[i]);
    std::printf("%-44s ratio %5.2f  (ours %.2f us, raw %.2f us a record)\n", what, median(ratios),
                median(ours) / records * 1e6, median(raw) / records * 1e6);
}

/// As a tracker writes it: about 700 bytes, one in fifty an epic.
std::string tracker_line(int i) {
    const bool epic = i % 50 == 0;
    const std::string id = "bench-" + sha256_hex(std::to_string(i)).substr(0, 8);
    std::string line =
        R"({"id":")" + id + R"(","title":"Make the thing number )" + std::to_string(i) +
        R"( work","description":"Somebody wrote down what is wrong, how it shows, )"
        R"(and what was tried.\n\n- first this\n- then that\n\nIt ends with \"quotes\" )"
        R"(and a longer explanation of what is wanted in the end, so that whoever takes it )"
        R"(up knows where to begin.","status":")" +
        (i % 3 == 0 ? "closed" : "open") + R"(","priority":)" + std::to_string(i % 5) +
        R"(,"issue_type":")" + (epic ? "epic" : "task") +
        R"(","created_at":"2025-11-02T21:58:07.295058-08:00",)"
        R"("updated_at":"2025-11-03T20:56:22.700641-08:00")";
    if (!epic) {
        const std::string parent = "bench-" + sha256_hex(std::to_string(i - i % 50)).substr(0, 8);
        line +=
            R"(,"labels":["bench","p)" + std::to_string(i % 7) +
            R"("],"dependencies":[{"issue_id":")" + id + R"(","depends_on_id":")" + parent +
            R"(","type":"parent-child","created_at":"2025-11-02T22:23:49-08:00","created_by":"kay"}])";
    }
    return line + "}\n";
}

struct Bench {
    std::filesystem::path folder;
    int records = 0;
    SystemClock clock;
    SystemRandom random;
    os::SystemFileSystem files;
    sqlite::Driver driver;
    int opened = 0;

    std::unique_ptr<records::Plan> fresh_plan() {
        const auto path = folder / ("plan" + std::to_string(opened++));
        const store::Place place = need(store::place_at(files, path));
        need(store::make_store(files, place));
        return need(records::Plan::open(
            files, driver, clock, random,
            {.folder = place.folder, .replica_path = place.replica_path, .actor = "bench"}));
    }
};

/// What the import wrote, as one batch.
std::vector<records::Write> writes_of(records::Plan& plan) {
    std::vector<records::Write> writes;
    JsonSlicer slicer;
    need(plan.each({.collections = {"prds", "task_specs"},
                    .begin = [] { return ok(); },
                    .visit = [&](int, const records::Visited& record) -> Status {
                        records::Write write{.collection = std::string(record.collection),
                                             .id = std::string(record.id),
                                             .verbatim = true};
                        TASKSTORE_LET(const auto* const members, slicer.slice(record.data));
                        for (const JsonMember& member : *members) {
                            if (member.name == "id" || member.name == "updated_at") continue;
                            write.changes.push_back(
                                {std::string(member.name), std::string(member.raw_value)});
                        }
                        writes.push_back(std::move(write));
                        return ok();
                    }}));
    return writes;
}

void import_figures(Bench& bench) {
    const std::string path = bench.folder / "issues.jsonl";
    std::string text;
    for (int i = 0; i < bench.records; ++i) text += tracker_line(i);
    need(os::replace_file(bench.files, path, text));
    std::printf("%d tracker records, %.1f MB\n", bench.records,
                static_cast<double>(text.size()) / 1e6);
    text = {};
    store::ImportRequest request;
    request.name = "issues.jsonl";
    request.open = [&]() -> Result<std::unique_ptr<exchange::ByteSource>> {
        TASKSTORE_LET(auto file, bench.files.open(path, os::OpenMode::read));
        return exchange::file_source(std::move(file));
    };
    std::vector<double> ours;
    std::vector<double> raw;
    std::vector<double> parsing;
    std::vector<double> again;
    for (int round = 0; round < kRounds; ++round) {
        const auto plan = bench.fresh_plan();
        ours.push_back(seconds_of([&] {
            const auto done = need(store::import_records(*plan, bench.clock, request));
            if (done.records != bench.records) std::exit(1);
        }));
        if (round == 0) {
            rusage usage{};
            getrusage(RUSAGE_SELF, &usage);
            std::printf("%-44s %ld MB\n", "peak memory of the first import",
                        usage.ru_maxrss / 1024);
        }
        again.push_back(
            seconds_of([&] { need(store::import_records(*plan, bench.clock, request)); }));
        std::vector<records::Write> writes = writes_of(*plan);
        const auto other = bench.fresh_plan();
        parsing.push_back(seconds_of([&] {
            const std::string bytes = need(os::read_file(bench.files, path));
            JsonSlicer slicer;
            for (std::size_t at = 0; at < bytes.size();) {
                const std::size_t end = bytes.find('\n', at);
                (void)need(slicer.slice(std::string_view(bytes).substr(at, end - at)));
                at = end + 1;
            }
        }));
        raw.push_back(parsing.back() + seconds_of([&] { need(other->write(std::move(writes))); }));
    }
    report("import : parse + batch create", ours, raw, bench.records);
    report("import again : the same", again, raw, bench.records);
    std::printf("%-44s %.2f us a record\n", "parsing alone", median(parsing) / bench.records * 1e6);
}

void export_figures(Bench& bench) {
    const auto plan = bench.fresh_plan();
    store::ImportRequest request;
    request.name = "issues.jsonl";
    request.open = [&]() -> Result<std::unique_ptr<exchange::ByteSource>> {
        TASKSTORE_LET(auto file,
                      bench.files.open(bench.folder / "issues.jsonl", os::OpenMode::read));
        return exchange::file_source(std::move(file));
    };
    need(store::import_records(*plan, bench.clock, request));
    const auto raw_export = [&](const char* order) {
        const std::string path = bench.folder / "raw.jsonl";
        auto replacement = need(os::Replacement::begin(bench.files, path));
        sqlite3* db = nullptr;
        sqlite3_open_v2(plan->cache_path().c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
        std::string buffer;
        for (const std::string table : {"prds", "task_specs"}) {
            sqlite3_stmt* rows = nullptr;
            sqlite3_prepare_v2(db, ("SELECT data FROM " + table + order).c_str(), -1, &rows,
                               nullptr);
            while (sqlite3_step(rows) == SQLITE_ROW) {
                const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(rows, 0));
                buffer.append("{\"_collection\":\"").append(table).append("\",");
                buffer.append(data + 1,
                              static_cast<std::size_t>(sqlite3_column_bytes(rows, 0)) - 1);
                buffer += '\n';
                if (buffer.size() < 64U << 10U) continue;
                need(replacement.write(buffer));
                buffer.clear();
            }
            sqlite3_finalize(rows);
        }
        need(replacement.write(buffer));
        need(replacement.commit());
        sqlite3_close(db);
    };
    const auto own_export = [&](store::ExportFormat format) {
        auto replacement = need(os::Replacement::begin(bench.files, bench.folder / "own.jsonl"));
        store::ExportRequest wanted;
        wanted.format = format;
        wanted.write = [&](std::string_view text) { return replacement.write(text); };
        need(store::export_records(*plan, wanted));
        need(replacement.commit());
    };
    std::vector<double> ours;
    std::vector<double> raw;
    std::vector<double> ordered;
    std::vector<double> csv;
    for (int round = 0; round < kRounds; ++round) {
        raw.push_back(seconds_of([&] { raw_export(""); }));
        ours.push_back(seconds_of([&] { own_export(store::ExportFormat::jsonl); }));
        ordered.push_back(seconds_of([&] { raw_export(" ORDER BY id"); }));
        csv.push_back(seconds_of([&] { own_export(store::ExportFormat::csv); }));
    }
    own_export(store::ExportFormat::jsonl);
    const auto same = std::filesystem::file_size(bench.folder / "own.jsonl") ==
                      std::filesystem::file_size(bench.folder / "raw.jsonl");
    std::printf("%-44s %s\n", "bytes of both exports", same ? "equal" : "UNLIKE");
    report("export JSONL : SELECT + write", ours, raw, bench.records);
    report("export JSONL : SELECT ORDER BY id + write", ours, ordered, bench.records);
    report("export CSV : SELECT + write", csv, raw, bench.records);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return std::fprintf(stderr, "usage: exchange_bench FOLDER [RECORDS]\n"), 2;
    Bench bench;
    bench.folder =
        std::filesystem::path(argv[1]) / ("taskstore-exchange-" + std::to_string(getpid()));
    bench.records = argc > 2 ? std::atoi(argv[2]) : 100'000;
    std::filesystem::create_directories(bench.folder);
    import_figures(bench);
    export_figures(bench);
    std::filesystem::remove_all(bench.folder);
    return 0;
}
