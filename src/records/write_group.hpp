#pragma once
// What one group of writes has come to, from the first look into the cache to its commit.

#include "plan_impl.hpp"

#include <optional>

namespace taskstore::records {

/// What a group has prepared so far: later members must see earlier ones.
struct PlanImpl::Group {
    std::map<std::pair<std::string, std::string>, std::size_t>
        latest;  ///< The last of `lines` for a record.
    std::vector<Prepared> lines;
    /// What the cache has seen of the files that it was prepared against; under the lock nobody
    /// changes that.
    std::map<std::string, FileRow, std::less<>> files;
    Ticket* current = nullptr;  ///< The one that is being prepared.
    /// From the first look into the cache to the rows of the lines: taking and leaving a snapshot
    /// for each look costs more than the looks. Nothing where somebody else keeps the cache locked.
    std::optional<sql::Transaction> cache;

    void add(Prepared line) {
        latest[{line.collection, line.id}] = lines.size();
        lines.push_back(std::move(line));
    }
    const Prepared* find(std::string_view collection, std::string_view id) const {
        const auto found = latest.find({std::string(collection), std::string(id)});
        return found == latest.end() ? nullptr : &lines[found->second];
    }
    void clear() {
        cache.reset();
        files.clear();
        forget_from(0);
    }
    void forget_from(std::size_t count) {
        lines.resize(count);
        latest.clear();
        for (std::size_t i = 0; i < count; ++i) latest[{lines[i].collection, lines[i].id}] = i;
    }
};

}  // namespace taskstore::records
