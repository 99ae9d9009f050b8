#include "statement_names.hpp"

#include <utility>

namespace taskstore::postgres {
namespace {
constexpr std::size_t kStatementsMax = 64;
constexpr std::size_t kEvictedMax = 16;
}  // namespace

StatementNames::Entry& StatementNames::use(std::string_view key, bool& fresh) {
    const auto found = x_by_key.find(key);
    fresh = found == x_by_key.end();
    if (!fresh) {
        x_recent.splice(x_recent.begin(), x_recent, found->second);
        return x_recent.front();
    }
    x_recent.push_front({std::string(key), {}, State::seen});
    x_by_key.emplace(x_recent.front().key, x_recent.begin());
    if (x_recent.size() > kStatementsMax) {
        Entry& oldest = x_recent.back();
        if (!oldest.name.empty()) x_evicted.push_back(std::move(oldest.name));
        x_by_key.erase(oldest.key);
        x_recent.pop_back();
    }
    return x_recent.front();
}

void StatementNames::prepared(std::string_view key) {
    if (const auto found = x_by_key.find(key); found != x_by_key.end())
        found->second->state = State::prepared;
}

void StatementNames::forget(std::string_view key) {
    const auto found = x_by_key.find(key);
    if (found == x_by_key.end()) return;
    const auto entry = found->second;
    x_by_key.erase(found);
    x_recent.erase(entry);
}

void StatementNames::forget_all() {
    x_by_key.clear();
    x_recent.clear();
    x_evicted.clear();
}

std::vector<std::string> StatementNames::to_deallocate() {
    if (x_evicted.size() < kEvictedMax) return {};
    return std::exchange(x_evicted, {});
}

}  // namespace taskstore::postgres
