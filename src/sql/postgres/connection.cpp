#include "connection.hpp"

#include "statement.hpp"

#include <taskstore/base/check.hpp>
#include <taskstore/sql/quoted.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <utility>

namespace taskstore::postgres {
namespace {

// READ COMMITTED, so that a statement that waited for another writer's row decides by what that one
// committed, as a compare and swap needs, and a queue's SKIP LOCKED never fails on a row that
// moved. Who decides on what an earlier statement read says so in the statement that writes.
constexpr std::string_view kBeginWrite = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
constexpr std::string_view kBeginRead = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

bool succeeded(const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

bool begins_with_one_of(const Translated& statement, std::string_view letters) {
    return !statement.text.empty() &&
           letters.find(statement.text.front()) != std::string_view::npos;
}

bool commits_by_name(const Translated& statement) {
    return statement.kind == StatementKind::transaction && begins_with_one_of(statement, "CcEe");
}

/// Volatile ones that a read may call all the same.
bool is_harmless(std::string_view function) {
    static constexpr std::array<std::string_view, 20> kNames{"bernoulli",
                                                             "clock_timestamp",
                                                             "current_query",
                                                             "gen_random_uuid",
                                                             "pg_current_wal_lsn",
                                                             "pg_database_size",
                                                             "pg_indexes_size",
                                                             "pg_is_in_recovery",
                                                             "pg_last_wal_receive_lsn",
                                                             "pg_last_wal_replay_lsn",
                                                             "pg_last_xact_replay_timestamp",
                                                             "pg_partition_ancestors",
                                                             "pg_partition_tree",
                                                             "pg_relation_size",
                                                             "pg_table_size",
                                                             "pg_total_relation_size",
                                                             "pg_xact_status",
                                                             "random",
                                                             "timeofday",
                                                             "txid_status"};
    return std::ranges::find(kNames, function) != kNames.end();
}

/// Whether it may leave something behind where no transaction is open.
bool may_change(const Translated& statement) {
    if (statement.kind == StatementKind::query) return begins_with_one_of(statement, "Ww");  // WITH
    return statement.kind == StatementKind::other || commits_by_name(statement);
}

}  // namespace

Status check_statement(const Translated& statement, bool read_only) {
    const auto refusal = [&](Code code, std::string_view why) {
        return fail(code, std::string(why) + ": \"" + excerpt(statement.text) + "\"");
    };
    switch (statement.kind) {
        case StatementKind::copy:
            return refusal(Code::invalid, "COPY is not for this port");
        case StatementKind::transaction:
        case StatementKind::session:
            return refusal(Code::invalid,
                           "this begins or ends a transaction, or changes the session");
        case StatementKind::query:
            if (!read_only || !statement.escapes_read_only) return ok();
            return refusal(Code::denied, "a read must not call such a function");
        case StatementKind::savepoint:
            return ok();
        case StatementKind::other:
            return read_only ? Status(refusal(Code::denied, "a read must not change anything"))
                             : ok();
    }
    return ok();
}

EngineConnection::~EngineConnection() {
    // A statement that outlives its connection would read freed memory later: stop here, where it
    // is understood.
    TASKSTORE_CHECK(x_borrowed == 0);
}

// --- the guard
// --------------------------------------------------------------------------------------------

Status EngineConnection::refuse_in_work(std::string_view what) {
    if (!x_in_work) return ok();
    x_broken_by_work = "a work must not begin or end transactions, nor change the session (" +
                       std::string(what) + ")";
    return fail(Code::invalid, x_session->place() + ": " + x_broken_by_work);
}

Status EngineConnection::check_allowed(const Translated& statement) {
    const bool read_only = x_options.read_only || x_work_reads;
    if (x_in_work && x_session->state() == PQTRANS_IDLE && x_pending == Begin::none) {
        return fail(Code::failed, x_session->place() + ": cannot run \"" + excerpt(statement.text) +
                                      "\": the transaction of this work is gone");
    }
    const bool of_session =
        statement.kind == StatementKind::transaction || statement.kind == StatementKind::session;
    if (of_session) TASKSTORE_TRY(refuse_in_work(excerpt(statement.text)));
    // BEGIN READ WRITE and SET are how a read-only session would be left; COMMIT holds no W.
    const bool leaves = statement.kind == StatementKind::session ||
                        statement.text.find_first_of("wW") != std::string::npos;
    Status status = ok();
    if (of_session && read_only && leaves)
        status =
            fail(Code::denied, "the connection is read-only: \"" + excerpt(statement.text) + "\"");
    else if (!of_session)
        status = check_statement(statement, read_only);
    if (status && x_options.read_only && !of_session) status = check_calls(statement);
    if (status) return status;
    Error error = std::move(status).error();
    error.message = x_session->place() + ": " + error.message;
    return fail(std::move(error));
}

/// On a connection that only reads, for people: what a function may do beside answering, only the
/// server knows. Volatile is what does more than read tables, of PostgreSQL's own functions and of
/// all that do not promise otherwise; no operator or cast of PostgreSQL is. Those that hold no lock
/// and touch no file, setting or other session are known here.
Status EngineConnection::check_calls(const Translated& statement) {
    std::string list;
    std::vector<std::string_view> asked;
    for (const std::string& name : statement.names) {
        if (x_reading_functions.contains(name) || is_harmless(name)) continue;
        asked.push_back(name);
        list += (list.empty() ? "" : ", ") + sql::quoted(name);
    }
    if (asked.empty()) return ok();
    TASKSTORE_LET(const ResultPtr volatiles,
                  ask(*x_session,
                      "SELECT DISTINCT proname::text FROM pg_catalog.pg_proc WHERE provolatile = "
                      "'v' AND proname IN (" +
                          list + ")",
                      "cannot ask the server about the functions of a read"));
    if (PQntuples(volatiles.get()) > 0)
        return fail(Code::denied, "a read calls only functions that do nothing else, and not " +
                                      std::string(cell_of(volatiles.get(), 0, 0)) + "(): \"" +
                                      excerpt(statement.text) + "\"");
    x_reading_functions.insert(asked.begin(), asked.end());
    return ok();
}

// A function that calls set_config in the dark: the server tells of the change (since version 14).
void EngineConnection::check_settings() {
    if (!x_options.read_only || x_options.pooler) return;
    const char* const setting =
        PQparameterStatus(x_session->handle(), "default_transaction_read_only");
    if (setting != nullptr && std::string_view(setting) != "on") x_session->break_off();
}

Status EngineConnection::run_work(const sql::Work& work, bool read_only) {
    x_in_work = true;
    x_work_reads = read_only;
    x_broken_by_work.clear();
    Status status = ok();
    try {
        status = work(*this);
    } catch (const std::exception& exception) {
        status = fail(Code::failed, x_session->place() + ": a work threw: " + exception.what());
    } catch (...) {
        status = fail(Code::failed, x_session->place() + ": a work threw");
    }
    x_in_work = false;
    x_work_reads = false;
    if (!x_broken_by_work.empty())
        status = fail(Code::invalid, x_session->place() + ": " + x_broken_by_work);
    return status;
}

// --- statements
// -------------------------------------------------------------------------------------------

Result<std::unique_ptr<sql::Statement>> EngineConnection::prepare(std::string_view sql) {
    auto translated = x_options.translations->one(sql);
    if (!translated) {
        Error error = std::move(translated).error();
        error.message = x_session->place() + ": " + error.message;
        return fail(std::move(error));
    }
    ++x_borrowed;
    return std::unique_ptr<sql::Statement>(
        std::make_unique<EngineStatement>(*this, std::move(*translated)));
}

void EngineConnection::note_failure(const PGresult* result) {
    if (is_transient(sqlstate_of(result))) x_met_transient = true;
}

Failure EngineConnection::statement_failure(const PGresult* result, std::string_view sql,
                                            bool commits) {
    note_failure(result);
    auto failure =
        engine_failure(result, x_session->place(), "cannot run \"" + excerpt(sql) + "\"");
    if (commits && is_of_the_line(result)) failure.error.code = Code::outcome_unknown;
    return failure;
}

Failure EngineConnection::lost_failure(Error error, bool commits) {
    x_met_transient = true;
    if (commits) error.code = Code::outcome_unknown;
    return fail(std::move(error));
}

std::string_view EngineConnection::begin_sql() const {
    return x_pending == Begin::read ? kBeginRead : kBeginWrite;
}

std::string EngineConnection::prelude(bool traced, std::int64_t lock_timeout_ms,
                                      bool by_indexes) const {
    constexpr std::int64_t kLateMs = 20;
    std::string sql = "SELECT ";
    sql += traced && !x_facts.cluster.empty() ? "txid_current()" : "NULL";
    const auto set = [&](std::string_view name, const std::string& value) {
        sql += ", set_config('" + std::string(name) + "', '" + value + "', true)";
    };
    if (x_options.pooler) {
        set("search_path", "\"" + x_options.schema + "\"");
        set("standard_conforming_strings", "on");
        set("bytea_output", "hex");
        set("extra_float_digits", "1");
        set("client_min_messages", "warning");
    }
    // The server ends a statement soon after the deadline: nobody is left to hear of its end.
    std::int64_t timeout_ms = x_options.pooler ? x_options.statement_timeout_ms : 0;
    if (const std::int64_t deadline_ns = x_session->deadline(); deadline_ns != 0) {
        const std::int64_t left_ms =
            std::max<std::int64_t>(0, (deadline_ns - x_options.clock->boot_ns()) / 1'000'000) +
            kLateMs;
        const std::int64_t usual_ms = x_options.statement_timeout_ms;
        if (usual_ms == 0 || left_ms < usual_ms) timeout_ms = left_ms;
    }
    if (timeout_ms != 0) set("statement_timeout", std::to_string(timeout_ms));
    if (lock_timeout_ms != 0) set("lock_timeout", std::to_string(lock_timeout_ms));
    // A plan is kept, and a table that was small when it was made grows faster than its figures;
    // the price that a forbidden scan is given must not have it compiled. Behind a pooler no plan
    // is kept, and others than PostgreSQL may not know these.
    if (by_indexes && !x_facts.cluster.empty())
        for (const char* name : {"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"})
            set(name, "off");
    return sql;
}

bool EngineConnection::has_prelude() const {
    return x_options.pooler || x_session->deadline() != 0 ||
           (x_pending == Begin::traced && !x_facts.cluster.empty());
}

void EngineConnection::append_begin(std::vector<Outgoing>& parts, std::string& prelude_text) {
    parts.push_back({.sql = begin_sql()});
    if (!has_prelude()) return;
    prelude_text = prelude(x_pending == Begin::traced, 0);
    parts.push_back({.sql = prelude_text, .once = x_session->deadline() != 0});
}

void EngineConnection::note_transaction_id(const PGresult* prelude_result) {
    x_transaction_id = cell_of(prelude_result, 0, 0);
}

/// The statement with what goes before it: BEGIN, when it is the first of its transaction; all of a
/// transaction of its own (`wrapped`), where the session's settings do not hold.
Result<ResultPtr> EngineConnection::run_pipeline(const Translated& statement,
                                                 const Parameters& parameters, bool wrapped) {
    if (x_pending == Begin::none && !wrapped) {
        return x_session->run_one(statement.text, parameters);
    }
    std::vector<Outgoing> parts;
    std::string prelude_text;
    if (wrapped && x_pending == Begin::none)
        x_pending = x_options.read_only ? Begin::read : Begin::write;
    else
        wrapped = false;
    if (x_pending != Begin::none) append_begin(parts, prelude_text);
    const std::size_t own = parts.size();
    parts.push_back({.sql = statement.text, .parameters = &parameters});
    if (wrapped) parts.push_back({.sql = "COMMIT"});
    const bool traced = x_pending == Begin::traced;
    const bool had_begin = std::exchange(x_pending, Begin::none) != Begin::none;
    ResultPtr answer;
    ResultPtr refused;
    const Status sent = x_session->exchange(parts, [&](std::size_t index, ResultPtr result) {
        if (index == own) {
            answer = std::move(result);
        } else if (!succeeded(result.get())) {
            if (refused == nullptr && PQresultStatus(result.get()) == PGRES_FATAL_ERROR)
                refused = std::move(result);
        } else if (index == 1 && traced && had_begin) {
            note_transaction_id(result.get());
        }
    });
    if (!sent) return fail(sent.error());
    const bool not_run = PQresultStatus(answer.get()) == PGRES_PIPELINE_ABORTED;
    if (refused != nullptr && (not_run || succeeded(answer.get()))) answer = std::move(refused);
    if (wrapped && !succeeded(answer.get())) rollback();
    return answer;
}

Result<ResultPtr> EngineConnection::run(const Translated& statement, const Parameters& parameters) {
    TASKSTORE_TRY(check_allowed(statement));
    const bool alone = x_pending == Begin::none && x_session->state() == PQTRANS_IDLE;
    const bool wrapped = alone && x_options.pooler;
    const bool commits = alone && may_change(statement) && !broken();
    const auto ask = [&]() -> Result<ResultPtr> {
        auto answer = run_pipeline(statement, parameters, wrapped);
        if (!answer) return lost_failure(std::move(answer).error(), commits);
        return answer;
    };
    TASKSTORE_LET(ResultPtr result, ask());
    const std::string_view state = sqlstate_of(result.get());
    if (state == "0A000" || state == "26000") {
        // A name that the session has lost, or whose columns are others since the table changed.
        x_session->names().forget_all();
        x_met_transient = true;
        if (alone) {
            TASKSTORE_LET(result, ask());
        }
    }
    if (!succeeded(result.get())) return statement_failure(result.get(), statement.text, commits);
    const char* const changed = PQcmdTuples(result.get());
    x_changes = *changed != '\0' ? std::strtoll(changed, nullptr, 10) : 0;
    check_settings();
    deallocate_evicted();
    return result;
}

void EngineConnection::deallocate_evicted() {
    if (x_session->state() == PQTRANS_INERROR) return;
    const auto names = x_session->names().to_deallocate();
    if (names.empty()) return;
    std::string sql;
    for (const std::string& name : names) sql += "DEALLOCATE " + name + ";";
    static_cast<void>(x_session->simple(sql));
}

Result<ResultPtr> EngineConnection::describe(const Translated& statement) {
    const bool alone = !in_transaction();
    if (x_options.pooler && x_session->state() == PQTRANS_IDLE) {
        // The names that it uses are found within a transaction only.
        if (alone) x_pending = Begin::read;
        const std::string begin = std::string(begin_sql()) + ";" + prelude(false, 0);
        x_pending = Begin::none;
        TASKSTORE_TRY(ask(*x_session, begin, "cannot begin"));
    }
    TASKSTORE_LET(ResultPtr result, x_session->describe(statement.text));
    if (alone) rollback();
    if (!succeeded(result.get())) return statement_failure(result.get(), statement.text);
    return result;
}

/// A round trip of its own: the transaction's id is in a result that the simple protocol would
/// throw away.
Status EngineConnection::send_begin() {
    std::vector<Outgoing> parts;
    std::string prelude_text;
    append_begin(parts, prelude_text);
    x_pending = Begin::none;
    ResultPtr refused;
    const Status sent = x_session->exchange(parts, [&](std::size_t index, ResultPtr result) {
        if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR)
            refused = std::move(result);
        else if (index == 1)
            note_transaction_id(result.get());
    });
    if (!sent) return lost_failure(sent.error(), /*commits=*/false);
    if (refused != nullptr) return statement_failure(refused.get(), parts.front().sql);
    return ok();
}

Status EngineConnection::execute(std::string_view sql) {
    TASKSTORE_LET(const auto statements, translate(sql));
    for (const Translated& statement : statements) {
        TASKSTORE_TRY(check_allowed(statement));
        if (statement.parameters > 0) {
            return fail(Code::invalid, x_session->place() + ": execute() has no parameters: \"" +
                                           excerpt(statement.text) + "\"");
        }
    }
    if (statements.empty()) return ok();
    const bool alone = x_pending == Begin::none && x_session->state() == PQTRANS_IDLE;
    const bool wrapped =
        x_options.pooler && alone && statements.front().kind != StatementKind::transaction;
    const bool commits = !broken() && ((alone && std::ranges::any_of(statements, may_change)) ||
                                       std::ranges::any_of(statements, commits_by_name));
    if (wrapped) x_pending = x_options.read_only ? Begin::read : Begin::write;
    const bool traced = x_pending == Begin::traced;
    std::string before;
    if (x_pending != Begin::none) {
        before = std::string(begin_sql()) + ";";
        if (has_prelude() && !traced) before += prelude(false, 0) + ";";
        if (traced) {
            TASKSTORE_TRY(send_begin());
            before.clear();
        }
        x_pending = Begin::none;
    }
    std::string text(sql);
    if (wrapped) text += "\n; COMMIT";
    auto result = x_session->simple(before + text);
    if (!result) return lost_failure(std::move(result).error(), commits);
    if (*result != nullptr && !succeeded(result->get())) {
        Failure failure = statement_failure(result->get(), sql, commits);
        if (wrapped) rollback();
        return failure;
    }
    x_changes = x_session->changes_of_simple();
    check_settings();
    return ok();
}

// --- transactions
// -----------------------------------------------------------------------------------------

bool EngineConnection::in_transaction() {
    if (x_pending != Begin::none) return true;
    const PGTransactionStatusType state = x_session->state();
    return state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
}

Status EngineConnection::begin_read() {
    TASKSTORE_TRY(refuse_in_work("BEGIN"));
    if (in_transaction())
        return fail(Code::invalid, x_session->place() + ": a transaction is open");
    x_pending = Begin::read;
    x_transaction_id.clear();
    return ok();
}

Status EngineConnection::begin_write() {
    TASKSTORE_TRY(refuse_in_work("BEGIN"));
    if (x_options.read_only)
        return fail(Code::denied, x_session->place() + ": the connection is read-only");
    if (in_transaction())
        return fail(Code::invalid, x_session->place() + ": a transaction is open");
    x_pending = Begin::write;
    x_transaction_id.clear();
    return ok();
}

Status EngineConnection::begin_traced() {
    TASKSTORE_TRY(begin_write());
    x_pending = Begin::traced;
    return ok();
}

Status EngineConnection::commit() {
    return commit_after({});
}

Status EngineConnection::commit_after(std::span<const Outgoing> before) {
    TASKSTORE_TRY(refuse_in_work("COMMIT"));
    x_level_of_commit = x_facts.level;
    x_commit_was_cut_short = false;
    if (std::exchange(x_pending, Begin::none) != Begin::none) return ok();  // Nothing was done.
    if (!in_transaction())
        return fail(Code::invalid, x_session->place() + ": no transaction is open");
    if (x_session->state() == PQTRANS_INERROR) {
        rollback();
        return fail(Code::failed, x_session->place() +
                                      ": an earlier statement of the transaction failed, so it can "
                                      "only be undone");
    }
    std::vector<Outgoing> parts(before.begin(), before.end());
    parts.push_back({.mark = Outgoing::Mark::doubt});
    parts.push_back({.sql = "COMMIT"});
    static_cast<void>(x_session->take_warned());
    ResultPtr refused;
    ResultPtr last;
    const Status sent = x_session->exchange(parts, [&](std::size_t, ResultPtr result) {
        if (refused == nullptr && PQresultStatus(result.get()) == PGRES_FATAL_ERROR)
            refused = std::move(result);
        else
            last = std::move(result);
    });
    if (!sent) {
        Error error = sent.error();
        x_met_transient = true;
        if (x_session->in_doubt() && (refused == nullptr || is_of_the_line(refused.get()))) {
            error.code = Code::outcome_unknown;
            error.message += "; it is not known whether the commit was done";
        }
        return fail(std::move(error));
    }
    return finish_commit(refused != nullptr ? std::move(refused) : std::move(last));
}

Status EngineConnection::finish_commit(ResultPtr result) {
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
        note_failure(result.get());
        auto failure = engine_failure(result.get(), x_session->place(), "cannot commit");
        rollback();
        return failure;
    }
    if (std::string_view(PQcmdStatus(result.get())) != "COMMIT")
        return fail(Code::failed, x_session->place() + ": the server has undone the transaction");
    // A wait for the standby that was broken off is told by a warning: it is on this disk only.
    x_commit_was_cut_short = x_session->take_warned();
    if (x_commit_was_cut_short && x_level_of_commit == sql::DurabilityLevel::replicated)
        x_level_of_commit = sql::DurabilityLevel::flushed;
    return ok();
}

void EngineConnection::rollback() {
    if (!refuse_in_work("ROLLBACK")) return;
    if (std::exchange(x_pending, Begin::none) != Begin::none) return;
    if (broken() || x_session->state() == PQTRANS_IDLE) return;
    // An error here is the connection's, and the server undoes what a lost one had begun.
    static_cast<void>(x_session->simple("ROLLBACK"));
}

Status EngineConnection::lock_for_migration() {
    const Translated lock{.text = "SELECT pg_advisory_xact_lock(" +
                                  advisory_key("taskstore:migrate:" + x_options.schema) + ")",
                          .parameters = 0,
                          .kind = StatementKind::query,
                          .escapes_read_only = false};
    // Servers without such locks: whoever comes second fails, and looks again (sql::migrate).
    TASKSTORE_TRY(execute("SAVEPOINT taskstore_lock"));
    const auto locked = run(lock, Parameters());
    if (!locked && !is_lacking(locked.error())) return fail(locked.error());
    return execute(locked ? "RELEASE taskstore_lock" : "ROLLBACK TO taskstore_lock");
}

}  // namespace taskstore::postgres
