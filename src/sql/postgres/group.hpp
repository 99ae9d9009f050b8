#pragma once
// A group of batches in one transaction: what is sent, and what each batch is told. Knows nothing
// of threads; the queue is in database.cpp.

#include "connection.hpp"

#include <taskstore/sql/database.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::postgres {

/// A batch that was looked at: nothing about it can be wrong any more but for the server.
struct CheckedBatch {
    struct Part {
        const sql::BoundStatement* bound = nullptr;
        std::shared_ptr<const Translated> one;
        std::shared_ptr<const Translated> many;  ///< Null: it has no form for many rows.
    };
    std::vector<Part> parts;
    std::size_t bytes = 0;  ///< Of its values, roughly.
    bool alone = false;     ///< It may not share a transaction.
};
/// invalid: a value that cannot be kept, more values than parameters, a statement that no batch may
/// hold. denied: a change in a batch that reads.
Result<CheckedBatch> check_batch(sql::Batch batch, Translations& translations, bool read_only);

/// What a member of a group is told.
enum class Verdict : std::uint8_t {
    answered,  ///< By `answer`.
    again,     ///< Undone because of another member: into the next group.
    alone,     ///< Undone because of this one, perhaps with the help of another: by itself.
    in_doubt,  ///< COMMIT was sent; by `answers` if the transaction is found committed.
};

struct Member {
    const CheckedBatch* batch = nullptr;
    std::string_view wake = {};
    std::string_view wake_too = {};
    /// Rows of one form are sent as one statement. Off after that went wrong, to find the culprit.
    bool merge = true;

    Verdict verdict = Verdict::again;
    Status answer = ok();
    std::vector<sql::Rows> answers = {};
    bool answers_complete = false;
};

struct GroupOutcome {
    sql::DurabilityLevel level = sql::DurabilityLevel::server;
    bool transient = false;  ///< The failure of a lone member may be mended by a repetition.
    std::string transaction_id = {};
};

/// Runs all members in one transaction and gives each its verdict. `shared`: others wait for its
/// end, so that a row which another session holds is waited for a moment only.
GroupOutcome run_group(EngineConnection& connection, std::vector<Member*>& members,
                       std::string_view schema, bool shared);

/// NOTIFY, if anybody waits: a waiter holds the shared lock of its topic, so that this transaction
/// gets the exclusive one only where nobody does. Concurrent writers of one topic hide the lock
/// from each other, and notify for nothing. A waiter that comes meanwhile waits for the lock until
/// this transaction ends, and looks after that.
std::string notify_sql(std::string_view schema, std::string_view topic);
std::string channel_of(std::string_view schema, std::string_view topic);

/// All statements in one transaction that reads one state, in one round trip.
Result<std::vector<sql::Rows>> read_group(EngineConnection& connection, const CheckedBatch& batch);

}  // namespace taskstore::postgres
