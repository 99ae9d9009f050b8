#include "changed_files.hpp"

#include "hook_texts.hpp"

#include <taskstore/os/linked_path.hpp>

#include <algorithm>
#include <cerrno>

namespace taskstore::store {
namespace {

constexpr int kAttempts = 5;

/// Where the link leads, if it is one: that file is replaced, as git does.
std::string real_path(os::FileSystem& files, const std::string& path) {
    return os::linked_path(files, path).value_or(path);
}

Failure git_is_writing(const std::string& lock) {
    return fail(Code::unavailable, "git is writing its settings: '" + lock + "' is there")
        .with_hint("try again; if no git is at work any more, a crash left that file behind");
}

/// Git's own lock on its config, held for a look and a rename. It is a second name of the file that
/// comes in place of the config, so that one that a stop in the middle left behind is known for
/// ours: git writes no settings until clear_leftover() has taken it away.
class ConfigLock {
  public:
    ConfigLock(os::FileSystem& files, const std::string& config)
        : x_files(files), x_config(config), x_lock(config + ".lock") {}
    ~ConfigLock() { (void)release().has_value(); }
    ConfigLock(const ConfigLock&) = delete;
    ConfigLock& operator=(const ConfigLock&) = delete;

    /// unavailable: git holds it. On a file system without links it is only looked for.
    Status take() {
        x_tried = true;
        auto linked = x_files.hard_link(os::temporary_path_of(x_config), x_lock);
        if (linked) return ok();
        if (linked.error().code == Code::exists) return git_is_writing(x_lock);
        if (!os::lacks_links(linked.error())) return linked;
        return x_files.link_info(x_lock) ? Status(git_is_writing(x_lock)) : ok();
    }
    Status release() {
        if (!std::exchange(x_tried, false) || !is_ours()) return ok();
        return remove_file(x_files, x_lock);
    }
    Status clear_leftover() {
        if (!x_files.link_info(x_lock) || !is_ours()) return ok();
        if (!is_same_file(x_files, x_lock, x_config)) {
            TASKSTORE_LET(const auto file, x_files.open(x_lock, os::OpenMode::read_write));
            TASKSTORE_LET(const bool left, file->try_lock_exclusive());
            if (!left) return git_is_writing(x_lock);
        }
        return remove_file(x_files, x_lock);
    }

  private:
    bool is_ours() const {
        return is_same_file(x_files, x_lock, x_config) ||
               is_same_file(x_files, x_lock, os::temporary_path_of(x_config));
    }
    os::FileSystem& x_files;
    std::string x_config;
    std::string x_lock;
    bool x_tried = false;
};

}  // namespace

Result<std::optional<std::string>> read_if_there(os::FileSystem& files, const std::string& path) {
    auto text = os::read_file(files, path, kHookFileBytesMax);
    if (text) return std::optional<std::string>(std::move(*text));
    if (text.error().code == Code::not_found) return std::optional<std::string>();
    return fail(std::move(text).error());
}

Status remove_file(os::FileSystem& files, const std::string& path) {
    TASKSTORE_TRY(files.unlink(path));
    return files.sync_directory(os::folder_of(path));
}

bool is_same_file(os::FileSystem& files, const std::string& one, const std::string& other) {
    const auto a = files.link_info(one);
    const auto b = files.link_info(other);
    return a && b && a->identity.device == b->identity.device &&
           a->identity.inode == b->identity.inode;
}

Status ChangedFiles::begin() {
    TASKSTORE_LET(const auto text, read_if_there(x_files, x_places.record));
    TASKSTORE_TRY(ConfigLock(x_files, real_path(x_files, x_places.config)).clear_leftover());
    if (!text) return ok();
    auto read = HookRecord::read(*text);
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

Result<std::vector<ChangedFiles::Planned>> ChangedFiles::plan() {
    std::vector<Planned> out;
    for (const auto& [path, what] :
         {std::pair(&x_places.config, "the merge driver and the textconv are in "),
          std::pair(&x_places.attributes, "the rule for ledger files is in "),
          std::pair(&x_places.info_attributes, "and, for branches without that file, in ")}) {
        TASKSTORE_LET(auto now, read_if_there(x_files, *path));
        std::string wanted = wanted_in(*path, now);
        if (now != wanted) out.push_back({*path, std::move(now), std::move(wanted), what});
    }
    return out;
}

Status ChangedFiles::install(Installed& out) {
    if (std::ranges::find(x_record.stores, x_places.store) == x_record.stores.end())
        x_record.stores.push_back(x_places.store);
    note_missing_folder(os::folder_of(x_places.info_attributes));
    if (x_places.hooks_are_ours) note_missing_folder(x_places.hooks);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        TASKSTORE_LET(const auto planned, plan());
        // What was there is safe before anything changes.
        TASKSTORE_TRY(write_record());
        bool all = true;
        for (const Planned& one : planned) {
            TASKSTORE_LET(const bool done, put(one.path, one.now, one.wanted));
            if (done) out.done.push_back(std::string(one.what) + one.path);
            all = all && done;
        }
        if (all) return ok();
    }
    return fail(Code::unavailable, "somebody keeps writing git's settings or attributes")
        .with_hint("try again");
}

Status ChangedFiles::uninstall(Installed& out) {
    if (x_record.find(x_places.config) == nullptr)
        x_record.files.push_back({x_places.config, std::string(), {}});
    // Only we write there; .gitattributes may have come with the clone.
    if (x_record.find(x_places.info_attributes) == nullptr)
        x_record.files.push_back({x_places.info_attributes, {}, {}});
    if (std::ranges::find(x_record.stores, x_places.store) == x_record.stores.end())
        x_record.stores.push_back(x_places.store);
    for (const Changed& file : x_record.files) {
        bool done = false;
        for (int attempt = 0; attempt < kAttempts && !done; ++attempt) {
            TASKSTORE_LET(done, put_back(file, out));
        }
        if (!done)
            return fail(Code::unavailable, "somebody keeps writing '" + file.path + "'")
                .with_hint("try again");
    }
    for (auto folder = x_record.folders.rbegin(); folder != x_record.folders.rend(); ++folder) {
        auto removed = x_files.remove_directory(*folder);
        if (removed) TASKSTORE_TRY(x_files.sync_directory(os::folder_of(*folder)));
        // Others have put something in since, or it is gone.
        if (!removed && removed.error().code != Code::not_found &&
            removed.error().native != ENOTEMPTY)
            return removed;
    }
    return x_files.link_info(x_places.record) ? remove_file(x_files, x_places.record) : ok();
}

void ChangedFiles::note_missing_folder(const std::string& folder) {
    if (!x_files.info(folder) &&
        std::ranges::find(x_record.folders, folder) == x_record.folders.end())
        x_record.folders.push_back(folder);
}

Status ChangedFiles::write_record() {
    const std::string text = x_record.text();
    if (text == x_record_text) return ok();
    TASKSTORE_TRY(os::make_directories(x_files, os::folder_of(x_places.record)));
    TASKSTORE_TRY(os::replace_file(x_files, x_places.record, text));
    x_record_text = text;
    return ok();
}

std::string ChangedFiles::with_ours(const std::string& path, std::string text) const {
    return is_config(path) ? with_config(std::move(text))
                           : with_rules(std::move(text), x_record.stores);
}

std::string ChangedFiles::without_ours(const std::string& path, std::string text,
                                       const std::string& before) const {
    return is_config(path) ? without_config(std::move(text), before)
                           : without_rules(text, before, x_record.stores);
}

/// What the file should hold; notes in the record what it was.
std::string ChangedFiles::wanted_in(const std::string& path,
                                    const std::optional<std::string>& now) {
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

/// A new file in place of the one that is there, with its permissions; or none any more. False: it
/// is not as it was seen, and stays.
Result<bool> ChangedFiles::put(const std::string& path, const std::optional<std::string>& seen,
                               const std::optional<std::string>& wanted) {
    const std::string real = real_path(x_files, path);
    if (!wanted) {
        TASKSTORE_LET(const auto now, read_if_there(x_files, path));
        if (now != seen) return false;
        TASKSTORE_TRY(remove_file(x_files, path));
        return true;
    }
    std::uint32_t mode = 0644;
    if (const auto info = x_files.info(real)) mode = info->mode;
    TASKSTORE_TRY(os::make_directories(x_files, os::folder_of(real)));
    TASKSTORE_LET(auto replacement, os::Replacement::begin(x_files, real, mode));
    TASKSTORE_TRY(replacement.write(*wanted));
    TASKSTORE_TRY(replacement.flush());
    ConfigLock lock(x_files, real);
    if (is_config(path)) TASKSTORE_TRY(lock.take());
    TASKSTORE_LET(const auto now, read_if_there(x_files, real));
    if (now != seen) return false;
    TASKSTORE_TRY(replacement.commit());
    TASKSTORE_TRY(lock.release());
    return true;
}

/// False: it changes at this moment.
Result<bool> ChangedFiles::put_back(const Changed& file, Installed& out) {
    TASKSTORE_LET(const auto now, read_if_there(x_files, file.path));
    if (!now || now == file.before) return true;
    std::optional<std::string> wanted = file.before;
    if (*now != file.after) {
        wanted = without_ours(file.path, *now, file.before.value_or(""));
        if (wanted == *now) return true;
        if (wanted->empty() && !file.before) wanted.reset();
    }
    TASKSTORE_LET(const bool done, put(file.path, now, wanted));
    if (done) out.done.push_back(file.path + (wanted ? " is as it was" : " is gone again"));
    return done;
}

}  // namespace taskstore::store
