// A store that this process can only read and others write: what it shows follows them.
#include "plan_process.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

/// The disk as a mount without the right to write shows it.
class ReadOnlyMount final : public os::FileSystem {
  public:
    explicit ReadOnlyMount(os::FileSystem& disk) : x_disk(disk) {}
    Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenMode mode,
                                           std::uint32_t permissions) override {
        const auto info = x_disk.info(path);
        if (mode != os::OpenMode::read && (info || mode != os::OpenMode::read_write))
            return refused();
        return x_disk.open(path, mode, permissions);
    }
    Result<os::FileInfo> info(const std::string& path) override { return x_disk.info(path); }
    Result<os::FileInfo> link_info(const std::string& path) override {
        return x_disk.link_info(path);
    }
    Status rename(const std::string& /*from*/, const std::string& /*to*/) override {
        return refused();
    }
    Status hard_link(const std::string& /*from*/, const std::string& /*to*/) override {
        return refused();
    }
    Status unlink(const std::string& /*path*/) override { return refused(); }
    Status make_directory(const std::string& /*path*/, std::uint32_t /*permissions*/) override {
        return refused();
    }
    Status remove_directory(const std::string& /*path*/) override { return refused(); }
    Result<std::vector<std::string>> list(const std::string& path) override {
        return x_disk.list(path);
    }
    Status sync_directory(const std::string& path) override { return x_disk.sync_directory(path); }
    std::optional<std::string> network_file_system(const std::string& path) override {
        return x_disk.network_file_system(path);
    }

  private:
    static Failure refused() {
        return fail(Code::denied, "the file system can only be read").with_native(EROFS);
    }
    os::FileSystem& x_disk;
};

void set_title(os::FileSystem& disk, const std::string& title, bool rebuilds = false) {
    Process writer(disk);
    ASSERT_TRUE(writer.opened) << writer.opened.error().message;
    const auto written = writer->update("prds", "a", prd(title));
    ASSERT_TRUE(written) << written.error().message;
    if (rebuilds) {
        ASSERT_TRUE(writer->sync(true));
    }
}

/// As `sqlite3 store.db .tables` leaves it: without a log, which read-only processes could join.
void fold_log_away(os::FileSystem& disk) {
    sqlite::Driver driver(&disk);
    const auto connection =
        driver.connect("/p/store.db", {.durability = sql::Durability::flushed, .checksums = true});
    ASSERT_TRUE(connection) << connection.error().message;
    ASSERT_TRUE((*connection)->execute("SELECT count(*) FROM prds"));
}

std::string title_of(Plan& plan) {
    const auto record = plan.get("prds", "a");
    return record ? Json::parse(record->data)->get("title").as_string().value_or("?")
                  : "error: " + record.error().message;
}

std::unique_ptr<os::FaultFileSystem> disk_without_log() {
    auto disk = new_disk();
    {
        Process writer(*disk);
        EXPECT_TRUE(writer->create("prds", prd("0"), "a"));
    }
    fold_log_away(*disk);
    EXPECT_FALSE(disk->get_file("/p/store.db-wal"));
    return disk;
}

TEST(ReadOnlyStore, ShowsWhatOthersWrite) {
    auto disk = disk_without_log();
    ReadOnlyMount mount(*disk);
    Process reader(mount, 2);
    ASSERT_TRUE(reader.opened) << reader.opened.error().message;
    EXPECT_EQ(title_of(*reader), "0");
    EXPECT_TRUE(reader->take_notes().empty()) << "store.db as it lies there is good enough";
    for (int round = 1; round <= 12; ++round) {
        SCOPED_TRACE(round);
        const std::string title = std::to_string(round);
        set_title(*disk, title, /*rebuilds=*/round % 4 == 0);
        if (round % 3 != 0) fold_log_away(*disk);
        reader.clock.advance_ms(20);
        EXPECT_EQ(title_of(*reader), title);
    }
}

TEST(ReadOnlyStore, AnAnswerReadWhileTheFileChangesIsAskedForAgain) {
    auto disk = disk_without_log();
    ReadOnlyMount mount(*disk);
    Process reader(mount, 2);
    EXPECT_EQ(title_of(*reader), "0");
    reader.clock.advance_ms(20);
    ASSERT_TRUE(reader->count({.collection = "task_specs"})) << "looked at the files just now";
    bool come = false;
    disk->set_hook([&](const os::CallRecord& call) {
        if (call.call != os::Call::read || call.path != "/p/store.db" || come) return;
        come = true;
        set_title(*disk, "1");
        fold_log_away(*disk);
    });
    const auto page = reader->list({.collection = "prds"});
    disk->set_hook({});
    ASSERT_TRUE(come);
    ASSERT_TRUE(page) << page.error().message;
    ASSERT_EQ(page->records.size(), 1U);
    EXPECT_EQ(Json::parse(page->records[0].data)->get("title").as_string(), "1");
}

}  // namespace
}  // namespace taskstore::records
