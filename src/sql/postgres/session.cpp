#include "session.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace taskstore::postgres {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kStopQuestionMs = 20;
/// How long the server may take to confirm that it has ended a statement.
constexpr std::int64_t kCancelMsMax = 2'000;
constexpr int kTextResults = 0;

std::string_view without_newline(const char* text) {
    std::string_view view = text != nullptr ? text : "";
    while (!view.empty() && view.back() == '\n') view.remove_suffix(1);
    return view;
}

/// The SQLSTATE in a verbose message, "FATAL:  28P01: …": libpq has no other way to tell it before
/// a session stands.
std::string_view sqlstate_in(std::string_view message) {
    constexpr std::string_view kBefore = ":  ";
    constexpr std::size_t kStateBytes = 5;
    const std::size_t at = message.rfind(kBefore);
    if (at == std::string_view::npos) return {};
    const std::string_view rest = message.substr(at + kBefore.size());
    if (rest.size() <= kStateBytes || rest[kStateBytes] != ':') return {};
    const std::string_view state = rest.substr(0, kStateBytes);
    const bool plain = std::ranges::all_of(
        state, [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
    return plain ? state : std::string_view{};
}

/// Why there is no session, where trying again does not help.
struct Lasting {
    std::string_view words;  ///< Of libpq's message; the first row whose words are in it counts.
    Code code;
    std::string_view hint;
};

constexpr std::string_view kPasswordHint =
    "look at user and password (in the URL, PGPASSWORD or ~/.pgpass); the server's pg_hba.conf "
    "says "
    "who may come from where";
constexpr std::string_view kTlsHint =
    "sslmode says how strict to be, sslrootcert whose certificates to trust: see "
    "docs/operating/postgres.md";
constexpr std::string_view kSettingHint =
    "see docs/operating/postgres.md for URLs; libpq's documentation has every parameter";

// Before a session stands there is no SQLSTATE but of what the server itself refuses. libpq speaks
// English unless the program has set a locale; then a reason that is not known here counts as one
// that may pass.
constexpr std::array kLasting{
    Lasting{"definition of service", Code::not_found,
            "services are defined in ~/.pg_service.conf, or the file that PGSERVICEFILE names"},
    Lasting{"service file", Code::not_found,
            "services are defined in ~/.pg_service.conf, or the file that PGSERVICEFILE names"},
    Lasting{"certificate", Code::denied, kTlsHint},
    Lasting{"private key", Code::denied, kTlsHint},
    Lasting{"SSL was required", Code::denied, kTlsHint},
    Lasting{"no password supplied", Code::denied, kPasswordHint},
    Lasting{"authentication", Code::denied, kPasswordHint},
    Lasting{"channel binding", Code::denied, kPasswordHint},
    Lasting{"invalid", Code::invalid, kSettingHint},
};

int poll_ms(std::int64_t left_ns) {
    const std::int64_t ms = left_ns / kNsPerMs + 1;
    return static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max()));
}

}  // namespace

Result<std::unique_ptr<Session>> Session::connect(const Location& location,
                                                  const SessionOptions& options,
                                                  std::int64_t deadline_boot_ns) {
    Status last = fail(Code::failed, "no host to connect to");
    for (std::size_t i = 0; i < location.attempts.size(); ++i) {
        const std::int64_t now = options.clock->boot_ns();
        std::int64_t until = now + location.connect_ms_max * kNsPerMs;
        if (deadline_boot_ns != 0) {
            // What is left is shared with the hosts that come after: a silent one must not eat it.
            const auto hosts_left = static_cast<std::int64_t>(location.attempts.size() - i);
            until = std::min(until, now + (deadline_boot_ns - now) / hosts_left);
        }
        std::unique_ptr<Session> session(new Session(options));
        last = session->open(location.attempts[i], until);
        if (last) return session;
    }
    return fail(std::move(last).error());
}

Session::~Session() {
    PQfreeCancel(x_cancel);
    PQfinish(x_conn);
}

Status Session::open(const Settings& settings, std::int64_t until_boot_ns) {
    std::vector<const char*> keys;
    std::vector<const char*> values;
    for (const auto& [key, value] : settings) {
        keys.push_back(key.c_str());
        values.push_back(value.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);
    x_conn = PQconnectStartParams(keys.data(), values.data(), 0);
    if (x_conn == nullptr) return fail(Code::failed, "out of memory");
    PQsetErrorVerbosity(x_conn, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(x_conn, on_notice, this);
    PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
    while (PQstatus(x_conn) != CONNECTION_BAD && polling != PGRES_POLLING_OK &&
           polling != PGRES_POLLING_FAILED) {
        const std::int64_t left_ns = until_boot_ns - x_options.clock->boot_ns();
        if (left_ns <= 0) {
            describe_place();
            return fail(Code::unavailable, x_place + ": cannot connect: no answer in time");
        }
        pollfd one{
            .fd = PQsocket(x_conn),
            .events = static_cast<short>(polling == PGRES_POLLING_READING ? POLLIN : POLLOUT),
            .revents = 0};
        const int ready = ::poll(&one, 1, poll_ms(left_ns));
        if (ready > 0) polling = PQconnectPoll(x_conn);
    }
    describe_place();
    if (PQstatus(x_conn) != CONNECTION_OK) return connect_failure();
    PQsetErrorVerbosity(x_conn, PQERRORS_DEFAULT);
    if (PQsetnonblocking(x_conn, 1) != 0) return lost("cannot use the connection");
    x_cancel = PQgetCancel(x_conn);
    return ok();
}

Status Session::connect_failure() {
    std::string_view message = without_newline(PQerrorMessage(x_conn));
    message = message.substr(0, message.find("\nLOCATION:"));
    const std::string_view state = sqlstate_in(message);
    std::string reason(message);
    std::ranges::replace(reason, '\n', ' ');
    auto failure =
        fail(code_of(state), x_place + ": cannot connect: " + reason).with_native(native_of(state));
    if (failure.error.code == Code::invalid) failure.error.code = Code::failed;
    if (state.starts_with("28")) return std::move(failure).with_hint(std::string(kPasswordHint));
    if (state == "3D000")
        return std::move(failure).with_hint(
            "make it on the server (createdb NAME), or name another database in the URL");
    if (!state.empty()) return failure;
    // Nobody there, a name that is not known (yet), an answer that is late: the rest may pass.
    const auto lasting = std::ranges::find_if(
        kLasting, [&](const Lasting& one) { return reason.find(one.words) != std::string::npos; });
    if (lasting == kLasting.end()) return failure;
    failure.error.code = lasting->code;
    return std::move(failure).with_hint(std::string(lasting->hint));
}

void Session::describe_place() {
    const auto text = [](const char* value) { return std::string(value != nullptr ? value : ""); };
    const std::string host = text(PQhost(x_conn));
    // Nothing is known of it where the settings themselves were refused.
    x_place = host.empty() ? "the PostgreSQL server"
                           : host + ":" + text(PQport(x_conn)) + "/" + text(PQdb(x_conn));
}

void Session::on_notice(void* session, const PGresult* notice) {
    const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != nullptr && std::strcmp(severity, "WARNING") == 0)
        static_cast<Session*>(session)->x_warned = true;
}

// --- waiting
// ----------------------------------------------------------------------------------------------

void Session::begin_exchange() {
    x_in_doubt = false;
    x_asked_to_stop = false;
    x_received = 0;
    x_failed = false;
    x_refused.reset();
    x_bound_ns = 0;
    x_waits = 0;
}

Failure Session::lost(std::string_view doing) {
    x_broken = true;
    std::string_view reason = without_newline(PQerrorMessage(x_conn));
    std::string line(reason.empty() ? "the connection is lost" : reason);
    std::ranges::replace(line, '\n', ' ');
    return fail(Code::unavailable, x_place + ": " + std::string(doing) + ": " + line);
}

Failure Session::late() {
    x_broken = true;
    if (x_asked_to_stop) return fail(Code::cancelled, x_place + ": stopped while waiting");
    const bool own = x_deadline_ns != 0 && x_options.clock->boot_ns() >= x_deadline_ns;
    return fail(own ? Code::timed_out : Code::unavailable,
                x_place + (own ? ": the deadline passed while waiting for the server"
                               : ": the server did not answer in time"));
}

Status Session::wait(short events) {
    while (true) {
        // The first wait of an exchange follows at once upon its beginning, and mostly is the only
        // one: its bound needs no clock.
        const bool first = x_waits++ == 0 && x_options.answer_ms_max != 0;
        if (x_waits == 2 && x_options.answer_ms_max != 0 && x_bound_ns == 0)
            x_bound_ns = x_options.clock->boot_ns() + x_options.answer_ms_max * kNsPerMs;
        std::int64_t until = x_bound_ns;
        if (x_deadline_ns != 0) until = until == 0 ? x_deadline_ns : std::min(until, x_deadline_ns);
        int timeout = first ? poll_ms(x_options.answer_ms_max * kNsPerMs) : -1;
        if (until != 0) {
            const std::int64_t left_ns = until - x_options.clock->boot_ns();
            if (left_ns <= 0) return late();
            timeout = poll_ms(left_ns);
        }
        const bool asks = x_options.should_stop && !x_asked_to_stop;
        if (asks) timeout = timeout < 0 ? kStopQuestionMs : std::min<int>(timeout, kStopQuestionMs);
        pollfd one{.fd = PQsocket(x_conn), .events = events, .revents = 0};
        const int ready = ::poll(&one, 1, timeout);
        if (ready > 0) return ok();
        if (ready == 0 && first && timeout >= x_options.answer_ms_max) return late();
        if (ready < 0 && errno != EINTR) return lost("cannot wait for the server");
        if (asks && x_options.should_stop()) {
            x_asked_to_stop = true;
            x_bound_ns = x_options.clock->boot_ns() + kCancelMsMax * kNsPerMs;
            cancel();
        }
    }
}

/// Sends what is left while it takes in what has come: the server stops reading when nobody reads
/// its answers.
Status Session::flush_and_wait() {
    const int left = PQflush(x_conn);
    if (left < 0) {
        // The reason may lie unread in the socket: a server that shuts down says so first.
        static_cast<void>(PQconsumeInput(x_conn));
        return PQisBusy(x_conn) != 0 ? Status(lost("cannot send")) : ok();
    }
    TASKSTORE_TRY(wait(static_cast<short>(left > 0 ? POLLIN | POLLOUT : POLLIN)));
    if (PQconsumeInput(x_conn) == 0 && PQisBusy(x_conn) != 0) return lost("cannot receive");
    return ok();
}

Result<PGresult*> Session::next_result() {
    while (PQisBusy(x_conn) != 0) TASKSTORE_TRY(flush_and_wait());
    return PQgetResult(x_conn);
}

Result<bool> Session::wait_readable(std::int64_t until_boot_ns, int wake_fd) {
    const std::int64_t left_ns = until_boot_ns - x_options.clock->boot_ns();
    pollfd both[] = {{.fd = PQsocket(x_conn), .events = POLLIN, .revents = 0},
                     {.fd = wake_fd, .events = POLLIN, .revents = 0}};
    ::poll(both, wake_fd >= 0 ? 2 : 1, left_ns <= 0 ? 0 : poll_ms(left_ns));
    if (both[0].revents == 0) return false;
    if (PQconsumeInput(x_conn) == 0) return lost("cannot receive");
    return true;
}

bool Session::hung_up() {
    if (broken()) return true;
    pollfd one{.fd = PQsocket(x_conn), .events = POLLIN, .revents = 0};
    if (::poll(&one, 1, 0) <= 0) return false;
    // A changed setting may be told at any time; only an end is an end.
    char next = 0;
    if (PQconsumeInput(x_conn) == 0 || PQstatus(x_conn) != CONNECTION_OK ||
        ::recv(PQsocket(x_conn), &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        x_broken = true;
    return x_broken;
}

void Session::cancel() {
    std::array<char, 256> why{};
    if (x_running.load() && x_cancel != nullptr)
        static_cast<void>(PQcancel(x_cancel, why.data(), static_cast<int>(why.size())));
}

// --- pipelines
// --------------------------------------------------------------------------------------------

Status Session::exchange(std::span<const Outgoing> parts, const OnResult& on_result) {
    begin_exchange();
    if (broken()) return lost("cannot send");
    if (PQenterPipelineMode(x_conn) != 1) return lost("cannot begin a pipeline");
    x_running.store(true);
    std::vector<Expected> expected;
    expected.reserve(parts.size());
    Status status = send_all(parts, expected, on_result);
    if (status) status = receive(std::span(expected).subspan(x_received), on_result);
    if (status) status = receive_sync();
    x_running.store(false);
    if (status && PQexitPipelineMode(x_conn) != 1) status = lost("cannot end a pipeline");
    if (!status) x_broken = true;
    return status;
}

Status Session::send_all(std::span<const Outgoing> parts, std::vector<Expected>& expected,
                         const OnResult& on_result) {
    std::size_t index = 0;
    std::size_t flushed = 0;
    for (const Outgoing& part : parts) {
        switch (part.mark) {
            case Outgoing::Mark::none:
                TASKSTORE_TRY(send(part, index++, expected));
                break;
            case Outgoing::Mark::flush:
                flushed = expected.size();
                if (PQsendFlushRequest(x_conn) != 1) return lost("cannot send");
                break;
            case Outgoing::Mark::wait:
                TASKSTORE_TRY(
                    receive(std::span(expected).first(flushed).subspan(x_received), on_result));
                break;
            case Outgoing::Mark::doubt:
                // After an error the server runs nothing up to the end of the pipeline.
                x_in_doubt = !x_failed;
                break;
        }
    }
    return PQpipelineSync(x_conn) == 1 ? ok() : Status(lost("cannot send"));
}

Status Session::send_unnamed(std::string_view sql, const Parameters& parameters) {
    const Parameters::Arrays& arrays = parameters.arrays();
    const std::string text(sql);
    if (PQsendQueryParams(x_conn, text.c_str(), parameters.count(), arrays.types.data(),
                          arrays.values.data(), arrays.lengths.data(), arrays.formats.data(),
                          kTextResults) != 1)
        return lost("cannot send");
    return ok();
}

Status Session::send(const Outgoing& part, std::size_t index, std::vector<Expected>& expected) {
    static const Parameters kNoParameters;
    const Parameters& parameters = part.parameters != nullptr ? *part.parameters : kNoParameters;
    if (!x_options.names || part.once) {
        expected.push_back({index, {}});
        return send_unnamed(part.sql, parameters);
    }
    x_key = part.sql;
    parameters.append_types(x_key);
    bool fresh = false;
    StatementNames::Entry& entry = x_names.use(x_key, fresh);
    if (fresh) {
        expected.push_back({index, {}});
        return send_unnamed(part.sql, parameters);
    }
    const Parameters::Arrays& arrays = parameters.arrays();
    if (entry.state == StatementNames::State::seen) {
        entry.name = x_names.next_name();
        entry.state = StatementNames::State::preparing;
        expected.push_back({index, x_key});
        if (PQsendPrepare(x_conn, entry.name.c_str(), std::string(part.sql).c_str(),
                          parameters.count(), arrays.types.data()) != 1)
            return lost("cannot send");
    }
    expected.push_back({index, {}});
    if (PQsendQueryPrepared(x_conn, entry.name.c_str(), parameters.count(), arrays.values.data(),
                            arrays.lengths.data(), arrays.formats.data(), kTextResults) != 1)
        return lost("cannot send");
    return ok();
}

Status Session::receive(std::span<const Expected> expected, const OnResult& on_result) {
    for (const Expected& one : expected) {
        TASKSTORE_LET(PGresult * raw, next_result());
        ResultPtr result(raw);
        if (result == nullptr) return lost("cannot receive");
        const ExecStatusType status = PQresultStatus(result.get());
        if (status == PGRES_FATAL_ERROR || status == PGRES_PIPELINE_ABORTED) x_failed = true;
        if (PQstatus(x_conn) == CONNECTION_BAD && status == PGRES_FATAL_ERROR) {
            // The server's last word, where there is one, says more than "connection lost".
            if (sqlstate_of(result.get()).empty()) return lost("cannot receive");
            x_broken = true;
            return engine_failure(result.get(), x_place, "the server ended the session");
        }
        TASKSTORE_LET(PGresult * end, next_result());
        ResultPtr(end).reset();
        ++x_received;
        if (!one.prepares.empty()) {
            if (status == PGRES_COMMAND_OK) {
                x_names.prepared(one.prepares);
            } else {
                x_names.forget(one.prepares);
                if (status == PGRES_FATAL_ERROR) x_refused = std::move(result);
            }
            continue;
        }
        on_result(one.index, x_refused != nullptr ? std::move(x_refused) : std::move(result));
    }
    return ok();
}

Status Session::receive_sync() {
    TASKSTORE_LET(PGresult * sync, next_result());
    const ResultPtr mark(sync);
    if (PQresultStatus(sync) != PGRES_PIPELINE_SYNC) return lost("cannot receive");
    x_in_doubt = false;
    return ok();
}

Result<ResultPtr> Session::run_one(std::string_view sql, const Parameters& parameters) {
    bool fresh = true;
    StatementNames::Entry* entry = nullptr;
    if (x_options.names) {
        x_key = sql;
        parameters.append_types(x_key);
        entry = &x_names.use(x_key, fresh);
    }
    if (fresh || entry->state != StatementNames::State::prepared) {
        if (entry != nullptr && fresh) x_names.forget(x_key);  // exchange() meets it as new.
        ResultPtr answer;
        const std::array<Outgoing, 1> parts{Outgoing{.sql = sql, .parameters = &parameters}};
        TASKSTORE_TRY(
            exchange(parts, [&](std::size_t, ResultPtr result) { answer = std::move(result); }));
        return answer;
    }
    begin_exchange();
    if (broken()) return lost("cannot send");
    const Parameters::Arrays& arrays = parameters.arrays();
    if (PQsendQueryPrepared(x_conn, entry->name.c_str(), parameters.count(), arrays.values.data(),
                            arrays.lengths.data(), arrays.formats.data(), kTextResults) != 1)
        return lost("cannot send");
    x_running.store(true, std::memory_order_relaxed);
    auto result = only_result();
    x_running.store(false, std::memory_order_relaxed);
    if (!result) x_broken = true;
    return result;
}

Result<ResultPtr> Session::only_result() {
    TASKSTORE_LET(PGresult * raw, next_result());
    ResultPtr result(raw);
    if (result == nullptr) return lost("cannot receive");
    TASKSTORE_LET(PGresult * end, next_result());
    ResultPtr(end).reset();
    if (PQstatus(x_conn) != CONNECTION_BAD) return result;
    if (sqlstate_of(result.get()).empty()) return lost("cannot receive");
    return engine_failure(result.get(), x_place, "the server ended the session");
}

Result<ResultPtr> Session::simple(const std::string& sql, bool doubt) {
    begin_exchange();
    if (broken()) return lost("cannot send");
    x_running.store(true);
    x_in_doubt = doubt;
    x_changes = 0;
    if (PQsendQuery(x_conn, sql.c_str()) != 1) {
        x_running.store(false);
        return lost("cannot send");
    }
    ResultPtr last;
    while (true) {
        auto next = next_result();
        if (!next) {
            x_running.store(false);
            return fail(std::move(next).error());
        }
        if (*next == nullptr) break;
        ResultPtr result(*next);
        const ExecStatusType status = PQresultStatus(result.get());
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
            x_running.store(false);
            return lost("COPY is not spoken here");
        }
        const char* const changed = PQcmdTuples(result.get());
        if (*changed != '\0') x_changes = std::strtoll(changed, nullptr, 10);
        if (last == nullptr || PQresultStatus(last.get()) != PGRES_FATAL_ERROR)
            last = std::move(result);
    }
    x_running.store(false);
    if (PQstatus(x_conn) == CONNECTION_BAD) {
        if (last == nullptr || sqlstate_of(last.get()).empty()) return lost("cannot receive");
        x_broken = true;
        return engine_failure(last.get(), x_place, "the server ended the session");
    }
    x_in_doubt = false;
    return last;
}

Result<ResultPtr> Session::describe(std::string_view sql) {
    begin_exchange();
    if (broken()) return lost("cannot send");
    if (PQenterPipelineMode(x_conn) != 1) return lost("cannot begin a pipeline");
    ResultPtr columns;
    Status status = ok();
    const std::string text(sql);
    if (PQsendPrepare(x_conn, "", text.c_str(), 0, nullptr) != 1 ||
        PQsendDescribePrepared(x_conn, "") != 1 || PQpipelineSync(x_conn) != 1)
        status = lost("cannot send");
    if (status) {
        const std::array<Expected, 2> expected{Expected{0, {}}, Expected{1, {}}};
        status = receive(expected, [&](std::size_t, ResultPtr result) {
            if (columns == nullptr || PQresultStatus(columns.get()) == PGRES_COMMAND_OK)
                columns = std::move(result);
        });
        if (status) status = receive_sync();
    }
    if (status && PQexitPipelineMode(x_conn) != 1) status = lost("cannot end a pipeline");
    if (!status) {
        x_broken = true;
        return fail(std::move(status).error());
    }
    return columns;
}

Result<ResultPtr> ask(Session& session, const std::string& sql, std::string_view doing) {
    TASKSTORE_LET(ResultPtr result, session.simple(sql));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return result;
    return engine_failure(result.get(), session.place(), doing);
}

}  // namespace taskstore::postgres
