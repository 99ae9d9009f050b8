#pragma once
// A libSQL database shared by the threads of a process. Who may write, and when:
//
//   queued ──► turn      a work, at the front of the queue, in its caller's thread
//      └─────► in flight a batch, taken by the writer thread with those behind it, as one group
//   in flight ──► answered, or ──► queued again (nothing of it ran, or the group is void)
//
//   W1 One transaction that writes at a time: the server has one writer, and two of ours would only
//      take its lock from each other.
//   W2 No member is answered before the COMMIT of its group has succeeded, or it is known that it
//      never will.
//   W3 A caller whose deadline passes leaves: timed_out where nothing was sent, outcome_unknown
//      where it was. What it leaves behind is never sent again.
//   W4 A transaction is repeated only when the one before is known to be undone (outcomes.hpp).

#include "connection.hpp"
#include "group.hpp"
#include "outcomes.hpp"

#include <taskstore/os/wake.hpp>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace taskstore::libsql {

/// A waiting thread looks at the clock at least that often.
inline constexpr std::int64_t kLookMs = 500;

enum class Phase : std::uint8_t { queued, in_flight, answered, left };

struct Request {
    bool is_work = false;
    Member member = {};  ///< Of a batch.
    std::size_t bytes = 0;
    sql::WriteOptions options;
    std::int64_t give_up_ns = 0;  ///< Its deadline, or the end of retries without one.
    Phase phase = Phase::queued;  ///< Under the queue's mutex.
    MemberAnswer answer = std::vector<sql::Rows>{};
    std::condition_variable changed;
};
using RequestPtr = std::shared_ptr<Request>;

class EngineDatabase final : public sql::Database {
  public:
    EngineDatabase(std::shared_ptr<Client> client, std::string writer)
        : x_client(std::move(client)), x_writer(std::move(writer)) {}
    ~EngineDatabase() override;

    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions& options) override;
    Result<sql::Committed> write_batch(sql::Batch batch, const sql::WriteOptions& options) override;
    Status read(const sql::Work& work, const sql::ReadOptions& options) override;
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch,
                                              const sql::ReadOptions& options) override;
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override;
    std::string_view dialect() const override { return "sqlite"; }
    sql::Capabilities capabilities() const override {
        return {.interrupts = true, .network = true, .finite_doubles_only = true};
    }

  private:
    const Clock& clock() const { return x_client->clock(); }
    const Options& options() const { return x_client->options(); }
    std::int64_t give_up_ns(std::int64_t deadline_boot_ns) const;
    Status check_write(const sql::WriteOptions& options) const;
    RequestPtr enqueue(Request request_like);
    bool passed(std::int64_t deadline_boot_ns) const {
        return deadline_boot_ns != 0 && clock().boot_ns() > deadline_boot_ns;
    }
    Failure too_late() const {
        return fail(Code::timed_out,
                    x_client->shown() + ": the deadline passed before the write began");
    }
    void wake(std::string_view topic);
    std::shared_ptr<os::WakeWord> word_of(std::string_view topic);

    // Works.
    Status take_turn(const RequestPtr& request);
    void end_turn();
    Status run_work(const sql::Work& work, const Request& request);
    Status run_work_once(const sql::Work& work, EngineConnection& connection,
                         std::int64_t deadline_boot_ns, bool& again);

    // Batches.
    MemberAnswer await(const RequestPtr& request);
    void write_groups(const std::stop_token& stop);
    std::vector<RequestPtr> take_group(std::unique_lock<std::mutex>& lock);
    void run_group(std::vector<RequestPtr> members, const std::stop_token& stop);
    /// One request; answers whom it can, the rest is to be repeated: together, or each alone.
    struct Round {
        std::vector<RequestPtr> rest = {};
        bool alone = false;
        std::int64_t wait_ms = 0;  ///< What the server asked for.
        bool at_once = false;
        Error error = {};  ///< Why, for those whose patience ends.
    };
    Round send_group(const std::vector<RequestPtr>& members);
    Round read_group(const std::vector<RequestPtr>& members, const GroupText& text, Guard guard,
                     Asked asked);
    Round settle(const std::vector<RequestPtr>& members, const Mark& mark, Error error);
    Asked send_large(const Member& member, const Mark& mark, GroupText& text);
    bool begin_flight(std::vector<RequestPtr>& members, const Error& why);
    void back_to_queue(const std::vector<RequestPtr>& members);
    void answer(const RequestPtr& request, MemberAnswer result);
    Patience group_patience(const std::vector<RequestPtr>& members) const;

    // Outcomes.
    Mark next_mark();
    /// Nothing: it cannot be asked until then.
    std::optional<Outcome> ask_outcome(const Mark& mark, std::int64_t until_ns);
    bool pause(std::int64_t ms);

    const std::shared_ptr<Client> x_client;
    const std::string x_writer;  ///< Its id in taskstore_outcomes.

    std::mutex x_mutex;  ///< Guards the queue, whose turn it is, and the requests' phases.
    std::condition_variable x_queued;
    std::deque<RequestPtr> x_queue;
    bool x_turn_taken = false;
    bool x_stopping = false;
    std::condition_variable x_stop;

    // The one's whose turn it is.
    std::int64_t x_number = 0;
    bool x_table_known = false;
    int x_guarded_groups = 0;  ///< That are still to be sent with savepoints.
    std::size_t x_last_group = 1;
    std::size_t x_group_before = 1;
    std::int64_t x_last_ns = 0;
    Interrupt x_interrupt;

    std::mutex x_words_mutex;
    std::map<std::string, std::shared_ptr<os::WakeWord>, std::less<>> x_words;

    std::once_flag x_started;
    std::jthread x_thread;  ///< Must be last.
};

}  // namespace taskstore::libsql
