#pragma once
// The text of one of git's config files (floor 2; store uses it): single values looked up and set
// without git, all other bytes left as they are. Includes are not followed.
//
// Read as git-config(1) describes: "[section]" or "[section "subsection"]", then "key = value";
// comments from # or ; on, values with double quotes, escapes and lines that go on after a
// backslash. What is no such thing stays and means nothing.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::git {

/// Names a value: merge.taskstore-merge.driver is {"merge", "taskstore-merge", "driver"}. Section
/// and key in lower case; an empty subsection is none.
struct ConfigName {
    std::string section;
    std::string subsection;
    std::string key;
};

/// Not thread-safe.
class ConfigText {
  public:
    explicit ConfigText(std::string text);

    /// The last value of that name, as git takes it; "" for a key without "=".
    std::optional<std::string> get(const ConfigName& name) const;
    /// The last value becomes this one; where there is none it comes behind its section's last
    /// key, or into a new section at the end.
    void set(const ConfigName& name, std::string_view value);
    /// The last value of that name becomes the one of another text, with its spelling and whatever
    /// comment stands behind it; where that one has none: as unset().
    void set_as_in(const ConfigText& other, const ConfigName& name);
    /// Takes all values of that name away; a comment behind one stays on a line of its own. With
    /// `headers` also the section's headers that have nothing left beneath them.
    void unset(const ConfigName& name, bool headers);
    const std::string& text() const { return x_text; }

  private:
    struct Item {
        std::size_t begin = 0;
        std::size_t end = 0;  ///< With its line's end.
        bool header = false;
        std::string section;
        std::string subsection;
        std::string key;                          ///< Empty for a header.
        std::string value;                        ///< Unquoted.
        std::size_t comment = std::string::npos;  ///< Where one begins behind the value.
    };
    void parse();
    std::size_t parse_header(std::size_t at, Item& item) const;
    std::size_t parse_value(std::size_t at, Item& item) const;
    const Item* find(const ConfigName& name) const;
    void put(const ConfigName& name, std::string_view line);
    bool in_section(const Item& item, const ConfigName& name) const {
        return item.section == name.section && item.subsection == name.subsection;
    }

    std::string x_text;
    std::vector<Item> x_items;
};

}  // namespace taskstore::git
