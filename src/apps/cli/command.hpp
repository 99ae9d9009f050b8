#pragma once
// The command table: parsing, help, completions and the man page follow from it. Knows no store.

#include <taskstore/base/result.hpp>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::cli {

struct Context;

struct Option {
    std::string_view name;  ///< Without dashes.
    char letter = '\0';
    std::string_view value;  ///< What the value is called; empty: a flag.
    std::string_view help;
    bool repeats = false;
    std::span<const std::string_view> choices = {};  ///< The words that the value is one of.
    bool field = false;                              ///< Of a record: may be given empty.
};

struct Command {
    std::string_view words;      ///< "prd add"
    std::string_view arguments;  ///< "ID [FIELD=VALUE]…"; in [ ] optional, with … repeated
    std::string_view help;
    std::span<const Option> options;
    std::string_view examples;  ///< One per line.
    Status (*run)(Context& context);
    bool record_fields =
        false;  ///< Also takes an option per settable field of the kind named by its first word.
};

/// What the command line says.
struct Invocation {
    const Command* command = nullptr;
    std::vector<std::string> arguments;
    std::map<std::string, std::vector<std::string>, std::less<>> options;
    bool help = false;
    std::string topic;  ///< Help on all commands that begin with these words; empty: on all.

    bool has(std::string_view option) const { return options.contains(option); }
    /// The last one given, or `other`.
    std::string value(std::string_view option, const std::string& other = {}) const;
};

std::span<const Command> commands();
/// Its own, one per field that people set where it makes or changes records, and the global ones.
std::vector<Option> options_of(const Command& command);
std::span<const Option> global_options();
/// invalid, with the nearest word, for what the table does not have.
Result<Invocation> parse(std::vector<std::string> words);
std::string help_of(const Command& command);
std::string overview(std::string_view topic);
/// The same as data of a JSON document.
std::string help_json(const Invocation& call);

}  // namespace taskstore::cli
