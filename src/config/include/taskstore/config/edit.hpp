#pragma once
// Changes one setting in the text of a TOML file and leaves every other byte as it is (floor 2).

#include <taskstore/base/result.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace taskstore::config {

/// `text` with `key` ("section.key") set to a string; nothing: without it. What people wrote beside
/// it stays. invalid: the text is no TOML, or sets the key in a form that is not one line of its
/// own (an inline table, a string of several lines): the message says where.
Result<std::string> with_text_setting(std::string_view text, std::string_view key,
                                      const std::optional<std::string>& value);

}  // namespace taskstore::config
