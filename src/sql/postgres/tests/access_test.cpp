// Ways into a server: TLS, passwords, service files, IPv6; and what is said where there is none.

#include "location.hpp"
#include "sandbox.hpp"

#include <gmock/gmock.h>
#include <taskstore/sql/migration.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <array>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace taskstore::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;

// A server's key and certificate that are good for these tests alone, from 2020 to 2120.
constexpr const char* kKey = R"pem(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgH7yYb6cb81e8eMD3
rfW0D3YMhRzEJtYqfl+4/grfIGyhRANCAASPegM5ieppDocZwP6E+8dU1jMfxp3M
2M8DIwei+DtGHnlCSHQedpOvWZRVcYfSVbI+Xr/7LolSXikGGYbv93Oh
-----END PRIVATE KEY-----
)pem";
constexpr const char* kCertificate = R"pem(-----BEGIN CERTIFICATE-----
MIIBYDCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABI96AzmJ6mkOhxnA
/oT7x1TWMx/GnczYzwMjB6L4O0YeeUJIdB52k69ZlFVxh9JVsj5ev/suiVJeKQYZ
hu/3c6GjSDBGMA8GA1UdEwEB/wQFMAMBAf8wFAYDVR0RBA0wC4IJbG9jYWxob3N0
MB0GA1UdDgQWBBRNHrXq6CGA2bV8LSgBSpLt1zyi2DAKBggqhkjOPQQDAgNHADBE
AiBxbMtdb0U8wxbiKlCUat5xEUgdG6dOGJXn4A219NBVkwIgYbu0XeN1ME7w+6Th
ouo198/iOOuyumZE8sRcmj3s1iY=
-----END CERTIFICATE-----
)pem";
constexpr const char* kOtherCertificate = R"pem(-----BEGIN CERTIFICATE-----
MIIBVTCB+6ADAgECAgEBMAoGCCqGSM49BAMCMBAxDjAMBgNVBAMMBW90aGVyMCAX
DTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAQMQ4wDAYDVQQDDAVvdGhl
cjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNOime0Oy5OeCoPbtAv5TC4vELZb
EDvt7o5YP5NHbbS7kogL0QceoE3RzSTpAbTmNpScFSgphrSN1t8E/mmFpBCjRDBC
MA8GA1UdEwEB/wQFMAMBAf8wEAYDVR0RBAkwB4IFb3RoZXIwHQYDVR0OBBYEFCZu
mRy8B8i8V82ShI6doqwS+7xeMAoGCCqGSM49BAMCA0kAMEYCIQDussEWC+qyq1rE
01ak4UMgz2UJOiDNVJoso7kyTN0nsgIhAP3f+MTcJMaoVN95vqJzBASOAHjkZCsK
4OlT4e6xNMYV
-----END CERTIFICATE-----
)pem";

constexpr const char* kPassword = "p:a/s@s%3A";
constexpr const char* kEncoded = "p%3Aa%2Fs%40s%253A";

void write_file(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

/// A server with TLS that lets the role "ann" in by password: over TLS from 127.0.0.1, either way
/// through its socket.
class Guarded : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        server = must(start_postgres({.settings = {"listen_addresses=127.0.0.1,::1",
                                                   "password_encryption=scram-sha-256"}}))
                     .release();
        const std::string rules =
            "local all postgres trust\nlocal all all scram-sha-256\n"
            "host all postgres 127.0.0.1/32 trust\nhost all postgres ::1/128 trust\n"
            "hostssl all all 127.0.0.1/32 scram-sha-256\n";
        // As the server's user: it refuses a key that others can read.
        must(server->run({"sh", "-c",
                          "umask 077; printf '%s' \"$0\" > data/server.key; printf '%s' \"$1\" > "
                          "data/server.crt; printf '%s' \"$2\" > data/pg_hba.conf",
                          kKey, kCertificate, rules}));
        as_superuser(*server, "ALTER SYSTEM SET ssl = on");
        as_superuser(*server, "SELECT pg_reload_conf()");
        as_superuser(*server, "CREATE ROLE ann LOGIN PASSWORD '" + std::string(kPassword) + "'");
        as_superuser(*server, "CREATE DATABASE ann OWNER ann");
        // The server reads its settings again some time after it was asked to.
        const std::string over_tls = url("127.0.0.1", kEncoded, "sslmode=require");
        for (int i = 0; i < 5'000 && !asked(over_tls); ++i) std::this_thread::yield();
        write_file(x_folder / "server.crt", kCertificate);
        write_file(x_folder / "other.crt", kOtherCertificate);
    }
    static void TearDownTestSuite() {
        delete server;
        server = nullptr;
    }

    static std::string url(const std::string& host, const std::string& password,
                           const std::string& query) {
        return "postgres://ann" + (password.empty() ? "" : ":" + password) + "@" + host + ":" +
               std::to_string(server->port()) + "/ann?" + query;
    }
    /// Whether the session of that location is over TLS.
    static Result<bool> asked(const std::string& location) {
        auto database =
            open_database({.location = location, .clock = &real_clock(), .random = &real_random()});
        if (!database) return fail(database.error());
        return number(**database,
                      "SELECT count(*) FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()") == 1;
    }
    static Error refusal(const std::string& location) {
        auto answer = asked(location);
        EXPECT_FALSE(answer) << location;
        return answer ? Error{} : answer.error();
    }

    static inline Server* server = nullptr;
    static inline TemporaryFolder x_folder;
};

TEST_F(Guarded, TlsIsAsStrictAsTheUrlSays) {
    const std::string root = "sslrootcert=" + (x_folder / "server.crt");
    const std::string other = "sslrootcert=" + (x_folder / "other.crt");
    EXPECT_TRUE(must(asked(url("127.0.0.1", kEncoded, "sslmode=require"))));
    EXPECT_TRUE(must(asked(url("127.0.0.1", kEncoded, "sslmode=verify-ca&" + root))));
    EXPECT_TRUE(
        must(asked(url("localhost", kEncoded, "hostaddr=127.0.0.1&sslmode=verify-full&" + root))));
    for (const std::string& query :
         {"sslmode=verify-full&" + root, "sslmode=verify-ca&" + other,
          "sslmode=verify-ca&sslrootcert=" + (x_folder / "absent.crt")}) {
        const Error error = refusal(url("127.0.0.1", kEncoded, query));
        EXPECT_EQ(error.code, Code::denied) << query << ": " << error.message;
        EXPECT_THAT(error.hint, HasSubstr("sslrootcert"));
    }
    EXPECT_EQ(refusal(url("127.0.0.1", kEncoded, "sslmode=disable")).code, Code::denied);
    EXPECT_EQ(refusal(plain_location(shared_server()) + "?sslmode=require").code, Code::denied);
    EXPECT_EQ(refusal(url("127.0.0.1", kEncoded, "sslmode=sometimes")).code, Code::invalid);
}

TEST_F(Guarded, AWrongOrAbsentPasswordIsDeniedAndNeverTold) {
    const Error wrong = refusal(url("127.0.0.1", "s3cret", "sslmode=require"));
    EXPECT_EQ(wrong.code, Code::denied);
    EXPECT_THAT(wrong.message + wrong.hint, Not(HasSubstr("s3cret")));
    EXPECT_THAT(wrong.hint, HasSubstr("PGPASSWORD"));
    const Error absent = refusal(url("127.0.0.1", "", "sslmode=require"));
    EXPECT_EQ(absent.code, Code::denied) << absent.message;
    EXPECT_THAT(absent.hint, HasSubstr("PGPASSWORD"));
    ::setenv("PGPASSWORD", kPassword, 1);
    EXPECT_TRUE(must(asked(url("127.0.0.1", "", "sslmode=require"))));
    ::unsetenv("PGPASSWORD");
}

TEST_F(Guarded, AServiceFileAndASocketLeadToIt) {
    const std::string port = std::to_string(server->port());
    write_file(x_folder / "services", "[ours]\nhost=127.0.0.1\nport=" + port +
                                          "\ndbname=ann\nuser=ann\npassword=" + kPassword +
                                          "\nsslmode=require\n");
    ::setenv("PGSERVICEFILE", (x_folder / "services").c_str(), 1);
    for (const char* location : {"postgres://?service=ours", "postgresql:///?service=ours"})
        EXPECT_TRUE(must(asked(location))) << location;
    const Error error = refusal("postgres://?service=theirs");
    EXPECT_EQ(error.code, Code::not_found) << error.message;
    EXPECT_THAT(error.message, HasSubstr("theirs"));
    ::unsetenv("PGSERVICEFILE");
    EXPECT_FALSE(must(asked("postgres://ann:" + std::string(kEncoded) +
                            "@/ann?host=" + server->folder() + "&port=" + port)));
    std::string folder = server->folder();
    for (std::size_t at = 0; (at = folder.find('/', at)) != std::string::npos;)
        folder.replace(at, 1, "%2F");
    EXPECT_FALSE(must(asked(url(folder, kEncoded, ""))));
}

TEST_F(Guarded, AnAddressOfVersion6IsWrittenInBrackets) {
    const std::string port = std::to_string(server->port());
    const auto location = must(parse_location("postgresql://postgres@[::1]:" + port + "/ann"));
    const std::pair<std::string, std::string> host{"host", "::1"};
    EXPECT_THAT(location.attempts.at(0), testing::Contains(host));
    // A machine may be without it: then nobody listens there, and that is what is said.
    const auto answer = asked("postgresql://postgres@[::1]:" + port + "/ann");
    EXPECT_TRUE(answer || answer.error().code == Code::unavailable) << answer.error().message;
}

/// As on servers that speak the protocol and have neither advisory locks nor transaction numbers
/// nor LISTEN: here the functions have other names.
TEST_F(Guarded, AServerWithoutTheFunctionsThatOthersLackIsServed) {
    as_superuser(*server, "CREATE DATABASE lacking");
    const std::string location = postgres_location(*server, "postgres", "lacking");
    {
        Driver driver({.clock = &real_clock(), .schema = "setup"});
        const auto connection = must(driver.connect(location, {}));
        for (const char* function :
             {"pg_advisory_xact_lock(bigint)", "pg_try_advisory_xact_lock(bigint)",
              "pg_advisory_lock_shared(bigint)", "pg_advisory_unlock_shared(bigint)",
              "pg_notify(text, text)", "txid_current()", "txid_status(bigint)",
              "pg_control_system()"}) {
            const std::string name(function);
            must(connection->execute("ALTER FUNCTION pg_catalog." + name + " RENAME TO lacking_" +
                                     name.substr(0, name.find('('))));
        }
    }
    constexpr std::array kMigrations{sql::Migration{1, "one", "CREATE TABLE a (id BIGINT)"},
                                     sql::Migration{2, "two", "INSERT INTO a VALUES (1)"}};
    std::vector<Status> told(6);
    {
        std::vector<std::jthread> threads;
        for (Status& one : told) {
            threads.emplace_back([&] {
                Driver driver({.clock = &real_clock(), .schema = "main", .pooler = true});
                const auto connection = driver.connect(location, {});
                one = connection ? sql::migrate(**connection, "m", kMigrations, real_clock())
                                 : fail(connection.error());
            });
        }
    }
    for (const Status& one : told) EXPECT_TRUE(one) << one.error().message;
    const auto database = open(location, "main", {.pooler = true});
    EXPECT_EQ(number(*database, "SELECT count(*) FROM a"), 1);
    const std::vector<sql::BoundStatement> insert{{.sql = "INSERT INTO a VALUES (2)"}};
    const auto written = database->write_batch(insert, {.wake = "a"});
    EXPECT_TRUE(written) << written.error().message;
    execute(*database, "INSERT INTO a VALUES (3)");
    EXPECT_EQ(number(*database, "SELECT count(*) FROM a"), 3);
}

}  // namespace
}  // namespace taskstore::postgres
