#pragma once
// Settings in layers (floor 2; composition roots load them). Files are TOML 1.0
// (https://toml.io/en/v1.0.0). Environment: TASKSTORE_CONFIG_SECTION__KEY for the setting
// section.key, and the plain names of plain_names(). Any other TASKSTORE_* or TASK_STORE_* is an
// error; TASKSTORE_TASK_* is reserved for commands that taskstore starts and never a setting.
// docs/operating/settings.md has the lists.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace taskstore::config {

enum class SettingType : std::uint8_t { text, integer, boolean };

struct Setting {
    std::string_view key;  ///< "section.key"
    SettingType type = SettingType::text;
    std::string_view initial;
    std::int64_t min = 0;  ///< Of integers.
    std::int64_t max = 0;
    bool in_plan = true;  ///< Whether a plan's tracked file may set it.
    std::string_view help;
};

/// All of them, sorted by key.
std::span<const Setting> settings();

/// (variable, what it names): the closed list of environment names that are not TASKSTORE_CONFIG_*.
std::span<const std::pair<std::string_view, std::string_view>> plain_names();

/// Values of one origin, by key, as text.
struct Layer {
    std::string
        source;  ///< For people: "/home/ann/.local/share/taskstore/config.toml", "environment".
    bool plan = false;  ///< The plan's tracked file.
    std::map<std::string, std::string, std::less<>> values;
    std::map<std::string, int, std::less<>> lines = {};  ///< Of a file: where each key stands.

    /// The source, with the line of the key where it is known.
    std::string place_of(std::string_view key) const;
};

/// invalid, with line and column, for what is not TOML or holds arrays, dates or tables deeper than
/// a section.
Result<Layer> parse_toml(std::string_view text, std::string source, bool plan);

/// From "NAME=VALUE" entries, such as the process's environment. invalid: a TASKSTORE_CONFIG_* that
/// names no setting, a TASKSTORE_* or TASK_STORE_* that is not in the list.
Result<Layer> from_environment(std::span<const std::string> entries);

class Config {
  public:
    /// Later layers win. invalid: an unknown key (with the nearest known one), a value of the wrong
    /// type or out of bounds. denied: the plan's file sets what only a device may.
    static Result<Config> from(const std::vector<Layer>& layers);

    struct Entry {
        std::string key;
        std::string value;
        std::string source;
    };
    const std::vector<Entry>& entries() const { return x_entries; }
    const std::string& text(std::string_view key) const;
    std::int64_t integer(std::string_view key) const;
    bool boolean(std::string_view key) const;

  private:
    const Entry& find(std::string_view key) const;
    std::vector<Entry> x_entries;  ///< One per setting, in the order of settings().
};

}  // namespace taskstore::config
