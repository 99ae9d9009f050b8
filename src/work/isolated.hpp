#pragma once
// What an isolated command has for itself. Private to work.
//
//   FOLDER/TASK-FENCE/home   HOME and working folder; result.json there is what it may write
//   FOLDER/TASK-FENCE/tmp    TMPDIR, and where it can be /tmp
//   FOLDER/TASK-FENCE.lock   the path of its guard's lock: as long as that is held, it is in use

#include <taskstore/work/worker.hpp>

#include <string>
#include <string_view>

namespace taskstore::work {

/// Goes away with all that is in it, when nothing of the command runs any more.
class IsolatedFolder {
  public:
    /// The paths alone. `name`: TASK-FENCE.
    IsolatedFolder(os::FileSystem& files, const std::string& folder, const std::string& name)
        : x_files(files), x_folder(folder), x_name(name), x_path(os::join_path(folder, name)) {}
    ~IsolatedFolder();
    IsolatedFolder(const IsolatedFolder&) = delete;
    IsolatedFolder& operator=(const IsolatedFolder&) = delete;

    /// Makes it. `lock_path`: of the guard.
    Status make(const std::string& lock_path);
    const std::string& path() const { return x_path; }
    std::string home() const { return os::join_path(x_path, "home"); }
    std::string tmp() const { return os::join_path(x_path, "tmp"); }
    std::string result() const { return os::join_path(home(), "result.json"); }

  private:
    std::string lock_file() const { return x_path + ".lock"; }
    os::FileSystem& x_files;
    const std::string x_folder;
    const std::string x_name;
    const std::string x_path;
    bool x_made = false;
};

/// What workers that were killed left in the folder. How many; what cannot be removed stays for the
/// next time, and is the error when all others are gone.
Result<std::int64_t> clear_isolated(os::FileSystem& files, const std::string& folder);

/// Tries the namespaces, and settles the limits. denied: what has to be there is refused. invalid:
/// a limit that is none, or a path that is not absolute.
Result<IsolationFound> find_isolation(const IsolationOptions& wanted);

}  // namespace taskstore::work
