// A three-way merge of ledger files in memory of one process, as the driver does it: against
// reading and parsing the three files with the same parser, and against reading and comparing them
// line by line; interleaved, median of several rounds.
//   merge_bench FOLDER [RECORDS] [CHANGED]    FOLDER on the disk to measure; each side edits
//   CHANGED
//                                             records, half of them the same ones (default 100000,
//                                             10)
#include "timing.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/ledger/merge.hpp>
#include <taskstore/os/file_system.hpp>

#include <sys/resource.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace {

using namespace taskstore;
using bench::median;
using bench::seconds_of;

constexpr int kRounds = 7;

using Files = std::array<std::string, 3>;  ///< Base, ours, theirs.

void generate(const Files& paths, int records, int changed) {
    std::int64_t ms = 1'700'000'000'000;
    std::vector<std::string> lines;
    std::string base;
    for (int i = 0; i < records; ++i) {
        ++ms;
        lines.push_back(ledger::encode_edit({}, {}, bench::spec(i, ms), {ms, 0, "k3v9q2m7x1"},
                                            {.by = "bench"}));
        base += lines.back();
    }
    const auto side = [&](int first, const std::string& replica) {
        std::string text = base;
        ledger::LineDecoder decoder;
        const int step = std::max(1, records / std::max(1, 2 * changed));
        for (int i = 0; i < changed; ++i) {
            const std::string& line = lines[static_cast<std::size_t>((first + i) * step % records)];
            const auto decoded = decoder.decode(std::string_view(line).substr(0, line.size() - 1));
            const ledger::State state = ledger::fold({}, std::span(&*decoded, 1));
            text += ledger::encode_edit({}, state, {{"status", "\"of " + replica + "\""}},
                                        {++ms, 0, replica}, {.by = replica});
        }
        return text;
    };
    const std::array texts{base, side(0, "0h4tq8w2zd"), side(changed / 2, "7s1n5c8r4b")};
    for (std::size_t i = 0; i < paths.size(); ++i)
        std::ofstream(paths[i], std::ios::binary) << texts[i];
}

std::string read_all(os::FileSystem& files, const std::string& path) {
    auto text = os::read_file(files, path);
    if (!text) std::exit(1);
    return std::move(*text);
}

template <typename Each>
void each_line(std::string_view text, const Each& each) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        each(text.substr(at, end - at));
        at = end + 1;
    }
}

std::size_t parse(os::FileSystem& files, const Files& paths) {
    JsonSlicer slicer;
    std::size_t members = 0;
    for (const std::string& path : paths) {
        const std::string text = read_all(files, path);
        each_line(text, [&](std::string_view line) {
            const auto sliced = slicer.slice(line);
            if (sliced) members += (*sliced)->size();
        });
    }
    return members;
}

/// Line by line, side against base: what any merge must at least do.
std::size_t compare(os::FileSystem& files, const Files& paths) {
    const std::string base = read_all(files, paths[0]);
    std::size_t unlike = 0;
    for (const std::string& path : {paths[1], paths[2]}) {
        const std::string side = read_all(files, path);
        std::size_t at = 0;
        each_line(side, [&](std::string_view line) {
            const std::size_t end = std::min(base.find('\n', at), base.size());
            const std::string_view other =
                at < base.size() ? std::string_view(base).substr(at, end - at) : std::string_view();
            if (line != other) ++unlike;
            at = end + 1;
        });
    }
    return unlike;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    const std::string folder = argv[1];
    const int records = argc > 2 ? std::atoi(argv[2]) : 100'000;
    const int changed = argc > 3 ? std::atoi(argv[3]) : 10;
    std::filesystem::create_directories(folder);
    const Files paths{folder + "/base.jsonl", folder + "/ours.jsonl", folder + "/theirs.jsonl"};
    generate(paths, records, changed);
    os::SystemFileSystem files;
    rusage before{};
    getrusage(RUSAGE_SELF, &before);
    std::vector<double> ours;
    std::vector<double> to_parse;
    std::vector<double> to_compare;
    std::size_t bytes = 0;
    std::size_t checksum = 0;
    for (int round = 0; round < kRounds; ++round) {
        ours.push_back(seconds_of([&] {
            const std::string base = read_all(files, paths[0]);
            const std::string here = read_all(files, paths[1]);
            const std::string there = read_all(files, paths[2]);
            const ledger::Merged merged = ledger::merge_files({base, here, there}, {});
            bytes = merged.text.size();
        }));
        to_parse.push_back(seconds_of([&] { checksum += parse(files, paths); }));
        to_compare.push_back(seconds_of([&] { checksum += compare(files, paths); }));
    }
    std::vector<double> of_parsing;
    std::vector<double> of_comparing;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        of_parsing.push_back(ours[i] / to_parse[i]);
        of_comparing.push_back(ours[i] / to_compare[i]);
    }
    std::printf("%d records, %d changed on each side, result %zu MB (%zu)\n", records, changed,
                bytes / 1'000'000, checksum % 10);
    std::printf(
        "merge: %.2f of parsing, %.2f of comparing (ours %.3f s, parsing %.3f s, comparing "
        "%.3f s)\n",
        median(of_parsing), median(of_comparing), median(ours), median(to_parse),
        median(to_compare));
    return 0;
}
