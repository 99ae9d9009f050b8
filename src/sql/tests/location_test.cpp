#include <taskstore/sql/location.hpp>

#include <gtest/gtest.h>

namespace taskstore::sql {
namespace {

TEST(Location, FilesAreNamedByPathOrBySqlite) {
    for (const auto& [text, path] : {std::pair{"sqlite:/a/b.db", "/a/b.db"},
                                     {"sqlite:b.db", "b.db"},
                                     {"/a/b.db", "/a/b.db"},
                                     {"~/b.db", "~/b.db"},
                                     {"./b.db", "./b.db"},
                                     {"../b.db", "../b.db"},
                                     {"sqlite:///a/b.db", "/a/b.db"},
                                     {"sqlite:~/b.db", "~/b.db"}}) {
        const auto location = parse_location(text);
        ASSERT_TRUE(location) << text;
        EXPECT_EQ(*location, (Location{Engine::sqlite, path})) << text;
    }
}

TEST(Location, ServersAreNamedByTheirScheme) {
    EXPECT_EQ(parse_location("postgres://u:p@h/d")->engine, Engine::postgres);
    EXPECT_EQ(*parse_location("PostgreSQL:///d?host=/tmp"),
              (Location{Engine::postgres, "postgresql:///d?host=/tmp"}));
    for (const char* text : {"libsql://x.turso.io", "http://127.0.0.1:8080", "https://h"})
        EXPECT_EQ(parse_location(text)->engine, Engine::libsql) << text;
}

TEST(Location, AMisspeltEngineIsNoFile) {
    for (const char* text :
         {"", "sqlite:", "sqlite://host/x", "mysql://h", "postgres:/h", "tasks.db", "sqlte:/a",
          "host=h password=secret", "host=h password=secret://x", "ann:secret@h://x"}) {
        const auto location = parse_location(text);
        ASSERT_FALSE(location) << text;
        EXPECT_EQ(location.error().code, Code::invalid);
        EXPECT_EQ(location.error().message.find("secret"), std::string::npos);
    }
}

TEST(Location, WhatIsShownSaysWhereItLeadsWithoutUserAndPassword) {
    EXPECT_EQ(shown(*parse_location("postgres://ann:p@ss@[::1]:5432/d?password=x")),
              "postgres://[::1]:5432/d");
    EXPECT_EQ(
        shown(*parse_location("postgres://ann:x@/d?password=x&host=/run/pg&sslmode=a&port=1#x")),
        "postgres:///d?host=/run/pg&port=1");
    EXPECT_EQ(shown(*parse_location("postgres://?service=ours&options=x")),
              "postgres://?service=ours");
    EXPECT_EQ(shown(*parse_location("libsql://h.turso.io?authToken=x")), "libsql://h.turso.io");
    EXPECT_EQ(shown(*parse_location("/a/b.db")), "sqlite:/a/b.db");
    EXPECT_EQ(shown(*parse_location("sqlite:postgres://ann:x@h")), "sqlite:postgres://…");
}

TEST(Location, WhereAUrlHasTwoReadingsOnlyItsSchemeIsShown) {
    for (const char* text :
         {"postgres://ann:p#secret@h/d", "postgres://ann:1234?secret@h/d", "postgres://ann:secret",
          "postgres://h/d?password=p@secret", "postgres://h/d?password=1&host=a@secret"})
        EXPECT_EQ(shown(*parse_location(text)), "postgres://…") << text;
    EXPECT_EQ(shown(*parse_location("postgres://h/d?host=a?password=secret&port=1#secret")),
              "postgres://h/d?port=1");
}

TEST(Engine, EveryFoundingSpellingIsTaken) {
    EXPECT_EQ(*engine_of("SQLite"), Engine::sqlite);
    EXPECT_EQ(*engine_of("postgres"), Engine::postgres);
    EXPECT_EQ(*engine_of("postgresql"), Engine::postgres);
    EXPECT_EQ(*engine_of("libsql"), Engine::libsql);
    EXPECT_EQ(*engine_of("turso"), Engine::libsql);
    const auto wrong = engine_of("mysql");
    EXPECT_EQ(wrong.error().code, Code::invalid);
    EXPECT_NE(wrong.error().hint.find("postgresql"), std::string::npos);
}

}  // namespace
}  // namespace taskstore::sql
