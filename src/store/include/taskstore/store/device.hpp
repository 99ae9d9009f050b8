#pragma once
// Where a device keeps its state (floor 5; composition roots use it): five logical databases, each
// in a file, on a PostgreSQL server or on a libSQL server, as this device chose.
//
//   databases.NAME            the place of one of them
//   databases.path            a file: the tasks database; the others are its siblings NAME.db
//   databases.url             a server: all of them
//   databases.backend         which of path and url counts, where both are set
//   (nothing)                 NAME.db in the device's home
//
// The environment (TASK_STORE_BACKEND, TASK_STORE_PATH, TASK_STORE_URL) is the last layer of the
// same settings, and comes before databases.NAME: who sets it for one command means that command.

#include <taskstore/base/result.hpp>
#include <taskstore/sql/location.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace taskstore::store {

enum class DatabaseName : std::uint8_t { main, tasks, logs, memory, archive };
inline constexpr std::array kDatabaseNames{DatabaseName::main, DatabaseName::tasks,
                                           DatabaseName::logs, DatabaseName::memory,
                                           DatabaseName::archive};
std::string_view name_of(DatabaseName name);
/// invalid: says which there are.
Result<DatabaseName> database_of(std::string_view word);

/// What the settings say about databases, each with where it was said, for messages.
struct DatabaseSettings {
    struct Text {
        std::string value;  ///< Empty: not set.
        std::string source;
        bool environment = false;
    };
    Text backend;
    Text path;
    Text url;
    std::array<Text, kDatabaseNames.size()> places;  ///< By DatabaseName.
    std::string home;                                ///< The device's home, absolute.
    std::string folder;                              ///< Relative paths begin here.
    /// A variable of the environment; nothing where it is unset.
    std::function<std::optional<std::string>(const std::string&)> variable;
};

struct DatabasePlace {
    sql::Location location;  ///< Files: an absolute path, `~` and variables replaced.
    std::string source;      ///< Who says so; "default" for the device's home.
};

/// invalid: a place that is none, settings that contradict each other, a variable that is not set.
/// Looks at no file.
Result<DatabasePlace> place_of(DatabaseName name, const DatabaseSettings& settings);
/// What `text`, from the command line, means as the database's place in config.toml; `source` is
/// named where it means none.
Result<sql::Location> location_of(DatabaseName name, const std::string& text,
                                  const std::string& source, DatabaseSettings settings);

}  // namespace taskstore::store
