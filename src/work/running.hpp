#pragma once
// One task from its claim to its end. Private to work.

#include <taskstore/work/worker.hpp>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

namespace taskstore::work {

struct Services {
    tasks::TaskStore& store;
    const Clock& clock;
    os::FileSystem& files;
    const WorkerOptions& options;
    const std::optional<IsolationFound>& isolation;  ///< Where the options want one.
    /// As SessionWatch::held_until_ns().
    std::function<std::optional<std::int64_t>()> session_until_ns;
};

/// A time that leases go by. Whether it counts sleep, the store knows: another one, once the
/// database has moved.
struct LeaseTime {
    std::int64_t boot_ns = 0;
    std::int64_t running_ns = 0;
    LeaseTime operator+(std::int64_t ns) const { return {boot_ns + ns, running_ns + ns}; }
};
LeaseTime lease_now(const Services& services);
/// Not above 0: it has passed.
std::int64_t ns_until(const Services& services, const LeaseTime& time);
/// Sleeps; less where it is to stop.
void pause(std::int64_t ms, const std::stop_token& stop);

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

/// Two threads: one that waits for what is done and ends it, and one that renews: a server that
/// does not answer keeps no command running beyond its time.
class Running {
  public:
    /// `claimed`: before its claim was sent.
    Running(const Services& services, tasks::Task task, std::unique_ptr<Doing> doing,
            LeaseTime claimed, std::stop_token stop);

    /// Returns when nothing of it runs any more, and the store knows, or cannot be told.
    Finished carry_out();
    /// The task as it is by now; nothing: it is not there any more. What follows from it is done at
    /// once. For any thread.
    void look(const std::optional<tasks::Task>& task);
    const tasks::Task& task() const { return x_task; }

  private:
    /// Why it ends early. What others did comes last: the later one counts.
    enum class Why : std::uint8_t { none, stopped, timed_out, cancelled, said, given_up, lost };

    bool may_begin(Finished& finished);
    void wait_for_end(Finished& finished);
    void heed();
    void end_early(Why why);
    std::optional<std::int64_t> next_ms();

    // The other thread.
    void keep(const std::stop_token& stop);
    void renew();
    void tell(Why why);

    void write_end(Finished& finished);
    void write_exit(Finished& finished);
    void write_failure(Finished& finished, tasks::ErrorClass error_class, bool final);
    void note_said(Finished& finished);
    template <typename Write>
    void write(Finished& finished, const Write& once);
    void hold_from(const LeaseTime& asked);
    void tell_end();
    bool lease_is_over();
    std::optional<std::int64_t> session_until_ns() const;
    std::int64_t lease_left_ns();
    tasks::Hold hold() const;
    std::int64_t now_ns() const { return x_services.clock.boot_ns(); }

    const Services& x_services;
    const tasks::Task x_task;
    std::unique_ptr<Doing> x_doing;
    std::stop_token x_stop;
    const LeaseTime x_claimed;
    Why x_why = Why::none;
    bool x_killed = false;
    bool x_left = false;  ///< Something of it may still run, and cannot be ended from here.
    std::int64_t x_timeout_at = 0;  ///< 0: none.
    std::int64_t x_kill_at = 0;

    std::mutex x_mutex;  ///< Of what follows.
    std::condition_variable_any x_stopped;
    Why x_told = Why::none;
    std::int64_t x_lease_ns;
    LeaseTime x_renew_at;
    LeaseTime x_held_until;                          ///< The end of its lease.
    std::optional<std::int64_t> x_session_until_ns;  ///< Nobody has the task before both.
    bool x_end_moved = false;                        ///< The guard is to be told.
    std::jthread x_keeper;                           ///< Goes first.
};

}  // namespace taskstore::work
