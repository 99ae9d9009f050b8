#pragma once
// Files of others in which a part is ours: git's config and its attributes.

#include "hook_record.hpp"

#include <taskstore/os/file_system.hpp>
#include <taskstore/store/hooks.hpp>

namespace taskstore::store {

/// The largest file that is looked at.
inline constexpr std::size_t kHookFileBytesMax = std::size_t{16} << 20U;

/// Nothing where there is no file.
Result<std::optional<std::string>> read_if_there(os::FileSystem& files, const std::string& path);
/// Durably.
Status remove_file(os::FileSystem& files, const std::string& path);
/// Two names of one file; of symbolic links, of one link.
bool is_same_file(os::FileSystem& files, const std::string& one, const std::string& other);

/// Brings our part into the files and takes it out again; the record, written first, knows what was
/// there before. A file that somebody changes meanwhile is looked at again.
class ChangedFiles {
  public:
    ChangedFiles(os::FileSystem& files, const GitPlaces& places)
        : x_files(files), x_places(places) {}

    /// corrupt: the record is none.
    Status begin();
    Status install(Installed& out);
    /// And takes the record away.
    Status uninstall(Installed& out);
    const std::vector<std::string>& stores() const { return x_record.stores; }
    /// Those that the hooks which are there serve.
    const std::vector<std::string>& stores_before() const { return x_stores_before; }

  private:
    struct Planned {
        std::string path;
        std::optional<std::string> now;
        std::string wanted;
        std::string_view what;
    };
    Result<std::vector<Planned>> plan();
    Result<bool> put(const std::string& path, const std::optional<std::string>& seen,
                     const std::optional<std::string>& wanted);
    Result<bool> put_back(const Changed& file, Installed& out);
    Status write_record();
    void note_missing_folder(const std::string& folder);
    bool is_config(std::string_view path) const { return path == x_places.config; }
    std::string with_ours(const std::string& path, std::string text) const;
    std::string without_ours(const std::string& path, std::string text,
                             const std::string& before) const;
    std::string wanted_in(const std::string& path, const std::optional<std::string>& now);

    os::FileSystem& x_files;
    const GitPlaces& x_places;
    HookRecord x_record;
    std::string x_record_text;
    std::vector<std::string> x_stores_before;
};

}  // namespace taskstore::store
