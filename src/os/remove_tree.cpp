// Folders that lie deep are moved up into the uppermost one before they are emptied: no path
// becomes too long, and as few descriptors are open however deep they lie.

#include "descriptor.hpp"
#include "system_error.hpp"

#include <taskstore/os/remove_tree.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

namespace taskstore::os {
namespace {

constexpr int kToFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

class Removal {
  public:
    explicit Removal(int root) : x_root(root) {}

    /// True: nothing is left in it.
    bool empty_root() {
        // What was moved up is there at the next look.
        while (x_error == 0) {
            const std::vector<std::string> names = names_in(x_root);
            if (names.empty()) break;
            for (const std::string& name : names) {
                if (::unlinkat(x_root, name.c_str(), 0) == 0) continue;
                if (errno != EISDIR) {
                    note();
                } else if (::unlinkat(x_root, name.c_str(), AT_REMOVEDIR) != 0) {
                    empty(name);
                }
            }
        }
        return x_error == 0;
    }
    int error() const { return x_error; }

  private:
    void note() {
        // What is gone already another one has removed.
        if (x_error == 0 && errno != ENOENT) x_error = errno;
    }

    std::vector<std::string> names_in(int folder) {
        std::vector<std::string> names;
        const int again = ::openat(folder, ".", kToFolder);
        const std::unique_ptr<DIR, int (*)(DIR*)> stream(again < 0 ? nullptr : ::fdopendir(again),
                                                         &::closedir);
        if (!stream) {
            note();
            if (again >= 0) ::close(again);
            return names;
        }
        while (const dirent* const entry = ::readdir(stream.get())) {
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") names.emplace_back(name);
        }
        return names;
    }

    /// The folder of that name in the root, and then the folder itself.
    void empty(const std::string& name) {
        // Its owner may enter it and move it; where it is no folder of ours, what follows says so.
        static_cast<void>(::fchmodat(x_root, name.c_str(), 0700, 0));
        const Descriptor folder(::openat(x_root, name.c_str(), kToFolder));
        if (folder.get() < 0) return note();
        for (const std::string& inner : names_in(folder.get())) {
            if (::unlinkat(folder.get(), inner.c_str(), 0) == 0) continue;
            if (errno != EISDIR || !move_up(folder.get(), inner)) note();
        }
        // Not empty: by now another one's move gave the name to another folder, which has its turn.
        if (::unlinkat(x_root, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOTEMPTY &&
            errno != EEXIST)
            note();
    }

    bool move_up(int folder, const std::string& name) {
        if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0) return true;
        if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES) return false;
        static_cast<void>(::fchmodat(folder, name.c_str(), 0700, 0));
        while (true) {
            const std::string up = std::to_string(x_moved++);
            if (::renameat2(folder, name.c_str(), x_root, up.c_str(), RENAME_NOREPLACE) == 0)
                return true;
            if (errno != EEXIST) return false;
        }
    }

    int x_root;
    std::uint64_t x_moved = 0;
    int x_error = 0;
};

}  // namespace

Status remove_tree(const std::string& path) {
    static_cast<void>(::chmod(path.c_str(), 0700));
    const Descriptor root(::open(path.c_str(), kToFolder));
    if (root.get() < 0) {
        if (errno == ENOENT) return ok();
        return system_failure("open", path, errno);
    }
    Removal removal(root.get());
    while (true) {
        if (!removal.empty_root()) return system_failure("empty", path, removal.error());
        if (::rmdir(path.c_str()) == 0 || errno == ENOENT) break;
        // A look at a folder that another one empties too may miss what was moved up meanwhile.
        if (errno != ENOTEMPTY && errno != EEXIST) return system_failure("remove", path, errno);
    }
    return ok();
}

}  // namespace taskstore::os
