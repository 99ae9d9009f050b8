#include <taskstore/base/check.hpp>
#include <taskstore/os/fault_file_system.hpp>

#include "deadline.hpp"
#include "disk_model.hpp"
#include "lock_text.hpp"
#include "system_error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace taskstore::os {
namespace {

constexpr std::size_t kLogCallsMax = 4096;

constexpr std::array<std::string_view, 19> kCallNames{
    "create",         "write",     "truncate", "sync_data",      "set_mtime",
    "rename",         "hard_link", "unlink",   "make_directory", "remove_directory",
    "sync_directory", "open",      "read",     "file_info",      "path_info",
    "list",           "lock",      "try_lock", "unlock"};

constexpr std::array<std::string_view, 19> kVerbs{"create",
                                                  "write",
                                                  "set the size of",
                                                  "flush",
                                                  "set the time of",
                                                  "rename",
                                                  "link",
                                                  "remove",
                                                  "make the folder",
                                                  "remove the folder",
                                                  "flush the folder",
                                                  "open",
                                                  "read",
                                                  "examine",
                                                  "examine",
                                                  "list",
                                                  "lock",
                                                  "lock",
                                                  "unlock"};

/// Greater than zero while a hook runs in this thread.
thread_local int hook_depth = 0;

struct ArmedFault {
    std::size_t remaining;
    Fault fault;
    bool cut_short = false;  ///< A full disk has stored its last part of a write.
};

/// What the schedule has decided on a call.
struct Verdict {
    int error = 0;
    bool works = true;  ///< The call does its work, whether it then fails or not.
    std::optional<std::size_t> bytes_kept{};
};

bool needs_space(Call call) {
    return call == Call::create || call == Call::write || call == Call::make_directory ||
           call == Call::hard_link;
}

bool is_flush(Call call) {
    return call == Call::sync_data || call == Call::sync_directory;
}

}  // namespace

std::string_view name_of(Call call) {
    return kCallNames.at(static_cast<std::size_t>(call));
}

std::vector<PowerCut> PowerCut::matrix(std::uint64_t seeds, std::uint64_t first_seed) {
    std::vector<PowerCut> cuts{drop_all(), keep_all(), torn(), zeroed()};
    for (std::uint64_t i = 0; i < seeds; ++i) cuts.push_back(random(first_seed + i, i % 2 == 1));
    return cuts;
}

std::string PowerCut::text() const {
    switch (kind) {
        case Kind::drop_all:
            return "drop_all";
        case Kind::keep_all:
            return "keep_all";
        case Kind::torn:
            return "torn";
        case Kind::zeroed:
            return "zeroed";
        case Kind::random:
            break;
    }
    return "random(" + std::to_string(seed) + (any_names ? ", any_names)" : ")");
}

struct FaultFileSystem::Disk {
    explicit Disk(DiskModel start) : model(std::move(start)) {}

    std::mutex mutex;
    std::condition_variable unlocked;
    DiskModel model;
    std::uint64_t boot = 0;  ///< Counts power cuts: handles of an earlier boot are dead.
    std::vector<ArmedFault> faults;
    std::size_t calls = 0;
    std::optional<std::size_t> calls_left;
    bool off = false;
    std::deque<CallRecord> log;
    std::function<void(const CallRecord&)> hook;

    void run_hook(CallRecord record) {
        if (!hook || hook_depth > 0) return;
        const auto copy = hook;
        if (is_mutating(record.call) || model.options().count_reads) {
            const std::lock_guard guard(mutex);
            record.number = calls + 1;
        }
        ++hook_depth;
        copy(record);
        --hook_depth;
    }

    bool dead(std::uint64_t handle_boot) const { return off || handle_boot != boot; }

    bool matches(const ArmedFault& armed, const CallRecord& record) const {
        const Fault& fault = armed.fault;
        if (record.path.find(fault.path_part) == std::string::npos &&
            record.other_path.find(fault.path_part) == std::string::npos) {
            return false;
        }
        return fault.only ? *fault.only == record.call
                          : is_mutating(record.call) || model.options().count_reads;
    }

    /// Whether the armed fault, now due, applies; what it does to the call.
    static bool apply(ArmedFault& armed, const CallRecord& record, bool grows, Verdict& verdict) {
        const Fault& fault = armed.fault;
        const std::size_t part = fault.bytes_kept.value_or(record.bytes / 2);
        switch (fault.kind) {
            case FaultKind::error:
                verdict = {.error = fault.error, .works = false};
                return true;
            case FaultKind::error_after:
                verdict = {.error = fault.error, .works = true};
                return true;
            case FaultKind::short_write:
                verdict = {.error = ENOSPC, .works = record.call == Call::write};
                if (verdict.works) verdict.bytes_kept = std::min(part, record.bytes);
                return true;
            case FaultKind::disk_full:
                if (!needs_space(record.call) || !grows) return false;
                verdict = {.error = ENOSPC, .works = record.call == Call::write};
                if (verdict.works) {
                    verdict.bytes_kept =
                        std::exchange(armed.cut_short, true) ? 0 : std::min(part, record.bytes);
                }
                return true;
            case FaultKind::read_only:
                if (!is_mutating(record.call) || is_flush(record.call)) return false;
                verdict = {.error = EROFS, .works = false};
                return true;
        }
        return false;
    }

    Verdict admit(CallRecord& record, bool grows) {
        if (hook_depth > 0) return {};
        if (is_mutating(record.call) || model.options().count_reads) {
            record.number = ++calls;
            if (calls_left) --*calls_left;
        }
        Verdict verdict;
        for (std::size_t i = 0; i < faults.size();) {
            ArmedFault& armed = faults[i];
            if (!matches(armed, record)) {
                ++i;
                continue;
            }
            if (armed.remaining > 1) {
                --armed.remaining;
                ++i;
                continue;
            }
            const bool lasts = armed.fault.forever || armed.fault.kind == FaultKind::disk_full ||
                               armed.fault.kind == FaultKind::read_only;
            const bool applied = verdict.error == 0 && apply(armed, record, grows, verdict);
            if (applied && !lasts) {
                faults.erase(faults.begin() + static_cast<std::ptrdiff_t>(i));
            } else {
                ++i;
            }
        }
        return verdict;
    }

    void finish(CallRecord record, int error) {
        if (hook_depth == 0) {
            record.error = error;
            log.push_back(std::move(record));
            if (log.size() > kLogCallsMax) log.pop_front();
        }
        if (calls_left == 0 && !off) {
            off = true;
            unlocked.notify_all();
        }
    }

    bool read_only() const {
        for (const ArmedFault& armed : faults) {
            if (armed.fault.kind == FaultKind::read_only && armed.remaining <= 1) return true;
        }
        return false;
    }

    /// The frame of every call but open, lock and the reading ones with a result of their own:
    /// `work` gets the verdict and returns errno.
    template <typename Work>
    int call(CallRecord record, std::optional<std::uint64_t> handle_boot, bool grows, Work work) {
        run_hook(record);
        const std::lock_guard guard(mutex);
        if (dead(handle_boot.value_or(boot))) return EIO;
        const Verdict verdict = admit(record, grows);
        int error = verdict.works ? work(verdict) : 0;
        if (error == 0) error = verdict.error;
        finish(std::move(record), error);
        return error;
    }
};

// --- open files
// -------------------------------------------------------------------------------------

class FaultFileSystem::OpenFile final : public File {
  public:
    /// Under the mutex of the disk.
    OpenFile(std::shared_ptr<Disk> disk, NodePtr node, std::string path, bool writable)
        : x_disk(std::move(disk)),
          x_node(std::move(node)),
          x_path(std::move(path)),
          x_writable(writable),
          x_boot(x_disk->boot) {
        ++x_node->handles;
    }

    ~OpenFile() override {
        const std::lock_guard guard(x_disk->mutex);
        release_lock();
        --x_node->handles;
        if (x_boot == x_disk->boot) x_disk->model.release(*x_node);
    }

    /// Readers count too.
    Result<bool> has_other_writers() override {
        const std::lock_guard guard(x_disk->mutex);
        return x_node->handles > 1;
    }

    Result<std::size_t> read_at(std::int64_t offset, char* out, std::size_t bytes) override {
        std::size_t done = 0;
        TASKSTORE_TRY(answer(Call::read, offset, bytes, false, [&](const Verdict&) {
            if (offset < 0) return EINVAL;
            const auto at = static_cast<std::size_t>(offset);
            if (at < x_node->now.size()) done = x_node->now.copy(out, bytes, at);
            return 0;
        }));
        return done;
    }

    Status write_at(std::int64_t offset, std::string_view bytes) override {
        bool grows = false;
        {
            const std::lock_guard guard(x_disk->mutex);
            grows = static_cast<std::size_t>(offset) + bytes.size() > x_node->now.size();
        }
        return answer(Call::write, offset, bytes.size(), grows, [&](const Verdict& verdict) {
            if (!x_writable) return EBADF;
            if (offset < 0) return EINVAL;
            const auto kept = bytes.substr(0, verdict.bytes_kept.value_or(bytes.size()));
            x_disk->model.write(*x_node, static_cast<std::size_t>(offset), kept);
            return 0;
        });
    }

    Status append(std::string_view bytes, std::size_t& written) override {
        written = 0;
        return answer(Call::write, -1, bytes.size(), !bytes.empty(), [&](const Verdict& verdict) {
            if (!x_writable) return EBADF;
            const auto kept = bytes.substr(0, verdict.bytes_kept.value_or(bytes.size()));
            x_disk->model.write(*x_node, x_node->now.size(), kept);
            written = kept.size();
            return 0;
        });
    }

    Status truncate(std::int64_t size) override {
        return answer(Call::truncate, size, 0, false, [&](const Verdict&) {
            if (!x_writable || size < 0) return EINVAL;
            x_disk->model.truncate(*x_node, static_cast<std::size_t>(size));
            return 0;
        });
    }

    Status sync_data() override {
        bool worked = false;
        auto status = answer(Call::sync_data, 0, 0, false, [&](const Verdict&) {
            x_disk->model.flush(*x_node);
            worked = true;
            return 0;
        });
        if (!status && !worked) {
            const std::lock_guard guard(x_disk->mutex);
            if (!x_disk->dead(x_boot)) x_disk->model.lose_unflushed(*x_node);
        }
        return status;
    }

    Result<FileInfo> info() override {
        FileInfo info;
        TASKSTORE_TRY(answer(Call::file_info, 0, 0, false, [&](const Verdict&) {
            info = x_node->info();
            info.owner = x_disk->model.options().owner;
            return 0;
        }));
        return info;
    }

    Status set_mtime_ns(std::int64_t mtime_ns) override {
        return answer(Call::set_mtime, mtime_ns, 0, false, [&](const Verdict&) {
            x_disk->model.set_mtime(*x_node, mtime_ns);
            return 0;
        });
    }

    Status lock_exclusive() override { return lock_within({}); }

    Status lock_within(const LockWait& wait) override {
        CallRecord record{.call = Call::lock, .path = x_path};
        x_disk->run_hook(record);
        std::unique_lock guard(x_disk->mutex);
        if (x_disk->dead(x_boot)) return failure(Call::lock, EIO);
        const Verdict verdict = x_disk->admit(record, false);
        int error = verdict.error;
        if (verdict.works) {
            const auto is_free = [&] {
                return x_disk->dead(x_boot) || x_node->lock_owner == nullptr ||
                       x_node->lock_owner == this;
            };
            const Deadline limit(wait.limit_ms);
            const auto wait_ms = [&](std::int64_t most) {
                return x_disk->unlocked.wait_for(guard, limit.at_most(most), is_free);
            };
            bool free = wait_ms(wait.tell_after_ms);
            if (!free && wait.tell) {
                guard.unlock();
                if (!limit.passed()) wait.tell("waiting for '" + x_path + "'");
                guard.lock();
            }
            while (!free && !limit.passed()) free = wait_ms(1'000);
            if (!free) return lock_timed_out(x_path, *wait.limit_ms, "another file holds it");
            if (x_disk->dead(x_boot)) return failure(Call::lock, EIO);
            x_node->lock_owner = this;
        }
        x_disk->finish(std::move(record), error);
        if (error != 0) return failure(Call::lock, error);
        return ok();
    }

    Result<bool> try_lock_exclusive() override {
        bool locked = false;
        TASKSTORE_TRY(answer(Call::try_lock, 0, 0, false, [&](const Verdict&) {
            locked = x_node->lock_owner == nullptr || x_node->lock_owner == this;
            if (locked) x_node->lock_owner = this;
            return 0;
        }));
        return locked;
    }

    void unlock() override {
        static_cast<void>(answer(Call::unlock, 0, 0, false, [&](const Verdict&) {
            release_lock();
            return 0;
        }));
    }

  private:
    Failure failure(Call call, int error) const {
        return system_failure(kVerbs.at(static_cast<std::size_t>(call)), x_path, error);
    }

    template <typename Work>
    Status answer(Call call, std::int64_t offset, std::size_t bytes, bool grows, Work work) {
        const int error = x_disk->call(
            {.call = call, .path = x_path, .other_path = {}, .offset = offset, .bytes = bytes},
            x_boot, grows, work);
        if (error != 0) return failure(call, error);
        return ok();
    }

    /// Under the mutex.
    void release_lock() {
        if (x_node->lock_owner != this) return;
        x_node->lock_owner = nullptr;
        x_disk->unlocked.notify_all();
    }

    std::shared_ptr<Disk> x_disk;
    NodePtr x_node;
    std::string x_path;
    bool x_writable;
    std::uint64_t x_boot;
};

// --- the port
// ---------------------------------------------------------------------------------------

FaultFileSystem::FaultFileSystem(FaultOptions options)
    : x_disk(std::make_shared<Disk>(DiskModel(std::move(options)))) {}
FaultFileSystem::FaultFileSystem(std::shared_ptr<Disk> disk) : x_disk(std::move(disk)) {}
FaultFileSystem::~FaultFileSystem() = default;

namespace {

Status status_of(Call call, const std::string& path, int error) {
    if (error == 0) return ok();
    return system_failure(kVerbs.at(static_cast<std::size_t>(call)), path, error);
}

}  // namespace

Result<std::unique_ptr<File>> FaultFileSystem::open(const std::string& path, OpenMode mode,
                                                    std::uint32_t permissions) {
    const bool may_create = mode == OpenMode::create || mode == OpenMode::create_new;
    CallRecord record{.call = Call::open, .path = path};
    Place place;
    {
        const std::lock_guard guard(x_disk->mutex);
        const int error = x_disk->model.find(path, place);
        if (may_create && error == 0 && !place.node) record.call = Call::create;
    }
    x_disk->run_hook(record);
    const std::lock_guard guard(x_disk->mutex);
    if (x_disk->off) return system_failure("open", path, EIO);
    // The hook may have changed what is there.
    int error = x_disk->model.find(path, place);
    if (error == 0 && !place.node && !may_create) error = ENOENT;
    record.call = error == 0 && !place.node ? Call::create : Call::open;
    const Verdict verdict = x_disk->admit(record, true);
    std::unique_ptr<File> file;
    if (error == 0 && verdict.works) {
        if (!place.node) {
            place.node = x_disk->model.create(place, FileKind::regular, permissions);
        } else if (mode == OpenMode::create_new) {
            error = EEXIST;
        } else if (place.node->kind == FileKind::directory) {
            error = EISDIR;
        } else if (mode != OpenMode::read && hook_depth == 0 && x_disk->read_only()) {
            error = EROFS;
        }
    }
    if (error == 0) error = verdict.error;
    x_disk->finish(record, error);
    if (error != 0) {
        return system_failure(mode == OpenMode::create_new ? "create" : "open", path, error);
    }
    return std::unique_ptr<File>(
        std::make_unique<OpenFile>(x_disk, place.node, path, mode != OpenMode::read));
}

Result<FileInfo> FaultFileSystem::info(const std::string& path) {
    FileInfo info;
    const int error =
        x_disk->call({.call = Call::path_info, .path = path}, {}, false, [&](const Verdict&) {
            Place place;
            const int found = x_disk->model.find(path, place);
            if (found != 0) return found;
            if (!place.node) return ENOENT;
            info = place.node->info();
            info.owner = x_disk->model.options().owner;
            return 0;
        });
    TASKSTORE_TRY(status_of(Call::path_info, path, error));
    return info;
}

Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
    const int error =
        x_disk->call({.call = Call::rename, .path = from, .other_path = to}, {}, false,
                     [&](const Verdict&) { return x_disk->model.rename(from, to); });
    if (error != 0) return system_failure("rename '" + from + "' to", to, error);
    return ok();
}

Status FaultFileSystem::hard_link(const std::string& from, const std::string& to) {
    const int error =
        x_disk->call({.call = Call::hard_link, .path = from, .other_path = to}, {}, true,
                     [&](const Verdict&) { return x_disk->model.hard_link(from, to); });
    if (error != 0) return system_failure("link '" + from + "' to", to, error);
    return ok();
}

Status FaultFileSystem::unlink(const std::string& path) {
    return status_of(Call::unlink, path,
                     x_disk->call({.call = Call::unlink, .path = path}, {}, false,
                                  [&](const Verdict&) { return x_disk->model.unlink(path); }));
}

Status FaultFileSystem::make_directory(const std::string& path, std::uint32_t permissions) {
    const int error =
        x_disk->call({.call = Call::make_directory, .path = path}, {}, true, [&](const Verdict&) {
            Place place;
            const int found = x_disk->model.find(path, place);
            if (found != 0) return found;
            if (place.node) return EEXIST;
            x_disk->model.create(place, FileKind::directory, permissions);
            return 0;
        });
    return status_of(Call::make_directory, path, error);
}

Status FaultFileSystem::remove_directory(const std::string& path) {
    return status_of(
        Call::remove_directory, path,
        x_disk->call({.call = Call::remove_directory, .path = path}, {}, false,
                     [&](const Verdict&) { return x_disk->model.remove_directory(path); }));
}

Result<std::vector<std::string>> FaultFileSystem::list(const std::string& path) {
    std::vector<std::string> names;
    const int error =
        x_disk->call({.call = Call::list, .path = path}, {}, false, [&](const Verdict&) {
            Place place;
            const int found = x_disk->model.find(path, place);
            if (found != 0) return found;
            if (!place.node) return ENOENT;
            if (place.node->kind != FileKind::directory) return ENOTDIR;
            for (const auto& [name, node] : place.node->names) names.push_back(name);
            return 0;
        });
    TASKSTORE_TRY(status_of(Call::list, path, error));
    return names;
}

Status FaultFileSystem::sync_directory(const std::string& path) {
    const int error =
        x_disk->call({.call = Call::sync_directory, .path = path}, {}, false, [&](const Verdict&) {
            Place place;
            const int found = x_disk->model.find(path, place);
            if (found != 0) return found;
            if (!place.node) return ENOENT;
            if (place.node->kind != FileKind::directory) return ENOTDIR;
            x_disk->model.flush_names(place.node);
            return 0;
        });
    return status_of(Call::sync_directory, path, error);
}

std::optional<std::string> FaultFileSystem::network_file_system(const std::string&) {
    const std::lock_guard guard(x_disk->mutex);
    const std::string& type = x_disk->model.options().network_type;
    if (type.empty()) return std::nullopt;
    return type;
}

// --- faults and power
// -------------------------------------------------------------------------------

void FaultFileSystem::fail_at(std::size_t n, Fault fault) {
    TASKSTORE_CHECK(n > 0);
    const std::lock_guard guard(x_disk->mutex);
    x_disk->faults.push_back({n, std::move(fault)});
}

void FaultFileSystem::clear_faults() {
    const std::lock_guard guard(x_disk->mutex);
    x_disk->faults.clear();
}

std::size_t FaultFileSystem::calls() const {
    const std::lock_guard guard(x_disk->mutex);
    return x_disk->calls;
}

void FaultFileSystem::reset_calls() {
    const std::lock_guard guard(x_disk->mutex);
    x_disk->calls = 0;
    x_disk->log.clear();
}

std::vector<CallRecord> FaultFileSystem::log() const {
    const std::lock_guard guard(x_disk->mutex);
    return {x_disk->log.begin(), x_disk->log.end()};
}

std::string FaultFileSystem::log_text() const {
    std::string text;
    for (const CallRecord& record : log()) {
        text += record.number == 0 ? "   -" : std::to_string(record.number);
        text.append(" ").append(name_of(record.call)).append(" ").append(record.path);
        if (!record.other_path.empty()) text += " -> " + record.other_path;
        if (record.offset != 0 || record.bytes != 0) {
            text += " at " + std::to_string(record.offset);
            if (record.bytes != 0) text += " of " + std::to_string(record.bytes) + " bytes";
        }
        if (record.error != 0) text += " FAILED with errno " + std::to_string(record.error);
        text += '\n';
    }
    return text;
}

void FaultFileSystem::set_hook(std::function<void(const CallRecord&)> hook) {
    const std::lock_guard guard(x_disk->mutex);
    x_disk->hook = std::move(hook);
}

void FaultFileSystem::power_off_after(std::size_t n) {
    const std::lock_guard guard(x_disk->mutex);
    x_disk->calls_left = n;
    x_disk->off = n == 0;
    x_disk->unlocked.notify_all();
}

bool FaultFileSystem::power_is_off() const {
    const std::lock_guard guard(x_disk->mutex);
    return x_disk->off;
}

std::unique_ptr<FaultFileSystem> FaultFileSystem::after_power_cut(const PowerCut& cut) const {
    const std::lock_guard guard(x_disk->mutex);
    return std::unique_ptr<FaultFileSystem>(
        new FaultFileSystem(std::make_shared<Disk>(x_disk->model.survivor(cut))));
}

void FaultFileSystem::power_cut(const PowerCut& cut) {
    const std::lock_guard guard(x_disk->mutex);
    x_disk->model = x_disk->model.survivor(cut);
    ++x_disk->boot;
    x_disk->faults.clear();
    x_disk->calls_left.reset();
    x_disk->off = false;
    x_disk->unlocked.notify_all();
}

// --- for tests
// ----------------------------------------------------------------------------------------

namespace {

/// Makes the folders of `path`; returns its place.
Place place_of(DiskModel& model, const std::string& path) {
    Place place;
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const bool last = slash == std::string::npos;
        const int error = model.find(path.substr(0, slash), place);
        TASKSTORE_CHECK(error == 0);
        if (last) return place;
        if (!place.node) {
            model.create(place, FileKind::directory, 0755);
            model.flush_names(place.folder);
        }
    }
}

}  // namespace

void FaultFileSystem::put_file(const std::string& path, std::string_view content) {
    const std::lock_guard guard(x_disk->mutex);
    DiskModel& model = x_disk->model;
    Place place = place_of(model, path);
    if (place.node) TASKSTORE_CHECK(model.unlink(path) == 0);
    const NodePtr node = model.create(place, FileKind::regular, 0644);
    model.write(*node, 0, content);
    model.flush(*node);
    model.flush_names(place.folder);
}

void FaultFileSystem::overwrite_file(const std::string& path, std::string_view content) {
    const std::lock_guard guard(x_disk->mutex);
    Place place;
    TASKSTORE_CHECK(x_disk->model.find(path, place) == 0 && place.node);
    x_disk->model.truncate(*place.node, content.size());
    x_disk->model.write(*place.node, 0, content);
    x_disk->model.flush(*place.node);
}

void FaultFileSystem::put_directory(const std::string& path) {
    const std::lock_guard guard(x_disk->mutex);
    const Place place = place_of(x_disk->model, path);
    if (place.node) return;
    x_disk->model.create(place, FileKind::directory, 0755);
    x_disk->model.flush_names(place.folder);
}

void FaultFileSystem::sync_everything() {
    const std::lock_guard guard(x_disk->mutex);
    x_disk->model.flush_everything();
}

std::optional<std::string> FaultFileSystem::get_file(const std::string& path) const {
    const std::lock_guard guard(x_disk->mutex);
    Place place;
    if (x_disk->model.find(path, place) != 0 || !place.node) return std::nullopt;
    if (place.node->kind != FileKind::regular) return std::nullopt;
    return place.node->now;
}

std::string FaultFileSystem::tree() const {
    const std::lock_guard guard(x_disk->mutex);
    return x_disk->model.tree();
}

std::string FaultFileSystem::unflushed() const {
    const std::lock_guard guard(x_disk->mutex);
    return x_disk->model.unflushed();
}

void FaultFileSystem::advance_time_ns(std::int64_t ns) {
    const std::lock_guard guard(x_disk->mutex);
    x_disk->model.advance_time_ns(ns);
}

}  // namespace taskstore::os
