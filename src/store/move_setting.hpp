#pragma once
// What the device's config.toml says of a database that moves.

#include <taskstore/store/move.hpp>

#include <optional>
#include <string>

namespace taskstore::store {

std::string setting_key(DatabaseName name);
/// Lets config.toml name `value`; nothing: it is silent. Durable when it returns.
Status switch_config(os::FileSystem& files, const MoveRequest& request,
                     const std::optional<std::string>& value);
/// Found out before anything is moved: the text can be edited, the file replaced.
Status check_config(os::FileSystem& files, const MoveRequest& request,
                    const std::optional<std::string>& value);
/// Then config.toml does not count.
bool named_by_environment(const Databases& databases, DatabaseName name);

}  // namespace taskstore::store
