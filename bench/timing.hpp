#pragma once
// What the benchmarks share: time of a piece of work, the middle of several, and a plan's lines.

#include <taskstore/ledger/edit.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace taskstore::bench {

template <typename Work>
double seconds_of(const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

/// A task spec of about 300 bytes.
inline std::vector<ledger::Change> spec(int number, std::int64_t ms) {
    return {{"id", "\"0190a5de-ac96-774b-bcce-" + std::to_string(300'000'000'000 + number) + "\""},
            {"prd_id", "\"prd-" + std::to_string(number % 100) + "\""},
            {"phase_name", "\"phase number " + std::to_string(number) + "\""},
            {"description", "\"a step of the plan that somebody wrote down\""},
            {"created_at", std::to_string(ms)},
            {"status", "\"pending\""},
            {"workflow_name", "null"},
            {"assigned_to", "null"},
            {"content", "\"\""}};
}

}  // namespace taskstore::bench
