#include "outcomes.hpp"

#include <array>
#include <charconv>

namespace taskstore::libsql {
namespace {

constexpr std::string_view kMakeTable =
    "CREATE TABLE IF NOT EXISTS taskstore_outcomes (writer TEXT PRIMARY KEY, "
    "number INTEGER NOT NULL, failed TEXT NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID";
constexpr std::string_view kPrune =
    "DELETE FROM taskstore_outcomes WHERE seen < unixepoch() - 3600";
// abs() of the smallest integer is an error: the way to fail a step of a batch.
constexpr std::string_view kCount =
    "INSERT INTO taskstore_outcomes (writer, number, failed, seen) VALUES (?1, ?2, '', unixepoch())"
    " ON CONFLICT (writer) DO UPDATE SET number = CASE WHEN number < ?2 THEN ?2 ELSE "
    "abs(-9223372036854775808) END, failed = '', seen = unixepoch()";
constexpr std::string_view kFailed =
    "UPDATE taskstore_outcomes SET failed = failed || ?2 || ',' WHERE writer = ?1";
constexpr std::string_view kVoid =
    "INSERT INTO taskstore_outcomes (writer, number, failed, seen) VALUES (?1, ?2, 'void', "
    "unixepoch()) ON CONFLICT (writer) DO UPDATE SET number = ?2, failed = 'void', seen = "
    "unixepoch() WHERE number < ?2";
constexpr std::string_view kAsk =
    "SELECT failed FROM taskstore_outcomes WHERE writer = ?1 AND number = ?2";

std::string with_mark(std::string_view sql, const Mark& mark) {
    const std::array<sql::Value, 2> values{mark.writer, mark.number};
    return statement_json(sql, values, 2);
}

}  // namespace

int add_mark(BatchText& batch, const Mark& mark, const std::string& condition) {
    std::string before = condition;
    if (mark.make_table) {
        before = ok_condition(batch.add_sql(kMakeTable, before));
        before = ok_condition(batch.add_sql(kPrune, before));
    }
    return batch.add(with_mark(kCount, mark), before);
}

std::string failed_member_json(const Mark& mark, std::size_t member) {
    const std::array<sql::Value, 2> values{mark.writer, std::to_string(member)};
    return statement_json(kFailed, values, 2);
}

Question question_of(const Mark& mark) {
    Question question;
    BatchText& batch = question.batch;
    int last = batch.add_sql("BEGIN IMMEDIATE");
    last = batch.add_sql(kMakeTable, ok_condition(last));
    last = batch.add(with_mark(kVoid, mark), ok_condition(last));
    question.answer_step = batch.add(with_mark(kAsk, mark), ok_condition(last));
    question.commit_step = batch.add_sql("COMMIT", ok_condition(question.answer_step));
    batch.add_sql("ROLLBACK", not_condition(ok_condition(question.commit_step)));
    return question;
}

Result<Outcome> read_outcome(const Question& question, const RequestAnswer& answer) {
    const auto step = [&](int index) -> const StepAnswer& {
        return answer.steps[static_cast<std::size_t>(index)];
    };
    const auto none = [] { return fail(Code::failed, "taskstore_outcomes cannot be read"); };
    if (answer.steps.size() != static_cast<std::size_t>(question.batch.size())) return none();
    if (step(question.commit_step).state != StepState::done) return none();
    const auto& rows = step(question.answer_step).rows.rows;
    const auto* const text = rows.size() == 1 && rows[0].size() == 1
                                 ? std::get_if<std::string>(rows[0].data())
                                 : nullptr;
    if (text == nullptr) return none();
    if (*text == "void") return Outcome{};
    Outcome outcome{.committed = true, .failed = {}};
    std::string_view rest = *text;
    while (!rest.empty()) {
        std::size_t member = 0;
        const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), member);
        if (read.ec != std::errc{} || read.ptr == rest.data() + rest.size() || *read.ptr != ',')
            return none();
        outcome.failed.push_back(member);
        rest.remove_prefix(static_cast<std::size_t>(read.ptr - rest.data()) + 1);
    }
    return outcome;
}

}  // namespace taskstore::libsql
