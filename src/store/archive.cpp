#include <taskstore/store/archive.hpp>

#include <algorithm>

namespace taskstore::store {

Result<std::shared_ptr<tasks::TaskArchive>> open_archive(std::shared_ptr<Databases> databases) {
    TASKSTORE_LET(sql::Database* const database, databases->open(DatabaseName::archive));
    return std::shared_ptr<tasks::TaskArchive>(
        tasks::make_task_archive(*database, std::move(databases)));
}

Result<std::shared_ptr<tasks::TaskArchive>> find_archive(std::shared_ptr<Databases> databases) {
    TASKSTORE_LET(const MigrationReport report, databases->migrations(DatabaseName::archive));
    if (report.away) return fail(*report.away);
    const bool is_there = std::ranges::any_of(
        report.modules, [](const MigrationReport::Module& one) { return !one.applied.empty(); });
    if (!is_there) return std::shared_ptr<tasks::TaskArchive>();
    return open_archive(std::move(databases));
}

}  // namespace taskstore::store
