// Compaction against reading and parsing the same file and writing the result once, interleaved,
// median of several rounds.
//   compact_bench FOLDER [RECORDS] [EDITS]    FOLDER on the disk to measure (default 100000, 9)
#include "timing.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/ledger/compact.hpp>
#include <taskstore/ledger/edit.hpp>
#include <taskstore/os/file_system.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace {

using namespace taskstore;
using bench::median;
using bench::seconds_of;

constexpr int kRounds = 5;

/// Of all threads of this process.
double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// RECORDS task specs of about 300 bytes, then EDITS edits of each, by two replicas in turn: all
/// records once, then all once more.
void generate(const std::string& path, int records, int edits) {
    std::ofstream out(path, std::ios::binary);
    std::vector<std::string> latest(static_cast<std::size_t>(records));
    std::int64_t ms = 1'700'000'000'000;
    ledger::LineDecoder decoder;
    for (int edit = 0; edit <= edits; ++edit) {
        for (int i = 0; i < records; ++i) {
            std::string& line = latest[static_cast<std::size_t>(i)];
            ledger::State state;
            std::vector<ledger::Change> changes;
            if (edit == 0) {
                changes = bench::spec(i, ms);
            } else {
                const auto decoded =
                    decoder.decode(std::string_view(line).substr(0, line.size() - 1));
                state = ledger::fold({}, std::span(&*decoded, 1));
                changes = {{"status", "\"state " + std::to_string(edit) + "\""}};
                if (edit % 3 == 0)
                    changes.push_back({"assigned_to", "\"agent " + std::to_string(edit) + "\""});
            }
            const Stamp at{++ms, 0, edit % 2 == 0 ? "k3v9q2m7x1" : "0h4tq8w2zd"};
            line = ledger::encode_edit({}, state, changes, at, {.by = "bench"});
            out << line;
        }
    }
}

std::string read_all(os::FileSystem& files, const std::string& path) {
    auto text = os::read_file(files, path, std::size_t{8} << 30U);
    if (!text) std::exit(1);
    return std::move(*text);
}

void write_all(os::FileSystem& files, const std::string& path, std::string_view text) {
    if (!os::replace_file(files, path, text)) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    const std::string folder = argv[1];
    const int records = argc > 2 ? std::atoi(argv[2]) : 100'000;
    const int edits = argc > 3 ? std::atoi(argv[3]) : 9;
    std::filesystem::create_directories(folder);
    const std::string path = folder + "/lines.jsonl";
    generate(path, records, edits);
    os::SystemFileSystem files;
    std::vector<double> ours;
    std::vector<double> raw;
    std::vector<double> planning;
    double cpu_ours = 0;
    double cpu_raw = 0;
    ledger::CompactCounts counts;
    std::string result;
    for (int round = 0; round < kRounds; ++round) {
        const double before = cpu_seconds();
        ours.push_back(seconds_of([&] {
            const std::string text = read_all(files, path);
            ledger::LineSet committed;
            const ledger::BatchPlaces batches;
            auto replacement = os::Replacement::begin(files, folder + "/ours.jsonl");
            const auto start = std::chrono::steady_clock::now();
            const ledger::Compaction compaction(text, {.shape = {}, .batches = &batches});
            planning.push_back(
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
            if (!compaction.write(
                    [&](std::string_view piece) { return replacement->write(piece); }) ||
                !replacement->commit())
                std::exit(1);
            counts = compaction.counts();
        }));
        cpu_ours += cpu_seconds() - before;
        if (round == 0) {
            rusage usage{};
            getrusage(RUSAGE_SELF, &usage);
            std::printf("%lld lines (%lld MB) to %lld (%lld MB), peak memory %ld MB\n",
                        static_cast<long long>(counts.lines_before),
                        static_cast<long long>(counts.bytes_before / 1'000'000),
                        static_cast<long long>(counts.lines_after),
                        static_cast<long long>(counts.bytes_after / 1'000'000),
                        usage.ru_maxrss / 1000);
            result = read_all(files, folder + "/ours.jsonl");
        }
        const double between = cpu_seconds();
        raw.push_back(seconds_of([&] {
            const std::string text = read_all(files, path);
            JsonSlicer slicer;
            std::size_t members = 0;
            for (std::size_t at = 0; at < text.size();) {
                const std::size_t end = text.find('\n', at);
                const auto sliced = slicer.slice(std::string_view(text).substr(at, end - at));
                if (sliced) members += (*sliced)->size();
                at = end + 1;
            }
            if (members == 0) std::exit(1);
            write_all(files, folder + "/raw.jsonl", result);
        }));
        cpu_raw += cpu_seconds() - between;
    }
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / raw[i]);
    std::printf("compaction: ratio %.2f (ours %.2f s, of which deciding %.2f s; raw %.2f s)\n",
                median(ratios), median(ours), median(planning), median(raw));
    std::printf("processor time of all threads: ratio %.2f (ours %.2f s, raw %.2f s)\n",
                cpu_ours / cpu_raw, cpu_ours / kRounds, cpu_raw / kRounds);
    return 0;
}
