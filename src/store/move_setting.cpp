#include "move_setting.hpp"

#include <taskstore/config/edit.hpp>
#include <taskstore/os/linked_path.hpp>

namespace taskstore::store {
namespace {

Result<std::string> config_text(os::FileSystem& files, const std::string& path) {
    auto text = os::read_file(files, path, 1 << 20);
    if (!text && text.error().code == Code::not_found) return std::string();
    return text;
}

}  // namespace

std::string setting_key(DatabaseName name) {
    return "databases." + std::string(name_of(name));
}

Status switch_config(os::FileSystem& files, const MoveRequest& request,
                     const std::optional<std::string>& value) {
    TASKSTORE_LET(const std::string path, os::linked_path(files, request.config_path));
    TASKSTORE_LET(const std::string before, config_text(files, path));
    TASKSTORE_LET(const std::string after,
                  config::with_text_setting(before, setting_key(request.name), value));
    if (after == before) return ok();
    const auto info = files.info(path);
    TASKSTORE_TRY(os::make_directories(files, os::folder_of(path), 0700));
    // The place may hold a password: nobody else reads it, however open the file was.
    return os::replace_file(files, path, after, info ? info->mode & 0700 : 0600);
}

Status check_config(os::FileSystem& files, const MoveRequest& request,
                    const std::optional<std::string>& value) {
    TASKSTORE_LET(const std::string path, os::linked_path(files, request.config_path));
    TASKSTORE_LET(const std::string before, config_text(files, path));
    TASKSTORE_TRY(config::with_text_setting(before, setting_key(request.name), value));
    TASKSTORE_TRY(os::make_directories(files, os::folder_of(path), 0700));
    TASKSTORE_TRY(os::Replacement::begin(files, path, 0600));
    return ok();
}

bool named_by_environment(const Databases& databases, DatabaseName name) {
    const DatabaseSettings& settings = databases.options().settings;
    return settings.backend.environment || settings.path.environment || settings.url.environment ||
           settings.places[static_cast<std::size_t>(name)].environment;
}

}  // namespace taskstore::store
