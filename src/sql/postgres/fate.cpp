#include "fate.hpp"

#include <taskstore/sql/retry.hpp>

#include <chrono>
#include <optional>
#include <thread>

namespace taskstore::postgres {
namespace {

constexpr std::string_view kInTheFuture = "22023";

/// Nothing: ask again.
std::optional<Fate> ask_once(Session& session, const InDoubt& doubt, const ServerFacts& now) {
    if (now.cluster != doubt.facts.cluster) return Fate::unknown;
    const bool same_run = now.run == doubt.facts.run;
    const auto answer = session.simple("SELECT txid_status(" + doubt.transaction_id + ")");
    if (!answer) return std::nullopt;
    PGresult* const result = answer->get();
    if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
        if (sqlstate_of(result) == kInTheFuture && !same_run) return Fate::undone;
        if (is_transient(sqlstate_of(result))) return std::nullopt;
        return Fate::unknown;
    }
    const std::string_view status = PQgetvalue(result, 0, 0);
    if (status == "aborted") return Fate::undone;
    if (!same_run) return Fate::unknown;
    if (status == "committed") return Fate::committed;
    if (status == "in progress") return std::nullopt;
    return Fate::unknown;  // Too old to be remembered.
}

}  // namespace

Fate ask_fate(Pool& pool, const InDoubt& doubt, const Clock& clock, Random& random,
              std::int64_t until_boot_ns) {
    if (doubt.transaction_id.empty() || doubt.facts.cluster.empty()) return Fate::unknown;
    sql::Backoff backoff({.base_ms = 5, .cap_ms = 250, .deadline_boot_ns = until_boot_ns}, clock,
                         random);
    while (true) {
        {
            bool transient = false;
            const auto lease = pool.acquire(until_boot_ns, transient);
            if (lease) {
                const auto fate = ask_once((*lease)->session(), doubt, (*lease)->facts());
                if (fate) return *fate;
            } else if (!transient) {
                return Fate::unknown;
            }
        }
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0) return Fate::unknown;
        std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    }
}

}  // namespace taskstore::postgres
