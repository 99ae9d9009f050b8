#include <taskstore/base/clock.hpp>
#include <taskstore/base/secrets.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace taskstore {
namespace {

TEST(Secrets, PasswordsOfKeywordsAndOfUrlsAreMasked) {
    EXPECT_EQ(without_passwords("host=h password=s3 user=u"), "host=h password=*** user=u");
    EXPECT_EQ(without_passwords("password = 's 3\\'x' host=h"), "password = *** host=h");
    EXPECT_EQ(without_passwords("host=h PassWord=s3\\ 4"), "host=h PassWord=***");
    EXPECT_EQ(without_passwords("password=a://b"), "password=***");
    EXPECT_EQ(without_passwords("password='unfinished"), "password=***");
    EXPECT_EQ(without_passwords("password="), "password=***");
    EXPECT_EQ(without_passwords("TURSO_TOKEN=s3 sslpassword=s3"),
              "TURSO_TOKEN=*** sslpassword=***");
    EXPECT_EQ(without_passwords("host=h passfile=/x"), "host=h passfile=/x");
    EXPECT_EQ(without_passwords("postgres://u:s3@h/d?password=x&sslmode=require"),
              "postgres://u:***@h/d?password=***&sslmode=require");
    EXPECT_EQ(without_passwords("a=b=c = d"), "a=b=c = d");
}

TEST(Secrets, ParametersThatAreNotKnownToBeHarmlessAreMasked) {
    EXPECT_EQ(without_passwords("libsql://h?jwt=s3&tls=0"), "libsql://h?jwt=***&tls=0");
    EXPECT_EQ(without_passwords("libsql://h?pass%77ord=s3&s3"), "libsql://h?***&***");
    EXPECT_EQ(without_passwords("postgres://h/d?host=/run/pg&password=a#s3"),
              "postgres://h/d?host=/run/pg&password=***");
    EXPECT_EQ(without_passwords("libsql://t0ken@h"), "libsql://***@h");
    EXPECT_EQ(without_passwords("libsql://h?jwt=s3 cret"), "libsql://h?jwt=***");
    EXPECT_EQ(without_passwords("see http://h and https://h/x?dbname=y too"),
              "see http://h and https://h/x?dbname=y too");
    EXPECT_EQ(without_passwords("postgres://ann@h/d"), "postgres://ann@h/d");
}

TEST(Secrets, WhereAUrlHasTwoReadingsAllOfItIsHidden) {
    for (const char* url :
         {"postgres://u:p?s3@h/d", "postgres://u:p#s3@h/d", "postgres://u:s3cret",
          "postgres://u:123456/d", "postgres://u%3As3%40h/d", "libsql://h?s3@x",
          "postgres://u:p@h/d?password=s3@x", "postgres://u:a s3@h/d", "postgres://u:1 s3@h/d"})
        EXPECT_EQ(without_passwords(url).substr(without_passwords(url).find("://")), "://***")
            << url;
}

TEST(Secrets, SentencesKeepWhatIsNoUrl) {
    const auto prose = [](std::string_view text) {
        return without_passwords(text, Wording::prose);
    };
    EXPECT_EQ(prose("http://127.0.0.1:80: cannot run \"SELECT a@b\""),
              "http://127.0.0.1:80: cannot run \"SELECT a@b\"");
    EXPECT_EQ(prose("no place is called 'postgres://u:s3@h/d'."),
              "no place is called 'postgres://u:***@h/d'.");
    EXPECT_EQ(prose("cannot open '/tmp/postgres:/u:s3 cret@h/d': no such file"),
              "cannot open '/tmp/postgres:/***': no such file");
    EXPECT_EQ(prose("'libsql://h?jwt=s3 cret' and 'it:/s' here"),
              "'libsql://h?jwt=***' and 'it:/s' here");
    EXPECT_EQ(prose("libsql://…: gone; see libsql://***"), "libsql://…: gone; see libsql://***");
}

// Whatever a password is made of, and wherever it stands.
TEST(Secrets, NoPartOfARandomPasswordIsShown) {
    constexpr std::size_t kPartBytes = 4;
    constexpr std::uint64_t kSeed = 20'261'122;
    SeededRandom random(kSeed);
    for (int round = 0; round < 500; ++round) {
        const std::string signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#?/@:#?/@:&%+!$;,'\"=";
        std::string secret;
        std::string encoded;
        for (std::uint64_t left = 6 + random.next_u64() % 12; left > 0; --left) {
            constexpr std::string_view kDigits = "0123456789ABCDEF";
            const char c = signs[random.next_u64() % signs.size()];
            secret += c;
            encoded += {'%', kDigits[static_cast<unsigned char>(c) >> 4U],
                        kDigits[static_cast<unsigned char>(c) & 15U]};
        }
        for (const std::string& written : {secret, encoded}) {
            const std::vector<std::string> texts{
                "postgres://ann:" + written + "@h.example:5432/tasks",
                "postgres://ann:" + written + "@h/tasks?sslmode=require&user=ann",
                "postgresql://:" + written + "@/tasks?host=/run",
                "libsql://ann:" + written + "@h.turso.io",
                "https://" + written + "@h.turso.io",
                "libsql://h.turso.io?authToken=" + written,
                "libsql://h.turso.io?tls=1&jwt=" + written + "&tls=1",
                "postgres://h/tasks?password=" + written + "&sslpassword=" + written,
                "postgres://h/tasks?sslpassword=" + written + "#x",
                "password=" + written + " host=h",
                "--to=postgres://ann:" + written + "@h/tasks"};
            for (const std::string& text : texts) {
                for (const Wording wording : {Wording::value, Wording::prose}) {
                    const std::string shown = without_passwords(text, wording);
                    for (std::size_t at = 0; at + kPartBytes <= written.size(); ++at)
                        ASSERT_EQ(shown.find(written.substr(at, kPartBytes)), std::string::npos)
                            << "seed " << kSeed << ", round " << round << ": " << text << " → "
                            << shown;
                    ASSERT_EQ(without_passwords(shown, wording), shown) << text;
                }
            }
        }
    }
}

}  // namespace
}  // namespace taskstore
