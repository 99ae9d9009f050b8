#include <taskstore/store/hooks.hpp>

#include "changed_files.hpp"
#include "hook_chain.hpp"
#include "hook_texts.hpp"

#include <filesystem>

namespace taskstore::store {
namespace {

void tell_of_foreign_hooks(const GitPlaces& places, const std::vector<std::string>& stores,
                           Installed& out) {
    std::string text = "core.hooksPath leads out of this repository, to '" + places.hooks +
                       "', so no hook was written. To have them, add to each of";
    for (const std::string_view hook : hook_names()) text += " " + std::string(hook);
    text += " there:";
    out.notes.push_back(std::move(text));
    for (const std::string& store : stores) {
        const std::string folder = store == ".taskstore" ? store : "'" + store + "'";
        const std::string call = "if [ -d " + folder +
                                 " ] && command -v taskstore >/dev/null 2>&1; then "
                                 "TASKSTORE_HOOK=\"${0##*/}\" taskstore sync --quiet";
        const std::string where = store == ".taskstore" ? "" : " --store " + folder;
        out.notes.push_back(call + where +
                            " </dev/null || case $? in 4|6) [ \"${0##*/}\" != pre-commit ] "
                            "|| exit 1 ;; esac; fi");
    }
}

std::string canonical(const std::string& path) {
    std::error_code error;
    const auto real = std::filesystem::weakly_canonical(path, error);
    return error ? path : real.string();
}

bool holds(const std::string& folder, const std::string& path) {
    return !folder.empty() && (path == folder || path.starts_with(folder + "/"));
}

}  // namespace

Result<GitPlaces> git_places(os::FileSystem& files, const git::Repository& repository,
                             const Place& place) {
    (void)files;
    const auto store = repository.relative(place.folder);
    if (!store || store->empty())
        return fail(Code::not_found,
                    "the store '" + place.folder + "' is in no git work tree, or its root is one")
            .with_hint(
                "git merges what lies in a folder of a work tree: 'taskstore init' makes "
                "such a store");
    GitPlaces out;
    out.store = *store;
    out.attributes = os::join_path(repository.work_tree(), ".gitattributes");
    out.info_attributes = repository.attributes_path();
    out.config = repository.config_path();
    out.record = os::join_path(repository.common_dir(), "taskstore-hooks");
    TASKSTORE_LET(out.hooks, repository.hooks_folder());
    const std::string hooks = canonical(out.hooks);
    const std::string common = canonical(repository.common_dir());
    // The work tree beside the folder that is shared, for hooks that all linked ones use.
    const std::string main_tree = os::name_of_path(common) == ".git" ? os::folder_of(common) : "";
    out.hooks_are_ours = holds(canonical(repository.work_tree()), hooks) || holds(common, hooks) ||
                         holds(main_tree, hooks);
    return out;
}

Result<Installed> install_hooks(os::FileSystem& files, const GitPlaces& places) {
    Installed out;
    ChangedFiles changed(files, places);
    TASKSTORE_TRY(changed.begin());
    TASKSTORE_TRY(changed.install(out));
    if (!places.hooks_are_ours) {
        tell_of_foreign_hooks(places, changed.stores(), out);
        return out;
    }
    HookChain chain(files, places, changed.stores(), changed.stores_before());
    for (const std::string_view hook : hook_names()) TASKSTORE_TRY(chain.install(hook, out));
    return out;
}

Result<Installed> uninstall_hooks(os::FileSystem& files, const GitPlaces& places) {
    Installed out;
    ChangedFiles changed(files, places);
    TASKSTORE_TRY(changed.begin());
    // Hooks first: with them gone nothing else of ours is run any more.
    if (places.hooks_are_ours) {
        HookChain chain(files, places, changed.stores(), changed.stores_before());
        for (const std::string_view hook : hook_names()) TASKSTORE_TRY(chain.uninstall(hook, out));
    }
    TASKSTORE_TRY(changed.uninstall(out));
    return out;
}

Result<std::vector<Piece>> look_at_pieces(os::FileSystem& files, const GitPlaces& places) {
    using State = Piece::State;
    std::vector<Piece> out;
    TASKSTORE_LET(const auto config_text, read_if_there(files, places.config));
    const git::ConfigText config(config_text.value_or(""));
    for (const ConfigValue& one : kConfigValues) {
        if (one.name.key == "name") continue;
        Piece piece{.what = one.name.key, .path = places.config};
        const auto value = config.get(one.name);
        if (value != std::optional<std::string>(one.value)) {
            piece.state = value ? State::other : State::missing;
            if (value) piece.why = "it is set to '" + *value + "'";
        }
        out.push_back(std::move(piece));
    }
    const std::string rule = attributes_rule(places.store);
    for (const auto& [what, path] : {std::pair("attributes", places.attributes),
                                     std::pair("info_attributes", places.info_attributes)}) {
        TASKSTORE_LET(const auto text, read_if_there(files, path));
        out.push_back(
            {.what = what,
             .path = path,
             .state = has_line(text.value_or(""), rule) ? State::in_place : State::missing});
    }
    for (const std::string_view hook : hook_names()) {
        Piece piece{.what = std::string(hook), .path = os::join_path(places.hooks, hook)};
        const auto text = os::read_file(files, piece.path, kHookFileBytesMax);
        const auto legacy = os::read_file(files, piece.path + ".legacy", kHookFileBytesMax);
        if (!text) {
            piece.state = State::missing;
        } else if (!is_our_hook(*text) && !(legacy && is_our_hook(*legacy))) {
            piece.state =
                mentions_sync(*text) && !is_earlier_hook(*text) ? State::in_place : State::other;
            piece.why = "another hook stands there and does not call taskstore";
            if (is_earlier_hook(*text)) piece.why = "it is the earlier program's";
        } else if (const auto info = files.info(piece.path); info && (info->mode & 0111U) == 0) {
            piece.state = Piece::State::off;
            piece.why = "it is not executable, so git passes it over";
        }
        out.push_back(std::move(piece));
    }
    return out;
}

bool lacks_driver(os::FileSystem& files, const git::Repository& repository) {
    const auto names_driver = [&](const std::string& path) {
        const auto text = os::read_file(files, path, kHookFileBytesMax);
        return text && text->find("merge=taskstore-merge") != std::string::npos;
    };
    if (repository.work_tree().empty()) return false;
    if (!names_driver(os::join_path(repository.work_tree(), ".gitattributes")) &&
        !names_driver(repository.attributes_path()))
        return false;
    const auto text = os::read_file(files, repository.config_path(), kHookFileBytesMax);
    if (text && git::ConfigText(*text).get({"merge", "taskstore-merge", "driver"})) return false;
    const auto told = repository.config("merge.taskstore-merge.driver");
    return told && !told->has_value();
}

}  // namespace taskstore::store
