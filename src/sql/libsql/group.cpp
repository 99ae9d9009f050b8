#include "group.hpp"

#include "client.hpp"

#include <utility>

namespace taskstore::libsql {
namespace {

// In the transaction of the statement before it; abs() of the smallest integer is an error.
constexpr std::string_view kCheck =
    "SELECT CASE WHEN changes() <> ?1 THEN abs(-9223372036854775808) END";

std::string check_json(std::int64_t expected) {
    const sql::Value value{expected};
    return statement_json(kCheck, std::span(&value, 1), 1);
}

/// Adds the statements, each after the one before; the condition that the last was ok.
std::string add_statements(BatchText& batch, const Member& member, MemberSteps& steps,
                           std::string condition) {
    for (const MemberStatement& statement : member) {
        steps.statements.push_back(batch.add(statement.json, condition));
        condition = ok_condition(steps.statements.back());
        steps.checks.push_back(-1);
        if (!statement.changes_expected) continue;
        steps.checks.back() = batch.add(check_json(*statement.changes_expected), condition);
        condition = ok_condition(steps.checks.back());
    }
    return condition;
}

}  // namespace

Result<Member> make_member(const std::string& shown, sql::Batch batch, bool reads_only) {
    Member member;
    member.reserve(batch.size());
    for (const sql::BoundStatement& bound : batch) {
        const auto statements = split_statements(bound.sql);
        const auto wrong = [&](Code code, std::string_view why) {
            return fail(code, shown + ": statement " + std::to_string(member.size() + 1) +
                                  " of the batch, \"" + excerpt(bound.sql) +
                                  "\": " + std::string(why));
        };
        if (statements.size() != 1)
            return wrong(Code::invalid, statements.empty() ? "there is no SQL statement in it"
                                                           : "it is more than one");
        const StatementText& text = statements.front();
        const bool reads = text.kind == StatementKind::read ||
                           (text.kind == StatementKind::pragma && pragma_reads(text));
        if (!reads && text.kind != StatementKind::write && text.kind != StatementKind::pragma)
            return wrong(Code::invalid, "a batch must not begin or end transactions, nor attach");
        if (reads_only && !reads) return wrong(Code::denied, "a read must not change anything");
        if (bound.values.size() > static_cast<std::size_t>(text.parameters))
            return wrong(Code::invalid, "it has fewer parameters than values");
        for (const sql::Value& value : bound.values) {
            if (auto status = check_value(value); !status)
                return wrong(Code::invalid, status.error().message);
        }
        member.push_back({.sql = excerpt(text.sql),
                          .json = statement_json(text.sql, bound.values, text.parameters),
                          .changes_expected = bound.changes_expected,
                          .reads = reads,
                          .returns_rows = text.returns_rows,
                          .inserts_one_row = text.inserts_one_row});
    }
    return member;
}

std::size_t bytes_of(const Member& member) {
    std::size_t bytes = 0;
    for (const MemberStatement& statement : member) bytes += statement.json.size();
    return bytes;
}

GroupText write_group(std::span<const Member* const> members, const Mark& mark, bool version_3,
                      Guard guard) {
    GroupText out;
    BatchText& batch = out.batch;
    out.begin = batch.add_sql("BEGIN IMMEDIATE");
    out.mark = add_mark(batch, mark, ok_condition(out.begin));
    if (members.size() == 1 || guard == Guard::none) {
        std::string done = ok_condition(out.mark);
        for (const Member* const member : members)
            done = add_statements(batch, *member, out.members.emplace_back(), std::move(done));
        out.commit = batch.add_sql(
            "COMMIT", version_3 ? both_condition(done, in_transaction_condition()) : done);
        batch.add_sql("ROLLBACK", not_condition(ok_condition(out.commit)));
        return out;
    }
    const std::string inside = both_condition(ok_condition(out.mark), in_transaction_condition());
    const std::string savepoint = statement_json("SAVEPOINT taskstore_member", {}, 0);
    const std::string undo = statement_json("ROLLBACK TO taskstore_member", {}, 0);
    const std::string release = statement_json("RELEASE taskstore_member", {}, 0);
    for (std::size_t i = 0; i < members.size(); ++i) {
        MemberSteps& steps = out.members.emplace_back();
        const std::string begun = ok_condition(batch.add(savepoint, inside));
        const std::string done = add_statements(batch, *members[i], steps, begun);
        const std::string failed = both_condition(begun, not_condition(done));
        const std::string undone = ok_condition(batch.add(undo, failed));
        batch.add(failed_member_json(mark, i), undone);
        batch.add(release, both_condition(begun, in_transaction_condition()));
    }
    out.commit = batch.add_sql("COMMIT", inside);
    batch.add_sql("ROLLBACK", not_condition(ok_condition(out.commit)));
    return out;
}

GroupText write_read(const Member& member) {
    GroupText out;
    out.begin = out.batch.add_sql("BEGIN");
    add_statements(out.batch, member, out.members.emplace_back(), ok_condition(out.begin));
    out.batch.add_sql("ROLLBACK", ok_condition(out.begin));
    return out;
}

MemberAnswer read_member(Client& client, const Member& member, const MemberSteps& steps,
                         RequestAnswer& answer) {
    std::vector<sql::Rows> rows;
    rows.reserve(member.size());
    const auto step = [&](int index) -> StepAnswer& {
        return answer.steps.at(static_cast<std::size_t>(index));
    };
    for (std::size_t i = 0; i < member.size(); ++i) {
        StepAnswer& one = step(steps.statements[i]);
        if (one.state == StepState::failed) return fail(client.error_of(one.error, member[i].sql));
        if (one.state == StepState::skipped)
            return fail(Code::unavailable, client.shown() + ": the transaction was lost before \"" +
                                               member[i].sql + "\"");
        const auto& expected = member[i].changes_expected;
        if (expected && step(steps.checks[i]).state != StepState::done) {
            return fail(Code::conflict, "statement " + std::to_string(i + 1) +
                                            " of the batch changed " +
                                            std::to_string(one.rows.changes) +
                                            " rows, expected were " + std::to_string(*expected));
        }
        rows.push_back(std::move(one.rows));
    }
    return rows;
}

MemberAnswer answer_made_up(const std::string& shown, const Member& member) {
    std::vector<sql::Rows> rows;
    for (const MemberStatement& statement : member) {
        const bool known = statement.changes_expected || statement.inserts_one_row;
        if (statement.returns_rows || !known) {
            return fail(Code::outcome_unknown,
                        shown + ": the write is committed, but what it answered was lost");
        }
        rows.push_back(
            {.columns = {}, .rows = {}, .changes = statement.changes_expected.value_or(1)});
    }
    return rows;
}

}  // namespace taskstore::libsql
