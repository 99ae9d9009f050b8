#include <taskstore/store/archive.hpp>

#include <algorithm>
#include <mutex>

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

tasks::ArchiveFinder archive_finder(std::function<Result<std::shared_ptr<Databases>>()> now) {
    struct Found {
        std::mutex one_at_a_time;
        std::string place;
        std::shared_ptr<tasks::TaskArchive> archive;
    };
    return [now = std::move(now),
            found = std::make_shared<Found>()]() -> Result<std::shared_ptr<tasks::TaskArchive>> {
        const std::lock_guard lock(found->one_at_a_time);
        TASKSTORE_LET(auto databases, now());
        TASKSTORE_LET(const DatabasePlace at, databases->place(DatabaseName::archive));
        std::string place = sql::text_of(at.location);
        if (found->archive && found->place == place) return found->archive;
        TASKSTORE_LET(found->archive, find_archive(std::move(databases)));
        found->place = std::move(place);
        return found->archive;
    };
}

}  // namespace taskstore::store
