#include "hook_texts.hpp"

#include <taskstore/store/hooks.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace taskstore::store {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{16} << 20U;
constexpr std::string_view kRecordHead = "taskstore hooks 1\n";

/// A file of which we write a part: what it was, and what we made of it.
struct Changed {
    std::string path;
    std::optional<std::string> before;
    std::string after;
};

/// What the repository's record holds:
///   "taskstore hooks 1" LF
///   "store" SP BYTES LF, the bytes, LF          each store
///   "file" SP PATH BEFORE AFTER LF, bytes, LF   lengths; BEFORE is -1 where there was no file
struct Record {
    std::vector<std::string> stores;
    std::vector<Changed> files;

    Changed* find(std::string_view path) {
        const auto found = std::ranges::find(files, path, &Changed::path);
        return found == files.end() ? nullptr : &*found;
    }
    std::string text() const {
        std::string out(kRecordHead);
        for (const std::string& store : stores)
            out += "store " + std::to_string(store.size()) + "\n" + store + "\n";
        for (const Changed& file : files) {
            out += "file " + std::to_string(file.path.size()) + " " +
                   (file.before ? std::to_string(file.before->size()) : "-1") + " " +
                   std::to_string(file.after.size()) + "\n" + file.path + file.before.value_or("") +
                   file.after + "\n";
        }
        return out;
    }
};

class RecordReader {
  public:
    explicit RecordReader(std::string_view text) : x_text(text) {}

    std::optional<Record> read() {
        Record out;
        if (!x_text.starts_with(kRecordHead)) return {};
        x_text.remove_prefix(kRecordHead.size());
        while (!x_text.empty()) {
            const bool store = x_text.starts_with("store ");
            if (!store && !x_text.starts_with("file ")) return {};
            x_text.remove_prefix(store ? 6 : 5);
            const std::size_t end = x_text.find('\n');
            if (end == std::string_view::npos) return {};
            std::string_view head = x_text.substr(0, end);
            x_text.remove_prefix(end + 1);
            if (store) {
                out.stores.push_back(take(number(head)));
            } else {
                Changed file;
                const std::int64_t path = number(head);
                const std::int64_t before = number(head);
                const std::int64_t after = number(head);
                file.path = take(path);
                if (before >= 0) file.before = take(before);
                file.after = take(after);
                out.files.push_back(std::move(file));
            }
            if (x_bad || !x_text.starts_with('\n')) return {};
            x_text.remove_prefix(1);
        }
        return out;
    }

  private:
    std::int64_t number(std::string_view& head) {
        std::int64_t out = 0;
        const auto [end, error] = std::from_chars(head.data(), head.data() + head.size(), out);
        if (error != std::errc()) x_bad = true;
        head.remove_prefix(static_cast<std::size_t>(end - head.data()));
        if (head.starts_with(' ')) head.remove_prefix(1);
        return out;
    }
    std::string take(std::int64_t bytes) {
        if (bytes < 0 || static_cast<std::size_t>(bytes) > x_text.size()) {
            x_bad = true;
            return {};
        }
        std::string out(x_text.substr(0, static_cast<std::size_t>(bytes)));
        x_text.remove_prefix(static_cast<std::size_t>(bytes));
        return out;
    }
    std::string_view x_text;
    bool x_bad = false;
};

/// Nothing where there is no file.
Result<std::optional<std::string>> read_if_there(os::FileSystem& files, const std::string& path) {
    auto text = os::read_file(files, path, kFileBytesMax);
    if (text) return std::optional<std::string>(std::move(*text));
    if (text.error().code == Code::not_found) return std::optional<std::string>();
    return fail(std::move(text).error());
}

/// A new file in place of the one that is there, with its permissions; through a symbolic link.
Status replace(os::FileSystem& files, std::string path, std::string_view text) {
    std::uint32_t mode = 0644;
    if (const auto info = files.info(path)) mode = info->mode;
    if (const auto link = files.link_info(path); link && link->kind == os::FileKind::other) {
        std::error_code error;
        const auto real = std::filesystem::canonical(path, error);
        if (!error) path = real.string();
    }
    TASKSTORE_TRY(os::make_directories(files, os::folder_of(path)));
    return os::replace_file(files, path, text, mode);
}

Status remove(os::FileSystem& files, const std::string& path) {
    TASKSTORE_TRY(files.unlink(path));
    return files.sync_directory(os::folder_of(path));
}

/// Git's own lock on its config. It is not taken, or a stop in the middle would leave it behind and
/// git could not write its settings any more; the file is replaced as a whole instead.
Status check_config_is_free(os::FileSystem& files, const GitPlaces& places) {
    if (!files.link_info(places.config + ".lock")) return ok();
    return fail(Code::unavailable,
                "git is writing its settings: '" + places.config + ".lock' is there")
        .with_hint("try again; if no git is at work any more, a crash left that file behind");
}

/// One run over all pieces.
class Installer {
  public:
    Installer(os::FileSystem& files, const GitPlaces& places) : x_files(files), x_places(places) {}

    Result<Installed> install() {
        TASKSTORE_TRY(read_record());
        if (std::ranges::find(x_record.stores, x_places.store) == x_record.stores.end())
            x_record.stores.push_back(x_places.store);
        struct Planned {
            std::string path;
            std::optional<std::string> now;
            std::string wanted;
            std::string_view what;
        };
        std::vector<Planned> planned;
        const auto plan = [&](const std::string& path, std::string_view what) -> Status {
            TASKSTORE_LET(auto now, read_if_there(x_files, path));
            std::string wanted = wanted_in(path, now);
            if (now != wanted) planned.push_back({path, std::move(now), std::move(wanted), what});
            return ok();
        };
        TASKSTORE_TRY(plan(x_places.config, "the merge driver and the textconv are in "));
        TASKSTORE_TRY(plan(x_places.attributes, "the rule for ledger files is in "));
        TASKSTORE_TRY(plan(x_places.info_attributes, "and, for branches without that file, in "));
        for (const Planned& one : planned) {
            if (one.path == x_places.config) TASKSTORE_TRY(check_config_is_free(x_files, x_places));
        }
        // What was there is safe before anything changes.
        TASKSTORE_TRY(write_record());
        for (const Planned& one : planned) {
            TASKSTORE_TRY(replace(x_files, one.path, one.wanted));
            x_out.done.push_back(std::string(one.what) + one.path);
        }
        if (!x_places.hooks_are_ours) {
            tell_of_foreign_hooks();
            return std::move(x_out);
        }
        for (const std::string_view hook : hook_names()) TASKSTORE_TRY(install_hook(hook));
        return std::move(x_out);
    }

    Result<Installed> uninstall() {
        TASKSTORE_TRY(read_record());
        // Hooks first: with them gone nothing else of ours is run any more.
        if (x_places.hooks_are_ours) {
            for (const std::string_view hook : hook_names()) TASKSTORE_TRY(uninstall_hook(hook));
        }
        if (x_record.find(x_places.config) == nullptr)
            x_record.files.push_back({x_places.config, std::string(), {}});
        // Only we write there; .gitattributes may have come with the clone.
        if (x_record.find(x_places.info_attributes) == nullptr)
            x_record.files.push_back({x_places.info_attributes, {}, {}});
        if (std::ranges::find(x_record.stores, x_places.store) == x_record.stores.end())
            x_record.stores.push_back(x_places.store);
        for (const Changed& file : x_record.files) TASKSTORE_TRY(put_back(file));
        if (x_files.link_info(x_places.record)) TASKSTORE_TRY(remove(x_files, x_places.record));
        return std::move(x_out);
    }

  private:
    Status read_record() {
        TASKSTORE_LET(const auto text, read_if_there(x_files, x_places.record));
        if (!text) return ok();
        auto read = RecordReader(*text).read();
        if (!read) {
            return fail(Code::corrupt, "'" + x_places.record +
                                           "', which holds what was there before the hooks, cannot "
                                           "be read")
                .with_hint("move it away: then only what taskstore itself added is taken out");
        }
        x_record = std::move(*read);
        x_record_text = *text;
        x_stores_before = x_record.stores;
        return ok();
    }

    Status write_record() {
        const std::string text = x_record.text();
        if (text == x_record_text) return ok();
        TASKSTORE_TRY(os::make_directories(x_files, os::folder_of(x_places.record)));
        return os::replace_file(x_files, x_places.record, text);
    }

    bool is_config(std::string_view path) const { return path == x_places.config; }
    std::string with_ours(const std::string& path, std::string text) const {
        return is_config(path) ? with_config(std::move(text))
                               : with_rules(std::move(text), x_record.stores);
    }
    std::string without_ours(const std::string& path, std::string text,
                             const std::string& before) const {
        return is_config(path) ? without_config(std::move(text), before)
                               : without_rules(text, before, x_record.stores);
    }

    /// What the file should hold; notes in the record what it was.
    std::string wanted_in(const std::string& path, const std::optional<std::string>& now) {
        Changed* known = x_record.find(path);
        if (known != nullptr && (now == known->after || now == known->before)) {
            // As we left it, or as it was: from what was there, so that older texts of ours go.
            known->after = with_ours(path, known->before.value_or(""));
            return known->after;
        }
        std::string wanted = with_ours(path, now.value_or(""));
        if (now == wanted) return wanted;
        Changed change{path, now, wanted};
        if (known == nullptr) {
            x_record.files.push_back(std::move(change));
        } else {
            // Somebody wrote into it since: that, without what was ours, is what was there.
            if (now) change.before = without_ours(path, *now, known->before.value_or(""));
            *known = std::move(change);
        }
        return wanted;
    }

    Status put_back(const Changed& file) {
        TASKSTORE_LET(const auto now, read_if_there(x_files, file.path));
        if (!now || now == file.before) return ok();
        std::optional<std::string> wanted = file.before;
        if (*now != file.after) {
            wanted = without_ours(file.path, *now, file.before.value_or(""));
            if (wanted == *now) return ok();
            if (wanted->empty() && !file.before) wanted.reset();
        }
        if (is_config(file.path)) TASKSTORE_TRY(check_config_is_free(x_files, x_places));
        if (wanted)
            TASKSTORE_TRY(replace(x_files, file.path, *wanted));
        else
            TASKSTORE_TRY(remove(x_files, file.path));
        x_out.done.push_back(file.path + (wanted ? " is as it was" : " is gone again"));
        return ok();
    }

    // --- hooks ----------------------------------------------------------------------------------

    std::string hook_path(std::string_view hook) const {
        return os::join_path(x_places.hooks, hook);
    }

    struct Hook {
        enum class Is : std::uint8_t { none, ours, earlier, foreign, folder };
        Is is = Is::none;
        bool runs = true;
        std::string text;
    };

    Result<Hook> hook_at(const std::string& path) {
        Hook out;
        const auto link = x_files.link_info(path);
        if (!link) {
            if (link.error().code == Code::not_found) return out;
            return fail(link.error());
        }
        out.is = Hook::Is::foreign;
        if (link->kind == os::FileKind::directory) out.is = Hook::Is::folder;
        out.runs = (link->mode & 0111U) != 0;
        if (link->kind != os::FileKind::regular) return out;
        TASKSTORE_LET(out.text, os::read_file(x_files, path, kFileBytesMax));
        if (is_our_hook(out.text))
            out.is = Hook::Is::ours;
        else if (is_earlier_hook(out.text))
            out.is = Hook::Is::earlier;
        return out;
    }

    /// Another program (pre-commit of Python) put its own hook over ours and calls ours from it.
    bool is_called_by_another(std::string_view hook) {
        const auto moved = hook_at(hook_path(hook) + ".legacy");
        return moved && moved->is == Hook::Is::ours;
    }

    Status install_hook(std::string_view hook) {
        const std::string path = hook_path(hook);
        const std::string name(hook);
        const std::string wanted = hook_text(hook, x_record.stores);
        TASKSTORE_LET(const Hook there, hook_at(path));
        if (there.is == Hook::Is::folder) {
            x_out.notes.push_back("'" + path + "' is a folder, so git runs no such hook");
            return ok();
        }
        if (there.is == Hook::Is::ours && there.text == wanted) {
            if (!there.runs)
                x_out.notes.push_back("'" + path +
                                      "' is switched off: it is not executable, so git passes it "
                                      "over");
            return ok();
        }
        if (there.is == Hook::Is::foreign && is_called_by_another(hook)) {
            x_out.notes.push_back("another program's " + name + " calls ours, " + name +
                                  ".legacy: both stay as they are");
            return ok();
        }
        TASKSTORE_TRY(os::make_directories(x_files, x_places.hooks));
        TASKSTORE_TRY(keep_edited(hook, there));
        const bool kept = there.is == Hook::Is::foreign || there.is == Hook::Is::earlier;
        const std::string before =
            path + std::string(there.is == Hook::Is::earlier ? kEarlier : kBefore);
        if (kept) TASKSTORE_TRY(make_room(before));
        TASKSTORE_LET(auto replacement, os::Replacement::begin(x_files, path, 0755));
        TASKSTORE_TRY(replacement.write(wanted));
        if (kept) {
            TASKSTORE_TRY(x_files.rename(path, before));
            TASKSTORE_TRY(x_files.sync_directory(x_places.hooks));
        }
        TASKSTORE_TRY(replacement.commit());
        x_out.done.push_back(
            "hook " + name + " runs 'taskstore sync --quiet'" +
            (hook == "post-rewrite"
                 ? " (git runs it after a rebase: it serves the founding post-rebase)"
                 : "") +
            (there.is == Hook::Is::foreign
                 ? "; the one that was there is called first, from " + os::name_of_path(before)
                 : "") +
            (there.is == Hook::Is::earlier
                 ? "; the earlier program's is kept as " + os::name_of_path(before)
                 : ""));
        if (there.is == Hook::Is::foreign && mentions_sync(there.text))
            x_out.notes.push_back("'" + before +
                                  "' calls 'taskstore sync' by itself and may stop git where that "
                                  "fails: that line can go");
        return ok();
    }

    /// Lines that somebody wrote into a hook of ours are kept in a file beside it.
    Status keep_edited(std::string_view hook, const Hook& there) {
        if (there.is != Hook::Is::ours || there.text == hook_text(hook, x_stores_before) ||
            there.text == hook_text(hook, x_record.stores))
            return ok();
        const std::string copy = hook_path(hook) + std::string(kEdited);
        TASKSTORE_LET(const auto earlier, read_if_there(x_files, copy));
        if (earlier != there.text) {
            TASKSTORE_TRY(make_room(copy));
            TASKSTORE_TRY(os::replace_file(x_files, copy, there.text));
        }
        x_out.notes.push_back("'" + hook_path(hook) +
                              "' is not as this program writes it: what was there is in '" + copy +
                              "'; lines of your own belong into '" + hook_path(hook) +
                              std::string(kBefore) + "', which is called first");
        return ok();
    }

    /// An older hook that nobody calls any more makes room and stays.
    Status make_room(const std::string& path) {
        if (!x_files.link_info(path)) return ok();
        for (int number = 1;; ++number) {
            const std::string free = path + "-" + std::to_string(number);
            if (x_files.link_info(free)) continue;
            TASKSTORE_TRY(x_files.rename(path, free));
            x_out.notes.push_back("'" + free + "' is an older hook that nothing calls any more");
            return x_files.sync_directory(x_places.hooks);
        }
    }

    Status uninstall_hook(std::string_view hook) {
        std::string path = hook_path(hook);
        TASKSTORE_LET(Hook there, hook_at(path));
        if (there.is == Hook::Is::foreign && is_called_by_another(hook)) {
            path += ".legacy";
            there.is = Hook::Is::ours;
        }
        std::string before;
        for (const std::string_view end : {kBefore, kEarlier}) {
            if (before.empty() && x_files.link_info(hook_path(hook) + std::string(end)))
                before = hook_path(hook) + std::string(end);
        }
        if (there.is != Hook::Is::ours && there.is != Hook::Is::none) {
            if (!before.empty())
                x_out.notes.push_back("'" + path +
                                      "' is not ours, so it stays; the hook from before is '" +
                                      before + "'");
            return ok();
        }
        if (before.empty() && there.is == Hook::Is::none) return ok();
        TASKSTORE_TRY(keep_edited(hook, there));
        if (before.empty())
            TASKSTORE_TRY(x_files.unlink(path));
        else
            TASKSTORE_TRY(x_files.rename(before, path));
        TASKSTORE_TRY(x_files.sync_directory(x_places.hooks));
        x_out.done.push_back("hook " + std::string(hook) +
                             (before.empty() ? " is gone again" : " is the one from before"));
        return ok();
    }

    void tell_of_foreign_hooks() {
        std::string text = "core.hooksPath leads out of this repository, to '" + x_places.hooks +
                           "', so no hook was written. To have them, add to each of";
        for (const std::string_view hook : hook_names()) text += " " + std::string(hook);
        text += " there:";
        x_out.notes.push_back(std::move(text));
        for (const std::string& store : x_record.stores) {
            const std::string folder = store == ".taskstore" ? store : "'" + store + "'";
            const std::string call = "if [ -d " + folder +
                                     " ] && command -v taskstore >/dev/null 2>&1; then "
                                     "TASKSTORE_HOOK=\"${0##*/}\" taskstore sync --quiet";
            const std::string where = store == ".taskstore" ? "" : " --store " + folder;
            x_out.notes.push_back(call + where +
                                  " </dev/null || case $? in 4|6) [ \"${0##*/}\" != pre-commit ] "
                                  "|| exit 1 ;; esac; fi");
        }
    }

    os::FileSystem& x_files;
    const GitPlaces& x_places;
    Record x_record;
    std::string x_record_text;
    std::vector<std::string> x_stores_before;  ///< That the hooks which are there serve.
    Installed x_out;
};

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
    return Installer(files, places).install();
}

Result<Installed> uninstall_hooks(os::FileSystem& files, const GitPlaces& places) {
    return Installer(files, places).uninstall();
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
        const auto text = os::read_file(files, piece.path, kFileBytesMax);
        const auto legacy = os::read_file(files, piece.path + ".legacy", kFileBytesMax);
        if (!text) {
            piece.state = State::missing;
        } else if (!is_our_hook(*text) && !(legacy && is_our_hook(*legacy))) {
            piece.state =
                mentions_sync(*text) && !is_earlier_hook(*text) ? State::in_place : State::other;
            piece.why = "another hook stands there and does not call taskstore";
            if (is_earlier_hook(*text)) piece.why = "it is the earlier program's";
        }
        out.push_back(std::move(piece));
    }
    return out;
}

bool lacks_driver(os::FileSystem& files, const git::Repository& repository) {
    const auto names_driver = [&](const std::string& path) {
        const auto text = os::read_file(files, path, kFileBytesMax);
        return text && text->find("merge=taskstore-merge") != std::string::npos;
    };
    if (repository.work_tree().empty()) return false;
    if (!names_driver(os::join_path(repository.work_tree(), ".gitattributes")) &&
        !names_driver(repository.attributes_path()))
        return false;
    const auto text = os::read_file(files, repository.config_path(), kFileBytesMax);
    if (text && git::ConfigText(*text).get({"merge", "taskstore-merge", "driver"})) return false;
    const auto told = repository.config("merge.taskstore-merge.driver");
    return told && !told->has_value();
}

}  // namespace taskstore::store
