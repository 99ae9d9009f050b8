// Wires the system's files, clocks and SQLite to a plan.

#include <taskstore/os/process.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/store/place.hpp>
#include <taskstore/taskstore.hpp>

#include <unistd.h>

#include <filesystem>

namespace taskstore {
namespace {

std::string user_name() {
    return os::name_of_user(geteuid()).value_or(std::to_string(geteuid()));
}

class SystemStore final : public Store {
  public:
    Status start(const std::string& path, StoreOptions options) {
        std::error_code error;
        const std::string from = std::filesystem::weakly_canonical(path, error).string();
        if (error) return fail(Code::invalid, "'" + path + "' is no path: " + error.message());
        TASKSTORE_LET(const store::Place place, store::find_place(x_files, from));
        if (!place.exists) {
            if (!options.create)
                return fail(Code::not_found, "there is no store at or above '" + from + "'")
                    .with_hint("let open() create one, or name another folder");
            TASKSTORE_TRY(store::make_store(x_files, place));
        }
        TASKSTORE_TRY(store::check_owner(x_files, place, {.uid = geteuid()}, ""));
        records::PlanOptions plan{.folder = place.folder, .replica_path = place.replica_path};
        plan.actor = options.actor.empty() ? user_name() : std::move(options.actor);
        x_folder = place.folder;
        TASKSTORE_LET(x_plan,
                      records::Plan::open(x_files, x_driver, x_clock, x_random, std::move(plan)));
        return ok();
    }
    records::Plan& plan() override { return *x_plan; }
    const std::string& folder() const override { return x_folder; }

  private:
    SystemClock x_clock;
    SystemRandom x_random;
    os::SystemFileSystem x_files;
    sqlite::Driver x_driver;
    std::string x_folder;
    std::unique_ptr<records::Plan> x_plan;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& path, StoreOptions options) {
    auto store = std::make_unique<SystemStore>();
    TASKSTORE_TRY(store->start(path, std::move(options)));
    return std::unique_ptr<Store>(std::move(store));
}

}  // namespace taskstore
