#pragma once
// What became of a transaction whose COMMIT got no answer.
//
// The id that txid_current() gave is asked for with txid_status() on another connection. What it
// says can be trusted as far as ids are unique, and a crash breaks that: an id of which nothing had
// reached the log is given again. So, with `run` the start of the server and of its statistics:
//
//   | cluster, run     | committed | aborted, or "in the future" | in progress |
//   |------------------|-----------|-----------------------------|-------------|
//   | the same, same   | committed | undone                      | ask again   |
//   | the same, other  | unknown   | undone                      | unknown     |
//   | another cluster  | unknown   | unknown                     | unknown     |
//
// ("Undone" holds after a crash as well: had ours been committed, its record would be in the log,
// and its id not free.) A standby that was promoted is the same cluster and another run.

#include "pool.hpp"

#include <cstdint>
#include <string>

namespace taskstore::postgres {

struct InDoubt {
    std::string transaction_id;  ///< Empty: it was lost, too.
    ServerFacts facts;
};

enum class Fate : std::uint8_t { committed, undone, unknown };

/// Asks until it knows or the time has come.
Fate ask_fate(Pool& pool, const InDoubt& doubt, const Clock& clock, Random& random,
              std::int64_t until_boot_ns);

}  // namespace taskstore::postgres
