#include <taskstore/git/config_text.hpp>
#include <taskstore/git/repository.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace taskstore::git {
namespace {

/// What would point git at another repository, as `git rev-parse --local-env-vars` has it.
constexpr std::array kLocalVariables = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
};

bool is_folder(os::FileSystem& files, const std::string& path) {
    const auto info = files.info(path);
    return info && info->kind == os::FileKind::directory;
}

std::string without_line_end(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

/// Absolute and without dots, symbolic links left as they are.
std::string absolute(const std::string& path, const std::string& base) {
    const std::filesystem::path joined = std::filesystem::path(base) / path;
    std::string out = joined.lexically_normal().string();
    while (out.size() > 1 && out.back() == '/') out.pop_back();
    return out;
}

/// Whether two paths lead to one folder.
bool same_folder(os::FileSystem& files, const std::string& one, const std::string& other) {
    if (one == other) return true;
    const auto a = files.info(one);
    const auto b = files.info(other);
    return a && b && a->identity.device == b->identity.device &&
           a->identity.inode == b->identity.inode;
}

/// What a work tree's root holds of git: .git, or the folder that a file .git points to. Empty:
/// nothing.
std::string git_dir_of_root(os::FileSystem& files, const std::string& root) {
    const std::string dot_git = os::join_path(root, ".git");
    if (is_folder(files, dot_git)) return dot_git;
    const auto text = os::read_file(files, dot_git, 65536);
    if (!text || !text->starts_with("gitdir: ")) return {};
    std::string path = absolute(without_line_end(text->substr(8)), root);
    return is_folder(files, path) ? path : std::string();
}

bool is_bare(os::FileSystem& files, const std::string& folder) {
    return files.link_info(os::join_path(folder, "HEAD")).has_value() &&
           is_folder(files, os::join_path(folder, "objects")) &&
           is_folder(files, os::join_path(folder, "refs"));
}

struct Found {
    std::string work_tree;
    std::string git_dir;
};

/// Walking up, as git does.
Found walk(os::FileSystem& files, const std::string& from) {
    for (std::string at = from;; at = os::folder_of(at)) {
        if (std::string git = git_dir_of_root(files, at); !git.empty()) return {at, std::move(git)};
        if (is_bare(files, at)) return {{}, at};
        if (at == "/" || at == "." || at.empty()) return {};
    }
}

bool holds(std::string_view folder, std::string_view path) {
    return path == folder || folder == "/" ||
           (path.starts_with(folder) && path[folder.size()] == '/');
}

Result<std::uint32_t> parse_mode(std::string_view text) {
    std::uint32_t mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error != std::errc() || end != text.data() + text.size())
        return fail(Code::failed, "git printed a mode that is none: '" + std::string(text) + "'");
    return mode;
}

}  // namespace

Environment Environment::of_process() {
    Environment out;
    const auto value = [](const char* name) {
        const char* const text = std::getenv(name);
        return std::string(text == nullptr ? "" : text);
    };
    out.git_dir = value("GIT_DIR");
    out.work_tree = value("GIT_WORK_TREE");
    out.index_file = value("GIT_INDEX_FILE");
    if (char* current = ::get_current_dir_name()) {
        out.working_folder = current;
        std::free(current);
    }
    return out;
}

Result<Repository> Repository::find(os::FileSystem& files, const std::string& folder,
                                    const Environment& environment) {
    Repository out;
    Found found = walk(files, folder);
    const std::string& here = environment.working_folder;
    if (!environment.git_dir.empty() && !here.empty()) {
        const std::string told = absolute(environment.git_dir, here);
        const std::string root =
            environment.work_tree.empty() ? here : absolute(environment.work_tree, here);
        // The folder of git may be kept apart, so that only the variables lead to it.
        if (found.git_dir.empty() && holds(root, folder) && is_bare(files, told))
            found = {root, told};
        out.x_own_environment = !found.git_dir.empty() && same_folder(files, told, found.git_dir);
    } else if (!here.empty() && !found.git_dir.empty()) {
        const Found of_process = here == folder ? found : walk(files, here);
        out.x_own_environment = same_folder(files, of_process.git_dir, found.git_dir);
    }
    if (found.git_dir.empty())
        return fail(Code::not_found, "'" + folder + "' is in no git repository")
            .with_hint("run it inside a work tree, or make one with 'git init'");
    out.x_work_tree = std::move(found.work_tree);
    out.x_git_dir = std::move(found.git_dir);
    const auto common = os::read_file(files, os::join_path(out.x_git_dir, "commondir"), 65536);
    out.x_common_dir = common ? absolute(without_line_end(*common), out.x_git_dir) : out.x_git_dir;
    out.x_index_path = out.x_own_environment && !environment.index_file.empty()
                           ? absolute(environment.index_file, here)
                           : os::join_path(out.x_git_dir, "index");
    return out;
}

std::string Repository::attributes_path() const {
    return os::join_path(os::join_path(x_common_dir, "info"), "attributes");
}

std::optional<std::string> Repository::relative(std::string_view path) const {
    if (x_work_tree.empty() || !holds(x_work_tree, path)) return {};
    path.remove_prefix(std::min(x_work_tree.size(), path.size()));
    while (path.starts_with('/')) path.remove_prefix(1);
    return std::string(path);
}

Result<os::Finished> Repository::run(std::vector<std::string> arguments, std::string_view input,
                                     std::size_t output_bytes_max) const {
    os::Command command{
        .arguments = std::move(arguments),
        .folder = x_work_tree.empty() ? x_git_dir : x_work_tree,
        .input = input,
        .environment = {{"LC_ALL", "C"}, {"GIT_TERMINAL_PROMPT", "0"}, {"GIT_OPTIONAL_LOCKS", "0"}},
        .output_bytes_max = output_bytes_max};
    // check-ignore takes paths as they are by itself, and no word about it.
    if (command.arguments.empty() || command.arguments.front() != "check-ignore")
        command.environment.emplace_back("GIT_LITERAL_PATHSPECS", "1");
    command.arguments.insert(command.arguments.begin(), {"git", "--no-pager"});
    if (x_own_environment) {
        // Made absolute: git runs in another folder than we do.
        command.environment.emplace_back("GIT_DIR", x_git_dir);
        command.environment.emplace_back("GIT_INDEX_FILE", x_index_path);
        if (!x_work_tree.empty()) command.environment.emplace_back("GIT_WORK_TREE", x_work_tree);
    } else {
        for (const char* name : kLocalVariables)
            command.environment.emplace_back(name, std::nullopt);
    }
    auto done = os::run_command(command);
    if (!done && done.error().code == Code::not_found)
        return fail(Code::not_found, "git could not be started: " + done.error().message)
            .with_hint("install git, or put it on PATH");
    if (!done && done.error().code == Code::corrupt)
        return fail(Code::unsupported, "what git has to say is larger than the " +
                                           std::to_string(output_bytes_max) +
                                           " bytes that are taken from it at once")
            .with_hint("'taskstore compact' makes ledger files shorter");
    return done;
}

Result<std::string> Repository::output(std::vector<std::string> arguments, std::string_view input,
                                       std::size_t output_bytes_max) const {
    std::string shown = "git";
    for (const std::string& argument : arguments) shown += " " + argument;
    TASKSTORE_LET(os::Finished done, run(std::move(arguments), input, output_bytes_max));
    if (done.exit_code != 0)
        return fail(Code::failed, "'" + shown + "' ended with code " +
                                      std::to_string(done.exit_code) + ": " +
                                      without_line_end(std::move(done.errors)));
    return std::move(done.output);
}

Result<std::string> Repository::hooks_folder() const {
    TASKSTORE_LET(std::string path, output({"rev-parse", "--git-path", "hooks"}));
    return absolute(without_line_end(std::move(path)),
                    x_work_tree.empty() ? x_git_dir : x_work_tree);
}

Result<std::optional<std::string>> Repository::config(const std::string& name) const {
    TASKSTORE_LET(os::Finished done, run({"config", "-z", "--get", name}));
    if (done.exit_code == 1) return std::optional<std::string>();
    if (done.exit_code != 0)
        return fail(Code::failed, "git could not read its settings: " + done.errors);
    if (!done.output.empty()) done.output.pop_back();
    return std::optional<std::string>(std::move(done.output));
}

Result<std::vector<Entry>> Repository::staged(const std::string& path) const {
    TASKSTORE_LET(const std::string listed, output({"ls-files", "-s", "-z", "--", path}));
    std::vector<Entry> out;
    for (std::string_view rest = listed; !rest.empty();) {
        // MODE SP ID SP STAGE TAB PATH NUL
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        const std::string_view row = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::size_t id = row.find(' ');
        const std::size_t tab = row.find('\t');
        if (id == row.npos || tab == row.npos || tab < id + 3)
            return fail(Code::failed,
                        "git listed an entry that is none: '" + std::string(row) + "'");
        TASKSTORE_LET(const std::uint32_t mode, parse_mode(row.substr(0, id)));
        out.push_back({.path = std::string(row.substr(tab + 1)),
                       .blob = std::string(row.substr(id + 1, tab - id - 3)),
                       .mode = mode,
                       .stage = row[tab - 1] - '0'});
    }
    return out;
}

Result<std::vector<Entry>> Repository::entries(os::FileSystem& files, const std::string& index,
                                               const std::string& path) const {
    std::size_t id_bytes = 20;
    if (const auto text = os::read_file(files, config_path(), 16U << 20U)) {
        const auto format = ConfigText(*text).get({"extensions", "", "objectformat"});
        if (format == std::optional<std::string>("sha256")) id_bytes = 32;
    }
    auto read = read_index(files, index, path, id_bytes);
    if (read || index != x_index_path) {
        if (!read && read.error().code == Code::unsupported) return std::vector<Entry>();
        return read;
    }
    return staged(path);
}

Result<std::string> Repository::blob(const std::string& id) const {
    return output({"cat-file", "blob", id});
}

}  // namespace taskstore::git
