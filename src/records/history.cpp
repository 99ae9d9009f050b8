// What a record was.

#include "plan_impl.hpp"

#include <algorithm>

namespace taskstore::records {

Result<std::vector<Version>> PlanImpl::history(std::string_view collection, std::string_view id) {
    TASKSTORE_LET(auto past, past_of(collection, id));
    std::vector<Version> versions;
    versions.reserve(past.size());
    for (Past& one : past) versions.push_back(std::move(one.version));
    return versions;
}

Result<std::vector<std::string>> PlanImpl::lines(std::string_view collection, std::string_view id) {
    std::vector<std::string> texts;
    const auto read_lines = [&](Cache& cache) -> Status {
        texts.clear();
        TASKSTORE_LET(const StoredState stored, cache.load(collection, id));
        if (stored.rid == 0)
            return fail(Code::not_found, "nothing is known of '" + std::string(id) + "'");
        TASKSTORE_LET(texts, cache.lines_of(collection, stored.rid));
        if (texts.empty())
            return fail(Code::not_found,
                        "the lines of '" + std::string(id) + "' wait for the rest of their batch");
        ledger::LineDecoder decoder(shape_of(collection));
        for (const std::string& text : texts) {
            const auto line = decoder.decode(text);
            if (!line || line->id != id)
                return fail(Code::corrupt, "the cache does not know the ledger that is there");
        }
        return ok();
    };
    // It reads the files themselves, where the cache says that the lines stand. What somebody else
    // put there since the cache looked is no damage of the cache: it looks again.
    Status known = ok();
    for (int times = 0; times <= kMovedMax; ++times) {
        x_checked_boot_ns = 0;
        bool moved = false;
        known = read([&](sql::Connection& db, const Catalogue& catalogue) -> Status {
            TASKSTORE_LET(auto snapshot, sql::Transaction::begin_read(db));
            Cache cache(db, x_ledger, x_clock, catalogue.shared_from_this());
            auto status = read_lines(cache);
            if (status || times == kMovedMax) return status;
            TASKSTORE_LET(moved, is_replaced(cache, collection));
            return moved ? Status(fail(Code::conflict, status.error().message)) : status;
        });
        if (known || !moved) break;
    }
    if (!known) {
        if (known.error().code == Code::not_found) TASKSTORE_TRY(check_is_file(collection));
        return fail(known.error());
    }
    return texts;
}

Result<std::vector<Past>> PlanImpl::past_of(std::string_view collection, std::string_view id) {
    TASKSTORE_LET(const std::vector<std::string> texts, lines(collection, id));
    ledger::LineDecoder decoder(shape_of(collection));
    std::vector<ledger::Line> own;
    for (const std::string& text : texts) {
        TASKSTORE_LET(auto line, decoder.decode(text));
        own.push_back(std::move(line));
    }
    std::vector<Past> past;
    for (PastVersion& one : past_of_lines(collection, own, [&](std::size_t done) {
             if (x_options.progress)
                 x_options.progress("folding versions", static_cast<std::int64_t>(done),
                                    static_cast<std::int64_t>(own.size()));
         })) {
        const bool ours = one.at.replica == x_replica->id();
        past.push_back({std::move(one), ours});
    }
    return past;
}

/// Whether another file has the place of the one that was taken in.
Result<bool> PlanImpl::is_replaced(Cache& cache, std::string_view collection) {
    TASKSTORE_LET(const FileRow row, cache.file_row(collection));
    const auto info = x_files.info(x_ledger.path_of(collection));
    return row.number != 0 && !(info && info->identity == row.identity);
}

}  // namespace taskstore::records
