#include "connection.hpp"

#include "outcomes.hpp"

#include <taskstore/base/ascii.hpp>
#include <taskstore/base/check.hpp>
#include <taskstore/sql/retry.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

namespace taskstore::libsql {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::array<std::string_view, 3> kTransactionPragmas{"application_id",
                                                              "defer_foreign_keys", "user_version"};

std::string_view bare(std::string_view name) {
    if (name.size() >= 2 && (name[0] == '"' || name[0] == '`' || name[0] == '[' || name[0] == '\''))
        return name.substr(1, name.size() - 2);
    return name;
}

bool is_reserved(std::string_view savepoint) {
    constexpr std::string_view kPrefix = "taskstore_";
    return ascii::same_word(bare(savepoint).substr(0, kPrefix.size()), kPrefix);
}

bool ends_or_begins(StatementKind kind) {
    return kind == StatementKind::begin || kind == StatementKind::commit ||
           kind == StatementKind::rollback;
}

/// A statement in a transaction of its own.
struct Wrapped {
    BatchText batch;
    int step = 0;
    std::optional<int> commit = {};
};

Wrapped wrap(const std::string& json, bool keeps) {
    Wrapped out;
    const int begun = out.batch.add_sql(keeps ? "BEGIN IMMEDIATE" : "BEGIN");
    out.step = out.batch.add(json, ok_condition(begun));
    if (keeps) out.commit = out.batch.add_sql("COMMIT", ok_condition(out.step));
    out.batch.add_sql("ROLLBACK",
                      keeps ? not_condition(ok_condition(*out.commit)) : ok_condition(begun));
    return out;
}

const StepAnswer& step_of(const RequestAnswer& answer, int index) {
    static const StepAnswer none;
    const auto at = static_cast<std::size_t>(index);
    return at < answer.steps.size() ? answer.steps[at] : none;
}

}  // namespace

Result<StatementText> only_statement(const std::string& shown, std::string_view sql) {
    const auto statements = split_statements(sql);
    if (statements.size() == 1) return statements.front();
    return fail(Code::invalid, shown +
                                   (statements.empty() ? ": there is no SQL statement in \""
                                                       : ": more than one SQL statement in \"") +
                                   excerpt(sql) + "\"");
}

EngineConnection::EngineConnection(std::shared_ptr<Client> client, sql::OpenOptions options)
    : x_client(std::move(client)), x_options(std::move(options)) {}

EngineConnection::~EngineConnection() {
    TASKSTORE_CHECK(x_borrowed == 0);
    x_client->close(x_stream);
}

Patience EngineConnection::patience() {
    Patience patience = x_client->patience_of(x_deadline_boot_ns);
    if (x_options.should_stop) patience.should_stop = &x_options.should_stop;
    patience.interrupt = &x_interrupt;
    return patience;
}

template <typename Ask>
Asked EngineConnection::ask(const Ask& once) {
    const std::int64_t until_ns =
        x_client->clock().boot_ns() + x_options.busy_timeout_ms * kNsPerMs;
    sql::Backoff backoff({.cap_ms = kBackoffCapMs, .deadline_boot_ns = until_ns}, x_client->clock(),
                         x_client->random());
    while (true) {
        Asked asked = once();
        if (asked.version_found) continue;
        if (asked.answer || !asked.transient || asked.reach == Reach::lost) return asked;
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0 || asked.retry_after_ms > x_options.busy_timeout_ms) return asked;
        std::this_thread::sleep_for(
            std::chrono::milliseconds(std::max(wait_ms, asked.retry_after_ms)));
    }
}

// --- what may run -------------------------------------------------------------------------------

Status EngineConnection::refuse_in_work(std::string_view what) {
    if (!x_in_work) return ok();
    x_broken = "a work must not " + std::string(what);
    return fail(Code::invalid, x_client->shown() + ": " + x_broken);
}

Status EngineConnection::check_allowed(const StatementText& statement) {
    const StatementKind kind = statement.kind;
    if (x_in_work) {
        if (ends_or_begins(kind))
            return refuse_in_work("begin or end transactions (" + excerpt(statement.sql) + ")");
        if (kind == StatementKind::savepoint && is_reserved(statement.name))
            return refuse_in_work("touch savepoints named taskstore_…");
        if (kind == StatementKind::attach) return refuse_in_work("attach or detach databases");
        if (kind == StatementKind::pragma && !pragma_reads(statement) &&
            std::ranges::none_of(kTransactionPragmas, [&](std::string_view name) {
                return ascii::same_word(name, statement.name);
            }))
            return refuse_in_work("change the connection (" + excerpt(statement.sql) + ")");
        if (x_state == State::idle) {
            return fail(Code::failed,
                        x_client->shown() + ": cannot run \"" + excerpt(statement.sql) +
                            "\": an earlier error ended the transaction of this work");
        }
    }
    const bool changes = kind == StatementKind::write || kind == StatementKind::attach ||
                         (kind == StatementKind::pragma && !pragma_reads(statement));
    if (x_options.read_only && changes)
        return fail(Code::denied, x_client->shown() + ": cannot run \"" + excerpt(statement.sql) +
                                      "\": the connection is read-only");
    return ok();
}

Status EngineConnection::run_work(const sql::Work& work) {
    x_in_work = true;
    x_broken.clear();
    Status status = ok();
    try {
        status = work(*this);
    } catch (const std::exception& error) {
        status = fail(Code::failed,
                      x_client->shown() + ": the work threw: " + std::string(error.what()));
    } catch (...) {
        status = fail(Code::failed, x_client->shown() + ": the work threw");
    }
    x_in_work = false;
    if (!x_broken.empty()) return fail(Code::invalid, x_client->shown() + ": " + x_broken);
    return status;
}

// --- running ------------------------------------------------------------------------------------

std::string EngineConnection::guard(int begun) const {
    if (begun >= 0) return ok_condition(begun);
    return x_client->version_3() ? in_transaction_condition() : "";
}

Failure EngineConnection::lose(Asked asked) {
    x_client->close(x_stream);
    x_state = State::idle;
    x_transient = asked.transient;
    x_retry_after_ms = asked.retry_after_ms;
    return fail(std::move(asked.error));
}

Failure EngineConnection::lose(std::string why) {
    return lose(Asked{.error = fail(Code::unavailable, x_client->shown() + ": " + why +
                                                           ", and with it the transaction; "
                                                           "nothing of it is kept")
                                   .error,
                      .transient = true});
}

Failure EngineConnection::step_failure(const StepAnswer& step, std::string_view sql) {
    if (step.state == StepState::skipped)
        return lose("the server gave the lock to another writer, or an error rolled back");
    if (ends_transaction(step.error)) return lose("the server gave the lock to another writer");
    Error error = x_client->error_of(step.error, sql);
    x_transient = error.code == Code::unavailable;
    // Hrana 2 does not say whether the transaction is still there.
    if (!x_client->version_3()) {
        x_client->close(x_stream);
        x_state = State::idle;
    }
    return fail(std::move(error));
}

void EngineConnection::after_batch(const PipelineAnswer& answer, bool failed) {
    const auto& autocommit = answer.results.back().autocommit;
    if (autocommit ? !*autocommit : !failed) {
        x_state = State::open;
    } else if (x_state == State::open) {
        x_state = State::idle;
        x_client->close(x_stream);
    }
}

Result<sql::Rows> EngineConnection::run(const StatementText& statement,
                                        std::span<const sql::Value> values) {
    x_transient = false;
    TASKSTORE_TRY(check_allowed(statement));
    if (ends_or_begins(statement.kind)) return run_control(statement);
    const std::string json = statement_json(statement.sql, values, statement.parameters);
    auto rows = x_state == State::idle ? run_alone(statement, json) : run_inside(statement, json);
    if (rows && statement.kind == StatementKind::write) x_changes = rows->changes;
    return rows;
}

Result<sql::Rows> EngineConnection::run_control(const StatementText& statement) {
    if (statement.kind == StatementKind::commit) TASKSTORE_TRY(commit());
    if (statement.kind == StatementKind::rollback) rollback();
    if (statement.kind == StatementKind::begin)
        TASKSTORE_TRY(statement.immediate ? begin_write() : begin_read());
    return sql::Rows{};
}

Result<sql::Rows> EngineConnection::run_inside(const StatementText& statement,
                                               const std::string& json) {
    int step = 0;
    const auto once = [&]() -> Asked {
        BatchText batch;
        const int begun = x_state == State::planned ? batch.add_sql("BEGIN") : -1;
        step = batch.add(json, guard(begun));
        std::vector<std::string> requests{batch_request(batch.take())};
        if (x_client->version_3()) requests.emplace_back(kAutocommitRequest);
        return x_client->pipeline(x_stream, requests, patience());
    };
    Asked asked = x_state == State::planned ? ask(once) : once();
    if (!asked.answer) return lose(std::move(asked));
    const RequestAnswer& answer = asked.answer->results.front();
    const StepAnswer& result = step_of(answer, step);
    const bool failed = answer.error || result.state != StepState::done;
    after_batch(*asked.answer, failed);
    if (answer.error && is_too_large(*answer.error)) {
        if (statement.kind != StatementKind::write) return run_large(statement, json);
        static_cast<void>(lose(""));
        return fail(Code::invalid, x_client->error_of(*answer.error, statement.sql).message +
                                       "; the transaction was rolled back")
            .with_hint("let RETURNING name fewer columns, or change fewer rows at a time");
    }
    if (answer.error) {
        if (ends_transaction(*answer.error)) return lose("the stream is gone");
        return fail(x_client->error_of(*answer.error, statement.sql));
    }
    if (!failed) return result.rows;
    const StepAnswer& first = answer.steps.front();
    if (step > 0 && first.state == StepState::failed) return step_failure(first, "BEGIN");
    return step_failure(result, statement.sql);
}

// A write that answers rows has a transaction around it: where the answer is too large, nothing is
// kept, and it can be asked for again, in lines.
Result<sql::Rows> EngineConnection::run_alone(const StatementText& statement,
                                              const std::string& json) {
    const bool writes = statement.kind == StatementKind::write;
    const bool wrapped = x_options.read_only || (writes && statement.returns_rows);
    if (statement.kind == StatementKind::savepoint) {
        return fail(Code::invalid, x_client->shown() + ": cannot run \"" + excerpt(statement.sql) +
                                       "\": a savepoint needs a transaction around it");
    }
    Wrapped text;
    const auto once = [&]() -> Asked {
        text = Wrapped{};
        if (wrapped) {
            text = wrap(json, writes);
        } else {
            text.step = text.batch.add(json);
        }
        const std::array<std::string, 2> requests{batch_request(text.batch.take()),
                                                  std::string(kCloseRequest)};
        Stream stream;
        Asked asked = x_client->pipeline(stream, requests, patience());
        if (!asked.answer) return asked;
        for (const StepAnswer& step : asked.answer->results.front().steps) {
            if (step.state != StepState::failed || code_of(step.error) != Code::unavailable)
                continue;
            return {.error = x_client->error_of(step.error, statement.sql),
                    .reach = Reach::not_sent,
                    .transient = true};
        }
        return asked;
    };
    Asked asked = ask(once);
    if (!asked.answer) {
        x_transient = asked.transient;
        x_retry_after_ms = asked.retry_after_ms;
        if (writes && asked.reach == Reach::lost) asked.error.code = Code::outcome_unknown;
        return fail(std::move(asked.error));
    }
    const RequestAnswer& answer = asked.answer->results.front();
    if (answer.error && is_too_large(*answer.error)) return run_large(statement, json);
    if (answer.error) return fail(x_client->error_of(*answer.error, statement.sql));
    for (const StepAnswer& step : answer.steps) {
        if (step.state == StepState::failed)
            return fail(x_client->error_of(step.error, statement.sql));
    }
    return step_of(answer, text.step).rows;
}

Result<sql::Rows> EngineConnection::run_large(const StatementText& statement,
                                              const std::string& json) {
    const bool inside = x_state == State::open;
    const bool writes = statement.kind == StatementKind::write;
    Wrapped text;
    if (inside) {
        text.step = text.batch.add(json, guard(-1));
    } else {
        text = wrap(json, writes);
    }
    Stream alone;
    Asked asked = x_client->cursor(inside ? x_stream : alone, std::move(text.batch), patience());
    x_client->close(alone);
    if (!asked.answer) {
        if (inside) return lose(std::move(asked));
        if (writes && asked.reach == Reach::lost) asked.error.code = Code::outcome_unknown;
        return fail(std::move(asked.error));
    }
    const RequestAnswer& answer = asked.answer->results.front();
    if (answer.error) return fail(x_client->error_of(*answer.error, statement.sql));
    const StepAnswer& result = step_of(answer, text.step);
    if (inside && result.state != StepState::done) return step_failure(result, statement.sql);
    for (const StepAnswer& step : answer.steps) {
        if (step.state == StepState::failed)
            return fail(x_client->error_of(step.error, statement.sql));
    }
    return result.rows;
}

Status EngineConnection::execute(std::string_view sql) {
    const auto statements = split_statements(sql);
    for (const StatementText& statement : statements) {
        if (!ends_or_begins(statement.kind)) TASKSTORE_TRY(check_allowed(statement));
    }
    const bool controls = std::ranges::any_of(
        statements, [](const StatementText& one) { return ends_or_begins(one.kind); });
    if (x_state != State::idle && !controls && !statements.empty())
        return execute_inside(statements);
    for (const StatementText& statement : statements) TASKSTORE_TRY(run(statement, {}));
    return ok();
}

Status EngineConnection::execute_inside(std::span<const StatementText> statements) {
    x_transient = false;
    int first = 0;
    const auto once = [&]() -> Asked {
        BatchText batch;
        int last = x_state == State::planned ? batch.add_sql("BEGIN") : -1;
        first = last + 1;
        for (const StatementText& statement : statements)
            last = batch.add(statement_json(statement.sql, {}, statement.parameters), guard(last));
        std::vector<std::string> requests{batch_request(batch.take())};
        if (x_client->version_3()) requests.emplace_back(kAutocommitRequest);
        return x_client->pipeline(x_stream, requests, patience());
    };
    Asked asked = x_state == State::planned ? ask(once) : once();
    if (!asked.answer) return lose(std::move(asked));
    const RequestAnswer& answer = asked.answer->results.front();
    const bool failed = answer.error || std::ranges::any_of(answer.steps, [](const auto& step) {
                            return step.state != StepState::done;
                        });
    after_batch(*asked.answer, failed);
    if (answer.error) {
        if (is_too_large(*answer.error)) static_cast<void>(lose(""));
        const std::string_view last = statements.back().sql;
        const std::string_view all(
            statements.front().sql.data(),
            static_cast<std::size_t>(last.data() + last.size() - statements.front().sql.data()));
        return fail(x_client->error_of(*answer.error, all));
    }
    for (std::size_t i = 0; i < answer.steps.size(); ++i) {
        const StepAnswer& step = answer.steps[i];
        const bool begin = static_cast<int>(i) < first;
        const auto at = i - static_cast<std::size_t>(begin ? 0 : first);
        if (step.state != StepState::done)
            return step_failure(step, begin ? "BEGIN" : statements[at].sql);
        if (!begin && statements[at].kind == StatementKind::write) x_changes = step.rows.changes;
    }
    return ok();
}

Result<std::vector<std::string>> EngineConnection::describe(const StatementText& statement) {
    std::vector<std::string> requests{describe_request(statement.sql)};
    const bool inside = x_state == State::open;
    if (!inside) requests.emplace_back(kCloseRequest);
    Stream alone;
    Asked asked =
        ask([&] { return x_client->pipeline(inside ? x_stream : alone, requests, patience()); });
    if (!asked.answer) {
        if (inside) return lose(std::move(asked));
        return fail(std::move(asked.error));
    }
    const RequestAnswer& answer = asked.answer->results.front();
    if (answer.error) return fail(x_client->error_of(*answer.error, statement.sql));
    return answer.columns;
}

// --- transactions -------------------------------------------------------------------------------

Status EngineConnection::begin_read() {
    TASKSTORE_TRY(refuse_in_work("begin or end transactions (BEGIN)"));
    if (x_state != State::idle)
        return fail(Code::invalid, x_client->shown() + ": a transaction is open already");
    x_transient = false;
    x_state = State::planned;
    return ok();
}

Status EngineConnection::begin_write() {
    TASKSTORE_TRY(refuse_in_work("begin or end transactions (BEGIN)"));
    if (x_options.read_only)
        return fail(Code::denied, x_client->shown() + ": the connection is read-only");
    if (x_state != State::idle)
        return fail(Code::invalid, x_client->shown() + ": a transaction is open already");
    x_transient = false;
    Asked asked = ask([&]() -> Asked {
        BatchText batch;
        batch.add_sql("BEGIN IMMEDIATE");
        const std::string request = batch_request(batch.take());
        x_stream.clear();
        Asked once = x_client->pipeline(x_stream, std::span(&request, 1), patience());
        if (!once.answer) {
            // A transaction that nobody knows of is undone by the server; asking again is safe.
            if (once.transient) once.reach = Reach::not_sent;
            return once;
        }
        const RequestAnswer& answer = once.answer->results.front();
        const StepAnswer& step = step_of(answer, 0);
        if (!answer.error && step.state == StepState::done && x_stream.open()) return once;
        const ServerError& error = answer.error ? *answer.error : step.error;
        x_client->close(x_stream);
        Error told = x_client->error_of(error, "BEGIN IMMEDIATE");
        const bool transient = told.code == Code::unavailable;
        return {.error = std::move(told), .reach = Reach::not_sent, .transient = transient};
    });
    if (!asked.answer) return lose(std::move(asked));
    x_state = State::open;
    return ok();
}

Status EngineConnection::commit() {
    TASKSTORE_TRY(refuse_in_work("begin or end transactions (COMMIT)"));
    return commit_with(nullptr);
}

Status EngineConnection::commit_marked(const Mark& mark) {
    return commit_with(&mark);
}

Status EngineConnection::commit_with(const Mark* mark) {
    if (x_state == State::idle)
        return fail(Code::invalid, x_client->shown() + ": no transaction is open");
    x_transient = false;
    if (x_state == State::planned || x_options.read_only) {
        x_client->close(x_stream);
        x_state = State::idle;
        return ok();
    }
    BatchText batch;
    std::string condition = guard(-1);
    int marked = -1;
    if (mark != nullptr) {
        marked = add_mark(batch, *mark, condition);
        condition = ok_condition(marked);
    }
    const int commit = batch.add_sql("COMMIT", condition);
    const std::array<std::string, 2> requests{batch_request(batch.take()),
                                              std::string(kCloseRequest)};
    Asked asked = x_client->pipeline(x_stream, requests, patience());
    x_state = State::idle;
    if (!asked.answer) {
        if (asked.reach == Reach::lost) {
            asked.error.code = Code::outcome_unknown;
            asked.error.message += " (to COMMIT)";
        }
        return lose(std::move(asked));
    }
    const RequestAnswer& answer = asked.answer->results.front();
    if (answer.error) return fail(x_client->error_of(*answer.error, "COMMIT"));
    const StepAnswer& step = step_of(answer, commit);
    if (step.state == StepState::done) return ok();
    for (const StepAnswer& one : answer.steps) {
        if (one.state == StepState::failed) return step_failure(one, "COMMIT");
    }
    return lose("the server gave the lock to another writer, or an error rolled back");
}

void EngineConnection::rollback() {
    if (!refuse_in_work("begin or end transactions (ROLLBACK)")) return;
    x_client->close(x_stream);
    x_state = State::idle;
}

}  // namespace taskstore::libsql
