#include <taskstore/os/watch.hpp>

#include "deadline.hpp"
#include "descriptor.hpp"
#include "system_error.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <map>
#include <utility>

namespace taskstore::os {
namespace {

constexpr std::int64_t kPauseMinMs = 10;
constexpr std::int64_t kPauseMaxMs = 1'000;
constexpr std::uint32_t kEvents = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE |
                                  IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                                  IN_ONLYDIR;
constexpr std::uint32_t kEndOfFolder = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;

using Snapshot = std::map<std::string, FileIdentity>;

Result<Snapshot> look(FileSystem& files, const std::string& folder) {
    TASKSTORE_LET(const auto names, files.list(folder));
    Snapshot snapshot;
    for (const std::string& name : names) {
        // What vanishes between the two calls was never there.
        const auto info = files.info(join_path(folder, name));
        if (info) snapshot[name] = info->identity;
    }
    return snapshot;
}

std::vector<std::string> differing_names(const Snapshot& before, const Snapshot& after) {
    std::vector<std::string> names;
    for (const auto& [name, identity] : before) {
        const auto found = after.find(name);
        if (found == after.end() || !(found->second == identity)) names.push_back(name);
    }
    for (const auto& [name, identity] : after) {
        if (!before.contains(name)) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string reason_of(const std::string& folder, int error) {
    std::string reason = "looking at '" + folder + "' again and again instead of watching it: ";
    if (error == EMFILE || error == ENOSPC) {
        return reason + "the limits fs.inotify.max_user_instances or max_user_watches are reached";
    }
    return reason + system_failure("watch", folder, error).error.message;
}

}  // namespace

struct FolderWatch::State {
    State(FileSystem& given, std::string path)
        : files(given),
          folder(std::move(path)),
          cancelled(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    FileSystem& files;
    std::string folder;
    Descriptor cancelled;
    std::unique_ptr<Descriptor> inotify;
    std::string polling_reason;
    Snapshot snapshot;

    /// Sleeps until cancelled, until events are there (when watching), or until the time is over.
    /// True: `also` is readable.
    bool sleep(int ms, int also) const {
        std::array<struct pollfd, 3> waited{};
        waited[0] = {.fd = cancelled.get(), .events = POLLIN, .revents = 0};
        // A negative descriptor is skipped.
        waited[1] = {.fd = inotify ? inotify->get() : -1, .events = POLLIN, .revents = 0};
        waited[2] = {.fd = also, .events = POLLIN, .revents = 0};
        return ::poll(waited.data(), waited.size(), ms) > 0 && waited[2].revents != 0;
    }
    void cancel() const {
        const std::uint64_t one = 1;
        static_cast<void>(!::write(cancelled.get(), &one, sizeof one));
    }
    void reset_cancel() const {
        std::uint64_t count = 0;
        static_cast<void>(!::read(cancelled.get(), &count, sizeof count));
    }

    Result<std::optional<FolderChange>> read_events();
    Result<std::optional<FolderChange>> compare();
};

Result<std::optional<FolderChange>> FolderWatch::State::read_events() {
    alignas(struct inotify_event)
        std::array<char, 16 * (sizeof(struct inotify_event) + NAME_MAX + 1)>
            buffer;
    FolderChange change;
    bool any = false;
    bool unknown = false;
    for (;;) {
        const ssize_t bytes = ::read(inotify->get(), buffer.data(), buffer.size());
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0 && errno != EAGAIN) return system_failure("watch", folder, errno);
        if (bytes <= 0) break;
        for (std::size_t at = 0; at < static_cast<std::size_t>(bytes);) {
            struct inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* name = buffer.data() + at + sizeof event;
            at += sizeof event + event.len;
            any = true;
            if ((event.mask & kEndOfFolder) != 0) {
                return std::optional<FolderChange>({FolderChange::Kind::gone, {}});
            }
            if (event.len == 0 || (event.mask & IN_Q_OVERFLOW) != 0) {
                unknown = true;
            } else {
                change.names.emplace_back(name);
            }
        }
    }
    if (!any) return std::optional<FolderChange>();
    change.kind = FolderChange::Kind::changed;
    if (unknown) change.names.clear();
    std::sort(change.names.begin(), change.names.end());
    change.names.erase(std::unique(change.names.begin(), change.names.end()), change.names.end());
    return std::optional(std::move(change));
}

Result<std::optional<FolderChange>> FolderWatch::State::compare() {
    auto now = look(files, folder);
    if (!now) {
        if (now.error().code != Code::not_found) return fail(std::move(now).error());
        return std::optional<FolderChange>({FolderChange::Kind::gone, {}});
    }
    auto names = differing_names(snapshot, *now);
    snapshot = std::move(*now);
    if (names.empty()) return std::optional<FolderChange>();
    return std::optional<FolderChange>({FolderChange::Kind::changed, std::move(names)});
}

FolderWatch::FolderWatch(std::unique_ptr<State> state) : x_state(std::move(state)) {}
FolderWatch::FolderWatch(FolderWatch&&) noexcept = default;
FolderWatch& FolderWatch::operator=(FolderWatch&&) noexcept = default;
FolderWatch::~FolderWatch() = default;

const std::string& FolderWatch::polling_reason() const {
    return x_state->polling_reason;
}

Result<FolderWatch> FolderWatch::open(FileSystem& files, const std::string& folder,
                                      WatchMode mode) {
    auto state = std::make_unique<State>(files, folder);
    if (state->cancelled.get() < 0) return system_failure("watch", folder, errno);
    const auto network = files.network_file_system(folder);
    if (mode == WatchMode::polling) {
        state->polling_reason = "looking at '" + folder + "' again and again, as asked for";
    } else if (network) {
        state->polling_reason = "looking at '" + folder + "' again and again: it is on " +
                                *network + ", which does not tell of changes made elsewhere";
    } else {
        state->inotify = std::make_unique<Descriptor>(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (state->inotify->get() < 0 ||
            ::inotify_add_watch(state->inotify->get(), folder.c_str(), kEvents) < 0) {
            const int error = errno;
            if (error == ENOENT || error == ENOTDIR) return system_failure("watch", folder, error);
            state->inotify.reset();
            state->polling_reason = reason_of(folder, error);
        }
    }
    if (!state->inotify) {
        TASKSTORE_LET(state->snapshot, look(files, folder));
    }
    return FolderWatch(std::move(state));
}

Result<FolderChange> FolderWatch::wait(std::optional<std::int64_t> timeout_ms,
                                       const std::stop_token& cancel, int also) {
    const Deadline deadline(timeout_ms);
    State& state = *x_state;
    state.reset_cancel();
    const std::stop_callback on_cancel(cancel, [&state] { state.cancel(); });
    for (std::int64_t pause_ms = kPauseMinMs;; pause_ms = std::min(pause_ms * 2, kPauseMaxMs)) {
        if (cancel.stop_requested()) return FolderChange{FolderChange::Kind::cancelled, {}};
        TASKSTORE_LET(auto change, state.inotify ? state.read_events() : state.compare());
        if (change) return std::move(*change);
        if (deadline.passed()) return FolderChange{FolderChange::Kind::timed_out, {}};
        int ms = deadline.poll_ms();
        if (!state.inotify && (ms < 0 || ms > pause_ms)) ms = static_cast<int>(pause_ms);
        if (state.sleep(ms, also)) return FolderChange{FolderChange::Kind::other, {}};
    }
}

}  // namespace taskstore::os
