#include "hook_texts.hpp"

#include <taskstore/store/hooks.hpp>

#include <algorithm>

namespace taskstore::store {
namespace {

constexpr std::string_view kMark = "# taskstore hook ";
constexpr std::array<std::string_view, 5> kHooks{"pre-commit", "post-merge", "post-checkout",
                                                 "post-rewrite", "pre-push"};

/// For sh.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out + "'";
}

/// Each line without its end and without blanks around it.
template <typename Visit>
void each_line(std::string_view text, Visit visit) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        const std::string_view whole = text.substr(0, std::min(end + 1, text.size()));
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
            line.remove_suffix(1);
        while (!line.empty() && (line.front() == ' ' || line.front() == '\t'))
            line.remove_prefix(1);
        visit(line, whole);
        text.remove_prefix(whole.size());
    }
}

std::string sync_call(std::string_view store) {
    if (store == ".taskstore") return "taskstore sync --quiet";
    constexpr std::string_view kName = "/.taskstore";
    if (store.ends_with(kName))
        return "taskstore sync --quiet -C " + quoted(store.substr(0, store.size() - kName.size()));
    return "taskstore sync --quiet --store " + quoted(store);
}

}  // namespace

std::span<const std::string_view> hook_names() {
    return kHooks;
}

std::string hook_text(std::string_view hook, std::span<const std::string> stores) {
    const std::string name(hook);
    const bool before_the_act = hook.starts_with("pre-");
    const bool refuses = hook == "pre-commit";
    std::string out =
        "#!/bin/sh\n" + std::string(kMark) +
        "1: 'taskstore install-hooks' made it, 'taskstore install-hooks --uninstall' takes it "
        "away.\n"
        "# The hook that stood here before, if any, is called first. Git is never stopped because "
        "taskstore is absent or\n# fails" +
        (refuses ? "; a commit is refused of ledger files with conflict markers or damaged lines, "
                   "or without the\n# other side's records of an unfinished merge.\n"
                 : ".\n") +
        "before=\"${0%/*}/" + name + std::string(kBefore) +
        "\"\n"
        "status=0\n"
        "if [ -x \"$before\" ]; then \"$before\" \"$@\" || status=$?; fi\n";
    if (before_the_act) out += "[ \"$status\" -eq 0 ] || exit \"$status\"\n";
    out +=
        "if command -v taskstore >/dev/null 2>&1; then\n"
        "  unset TASKSTORE_DIR\n"
        "  TASKSTORE_HOOK=" +
        name + "\n  export TASKSTORE_HOOK\n";
    for (const std::string& store : stores) {
        out += "  if [ -d " + (store == ".taskstore" ? store : quoted(store)) + " ]; then\n    " +
               sync_call(store) + " </dev/null >/dev/null" +
               (refuses ? " || case $? in 4|6) status=1 ;; esac\n" : "\n") + "  fi\n";
    }
    return out + "fi\nexit \"$status\"\n";
}

bool is_our_hook(std::string_view text) {
    return text.starts_with("#!/bin/sh\n" + std::string(kMark));
}

bool mentions_sync(std::string_view text) {
    bool found = false;
    each_line(text, [&](std::string_view line, std::string_view) {
        found = found || (!line.starts_with('#') && line.find("taskstore sync") != line.npos);
    });
    return found;
}

bool is_earlier_hook(std::string_view text) {
    if (!text.starts_with("#!")) return false;
    bool calls = false;
    bool more = false;
    each_line(text, [&](std::string_view line, std::string_view) {
        if (line.empty() || line.starts_with('#')) return;
        if (line.starts_with("taskstore sync"))
            calls = true;
        else
            more = true;
    });
    return calls && !more;
}

std::string attributes_rule(std::string_view store) {
    std::string pattern;
    bool quotes = store.starts_with('#') || store.starts_with('!');
    for (const char c : store) {
        if (c == '*' || c == '?' || c == '[' || c == '\\') pattern += '\\';
        pattern += c;
        quotes = quotes || c == ' ' || c == '"' || c == '\\' || static_cast<unsigned char>(c) < 32;
    }
    pattern += "/*.jsonl";
    if (quotes) {
        std::string out = "\"";
        for (const char c : pattern) {
            if (c == '"' || c == '\\') out += '\\';
            if (static_cast<unsigned char>(c) < 32) {
                constexpr std::string_view kDigits = "01234567";
                const auto byte = static_cast<unsigned char>(c);
                out += {'\\', '0', kDigits[byte >> 3U], kDigits[byte & 7U]};
            } else {
                out += c;
            }
        }
        pattern = out + '"';
    }
    return pattern + " merge=taskstore-merge diff=taskstore -text";
}

bool has_line(std::string_view text, std::string_view line) {
    bool found = false;
    each_line(text, [&](std::string_view one, std::string_view) { found = found || one == line; });
    return found;
}

std::string with_rules(std::string text, std::span<const std::string> stores) {
    for (const std::string& store : stores) {
        const std::string rule = attributes_rule(store);
        if (has_line(text, rule)) continue;
        if (!text.empty() && text.back() != '\n') text += '\n';
        text += rule + "\n";
    }
    return text;
}

std::string without_rules(std::string_view text, std::string_view before,
                          std::span<const std::string> stores) {
    std::string out;
    each_line(text, [&](std::string_view line, std::string_view whole) {
        const bool ours = std::ranges::any_of(
            stores, [&](const std::string& store) { return line == attributes_rule(store); });
        if (!ours || has_line(before, line)) out += whole;
    });
    return out;
}

std::string with_config(std::string text) {
    git::ConfigText config(std::move(text));
    for (const ConfigValue& one : kConfigValues) {
        if (config.get(one.name) != std::optional<std::string>(one.value))
            config.set(one.name, one.value);
    }
    return config.text();
}

std::string without_config(std::string text, const std::string& before) {
    git::ConfigText config(std::move(text));
    const git::ConfigText earlier(before);
    for (const ConfigValue& one : kConfigValues) {
        // Another value is another's.
        if (config.get(one.name) != std::optional<std::string>(one.value)) continue;
        config.set_as_in(earlier, one.name);
    }
    return config.text();
}

}  // namespace taskstore::store
