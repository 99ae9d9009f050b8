#pragma once
// What is written into config, attributes and hooks, and how it is told from what others wrote.

#include <taskstore/git/config_text.hpp>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace taskstore::store {

struct ConfigValue {
    git::ConfigName name;
    std::string_view value;
};

/// The driver's line is run by sh. Without the program, or with one that died, git's own merge of
/// texts puts markers around what clashes, and `sync` merges by the rule later. A textconv that
/// fails would keep git from showing anything: then the lines are shown as they are.
inline const std::array<ConfigValue, 3> kConfigValues{{
    {{"merge", "taskstore-merge", "name"}, "taskstore ledgers, merged record by record"},
    {{"merge", "taskstore-merge", "driver"},
     "if command -v taskstore-merge >/dev/null 2>&1; then taskstore-merge %O %A %B %L %P; "
     "s=$?; test $s -le 2 && exit $s; fi; "
     "git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B; "
     "s=$?; test $s -le 127 || s=1; exit $s"},
    {{"diff", "taskstore", "textconv"},
     "f() { taskstore textconv \"$1\" 2>/dev/null || cat \"$1\"; }; f"},
}};

inline constexpr std::string_view kBefore = ".before-taskstore";    ///< A hook that is called.
inline constexpr std::string_view kEarlier = ".earlier-taskstore";  ///< One of the earlier program.
inline constexpr std::string_view kEdited = ".edited";  ///< What somebody made of one of ours.

bool is_our_hook(std::string_view text);
/// What the earlier program wrote: nothing but a call of `taskstore sync`, which ours does too.
bool is_earlier_hook(std::string_view text);
/// Whether the hook calls `taskstore sync` somewhere.
bool mentions_sync(std::string_view text);

/// The attributes with a rule for each store.
std::string with_rules(std::string text, std::span<const std::string> stores);
/// Without those rules that `before` does not have.
std::string without_rules(std::string_view text, std::string_view before,
                          std::span<const std::string> stores);
bool has_line(std::string_view text, std::string_view line);

std::string with_config(std::string text);
/// Our values as they were in `before`, or gone.
std::string without_config(std::string text, const std::string& before);

}  // namespace taskstore::store
