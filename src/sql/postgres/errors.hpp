#pragma once
// SQLSTATEs as our codes (PostgreSQL 17, Appendix A), and libpq's results as errors. `native` of an
// error is the SQLSTATE as a number in base 36, and the message ends with it.

#include <libpq-fe.h>
#include <taskstore/base/result.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace taskstore::postgres {

struct ClearResult {
    void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ClearResult>;

Code code_of(std::string_view sqlstate);
/// Whether the same transaction may well succeed when it is run again at once.
bool is_transient(std::string_view sqlstate);
int native_of(std::string_view sqlstate);
/// Whether a server that only speaks PostgreSQL's protocol has no such function.
bool is_lacking(const Error& error);
/// Of a statement that makes a schema: another session made it meanwhile.
bool is_there_already(const Error& error);

/// The five characters; empty where the error is libpq's own (a lost connection).
std::string_view sqlstate_of(const PGresult* result);
/// FATAL and PANIC, by which the server ends the session, and what a pooler says when it has lost
/// the server (PgBouncer: 08P01). In answer to COMMIT it does not tell whether that was done.
bool is_of_the_line(const PGresult* result);

/// `place` names the database, `doing` reads like "cannot run it"; the message becomes "PLACE:
/// DOING: REASON (SQLSTATE)". Values of rows, which PostgreSQL tells in DETAIL, are left out.
Failure engine_failure(const PGresult* result, std::string_view place, std::string_view doing);

/// libpq's message on one line, up to what it quotes: that may be a part of a password.
std::string without_quotes(std::string_view message);

}  // namespace taskstore::postgres
