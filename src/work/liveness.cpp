#include <taskstore/work/liveness.hpp>

#include <taskstore/base/hash.hpp>
#include <taskstore/base/id.hpp>
#include <taskstore/os/guard.hpp>
#include <taskstore/os/process.hpp>
#include <taskstore/os/watch.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

namespace taskstore::work {
namespace {

constexpr std::string_view kLock = "lock:";
constexpr std::string_view kProcess = "process:";
constexpr std::size_t kTagLetters = 8;
/// How often a watch looks without having been told, for events that the kernel dropped.
constexpr std::int64_t kLookAgainMs = 60'000;
constexpr std::int64_t kAfterErrorMs = 1'000;
constexpr std::size_t kFileBytesMax = 512;
/// How long whoever looks for a task waits for processes that were killed.
constexpr std::int64_t kEndWaitMs = 1'000;
/// When a lock is looked at again of which something was told while it was held.
constexpr std::array<std::int64_t, 3> kDoubtMs{5, 20, 100};
/// The inode of the first pid namespace of every kernel (PROC_PID_INIT_INO): all are below it.
constexpr std::uint64_t kHostNamespace = 0xEFFFFFFC;

std::string lock_prefix(const RunFolder& run) {
    return "live-" + run.tag + "-";
}
std::string process_prefix(const RunFolder& run) {
    return "process-" + run.tag + "-";
}

template <typename Number>
bool read_number(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
}

/// Where we are, as far as holders name it. A process never changes its namespace.
struct Here {
    std::string machine = os::machine_name();
    std::string boot = os::boot_id().value_or("");
    std::uint64_t space = os::this_process().value_or(os::ProcessIdentity()).pid_namespace;
};
const Here& here() {
    static const Here own;
    return own;
}

/// What both forms begin with.
struct Place {
    std::string_view machine;
    std::string_view boot;
    std::uint64_t space = 0;

    bool is_this_boot() const { return !boot.empty() && boot == here().boot; }
    /// Whatever held then is gone.
    bool is_earlier_boot() const {
        return !is_this_boot() && !machine.empty() && machine == here().machine;
    }
};

/// Without the session, which the server sees.
std::string_view seen_from_the_host(std::string_view liveness) {
    return liveness.substr(0, liveness.find(';'));
}

template <std::size_t Count>
std::optional<std::array<std::string_view, Count>> fields_of(std::string_view text,
                                                             std::string_view form) {
    text = seen_from_the_host(text);
    if (!text.starts_with(form)) return std::nullopt;
    text.remove_prefix(form.size());
    std::array<std::string_view, Count> fields;
    for (std::size_t i = 0; i < Count; ++i) {
        const std::size_t end = i + 1 == Count ? text.size() : text.find(':');
        if (end == std::string_view::npos) return std::nullopt;
        fields[i] = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return fields;
}

struct SeenProcess {
    Place place;
    os::ProcessIdentity identity;
};

/// Points into `liveness`.
std::optional<SeenProcess> parse_process(std::string_view liveness) {
    const auto fields = fields_of<5>(liveness, kProcess);
    if (!fields) return std::nullopt;
    const auto& [machine, boot, space, pid, start] = *fields;
    SeenProcess seen{.place = {machine, boot}, .identity = {}};
    seen.identity.boot_id = boot;
    const bool numbers = read_number(space, seen.place.space) &&
                         read_number(pid, seen.identity.pid) &&
                         read_number(start, seen.identity.start_ticks);
    seen.identity.pid_namespace = seen.place.space;
    return numbers ? std::optional(seen) : std::nullopt;
}

struct SeenLock {
    Place place;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::string_view file;
};

/// Points into `liveness`.
std::optional<SeenLock> parse_lock(std::string_view liveness) {
    const auto fields = fields_of<6>(liveness, kLock);
    if (!fields) return std::nullopt;
    const auto& [machine, boot, space, device, inode, file] = *fields;
    SeenLock seen{.place = {machine, boot}, .file = file};
    const bool right = read_number(space, seen.place.space) && read_number(device, seen.device) &&
                       read_number(inode, seen.inode) && file.starts_with("live-") &&
                       file.find('/') == std::string_view::npos;
    return right ? std::optional(seen) : std::nullopt;
}

std::string place_text() {
    return here().machine + ":" + here().boot + ":" + std::to_string(here().space) + ":";
}

std::string lock_path_of(const RunFolder& run, const SeenLock& lock) {
    return os::join_path(run.path, lock.file);
}

/// Not a copy, and not the one of another host. A device has another number after a boot.
bool is_that_file(const RunFolder& run, const SeenLock& lock) {
    os::SystemFileSystem files;
    const auto info = files.info(lock_path_of(run, lock));
    return info && info->identity.inode == lock.inode &&
           (!lock.place.is_this_boot() || info->identity.device == lock.device);
}

Life life_of_lock(const RunFolder& run, const SeenLock& lock) {
    const bool this_boot = lock.place.is_this_boot();
    if (!this_boot && !lock.place.is_earlier_boot()) return Life::unknown;
    if (!is_that_file(run, lock)) return Life::unknown;
    const auto state = os::lock_state(lock_path_of(run, lock));
    if (!state || *state == os::LockState::absent) return Life::unknown;
    if (*state == os::LockState::held) return Life::lives;
    // A guard that was killed may have left something, which only its own container sees, and the
    // host of all.
    const bool seen = lock.place.space == here().space || here().space == kHostNamespace;
    return this_boot && !seen ? Life::unknown : Life::dead;
}

Life life_of_process(const SeenProcess& seen) {
    if (seen.place.is_earlier_boot()) return Life::dead;
    if (!seen.place.is_this_boot()) return Life::unknown;
    switch (os::liveness_of(seen.identity)) {
        case os::Liveness::alive:
            return Life::lives;
        case os::Liveness::dead:
            return Life::dead;
        case os::Liveness::unknown:
            break;
    }
    return Life::unknown;
}

std::string reason_of(std::string_view liveness) {
    if (const auto seen = parse_process(liveness))
        return "process " + std::to_string(seen->identity.pid) + ", which held it, died";
    return "its worker died";
}

/// What the folder has of this database.
struct Left {
    std::vector<std::string> locks;      ///< Free ones.
    std::vector<std::string> processes;  ///< All.
    bool any = false;
};

Result<Left> look(os::FileSystem& files, const RunFolder& run) {
    Left left;
    auto names = files.list(run.path);
    if (!names && names.error().code == Code::not_found) return left;
    if (!names) return fail(std::move(names).error());
    for (const std::string& name : *names) {
        const bool lock = name.starts_with(lock_prefix(run));
        if (!lock && !name.starts_with(process_prefix(run))) continue;
        left.any = true;
        if (!lock) {
            left.processes.push_back(name);
            continue;
        }
        const auto state = os::lock_state(os::join_path(run.path, name));
        if (state && *state == os::LockState::free) left.locks.push_back(name);
    }
    return left;
}

/// Removes what nobody refers to: `held` was read after `left`, and has names of lock files and
/// processes as they are in livenesses.
void clean(os::FileSystem& files, const RunFolder& run, const Left& left,
           const std::set<std::string, std::less<>>& held) {
    for (const std::string& name : left.locks) {
        if (!held.contains(name))
            static_cast<void>(os::remove_free_lock(os::join_path(run.path, name)).has_value());
    }
    for (const std::string& name : left.processes) {
        const std::string path = os::join_path(run.path, name);
        const auto liveness = os::read_file(files, path, kFileBytesMax);
        if (!liveness || held.contains(*liveness) || life_of(run, *liveness) != Life::dead)
            continue;
        static_cast<void>(files.unlink(path).has_value());
    }
}

}  // namespace

RunFolder run_folder(const std::string& folder, std::string_view location) {
    return {.path = os::join_path(folder, "run"),
            .tag = sha256_hex(location).substr(0, kTagLetters)};
}

RunFolder run_folder_beside(const std::string& path) {
    std::error_code error;
    const auto whole = std::filesystem::weakly_canonical(path, error);
    const std::string one = error ? path : whole.string();
    return run_folder(os::folder_of(one), one);
}

std::string new_lock_path(const RunFolder& run, const Clock& clock, Random& random) {
    return os::join_path(run.path, lock_prefix(run) + UuidSource(clock, random).next());
}

Result<std::string> lock_liveness(const std::string& lock_path) {
    os::SystemFileSystem files;
    TASKSTORE_LET(const os::FileInfo info, files.info(lock_path));
    return std::string(kLock) + place_text() + std::to_string(info.identity.device) + ":" +
           std::to_string(info.identity.inode) + ":" + lock_path.substr(lock_path.rfind('/') + 1);
}

Life life_of(const RunFolder& run, std::string_view liveness) {
    if (const auto seen = parse_process(liveness)) return life_of_process(*seen);
    if (const auto seen = parse_lock(liveness)) return life_of_lock(run, *seen);
    return Life::unknown;
}

Status make_run_folder(os::FileSystem& files, const RunFolder& run) {
    return os::make_directories(files, run.path, 0700);
}

Result<std::string> watch_process(os::FileSystem& files, const RunFolder& run, std::int64_t pid) {
    const auto process = os::identify_process(pid);
    if (!process || os::liveness_of(*process) != os::Liveness::alive)
        return fail(Code::not_found, "process " + std::to_string(pid) + " cannot be seen from here")
            .with_hint(
                "name a process that runs on this host, in this container and as this user; or "
                "leave --pid away, and renew before the lease runs out");
    std::string liveness = std::string(kProcess) + place_text() + std::to_string(process->pid) +
                           ":" + std::to_string(process->start_ticks);
    TASKSTORE_TRY(make_run_folder(files, run));
    TASKSTORE_TRY(
        os::replace_file(files,
                         os::join_path(run.path, process_prefix(run) + std::to_string(pid) + "-" +
                                                     std::to_string(process->start_ticks)),
                         liveness, 0600));
    return liveness;
}

namespace {

struct Rescued {
    std::int64_t freed = 0;
    bool kept = false;  ///< Something of a dead one's command could not be ended yet.
};

/// One look over the processes and one commit for all that died together.
Result<Rescued> rescue_once(tasks::TaskStore& store, os::FileSystem& files, const RunFolder& run) {
    Rescued rescued;
    TASKSTORE_LET(const Left left, look(files, run));
    if (!left.any) return rescued;
    TASKSTORE_LET(const auto watched, store.watched_tasks());
    std::set<std::string, std::less<>> held;
    std::map<std::string, std::vector<tasks::WatchedTask>> dead;  // By what is said of them.
    std::vector<std::string> to_end;
    for (const tasks::WatchedTask& task : watched) {
        const auto lock = parse_lock(task.liveness);
        if (life_of(run, task.liveness) != Life::dead) {
            held.emplace(lock ? lock->file : seen_from_the_host(task.liveness));
            continue;
        }
        dead[reason_of(task.liveness)].push_back(task);
        if (lock && lock->place.is_this_boot()) to_end.emplace_back(lock->file);
    }
    // A guard that was killed could not wait for the end of its command.
    const auto still = os::end_all_marked(to_end, kEndWaitMs);
    for (auto& [reason, tasks] : dead) {
        std::erase_if(tasks, [&](const tasks::WatchedTask& task) {
            const auto lock = parse_lock(task.liveness);
            const bool runs = lock && std::ranges::find(still, lock->file) != still.end();
            if (runs) held.emplace(lock->file);
            return runs;
        });
        TASKSTORE_LET(const std::int64_t freed, store.rescue_tasks(tasks, reason));
        rescued.freed += freed;
    }
    rescued.kept = !still.empty();
    clean(files, run, left, held);
    return rescued;
}

}  // namespace

Result<std::int64_t> rescue_dead(tasks::TaskStore& store, os::FileSystem& files,
                                 const RunFolder& run) {
    TASKSTORE_LET(const Rescued rescued, rescue_once(store, files, run));
    return rescued.freed;
}

std::function<Status(const tasks::WatchedTask&)> end_lapsed(RunFolder run) {
    return [run = std::move(run)](const tasks::WatchedTask& task) -> Status {
        const auto lock = parse_lock(task.liveness);
        if (!lock || !lock->place.is_this_boot() || !is_that_file(run, *lock)) return ok();
        const Status ended = os::end_guarded(lock_path_of(run, *lock), kEndWaitMs);
        if (!ended && ended.error().code == Code::unsupported) return ok();
        return ended;
    };
}

struct Watch::State {
    tasks::TaskStore& store;
    os::FileSystem& files;
    RunFolder run;
    std::function<void(const std::string&)> warn;
    os::FolderWatch folder;
    os::ExitWatch exits;
    std::jthread thread;

    void add_processes() {
        const auto names = files.list(run.path);
        if (!names) return;
        for (const std::string& name : *names) {
            if (!name.starts_with(process_prefix(run))) continue;
            const auto text = os::read_file(files, os::join_path(run.path, name), kFileBytesMax);
            const auto seen = text ? parse_process(*text) : std::nullopt;
            if (seen && life_of_process(*seen) == Life::lives)
                static_cast<void>(exits.add(seen->identity).has_value());
        }
    }

    bool is_free(const std::string& name) const {
        const auto state = os::lock_state(os::join_path(run.path, name));
        return state && *state == os::LockState::free;
    }

    /// Whether what changed may be the end of a holder. The system tells of a file that is closed
    /// before it frees its lock: `doubted` are those to look at again.
    bool matters(const os::FolderChange& change, std::vector<std::string>& doubted) const {
        if (change.kind != os::FolderChange::Kind::changed || change.names.empty()) return true;
        bool any = false;
        for (const std::string& name : change.names) {
            if (name.starts_with(process_prefix(run))) any = true;
            if (!name.starts_with(lock_prefix(run))) continue;
            any = any || is_free(name);
            doubted.push_back(name);
        }
        return any;
    }

    /// Until somebody may have died. False: the folder has to be opened again.
    bool wait_for_change(const std::stop_token& stop, std::int64_t most_ms) {
        std::vector<std::string> doubted;
        std::size_t looks = 0;
        while (true) {
            const bool soon = !doubted.empty() && looks < kDoubtMs.size();
            const auto change =
                folder.wait(soon ? kDoubtMs[looks] : most_ms, stop, exits.descriptor());
            if (!change || change->kind == os::FolderChange::Kind::gone) return false;
            if (change->kind == os::FolderChange::Kind::other) exits.ended();
            if (stop.stop_requested()) return true;
            if (soon && change->kind == os::FolderChange::Kind::timed_out) {
                ++looks;
                if (std::ranges::any_of(doubted, [&](const auto& name) { return is_free(name); }))
                    return true;
                continue;
            }
            if (change->kind == os::FolderChange::Kind::changed) looks = 0;
            if (matters(*change, doubted)) return true;
        }
    }

    void say_if_it_polls() const {
        if (warn && !folder.polling_reason().empty())
            warn("the deaths of workers are seen within a second, not at once: " +
                 folder.polling_reason());
    }

    void watch(const std::stop_token& stop) {
        std::string told;
        say_if_it_polls();
        while (!stop.stop_requested()) {
            // First, so that an end after the look ends the wait.
            add_processes();
            const auto rescued = rescue_once(store, files, run);
            if (!rescued && warn && told != rescued.error().message)
                warn(told = rescued.error().message);
            // A lock that is freed changes no file: who polls has to look for itself.
            const bool polls = !folder.polling_reason().empty();
            const bool again = polls || !rescued || rescued->kept;
            if (!wait_for_change(stop, again ? kAfterErrorMs : kLookAgainMs) && !reopen(stop))
                return;
        }
    }

    /// Somebody removed or replaced the folder. False: it is time to stop.
    bool reopen(const std::stop_token& stop) {
        if (!make_run_folder(files, run)) return false;
        auto fresh = os::FolderWatch::open(files, run.path);
        if (!fresh) {
            if (warn) warn(fresh.error().message);
            return false;
        }
        folder = std::move(*fresh);
        say_if_it_polls();
        return !stop.stop_requested();
    }
};

Watch::Watch(std::unique_ptr<State> state) : x_state(std::move(state)) {}
Watch::~Watch() = default;

Result<std::unique_ptr<Watch>> Watch::start(tasks::TaskStore& store, os::FileSystem& files,
                                            RunFolder run,
                                            std::function<void(const std::string&)> warn) {
    TASKSTORE_TRY(make_run_folder(files, run));
    TASKSTORE_LET(auto folder, os::FolderWatch::open(files, run.path));
    TASKSTORE_LET(auto exits, os::ExitWatch::open());
    std::unique_ptr<State> state(new State{
        store, files, std::move(run), std::move(warn), std::move(folder), std::move(exits), {}});
    State& it = *state;
    state->thread = std::jthread([&it](const std::stop_token& stop) { it.watch(stop); });
    return std::unique_ptr<Watch>(new Watch(std::move(state)));
}

}  // namespace taskstore::work
