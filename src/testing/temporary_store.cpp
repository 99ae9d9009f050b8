#include <taskstore/sqlite/driver.hpp>
#include <taskstore/store/place.hpp>
#include <taskstore/testing/temporary_store.hpp>

#include <cstdio>
#include <cstdlib>
#include <optional>

namespace taskstore {
namespace {

/// A test that has no store has nothing to test.
void insist(const Status& status) {
    if (status) return;
    std::fprintf(stderr, "no temporary store: %s\n", status.error().message.c_str());
    std::abort();
}

}  // namespace

class TemporaryStore::Opened final : public Store {
  public:
    explicit Opened(const TemporaryStoreOptions& options)
        : x_actor(options.actor), x_random(options.seed) {
        if (options.disk != nullptr) {
            x_disk = options.disk;
            x_root = "/plan";
        } else {
            x_root = x_home.emplace().path();
        }
        x_driver.emplace(options.disk);
        insist(open());
    }
    void reopen() {
        x_plan.reset();
        insist(open());
    }
    records::Plan& plan() override { return *x_plan; }
    const std::string& folder() const override { return x_folder; }

    FakeClock x_clock;
    os::FileSystem& files() { return x_disk != nullptr ? *x_disk : x_system; }
    Random& random() { return x_random; }
    const std::string& root() const { return x_root; }

  private:
    Status open() {
        TASKSTORE_TRY(os::make_directories(files(), x_root));
        TASKSTORE_LET(const store::Place place,
                      store::place_at(files(), os::join_path(x_root, ".taskstore")));
        TASKSTORE_TRY(store::make_store(files(), place));
        x_folder = place.folder;
        TASKSTORE_LET(x_plan, records::Plan::open(files(), *x_driver, x_clock, x_random,
                                                  {.folder = place.folder,
                                                   .replica_path = place.replica_path,
                                                   .actor = x_actor}));
        return ok();
    }

    std::string x_actor;
    SeededRandom x_random;
    os::SystemFileSystem x_system;
    os::FileSystem* x_disk = nullptr;
    std::optional<TemporaryFolder> x_home;
    std::string x_root;
    std::string x_folder;
    std::optional<sqlite::Driver> x_driver;
    std::unique_ptr<records::Plan> x_plan;
};

TemporaryStore::TemporaryStore(const TemporaryStoreOptions& options)
    : x_opened(std::make_unique<Opened>(options)) {}
TemporaryStore::~TemporaryStore() = default;
Store& TemporaryStore::store() {
    return *x_opened;
}
FakeClock& TemporaryStore::clock() {
    return x_opened->x_clock;
}
Random& TemporaryStore::random() {
    return x_opened->random();
}
os::FileSystem& TemporaryStore::files() {
    return x_opened->files();
}
const std::string& TemporaryStore::root() const {
    return x_opened->root();
}
void TemporaryStore::reopen() {
    x_opened->reopen();
}

}  // namespace taskstore
