// How a connection begins: what it is told, and what it asks.

#include "connection.hpp"

#include <taskstore/base/hash.hpp>

namespace taskstore::postgres {
namespace {

sql::DurabilityLevel level_by(std::string_view fsync, std::string_view synchronous_commit,
                              std::string_view standbys) {
    if (fsync != "on" || synchronous_commit == "off") return sql::DurabilityLevel::server;
    const bool waits = synchronous_commit == "on" || synchronous_commit == "remote_apply";
    return waits && !standbys.empty() ? sql::DurabilityLevel::replicated
                                      : sql::DurabilityLevel::flushed;
}

}  // namespace

std::string advisory_key(std::string_view name) {
    return std::to_string(static_cast<std::int64_t>(xxh3_64(name)));
}

std::string_view cell_of(const PGresult* result, int row, int column) {
    if (row >= PQntuples(result) || column >= PQnfields(result)) return {};
    return {PQgetvalue(result, row, column),
            static_cast<std::size_t>(PQgetlength(result, row, column))};
}

Status check_schema_name(std::string_view schema) {
    if (!schema.empty() && sql::check_topic(schema)) return ok();
    return fail(Code::invalid,
                "a schema's name has 1 to 32 of [a-z0-9_]: '" + std::string(schema) + "'");
}

Result<std::unique_ptr<EngineConnection>> EngineConnection::open(const Location& location,
                                                                 const ConnectionOptions& options,
                                                                 std::int64_t deadline_boot_ns) {
    // The server ends a statement by itself; when it does not say so, it is gone.
    constexpr std::int64_t kGraceMs = 5'000;
    const SessionOptions session_options{
        .clock = options.clock,
        .answer_ms_max =
            options.statement_timeout_ms == 0 ? 0 : options.statement_timeout_ms + kGraceMs,
        .names = !options.pooler,
        .should_stop = options.should_stop};
    TASKSTORE_LET(auto session, Session::connect(location, session_options, deadline_boot_ns));
    session->set_deadline(deadline_boot_ns);
    std::unique_ptr<EngineConnection> connection(new EngineConnection(std::move(session), options));
    TASKSTORE_TRY(connection->configure());
    return connection;
}

Status EngineConnection::configure() {
    // Behind a pooler a session's settings are somebody else's: prelude() sets them.
    if (!x_options.pooler) {
        const std::string settings =
            "SET standard_conforming_strings = on; SET bytea_output = hex;"
            "SET extra_float_digits = 1; SET client_min_messages = warning; SET search_path = \"" +
            x_options.schema +
            "\"; SET statement_timeout = " + std::to_string(x_options.statement_timeout_ms) +
            "; SET lock_timeout = " + std::to_string(x_options.lock_timeout_ms) +
            "; SET default_transaction_read_only = " + (x_options.read_only ? "on" : "off");
        TASKSTORE_TRY(ask(*x_session, settings, "cannot set up the session"));
    }
    return ask_facts();
}

Status EngineConnection::ask_facts() {
    TASKSTORE_LET(const ResultPtr settings,
                  ask(*x_session,
                      "SELECT current_setting('fsync', true), "
                      "current_setting('synchronous_commit', true), "
                      "current_setting('synchronous_standby_names', true), "
                      "(SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = '" +
                          x_options.schema + "')",
                      "cannot ask the server for its settings"));
    PGresult* const row = settings.get();
    x_facts.level = level_by(cell_of(row, 0, 0), cell_of(row, 0, 1), cell_of(row, 0, 2));
    // What others name a transaction's id is not one of this cluster's log; and a pooler may hand
    // out another server than the one that was asked.
    const char* const version = PQparameterStatus(x_session->handle(), "server_version");
    const bool foreign =
        x_options.pooler || PQparameterStatus(x_session->handle(), "crdb_version") != nullptr ||
        std::string_view(version != nullptr ? version : "").find("-YB-") != std::string_view::npos;
    if (!foreign) {
        // The start of the server, and of its statistics, which a crash throws away: together they
        // tell whether it has lost its memory since.
        const auto run = ask(*x_session,
                             "SELECT system_identifier::text, pg_postmaster_start_time()::text || "
                             "(SELECT stats_reset::text FROM pg_stat_bgwriter) "
                             "FROM pg_control_system()",
                             "cannot ask the server who it is");
        if (!run && x_session->broken()) return fail(run.error());
        if (run) {
            x_facts.cluster = cell_of(run->get(), 0, 0);
            x_facts.run = cell_of(run->get(), 0, 1);
            if (x_facts.run.empty()) x_facts.cluster.clear();
        }
    }
    return cell_of(row, 0, 3) == "0" ? make_schema() : ok();
}

Status EngineConnection::make_schema() {
    if (x_options.read_only || !x_options.create_schema) {
        return fail(Code::not_found, x_session->place() + ": there is no schema \"" +
                                         x_options.schema + "\" in this database")
            .with_hint("open it once with the right to make it");
    }
    // CREATE SCHEMA IF NOT EXISTS fails where two do it at once.
    const std::string create = "CREATE SCHEMA IF NOT EXISTS \"" + x_options.schema + "\"";
    const std::string locked = "BEGIN; SELECT pg_advisory_xact_lock(" +
                               advisory_key("taskstore:schema:" + x_options.schema) + "); " +
                               create + "; COMMIT";
    const std::string doing = "cannot make the schema \"" + x_options.schema + "\"";
    auto made = ask(*x_session, locked, doing);
    if (made) return ok();
    static_cast<void>(x_session->simple("ROLLBACK"));
    if (x_session->broken() || !(is_lacking(made.error()) || is_there_already(made.error())))
        return fail(std::move(made).error());
    // Without such locks, or with some that do nothing, or where somebody makes it by hand: who
    // comes second fails once, and finds it made.
    made = ask(*x_session, create, doing);
    if (!made && !x_session->broken()) made = ask(*x_session, create, doing);
    if (!made) return fail(std::move(made).error());
    return ok();
}

}  // namespace taskstore::postgres
