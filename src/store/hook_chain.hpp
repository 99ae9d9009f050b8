#pragma once
// Our hooks, and those of others beside them.

#include <taskstore/os/file_system.hpp>
#include <taskstore/store/hooks.hpp>

namespace taskstore::store {

/// Puts hooks in their places and takes them away. At every moment git finds a hook where one was:
/// the old one, or ours that calls it. Not thread-safe.
class HookChain {
  public:
    /// `stores`: whom the hooks are to serve; `before`: whom those serve that are there.
    HookChain(os::FileSystem& files, const GitPlaces& places,
              const std::vector<std::string>& stores, const std::vector<std::string>& before)
        : x_files(files), x_places(places), x_stores(stores), x_stores_before(before) {}

    Status install(std::string_view hook, Installed& out);
    Status uninstall(std::string_view hook, Installed& out);

  private:
    struct Hook {
        enum class Is : std::uint8_t { none, ours, earlier, foreign, folder };
        Is is = Is::none;
        bool runs = true;
        bool regular = true;  ///< No symbolic link.
        std::uint32_t mode = 0755;
        std::string text;
    };
    std::string path_of(std::string_view hook) const { return os::join_path(x_places.hooks, hook); }
    Result<Hook> hook_at(const std::string& path);
    bool is_called_by_another(std::string_view hook);
    bool is_as_wanted(std::string_view hook, const Hook& there, Installed& out);
    bool is_copy(const std::string& path, const Hook& there, const std::string& copy);
    Status keep(const std::string& path, const Hook& there, const std::string& before);
    Status keep_edited(std::string_view hook, const Hook& there, Installed& out);
    Status make_room(const std::string& path, Installed& out);

    os::FileSystem& x_files;
    const GitPlaces& x_places;
    const std::vector<std::string>& x_stores;
    const std::vector<std::string>& x_stores_before;
};

}  // namespace taskstore::store
