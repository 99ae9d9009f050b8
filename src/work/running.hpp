#pragma once
// One task from its claim to its end. Private to work.

#include <taskstore/work/worker.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>

namespace taskstore::work {

struct Services {
    tasks::TaskStore& store;
    const Clock& clock;
    os::FileSystem& files;
    const WorkerOptions& options;
};

/// The time that leases go by. Whether it counts sleep, the store knows.
std::int64_t lease_ns(const Services& services);

/// What is done for a task, however it is done.
class Doing {
  public:
    virtual ~Doing() = default;
    virtual Status begin() = 0;
    /// As os::Guard::end_at().
    virtual void end_at(std::int64_t at_ns, os::GuardClock clock) = 0;
    /// As os::Guard::wait().
    virtual Result<std::optional<os::CommandEnd>> wait(std::optional<std::int64_t> timeout_ms) = 0;
    virtual void wake() = 0;  ///< For any thread.
    virtual void terminate() = 0;
    virtual void kill() = 0;
    /// JSON; nothing: it gave none. invalid: it is none.
    virtual Result<std::optional<std::string>> result() = 0;
    virtual std::string log_path() const { return {}; }
};
/// `guard` holds the lock that the claim names, and outlives it.
std::unique_ptr<Doing> run_command(const Services& services, const tasks::Task& task,
                                   os::Guard& guard);
std::unique_ptr<Doing> run_handler(const Services& services, const tasks::Task& task);

class Running {
  public:
    /// `claimed_ns`: before its claim was sent, by lease_ns().
    Running(const Services& services, tasks::Task task, std::unique_ptr<Doing> doing,
            std::int64_t claimed_ns, std::stop_token stop);

    /// Returns when nothing of it runs any more, and the store knows, or cannot be told.
    Finished carry_out();
    /// Somebody wants it cancelled. For any thread.
    void cancel();
    const tasks::Task& task() const { return x_task; }

  private:
    enum class Why : std::uint8_t { none, stopped, cancelled, timed_out, lost, said };

    void heed();
    void end_early(Why why);
    void renew();
    std::optional<std::int64_t> next_ms() const;
    void write_end(Finished& finished);
    void write_exit(Finished& finished);
    void write_failure(Finished& finished, tasks::ErrorClass error_class, bool final);
    void note_said(Finished& finished);
    template <typename Write>
    void write(Finished& finished, const Write& once);
    void hold_until(std::int64_t asked_ns);
    tasks::Hold hold() const;
    std::int64_t now_ns() const { return x_services.clock.boot_ns(); }

    const Services& x_services;
    const tasks::Task x_task;
    std::unique_ptr<Doing> x_doing;
    std::stop_token x_stop;
    const std::int64_t x_claimed_ns;
    std::int64_t x_lease_ns;
    std::atomic<bool> x_cancelled = false;
    Why x_why = Why::none;
    bool x_killed = false;
    std::int64_t x_renew_at = 0;    ///< By lease_ns(), and so is the next.
    std::int64_t x_held_until = 0;  ///< Nobody else has the task before it.
    std::int64_t x_timeout_at = 0;  ///< 0: none.
    std::int64_t x_kill_at = 0;
};

}  // namespace taskstore::work
