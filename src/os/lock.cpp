#include <taskstore/os/lock.hpp>

#include "deadline.hpp"
#include "lock_text.hpp"

#include <sys/sysmacros.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <thread>
#include <utility>

namespace taskstore::os {
namespace {

constexpr std::chrono::microseconds kPauseMin{200};
constexpr std::chrono::microseconds kPauseMax{5'000};

}  // namespace

std::string holder_text(const FileIdentity& file) {
    const auto pid = lock_holder(file);
    if (!pid) return "another process holds it";
    std::string text = "process " + std::to_string(*pid);
    SystemFileSystem system;
    if (auto name = read_file(system, "/proc/" + std::to_string(*pid) + "/comm")) {
        while (!name->empty() && name->back() == '\n') name->pop_back();
        text += " (" + *name + ")";
    }
    return text + " holds it";
}

Failure lock_timed_out(const std::string& path, std::int64_t limit_ms, const std::string& holder) {
    return fail(Code::timed_out,
                "cannot lock '" + path + "' within " + std::to_string(limit_ms) + " ms: " + holder)
        .with_hint("try again when it has finished; the lock ends with the process that holds it");
}

std::optional<std::int64_t> lock_holder(const FileIdentity& file) {
    SystemFileSystem system;
    const auto locks = read_file(system, "/proc/locks", std::size_t{1} << 24U);
    if (!locks) return std::nullopt;
    std::array<char, 64> wanted{};
    std::snprintf(wanted.data(), wanted.size(), " %02x:%02x:%llu ", major(file.device),
                  minor(file.device), static_cast<unsigned long long>(file.inode));
    // "12: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF"; lines with "->" are of those who wait.
    for (std::size_t at = 0; at < locks->size();) {
        const std::size_t end = std::min(locks->find('\n', at), locks->size());
        const std::string_view line = std::string_view(*locks).substr(at, end - at);
        at = end + 1;
        const std::size_t place = line.find(wanted.data());
        if (place == std::string_view::npos || line.find("->") != std::string_view::npos ||
            line.find(" FLOCK ") == std::string_view::npos) {
            continue;
        }
        const std::string_view before = line.substr(0, place);
        const std::string_view digits = before.substr(before.rfind(' ') + 1);
        std::int64_t pid = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), pid);
        if (pid > 0) return pid;
    }
    return std::nullopt;
}

FileLock::Guard::Guard(Guard&& other) noexcept
    : x_lock(std::exchange(other.x_lock, nullptr)), x_file(std::move(other.x_file)) {}

FileLock::Guard::~Guard() {
    if (x_lock == nullptr) return;
    x_file->unlock();
    x_file.reset();
    x_lock->leave();
}

void FileLock::leave() {
    {
        const std::lock_guard guard(x_mutex);
        x_held = false;
    }
    x_left.notify_one();
}

Result<FileLock::Guard> FileLock::acquire_until(const LockWait& wait, bool polls) {
    const Deadline deadline(wait.limit_ms);
    {
        std::unique_lock guard(x_mutex);
        const auto is_free = [&] { return !x_held; };
        if (!deadline.end()) {
            x_left.wait(guard, is_free);
        } else if (!x_left.wait_until(guard, *deadline.end(), is_free)) {
            return lock_timed_out(x_path, *wait.limit_ms, "another thread of this process has it");
        }
        x_held = true;
    }
    LockWait left = wait;
    if (deadline.end()) left.limit_ms = deadline.poll_ms();
    auto file = lock_file(left, polls);
    if (!file) {
        leave();
        return fail(std::move(file).error());
    }
    return Guard(*this, std::move(*file));
}

Result<std::unique_ptr<File>> FileLock::lock_file(const LockWait& wait, bool polls) {
    const Deadline deadline(wait.limit_ms);
    for (;;) {
        TASKSTORE_LET(auto file, x_files.open(x_path, OpenMode::create));
        if (!polls) {
            LockWait left = wait;
            if (deadline.end()) left.limit_ms = deadline.poll_ms();
            TASKSTORE_TRY(file->lock_within(left));
        } else {
            auto pause = kPauseMin;
            for (;;) {
                TASKSTORE_LET(const bool locked, file->try_lock_exclusive());
                if (locked) break;
                if (deadline.passed()) {
                    TASKSTORE_LET(const FileInfo held, file->info());
                    return lock_timed_out(x_path, *wait.limit_ms, holder_text(held.identity));
                }
                std::this_thread::sleep_for(
                    std::min<std::chrono::nanoseconds>(pause, deadline.at_most(1000)));
                pause = std::min(pause * 2, kPauseMax);
            }
        }
        // Whoever replaced the file meanwhile holds the lock that counts.
        TASKSTORE_LET(const FileInfo own, file->info());
        const auto at_path = x_files.info(x_path);
        if (at_path && at_path->identity.device == own.identity.device &&
            at_path->identity.inode == own.identity.inode &&
            at_path->identity.btime_ns == own.identity.btime_ns) {
            return file;
        }
        if (!at_path && at_path.error().code != Code::not_found) return fail(at_path.error());
    }
}

}  // namespace taskstore::os
