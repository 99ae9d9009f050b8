#pragma once
// A disk of a few megabytes that a test can fill (floor 2): a tmpfs on a folder, for tests of what
// a full disk does to a real server.
//
//   TASKSTORE_LET(const auto disk, SmallDisk::mount(folder.path(), 8 << 20));
//   { const Ballast ballast(folder.path()); … }   // full
//   …                                             // and free again

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace taskstore {

/// Seen by the thread that mounted it, by threads and programs that it starts afterwards, and by
/// nobody else: it goes with the last of them, however they end. Not thread-safe.
class SmallDisk {
  public:
    /// denied: only root may (CAP_SYS_ADMIN); a test skips, naming that.
    static Result<std::unique_ptr<SmallDisk>> mount(const std::string& folder,
                                                    std::int64_t bytes_max);
    ~SmallDisk();
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

  private:
    explicit SmallDisk(std::string folder) : x_folder(std::move(folder)) {}
    const std::string x_folder;
};

/// Takes all that is free on a folder's disk, until it goes.
class Ballast {
  public:
    /// Ends the program where the file cannot be made.
    explicit Ballast(const std::string& folder);
    ~Ballast();
    Ballast(const Ballast&) = delete;
    Ballast& operator=(const Ballast&) = delete;

  private:
    const std::string x_path;
};

}  // namespace taskstore
