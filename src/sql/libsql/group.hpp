#pragma once
// Group commit in one request: many batches as one conditional batch of the server.
//
//   BEGIN IMMEDIATE, the mark (outcomes.hpp)
//   the statements of all members, each if the one before it was ok; after one with
//                          changes_expected a check
//   COMMIT                 if the last was ok and the transaction is there
//   ROLLBACK               if COMMIT was not ok
//
// Where one fails nothing is kept, and all of them are sent again, guarded. Each member is then
//
//   SAVEPOINT              if the transaction is there
//   its statements         each if the one before it was ok
//   ROLLBACK TO, note      if the savepoint is there and its last step was not ok
//   RELEASE                if the savepoint and the transaction are there
//
// and COMMIT follows if the mark was ok and the transaction is there: a member that fails is undone
// alone. An error that ends the whole transaction makes COMMIT skip, so that nothing is kept. What
// the server cannot parse fails the request before anything runs.

#include "hrana.hpp"
#include "outcomes.hpp"
#include "sql_text.hpp"

#include <taskstore/sql/database.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace taskstore::libsql {

class Client;

/// A statement of a batch, as text that nobody else owns.
struct MemberStatement {
    std::string sql;   ///< For messages: the first bytes.
    std::string json;  ///< As statement_json() makes it.
    std::optional<std::int64_t> changes_expected = {};
    bool reads = false;         ///< SELECT and the like.
    bool returns_rows = false;  ///< Then its answer cannot be made up.
    bool inserts_one_row = false;
};
using Member = std::vector<MemberStatement>;

/// invalid: not one statement each, values that cannot be sent, transactions in the batch. denied:
/// `reads_only`, and one of them changes something.
Result<Member> make_member(const std::string& shown, sql::Batch batch, bool reads_only);
std::size_t bytes_of(const Member& member);

/// Where the steps of a member are.
struct MemberSteps {
    std::vector<int> statements;
    std::vector<int> checks;  ///< -1: none.
};
struct GroupText {
    BatchText batch;
    std::vector<MemberSteps> members;
    int begin = 0;
    int mark = 0;
    int commit = 0;
};
/// Whether a member that fails takes the others with it.
enum class Guard : std::uint8_t { none, savepoints };
/// `members` > 1 needs Hrana 3.
GroupText write_group(std::span<const Member* const> members, const Mark& mark, bool version_3,
                      Guard guard);
/// BEGIN, the statements, ROLLBACK.
GroupText write_read(const Member& member);

using MemberAnswer = Result<std::vector<sql::Rows>>;
/// What a member's steps say, given that they stand as they are.
MemberAnswer read_member(Client& client, const Member& member, const MemberSteps& steps,
                         RequestAnswer& answer);
/// The answers of a member that is committed and whose answer was lost, where they follow from the
/// statements alone; outcome_unknown otherwise, saying that it is committed.
MemberAnswer answer_made_up(const std::string& shown, const Member& member);

}  // namespace taskstore::libsql
