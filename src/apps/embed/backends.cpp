#include <taskstore/backends.hpp>
#include <taskstore/sqlite/copy.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

namespace taskstore {
namespace {

class SqlitePart final : public sql::Part {
  public:
    Result<std::unique_ptr<sql::Database>> open_database(const sql::OpenRequest& request) override {
        return sqlite::open_database(request.location.text, options_of(request),
                                     {.driver = &x_driver, .clock = request.clock});
    }
    Result<std::unique_ptr<sql::Connection>> connect(const sql::OpenRequest& request) override {
        return x_driver.connect(request.location.text, options_of(request));
    }
    std::string version() const override { return "built in"; }
    bool copies() const override { return true; }
    Status copy(const sql::OpenRequest& request, sql::CopyFile& to) override {
        return to.copy_from(request);
    }
    Result<std::unique_ptr<sql::CopyFile>> begin_copy(const std::string& path) override {
        return sqlite::begin_copy(x_driver, path);
    }

  private:
    static sql::OpenOptions options_of(const sql::OpenRequest& request) {
        return {.read_only = request.read_only, .create = request.create};
    }
    sqlite::Driver x_driver;
};

/// The folder of the program that runs; empty where the system does not tell.
std::string program_folder() {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? std::string() : program.parent_path().string();
}

std::vector<std::string> folders(const std::string& named) {
    std::vector<std::string> folders;
    if (!named.empty()) folders.push_back(named);
    if (const std::string own = program_folder(); !own.empty()) {
        folders.push_back(own + "/drivers");
        folders.push_back(own + "/" TASKSTORE_DRIVERS_BESIDE);
    }
    folders.emplace_back(TASKSTORE_DRIVERS_FOLDER);
    return folders;
}

}  // namespace

struct Backends::Loaded {
    void* handle = nullptr;
    std::unique_ptr<sql::Part> part;

    ~Loaded() {
        part.reset();
        // The object stays mapped: threads of its libraries may still be on their way out.
    }
};

Backends::Backends(std::string folder) : x_folder(std::move(folder)) {}
Backends::~Backends() = default;

Result<sql::Part*> Backends::part(sql::Engine engine) {
    const std::lock_guard lock(x_mutex);
    auto& slot = x_loaded[engine];
    if (slot != nullptr) return slot->part.get();
    auto loaded = std::make_unique<Loaded>();
    if (sql::row_of(engine).built_in) {
        loaded->part = std::make_unique<SqlitePart>();
        slot = std::move(loaded);
        return slot->part.get();
    }
    const std::string name = "taskstore-" + std::string(sql::name_of(engine)) + ".so";
    std::string tried;
    for (const std::string& folder : folders(x_folder)) {
        const std::string path = folder + "/" + name;
        tried += "\n  " + path;
        std::error_code error;
        if (!std::filesystem::exists(path, error)) continue;
        // Local: each part keeps its libraries' names to itself.
        loaded->handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (loaded->handle == nullptr)
            return fail(Code::unsupported,
                        "the driver cannot be loaded: " + std::string(dlerror()));
        const auto* entry =
            static_cast<const sql::PartEntry*>(dlsym(loaded->handle, sql::kPartSymbol));
        if (entry == nullptr || std::string_view(entry->stamp) != sql::kPartStamp)
            return fail(Code::unsupported, path + " was built with another version of taskstore")
                .with_hint("install program and drivers of one version");
        loaded->part.reset(entry->make());
        if (loaded->part == nullptr) return fail(Code::failed, path + ": out of memory");
        slot = std::move(loaded);
        return slot->part.get();
    }
    return fail(Code::unsupported, "the driver of " + std::string(sql::name_of(engine)) +
                                       " is not installed; looked for:" + tried)
        .with_hint("install the package of the drivers, or name their folder: TASKSTORE_DRIVERS");
}

}  // namespace taskstore
