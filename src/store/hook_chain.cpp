#include "hook_chain.hpp"

#include "changed_files.hpp"
#include "hook_texts.hpp"

namespace taskstore::store {

Result<HookChain::Hook> HookChain::hook_at(const std::string& path) {
    Hook out;
    const auto link = x_files.link_info(path);
    if (!link) {
        if (link.error().code == Code::not_found) return out;
        return fail(link.error());
    }
    out.is = Hook::Is::foreign;
    if (link->kind == os::FileKind::directory) out.is = Hook::Is::folder;
    out.runs = (link->mode & 0111U) != 0;
    out.mode = link->mode & 07777U;
    out.regular = link->kind == os::FileKind::regular;
    if (link->kind != os::FileKind::regular) return out;
    TASKSTORE_LET(out.text, os::read_file(x_files, path, kHookFileBytesMax));
    if (is_our_hook(out.text))
        out.is = Hook::Is::ours;
    else if (is_earlier_hook(out.text))
        out.is = Hook::Is::earlier;
    return out;
}

/// Another program (pre-commit of Python) put its own hook over ours and calls ours from it.
bool HookChain::is_called_by_another(std::string_view hook) {
    const auto moved = hook_at(path_of(hook) + ".legacy");
    return moved && moved->is == Hook::Is::ours;
}

bool HookChain::is_as_wanted(std::string_view hook, const Hook& there, Installed& out) {
    const std::string path = path_of(hook);
    if (there.is == Hook::Is::folder) {
        out.notes.push_back("'" + path + "' is a folder, so git runs no such hook");
        return true;
    }
    if (there.is == Hook::Is::ours && there.text == hook_text(hook, x_stores)) {
        if (!there.runs)
            out.notes.push_back("'" + path +
                                "' is switched off: it is not executable, so git passes it over");
        return true;
    }
    if (there.is == Hook::Is::foreign && is_called_by_another(hook)) {
        const std::string name(hook);
        out.notes.push_back("another program's " + name + " calls ours, " + name +
                            ".legacy: both stay as they are");
        return true;
    }
    return false;
}

/// Whether `copy` is what a stop in the middle of keep() left.
bool HookChain::is_copy(const std::string& path, const Hook& there, const std::string& copy) {
    if (is_same_file(x_files, path, copy)) return true;
    const auto other = hook_at(copy);
    return there.regular && other && other->is != Hook::Is::none && other->regular &&
           other->text == there.text && other->mode == there.mode;
}

/// The old hook gets a second name, so that it is never away.
Status HookChain::keep(const std::string& path, const Hook& there, const std::string& before) {
    auto linked = x_files.hard_link(path, before);
    if (linked) return x_files.sync_directory(x_places.hooks);
    if (!os::lacks_links(linked.error())) return linked;
    if (there.regular) return os::replace_file(x_files, before, there.text, there.mode);
    // A symbolic link where nothing can have two names: away until ours is there.
    TASKSTORE_TRY(x_files.rename(path, before));
    return x_files.sync_directory(x_places.hooks);
}

Status HookChain::install(std::string_view hook, Installed& out) {
    const std::string path = path_of(hook);
    const std::string name(hook);
    TASKSTORE_LET(const Hook there, hook_at(path));
    if (is_as_wanted(hook, there, out)) return ok();
    TASKSTORE_TRY(os::make_directories(x_files, x_places.hooks));
    TASKSTORE_TRY(keep_edited(hook, there, out));
    const bool earlier = there.is == Hook::Is::earlier;
    const std::string before = path + std::string(earlier ? kEarlier : kBefore);
    const bool kept = earlier || there.is == Hook::Is::foreign;
    TASKSTORE_LET(auto replacement, os::Replacement::begin(x_files, path, 0755));
    TASKSTORE_TRY(replacement.write(hook_text(hook, x_stores)));
    if (kept && !is_copy(path, there, before)) {
        TASKSTORE_TRY(make_room(before, out));
        TASKSTORE_TRY(keep(path, there, before));
    }
    TASKSTORE_TRY(replacement.commit());
    std::string done = "hook " + name + " runs 'taskstore sync --quiet'";
    if (hook == "post-rewrite")
        done += " (git runs it after a rebase: it serves the founding post-rebase)";
    if (kept)
        done += (earlier ? "; the earlier program's is kept as "
                         : "; the one that was there is called first, from ") +
                os::name_of_path(before);
    out.done.push_back(std::move(done));
    if (there.is == Hook::Is::foreign && mentions_sync(there.text))
        out.notes.push_back("'" + before +
                            "' calls 'taskstore sync' by itself and may stop git where that "
                            "fails: that line can go");
    return ok();
}

/// Lines that somebody wrote into a hook of ours are kept in a file beside it.
Status HookChain::keep_edited(std::string_view hook, const Hook& there, Installed& out) {
    if (there.is != Hook::Is::ours || there.text == hook_text(hook, x_stores_before) ||
        there.text == hook_text(hook, x_stores))
        return ok();
    const std::string copy = path_of(hook) + std::string(kEdited);
    TASKSTORE_LET(const auto earlier, read_if_there(x_files, copy));
    if (earlier != there.text) {
        TASKSTORE_TRY(make_room(copy, out));
        TASKSTORE_TRY(os::replace_file(x_files, copy, there.text));
    }
    out.notes.push_back("'" + path_of(hook) +
                        "' is not as this program writes it: what was there is in '" + copy +
                        "'; lines of your own belong into '" + path_of(hook) +
                        std::string(kBefore) + "', which is called first");
    return ok();
}

/// An older hook that nobody calls any more makes room and stays.
Status HookChain::make_room(const std::string& path, Installed& out) {
    if (!x_files.link_info(path)) return ok();
    for (int number = 1;; ++number) {
        const std::string free = path + "-" + std::to_string(number);
        if (x_files.link_info(free)) continue;
        TASKSTORE_TRY(x_files.rename(path, free));
        out.notes.push_back("'" + free + "' is an older hook that nothing calls any more");
        return x_files.sync_directory(x_places.hooks);
    }
}

Status HookChain::uninstall(std::string_view hook, Installed& out) {
    std::string path = path_of(hook);
    TASKSTORE_LET(Hook there, hook_at(path));
    if (there.is == Hook::Is::foreign && is_called_by_another(hook)) {
        path += ".legacy";
        there.is = Hook::Is::ours;
    }
    std::string before;
    for (const std::string_view end : {kBefore, kEarlier}) {
        if (before.empty() && x_files.link_info(path_of(hook) + std::string(end)))
            before = path_of(hook) + std::string(end);
    }
    if (there.is != Hook::Is::ours && there.is != Hook::Is::none) {
        if (before.empty()) return ok();
        // An installation stopped between the two names.
        if (is_copy(path, there, before)) return remove_file(x_files, before);
        out.notes.push_back("'" + path + "' is not ours, so it stays; the hook from before is '" +
                            before + "'");
        return ok();
    }
    if (before.empty() && there.is == Hook::Is::none) return ok();
    TASKSTORE_TRY(keep_edited(hook, there, out));
    if (before.empty())
        TASKSTORE_TRY(x_files.unlink(path));
    else
        TASKSTORE_TRY(x_files.rename(before, path));
    TASKSTORE_TRY(x_files.sync_directory(x_places.hooks));
    out.done.push_back("hook " + std::string(hook) +
                       (before.empty() ? " is gone again" : " is the one from before"));
    return ok();
}

}  // namespace taskstore::store
