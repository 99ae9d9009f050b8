#include <taskstore/work/liveness.hpp>

#include <taskstore/base/hash.hpp>
#include <taskstore/base/id.hpp>
#include <taskstore/os/guard.hpp>
#include <taskstore/os/process.hpp>
#include <taskstore/os/watch.hpp>

#include <algorithm>
#include <charconv>
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

struct SeenProcess {
    std::string machine;
    os::ProcessIdentity identity;
};

std::optional<SeenProcess> parse_process(std::string_view liveness) {
    if (!liveness.starts_with(kProcess)) return std::nullopt;
    liveness.remove_prefix(kProcess.size());
    std::array<std::string_view, 5> parts;
    for (std::string_view& part : parts) {
        const std::size_t end = std::min(liveness.find(':'), liveness.size());
        part = liveness.substr(0, end);
        liveness.remove_prefix(std::min(end + 1, liveness.size()));
    }
    SeenProcess seen{.machine = std::string(parts[0]), .identity = {}};
    seen.identity.boot_id = parts[1];
    const bool numbers = read_number(parts[2], seen.identity.pid_namespace) &&
                         read_number(parts[3], seen.identity.pid) &&
                         read_number(parts[4], seen.identity.start_ticks);
    return numbers && liveness.empty() ? std::optional(seen) : std::nullopt;
}

std::string text_of(const os::ProcessIdentity& process) {
    return std::string(kProcess) + os::machine_id().value_or("") + ":" + process.boot_id + ":" +
           std::to_string(process.pid_namespace) + ":" + std::to_string(process.pid) + ":" +
           std::to_string(process.start_ticks);
}

Life life_of_process(const SeenProcess& seen) {
    // Another boot ends a process only on the machine that it was on; without an id of the machine
    // that is not known.
    const auto boot = os::boot_id();
    const std::string machine = os::machine_id().value_or("");
    if (!boot || machine != seen.machine) return Life::unknown;
    if (machine.empty() && *boot != seen.identity.boot_id) return Life::unknown;
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

bool is_lock(std::string_view liveness) {
    return liveness.starts_with("lock:live-") && liveness.find('/') == std::string_view::npos;
}

std::string reason_of(const tasks::WatchedTask& task) {
    if (const auto seen = parse_process(task.liveness))
        return "process " + std::to_string(seen->identity.pid) + ", which held it, died";
    return "its worker died";
}

bool is_settled(Code code) {
    return code == Code::lease_lost || code == Code::not_found || code == Code::conflict;
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

/// True: the task is not that holder's any more.
Result<bool> rescue(tasks::TaskStore& store, const tasks::WatchedTask& task, std::int64_t& freed) {
    if (task.liveness.starts_with(kLock)) {
        // A guard that was killed could not wait for the end of its command.
        const auto ended =
            os::end_marked(std::string(os::kGuardMark) + "=" + task.liveness.substr(kLock.size()));
        if (!ended && ended.error().code == Code::conflict) return false;
        if (!ended) return fail(ended.error());
    }
    const auto written = store.rescue_task(task, reason_of(task));
    if (written)
        ++freed;
    else if (!is_settled(written.error().code))
        return fail(written.error());
    return true;
}

/// Removes what nobody refers to: `held` was read after `left`.
void clean(os::FileSystem& files, const RunFolder& run, const Left& left,
           const std::set<std::string, std::less<>>& held) {
    for (const std::string& name : left.locks) {
        if (!held.contains(std::string(kLock) + name))
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

std::string new_lock_liveness(const RunFolder& run, const Clock& clock, Random& random) {
    return std::string(kLock) + lock_prefix(run) + UuidSource(clock, random).next();
}

std::string lock_path_of(const RunFolder& run, std::string_view liveness) {
    return os::join_path(run.path, liveness.substr(kLock.size()));
}

Life life_of(const RunFolder& run, std::string_view liveness) {
    if (const auto seen = parse_process(liveness)) return life_of_process(*seen);
    if (!is_lock(liveness)) return Life::unknown;
    const auto state = os::lock_state(lock_path_of(run, liveness));
    if (!state || *state == os::LockState::absent) return Life::unknown;
    return *state == os::LockState::held ? Life::lives : Life::dead;
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
    std::string liveness = text_of(*process);
    TASKSTORE_TRY(make_run_folder(files, run));
    TASKSTORE_TRY(
        os::replace_file(files,
                         os::join_path(run.path, process_prefix(run) + std::to_string(pid) + "-" +
                                                     std::to_string(process->start_ticks)),
                         liveness, 0600));
    return liveness;
}

Result<std::int64_t> rescue_dead(tasks::TaskStore& store, os::FileSystem& files,
                                 const RunFolder& run) {
    TASKSTORE_LET(const Left left, look(files, run));
    if (!left.any) return std::int64_t{0};
    TASKSTORE_LET(const auto watched, store.watched_tasks());
    std::set<std::string, std::less<>> held;
    std::int64_t freed = 0;
    for (const tasks::WatchedTask& task : watched) {
        bool over = false;
        if (life_of(run, task.liveness) == Life::dead) {
            TASKSTORE_LET(over, rescue(store, task, freed));
        }
        if (!over) held.insert(task.liveness);
    }
    clean(files, run, left, held);
    return freed;
}

std::function<Status(const tasks::WatchedTask&)> end_lapsed(RunFolder run) {
    return [run = std::move(run)](const tasks::WatchedTask& task) -> Status {
        if (!is_lock(task.liveness)) return ok();
        const Status ended = os::end_guarded(lock_path_of(run, task.liveness), kEndWaitMs);
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

    /// Whether what changed may be the end of a holder.
    bool matters(const os::FolderChange& change) {
        if (change.kind != os::FolderChange::Kind::changed || change.names.empty()) return true;
        return std::ranges::any_of(change.names, [&](const std::string& name) {
            if (name.starts_with(process_prefix(run))) return true;
            if (!name.starts_with(lock_prefix(run))) return false;
            const auto state = os::lock_state(os::join_path(run.path, name));
            return state && *state == os::LockState::free;
        });
    }

    void watch(const std::stop_token& stop) {
        std::string told;
        while (!stop.stop_requested()) {
            // First, so that an end after the look ends the wait.
            add_processes();
            const auto rescued = rescue_dead(store, files, run);
            if (!rescued && warn && told != rescued.error().message)
                warn(told = rescued.error().message);
            const std::int64_t most_ms = rescued ? kLookAgainMs : kAfterErrorMs;
            while (true) {
                auto change = folder.wait(most_ms, stop, exits.descriptor());
                if (!change || change->kind == os::FolderChange::Kind::gone) {
                    if (!reopen(stop)) return;
                    break;
                }
                if (change->kind == os::FolderChange::Kind::other) exits.ended();
                if (stop.stop_requested() || matters(*change)) break;
            }
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
