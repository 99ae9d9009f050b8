#pragma once
// A folder of this process alone, for files that are looked at and thrown away.

#include <taskstore/base/clock.hpp>
#include <taskstore/os/file_system.hpp>

#include <memory>
#include <string>

namespace taskstore::cli {

/// Removed with all that is in it when it goes out of scope, and when SIGHUP, SIGINT, SIGQUIT,
/// SIGPIPE or SIGTERM ends the process. One that a killed process left is removed when the next one
/// is made. At most one per process.
class PrivateFolder {
  public:
    /// In $TMPDIR, else /tmp; nobody else may look into it. denied, failed: it could not be made.
    static Result<std::unique_ptr<PrivateFolder>> make(const Clock& clock);
    PrivateFolder(const PrivateFolder&) = delete;
    PrivateFolder& operator=(const PrivateFolder&) = delete;
    ~PrivateFolder();
    const std::string& path() const { return x_path; }

  private:
    PrivateFolder(std::string path, int held) : x_path(std::move(path)), x_held(held) {}
    std::string x_path;
    int x_held;  ///< Open and locked: its maker lives.
};

}  // namespace taskstore::cli
