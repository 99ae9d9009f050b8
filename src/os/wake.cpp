#include <taskstore/os/file_system.hpp>
#include <taskstore/os/wake.hpp>

#include "deadline.hpp"
#include "system_error.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <ctime>
#include <mutex>
#include <utility>

namespace taskstore::os {
namespace {

constexpr std::size_t kFileBytes = 64;
constexpr std::int64_t kLookAgainMs = 2'000;

/// One mapping of one file. The word is at offset 0; the rest is reserved, zero.
class Mapping {
  public:
    static Result<std::shared_ptr<Mapping>> of_file(const std::string& path,
                                                    std::uint32_t permissions);
    static Result<std::shared_ptr<Mapping>> anonymous();
    Mapping(void* memory, dev_t device, ino_t inode)
        : x_word(static_cast<std::atomic<std::uint32_t>*>(memory)),
          x_device(device),
          x_inode(inode) {}
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { ::munmap(x_word, kFileBytes); }

    std::atomic<std::uint32_t>& word() { return *x_word; }
    bool is_at(const std::string& path) const {
        struct stat status{};
        return ::stat(path.c_str(), &status) == 0 && status.st_dev == x_device &&
               status.st_ino == x_inode;
    }

  private:
    std::atomic<std::uint32_t>* x_word;
    dev_t x_device;
    ino_t x_inode;
};

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 &&
              std::atomic<std::uint32_t>::is_always_lock_free);

Result<std::shared_ptr<Mapping>> Mapping::of_file(const std::string& path,
                                                  std::uint32_t permissions) {
    const int fd =
        ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, permissions);
    if (fd < 0) return system_failure("open", path, errno);
    struct Closer {
        int fd;
        ~Closer() { ::close(fd); }
    } const closer{fd};
    struct stat status{};
    if (::fstat(fd, &status) != 0) return system_failure("examine", path, errno);
    if (!S_ISREG(status.st_mode)) {
        return fail(Code::failed, "cannot use '" + path + "' for wake-ups: it is no regular file");
    }
    // Touching a hole of a mapped file on a full disk would end in SIGBUS.
    if (const int error = ::posix_fallocate(fd, 0, kFileBytes); error != 0) {
        return system_failure("reserve space for", path, error);
    }
    void* memory = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return system_failure("map", path, errno);
    return std::make_shared<Mapping>(memory, status.st_dev, status.st_ino);
}

Result<std::shared_ptr<Mapping>> Mapping::anonymous() {
    void* memory =
        ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return system_failure("map", "a wake-up word", errno);
    return std::make_shared<Mapping>(memory, 0, 0);
}

// Without FUTEX_PRIVATE_FLAG: the waiters may be in other processes.

void bump(Mapping& mapping) {
    mapping.word().fetch_add(1);
    ::syscall(SYS_futex, &mapping.word(), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

/// Sleeps while the word is `seen`, at most for the time. Returns errno.
int sleep_while(Mapping& mapping, std::uint32_t seen, std::chrono::nanoseconds at_most) {
    struct timespec time{};
    time.tv_sec = static_cast<time_t>(at_most.count() / 1'000'000'000);
    time.tv_nsec = static_cast<decltype(time.tv_nsec)>(at_most.count() % 1'000'000'000);
    const auto result = ::syscall(SYS_futex, &mapping.word(), FUTEX_WAIT, seen, &time, nullptr, 0);
    return result == 0 ? 0 : errno;
}

}  // namespace

struct WakeWord::State {
    std::string path;  ///< Empty: without a file.
    std::uint32_t permissions = 0;
    mutable std::mutex mutex;
    std::shared_ptr<Mapping> mapping;
    /// Counts the files that have been mapped: a value of an earlier one is not compared with the
    /// word.
    std::uint32_t generation = 0;

    std::pair<std::shared_ptr<Mapping>, std::uint32_t> current() const {
        const std::lock_guard guard(mutex);
        return {mapping, generation};
    }

    /// Maps the file that is at the path now, when it is another one. A file that cannot be opened
    /// leaves the old mapping, on which all that have it open still meet.
    void follow() {
        const std::lock_guard guard(mutex);
        if (path.empty() || mapping->is_at(path)) return;
        auto fresh = Mapping::of_file(path, permissions);
        if (!fresh) return;
        bump(*mapping);
        mapping = std::move(*fresh);
        ++generation;
    }
};

namespace {

std::uint64_t joined(std::uint32_t generation, std::uint32_t word) {
    return std::uint64_t{generation} << 32U | word;
}

}  // namespace

WakeWord::WakeWord(std::unique_ptr<State> state) : x_state(std::move(state)) {}
WakeWord::WakeWord(WakeWord&&) noexcept = default;
WakeWord& WakeWord::operator=(WakeWord&&) noexcept = default;
WakeWord::~WakeWord() = default;

Result<WakeWord> WakeWord::open(const std::string& path, std::uint32_t permissions) {
    auto state = std::make_unique<State>();
    TASKSTORE_LET(state->mapping, Mapping::of_file(path, permissions));
    state->path = path;
    state->permissions = permissions;
    return WakeWord(std::move(state));
}

Result<WakeWord> WakeWord::in_process() {
    auto state = std::make_unique<State>();
    TASKSTORE_LET(state->mapping, Mapping::anonymous());
    return WakeWord(std::move(state));
}

std::uint64_t WakeWord::value() const {
    const auto [mapping, generation] = x_state->current();
    return joined(generation, mapping->word().load());
}

void WakeWord::wake() {
    x_state->follow();
    bump(*x_state->current().first);
}

WakeReason WakeWord::wait(std::uint64_t seen, std::optional<std::int64_t> timeout_ms,
                          const std::stop_token& cancel) const {
    const Deadline deadline(timeout_ms);
    const auto [mapping, generation] = x_state->current();
    // The value changes with a cancellation, so that one between the test and the sleep is not
    // missed.
    const std::stop_callback on_cancel(cancel, [&word = *mapping] { bump(word); });
    for (;;) {
        if (cancel.stop_requested()) return WakeReason::cancelled;
        const std::uint32_t word = mapping->word().load();
        if (joined(generation, word) != seen) return WakeReason::changed;
        if (deadline.passed()) return WakeReason::timed_out;
        const int error = sleep_while(*mapping, word, deadline.at_most(kLookAgainMs));
        if (error == EINTR) return WakeReason::interrupted;
        if (error != ETIMEDOUT || x_state->path.empty() || mapping->is_at(x_state->path)) continue;
        x_state->follow();
        if (x_state->current().second != generation) return WakeReason::changed;
    }
}

}  // namespace taskstore::os
