#include "isolated.hpp"

#include <taskstore/os/remove_tree.hpp>

#include <algorithm>

namespace taskstore::work {
namespace {

constexpr std::string_view kLock = ".lock";
constexpr std::size_t kPathBytesMax = 8192;

/// Whole as soon as it is there.
Status write_whole(os::FileSystem& files, const std::string& path, std::string_view text) {
    const std::string temporary = os::temporary_path_of(path);
    {
        TASKSTORE_LET(const auto file, files.open(temporary, os::OpenMode::create, 0600));
        TASKSTORE_TRY(file->truncate(0));
        TASKSTORE_TRY(file->write_at(0, text));
    }
    return files.rename(temporary, path);
}

Status remove(os::FileSystem& files, const std::string& path, const std::string& lock_file) {
    TASKSTORE_TRY(os::remove_tree(path));
    const Status gone = files.unlink(lock_file);
    return gone || gone.error().code == Code::not_found ? ok() : gone;
}

}  // namespace

IsolatedFolder::~IsolatedFolder() {
    // What stays is cleared by the next worker that starts.
    if (x_made) static_cast<void>(remove(x_files, x_path, lock_file()).has_value());
}

Status IsolatedFolder::make(const std::string& lock_path) {
    TASKSTORE_TRY(os::make_directories(x_files, x_folder, 0700));
    x_made = true;
    TASKSTORE_TRY(write_whole(x_files, lock_file(), lock_path));
    // Of a fence that a restored database gave again.
    TASKSTORE_TRY(os::remove_tree(x_path));
    for (const std::string& one : {x_path, home(), tmp()})
        TASKSTORE_TRY(x_files.make_directory(one, 0700));
    return ok();
}

Result<std::int64_t> clear_isolated(os::FileSystem& files, const std::string& folder) {
    auto names = files.list(folder);
    if (!names && names.error().code == Code::not_found) return std::int64_t{0};
    if (!names) return fail(std::move(names).error());
    std::int64_t cleared = 0;
    Status failure;
    for (const std::string& name : *names) {
        if (!name.ends_with(kLock) || name.starts_with('.')) continue;
        const std::string file = os::join_path(folder, name);
        const auto lock_path = os::read_file(files, file, kPathBytesMax);
        if (!lock_path) continue;
        const auto state = os::lock_state(*lock_path);
        if (!state || *state == os::LockState::held) continue;
        Status removed = remove(files, file.substr(0, file.size() - kLock.size()), file);
        if (removed)
            ++cleared;
        else if (failure)
            failure = std::move(removed);
    }
    if (!failure) return fail(std::move(failure).error());
    return cleared;
}

namespace {

Status check(const IsolationOptions& wanted) {
    const os::CommandLimits& limits = wanted.limits;
    for (const auto& [name, value] :
         {std::pair("memory", limits.memory_bytes), std::pair("cpu", limits.cpu_seconds),
          std::pair("files", limits.files), std::pair("processes", limits.processes)}) {
        if (value && *value < 1)
            return fail(Code::invalid, "the limit of " + std::string(name) + " is to be above 0");
    }
    for (const std::string& path : wanted.writable) {
        if (!path.starts_with('/'))
            return fail(Code::invalid, "'" + path + "' is to be writable, and is no absolute path");
    }
    return ok();
}

Failure refused(const os::RefusedPart& part, const std::string& hint) {
    return fail(Code::denied, "the system refuses commands the namespace " +
                                  std::string(name_of(part.part)) + ": " + part.reason)
        .with_hint(hint);
}

}  // namespace

Result<IsolationFound> find_isolation(const IsolationOptions& wanted) {
    TASKSTORE_TRY(check(wanted));
    std::vector<os::IsolationPart> parts;
    for (const os::IsolationPart part : os::kIsolationParts) {
        if (part != os::IsolationPart::network || !wanted.network) parts.push_back(part);
    }
    IsolationFound found;
    TASKSTORE_LET(found.trial, os::try_isolation(parts));
    for (const os::RefusedPart& part : found.trial.refused) {
        if (wanted.strict) return refused(part, "without --strict commands run with the rest");
        if (part.part == os::IsolationPart::network)
            return refused(part, "allow it, or let commands have the network");
    }
    found.limits = wanted.limits;
    if (!found.limits.files) found.limits.files = kFilesMax;
    const bool counts =
        std::ranges::find(found.trial.got, os::IsolationPart::user) != found.trial.got.end();
    if (!found.limits.processes && counts) found.limits.processes = kProcessesMax;
    return found;
}

std::string text_of(const IsolationFound& found) {
    std::string text;
    const auto add = [&](std::string_view between, std::string_view what) {
        text.append(text.empty() ? "" : between).append(what);
    };
    for (const os::IsolationPart part : found.trial.got) add(", ", name_of(part));
    if (text.empty()) text = "no namespaces";
    bool first = true;
    for (const os::RefusedPart& one : found.trial.refused) {
        text += (first ? "; refused: " : ", ") + std::string(name_of(one.part)) + " (" +
                one.reason + ")";
        first = false;
    }
    text += "; limits: core 0";
    const auto limit = [&](std::string_view name, const std::optional<std::int64_t>& value) {
        if (value) text += ", " + std::string(name) + " " + std::to_string(*value);
    };
    limit("memory", found.limits.memory_bytes);
    limit("cpu", found.limits.cpu_seconds);
    limit("files", found.limits.files);
    limit("processes", found.limits.processes);
    return text;
}

}  // namespace taskstore::work
