#pragma once
// How a lost answer to a COMMIT is found out: the table taskstore_outcomes has one row per writer
// (one open database), and each of its transactions counts the number in it up. Asking for number n
// takes it in a transaction of its own: either it is there already, so that the transaction had
// committed, or the row is now beyond it, so that the transaction can never commit, even if its
// request is still on its way.
//
//   O1 A transaction counts up from a smaller number or fails.
//   O2 Who asks for n leaves a number >= n behind.
//   O3 `failed` lists the members of the group that were undone alone; 'void': nobody committed n.
//
// Rows of writers that were not seen for an hour, by the server's clock, go.

#include "hrana.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace taskstore::libsql {

struct Mark {
    std::string writer;
    std::int64_t number = 0;
    bool make_table = false;  ///< It is not known to be there.
};

/// Adds the steps that count up, each after `condition`; the index of the last, which must be ok
/// for anything else to be done.
int add_mark(BatchText& batch, const Mark& mark, const std::string& condition);
/// A statement (as JSON) that notes that the member was undone.
std::string failed_member_json(const Mark& mark, std::size_t member);

/// The batch that asks for a mark, and which of its steps answers.
struct Question {
    BatchText batch;
    int answer_step = 0;
    int commit_step = 0;
};
Question question_of(const Mark& mark);

/// The members that were undone; nothing: the transaction is void.
struct Outcome {
    bool committed = false;
    std::vector<std::size_t> failed;
};
/// failed: the answer is none.
Result<Outcome> read_outcome(const Question& question, const RequestAnswer& answer);

}  // namespace taskstore::libsql
