#include "stub.hpp"

#include "hrana.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <taskstore/base/check.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

namespace taskstore::libsql {
namespace {

std::string error_json(const std::string& message, const std::string& code) {
    std::string out = "{\"message\":";
    append_json_string(out, message);
    return out + ",\"code\":\"" + code + "\"}";
}

std::string sqlite_error(sqlite3* db) {
    std::string code = "SQLITE_UNKNOWN";
    switch (sqlite3_errcode(db)) {
        case SQLITE_CONSTRAINT:
            code = "SQLITE_CONSTRAINT";
            break;
        case SQLITE_BUSY:
            code = "SQLITE_BUSY";
            break;
        default:
            break;
    }
    return error_json(std::string("SQLite error: ") + sqlite3_errmsg(db), code);
}

void bind(sqlite3_stmt* statement, int index, const Json& value) {
    const std::string type = value.get("type").as_string().value_or("");
    const std::string text = value.get("value").as_string().value_or("");
    if (type == "integer") sqlite3_bind_int64(statement, index, std::stoll(text));
    if (type == "float")
        sqlite3_bind_double(statement, index, value.get("value").as_double().value_or(0));
    if (type == "text")
        sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()),
                          SQLITE_TRANSIENT);
    if (type == "blob") {
        const auto bytes = from_base64(value.get("base64").as_string().value_or(""));
        sqlite3_bind_blob(statement, index, bytes->data(), static_cast<int>(bytes->size()),
                          SQLITE_TRANSIENT);
    }
}

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// -1: false, 1: true, as conditions on steps that ran (true), failed or were skipped.
bool holds(const Json& condition, const std::vector<int>& states, sqlite3* db) {
    const std::string type = condition.get("type").as_string().value_or("");
    const auto step = [&] {
        return states.at(static_cast<std::size_t>(condition.get("step").as_int64().value_or(0)));
    };
    if (type == "ok") return step() == 1;
    if (type == "error") return step() == -1;
    if (type == "not") return !holds(condition.get("cond"), states, db);
    if (type == "is_autocommit") return sqlite3_get_autocommit(db) != 0;
    const Json conditions = condition.get("conds");
    const bool all = type == "and";
    for (std::size_t i = 0; i < conditions.size(); ++i) {
        if (holds(conditions.at(i), states, db) != all) return !all;
    }
    return all;
}

}  // namespace

HranaStub::HranaStub() {
    x_listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    TASKSTORE_CHECK(::bind(x_listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
    TASKSTORE_CHECK(::listen(x_listener, 128) == 0);
    TASKSTORE_CHECK(::getsockname(x_listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    x_port = ntohs(address.sin_port);
    sqlite3_close(open());
    x_acceptor = std::thread([this] { accept_all(); });
}

HranaStub::~HranaStub() {
    x_stopping = true;
    ::shutdown(x_listener, SHUT_RDWR);
    x_acceptor.join();
    {
        const std::lock_guard lock(x_fds_mutex);
        for (const int fd : x_fds) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : x_threads) thread.join();
    for (const int fd : x_fds) ::close(fd);
    ::close(x_listener);
    expire();
}

void HranaStub::accept_all() {
    while (!x_stopping) {
        const int fd = ::accept4(x_listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        ++x_connections;
        const std::lock_guard lock(x_fds_mutex);
        x_fds.push_back(fd);
        x_threads.emplace_back([this, fd] {
            serve(fd);
            ::shutdown(fd, SHUT_RDWR);
        });
    }
}

void HranaStub::serve(int fd) {
    std::string input;
    std::array<char, 65'536> buffer{};
    while (true) {
        const std::size_t head = input.find("\r\n\r\n");
        const std::size_t length_at = input.find("Content-Length: ");
        const bool has_length = length_at < head;
        if (head != std::string::npos && (has_length || input.starts_with("GET "))) {
            const std::size_t length =
                has_length ? std::strtoull(input.c_str() + length_at + 16, nullptr, 10) : 0;
            if (input.size() >= head + 4 + length) {
                const std::size_t path_at = input.find(' ') + 1;
                const Seen seen{.path = input.substr(path_at, input.find(' ', path_at) - path_at),
                                .headers = input.substr(0, head),
                                .body = input.substr(head + 4, length),
                                .number = ++x_requests};
                input.erase(0, head + 4 + length);
                if (!answer(fd, seen)) return;
                continue;
            }
        }
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got <= 0) return;
        input.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

namespace {

void put_le(std::string& out, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
}

/// One member of stored blocks: RFC 1952, RFC 1951 section 3.2.4.
std::string packed(const std::string& text) {
    constexpr std::size_t kBlockMax = 65'535;
    std::string out("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    std::uint32_t sum = ~0U;
    for (const char c : text) {
        sum ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) sum = sum >> 1U ^ (0xEDB88320U & (0U - (sum & 1U)));
    }
    for (std::size_t at = 0; at == 0 || at < text.size(); at += kBlockMax) {
        const std::string block = text.substr(at, kBlockMax);
        const auto size = static_cast<std::uint32_t>(block.size());
        put_le(out, at + kBlockMax >= text.size() ? 1 : 0, 1);
        put_le(out, size, 2);
        put_le(out, ~size, 2);
        out += block;
    }
    put_le(out, ~sum, 4);
    put_le(out, static_cast<std::uint32_t>(text.size()), 4);
    return out;
}

}  // namespace

bool HranaStub::answer(int fd, const Seen& seen) {
    Fate what;
    {
        const std::lock_guard lock(x_fate_mutex);
        what = x_fate(seen);
    }
    if (only_version_2 && seen.path.starts_with("/v3")) what = {.run = false, .status = 404};
    int status = what.status;
    std::string body;
    if (what.run) body = execute(seen, status);
    if (what.status != 200 || what.body) {
        status = what.status;
        body = what.body.value_or("");
    }
    if (what.hang_up_before_answer) return false;
    if (what.packed) {
        body = packed(body);
        what.headers += "Content-Encoding: gzip\r\n";
    }
    const std::string head = "HTTP/1.1 " + std::to_string(status) +
                             " X\r\nContent-Type: application/json\r\n" + what.headers +
                             "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    const bool cut = what.cut_after < body.size();
    body.resize(std::min(body.size(), what.cut_after));
    if (what.drip_ms == 0) return send_all(fd, head + body) && !cut;
    for (const char c : head + body) {
        if (x_stopping || !send_all(fd, std::string_view(&c, 1))) return false;
        // Or until the caller hangs up, or the stub stops and shuts the way.
        pollfd way{fd, POLLRDHUP, 0};
        if (::poll(&way, 1, static_cast<int>(what.drip_ms)) > 0) return false;
    }
    return !cut;
}

sqlite3* HranaStub::open() const {
    sqlite3* db = nullptr;
    TASKSTORE_CHECK(sqlite3_open((x_folder / "stub.db").c_str(), &db) == SQLITE_OK);
    sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON",
                 nullptr, nullptr, nullptr);
    return db;
}

void HranaStub::steal() {
    const std::lock_guard lock(x_mutex);
    for (auto& [baton, stream] : x_streams) {
        if (sqlite3_get_autocommit(stream.db) != 0) continue;
        sqlite3_exec(stream.db, "ROLLBACK", nullptr, nullptr, nullptr);
        stream.stolen = true;
    }
}

void HranaStub::expire() {
    const std::lock_guard lock(x_mutex);
    for (auto& [baton, stream] : x_streams) sqlite3_close(stream.db);
    x_streams.clear();
}

void HranaStub::arrive(const Seen& seen) {
    int status = 200;
    static_cast<void>(execute(seen, status));
}

std::size_t HranaStub::open_streams() {
    const std::lock_guard lock(x_mutex);
    return x_streams.size();
}

std::int64_t HranaStub::number(const std::string& sql) {
    sqlite3* const db = open();
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    std::int64_t number = -1;
    if (sqlite3_step(statement) == SQLITE_ROW) number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

// --- the protocol -------------------------------------------------------------------------------

std::string HranaStub::execute(const Seen& seen, int& status) {
    const auto request = Json::parse(seen.body);
    EXPECT_TRUE(request) << seen.body;
    const std::lock_guard lock(x_mutex);
    if (seen.path.starts_with("/v2") && seen.body.find("is_autocommit") != std::string::npos) {
        status = 400;
        return "is_autocommit is only supported in protocol version hrana3 and higher";
    }
    return seen.path.ends_with("/cursor") ? cursor(*request, status) : pipeline(*request, status);
}

HranaStub::StreamState* HranaStub::stream_of(const Json& request, std::string& baton) {
    const auto old = request.get("baton").as_string();
    StreamState state;
    if (old) {
        const auto found = x_streams.find(*old);
        if (found == x_streams.end()) return nullptr;
        state = found->second;
        x_streams.erase(found);
    } else {
        state.db = open();
    }
    baton = "baton" + std::to_string(++x_batons);
    return &x_streams.emplace(baton, state).first->second;
}

std::string HranaStub::pipeline(const Json& request, int& status) {
    std::string baton;
    StreamState* const stream = stream_of(request, baton);
    if (stream == nullptr) {
        status = 400;
        return error_json("The stream has expired due to inactivity", "STREAM_EXPIRED");
    }
    bool closes = false;
    std::string results;
    const Json requests = request.get("requests");
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (i > 0) results += ',';
        results += run_request(*stream, requests.at(i), closes);
    }
    if (closes) {
        sqlite3_close(stream->db);
        x_streams.erase(baton);
    }
    const std::string url = !closes && !base_url.empty() ? "\"" + base_url + "\"" : "null";
    return "{\"baton\":" + (closes ? "null" : "\"" + baton + "\"") + ",\"base_url\":" + url +
           ",\"results\":[" + results + "]}";
}

std::string HranaStub::cursor(const Json& request, int& status) {
    std::string baton;
    StreamState* const stream = stream_of(request, baton);
    if (stream == nullptr) {
        status = 400;
        return "invalid baton";
    }
    const std::string lines = run_batch(*stream, request.get("batch"), true);
    return "{\"baton\":\"" + baton + "\",\"base_url\":null}\n" + lines +
           "{\"type\":\"replication_index\",\"replication_index\":null}\n";
}

std::string HranaStub::run_request(StreamState& stream, const Json& request, bool& closes) {
    const std::string type = request.get("type").as_string().value_or("");
    std::string response = "{\"type\":\"" + type + "\"";
    if (type == "close") closes = true;
    if (type == "get_autocommit")
        response += std::string(",\"is_autocommit\":") +
                    (sqlite3_get_autocommit(stream.db) != 0 ? "true" : "false");
    if (type == "batch")
        response += ",\"result\":" + run_batch(stream, request.get("batch"), false);
    return "{\"type\":\"ok\",\"response\":" + response + "}}";
}

std::string HranaStub::run_batch(StreamState& stream, const Json& batch, bool as_cursor) {
    const Json steps = batch.get("steps");
    std::string results;
    std::string errors;
    std::string lines;
    std::vector<int> states;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const Json step = steps.at(i);
        std::string result = "null";
        std::string error = "null";
        if (!step.has("condition") || holds(step.get("condition"), states, stream.db)) {
            result = run_step(stream, step.get("stmt"), as_cursor, error);
            const std::string index = std::to_string(i);
            if (error == "null") {
                lines += "{\"type\":\"step_begin\",\"step\":" + index + "," + result;
            } else {
                result = "null";
                lines +=
                    "{\"type\":\"step_error\",\"step\":" + index + ",\"error\":" + error + "}\n";
            }
            states.push_back(error == "null" ? 1 : -1);
        } else {
            states.push_back(0);
        }
        results += (i > 0 ? "," : "") + result;
        errors += (i > 0 ? "," : "") + error;
    }
    if (as_cursor) return lines;
    return "{\"step_results\":[" + results + "],\"step_errors\":[" + errors + "]}";
}

std::string HranaStub::run_step(StreamState& stream, const Json& statement, bool as_cursor,
                                std::string& error) {
    if (std::exchange(stream.stolen, false)) {
        error = error_json("Transaction timed out", "TRANSACTION_TIMEOUT");
        return "";
    }
    sqlite3_stmt* handle = nullptr;
    const std::string sql = statement.get("sql").as_string().value_or("");
    if (sqlite3_prepare_v2(stream.db, sql.c_str(), -1, &handle, nullptr) != SQLITE_OK) {
        error = sqlite_error(stream.db);
        return "";
    }
    const Json values = statement.get("args");
    for (std::size_t i = 0; i < values.size(); ++i)
        bind(handle, static_cast<int>(i) + 1, values.at(i));
    std::string columns = "\"cols\":[";
    for (int c = 0; c < sqlite3_column_count(handle); ++c) {
        columns += c > 0 ? ",{\"name\":" : "{\"name\":";
        append_json_string(columns, sqlite3_column_name(handle, c));
        columns += ",\"decltype\":null}";
    }
    std::string out = as_cursor ? columns + "]}\n" : "{" + columns + "],\"rows\":[";
    int state = SQLITE_ROW;
    for (bool first = true; (state = sqlite3_step(handle)) == SQLITE_ROW; first = false) {
        std::string row = "[";
        for (int c = 0; c < sqlite3_column_count(handle); ++c) {
            if (c > 0) row += ',';
            append_value(row, handle, c);
        }
        row += ']';
        out += as_cursor ? "{\"type\":\"row\",\"row\":" + row + "}\n" : (first ? "" : ",") + row;
    }
    if (state != SQLITE_DONE) error = sqlite_error(stream.db);
    const std::string changes = std::to_string(sqlite3_changes(stream.db));
    sqlite3_finalize(handle);
    const std::string end = "\"affected_row_count\":" + changes + ",\"last_insert_rowid\":null}";
    return out + (as_cursor ? "{\"type\":\"step_end\"," + end + "\n" : "]," + end);
}

void HranaStub::append_value(std::string& out, sqlite3_stmt* statement, int column) const {
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER:
            out += R"({"type":"integer","value":")" +
                   std::to_string(sqlite3_column_int64(statement, column)) + "\"}";
            break;
        case SQLITE_FLOAT:
            out += R"({"type":"float","value":)" +
                   std::to_string(sqlite3_column_double(statement, column)) + "}";
            break;
        case SQLITE_TEXT:
            out += R"({"type":"text","value":)";
            append_json_string(
                out, reinterpret_cast<const char*>(sqlite3_column_text(statement, column)));
            out += '}';
            break;
        case SQLITE_BLOB: {
            std::string base64 =
                to_base64({static_cast<const char*>(sqlite3_column_blob(statement, column)),
                           static_cast<std::size_t>(sqlite3_column_bytes(statement, column))});
            while (!pads_base64 && base64.ends_with('=')) base64.pop_back();
            out += R"({"type":"blob","base64":")" + base64 + "\"}";
            break;
        }
        default:
            out += R"({"type":"null"})";
    }
}

}  // namespace taskstore::libsql
