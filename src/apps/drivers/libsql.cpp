// The libSQL driver as a loadable part.

#include <taskstore/libsql/database.hpp>
#include <taskstore/sql/part.hpp>

#include <list>
#include <mutex>
#include <new>

namespace taskstore {
namespace {

libsql::Options options_of(const sql::OpenRequest& request) {
    return {.pool = request.pool,
            .token = request.token,
            .read_only = request.read_only,
            .until_boot_ns = request.until_boot_ns,
            .clock = request.clock,
            .random = request.random,
            .warn = request.warn};
}

class LibsqlPart final : public sql::Part {
  public:
    Result<std::unique_ptr<sql::Database>> open_database(const sql::OpenRequest& request) override {
        return libsql::open_database(request.location.text, options_of(request));
    }
    Result<std::unique_ptr<sql::Connection>> connect(const sql::OpenRequest& request) override {
        const std::lock_guard lock(x_mutex);
        libsql::Driver& driver = x_drivers.emplace_back(options_of(request));
        return driver.connect(request.location.text, {.read_only = request.read_only});
    }
    std::string version() const override { return libsql::library_version(); }
    bool copies() const override { return true; }
    Status copy(const sql::OpenRequest& request, sql::CopyFile& to) override {
        bool refused_here = false;
        TASKSTORE_TRY(to.load(""));  // So that an answer with nothing in it is judged as a dump.
        Status copied =
            libsql::dump(request.location.text, options_of(request), [&](std::string_view piece) {
                Status taken = to.load(piece);
                refused_here = !taken;
                return taken;
            });
        // Some servers have none, and their rows are read; one that is read otherwise than it was
        // meant is worth a word.
        if (refused_here && copied.error().code == Code::unsupported && request.warn)
            request.warn(sql::shown(request.location) + ": " + copied.error().message);
        return copied;
    }

  private:
    std::mutex x_mutex;
    std::list<libsql::Driver> x_drivers;  ///< They outlive what they connected.
};

sql::Part* make() noexcept {
    return new (std::nothrow) LibsqlPart;
}

}  // namespace
}  // namespace taskstore

extern "C" {
extern const taskstore::sql::PartEntry taskstore_part;
const taskstore::sql::PartEntry taskstore_part{taskstore::sql::kPartStamp, &taskstore::make};
}
