#pragma once
// The engines that this program can open (floor 6; composition roots use it). SQLite is built in;
// PostgreSQL and libSQL are shared objects, loaded when a location first names them.
//
// They are looked for, in this order: the folder that is named (TASKSTORE_DRIVERS), `drivers`
// beside the program, the folder of the libraries as it lies from the program's folder, and as it
// was installed.

#include <taskstore/sql/location.hpp>
#include <taskstore/sql/part.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace taskstore {

/// Thread-safe. What a part has opened must be closed before this goes.
class Backends {
  public:
    /// `folder`: where to look first; empty: nowhere special.
    explicit Backends(std::string folder = {});
    ~Backends();
    Backends(const Backends&) = delete;
    Backends& operator=(const Backends&) = delete;

    /// unsupported: the driver is not installed, says where it was looked for; or it was built with
    /// another version.
    Result<sql::Part*> part(sql::Engine engine);

  private:
    struct Loaded;
    std::string x_folder;
    std::mutex x_mutex;
    std::map<sql::Engine, std::unique_ptr<Loaded>> x_loaded;
};

}  // namespace taskstore
