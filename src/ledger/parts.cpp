#include "parts.hpp"

#include <algorithm>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace taskstore::ledger {

std::size_t parts_of(std::size_t items, std::size_t items_per_part) {
    constexpr std::size_t kThreadsMax = 8;
    return std::clamp<std::size_t>(
        items / items_per_part, 1,
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax));
}

void run_in_parts(std::size_t parts, const std::function<void(std::size_t)>& work) {
    std::vector<std::exception_ptr> failures(parts);
    const auto run = [&](std::size_t part) {
        try {
            work(part);
        } catch (...) {
            failures[part] = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> others;
        others.reserve(parts);
        std::vector<std::size_t> here;
        here.reserve(parts);
        here.push_back(0);
        for (std::size_t part = 1; part < parts; ++part) {
            try {
                others.emplace_back(run, part);
            } catch (const std::system_error&) {
                here.push_back(part);
            }
        }
        for (const std::size_t part : here) run(part);
    }
    for (const std::exception_ptr& failure : failures) {
        if (failure) std::rethrow_exception(failure);
    }
}

}  // namespace taskstore::ledger
