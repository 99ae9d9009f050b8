#pragma once
// Who the tests are on a PostgreSQL server: nobody in particular, who owns his database. What only
// a superuser may do shows.

#include "must.hpp"

#include <gtest/gtest.h>
#include <taskstore/testing/server.hpp>

#include <string>

namespace taskstore {

inline constexpr std::string_view kPlainRole = "plain";

/// Once for each server.
inline void make_plain_role(const Server& server) {
    EXPECT_TRUE(server.run({must(postgres_programs()) + "createuser", "-h", "127.0.0.1", "-p",
                            "{port}", "-U", "postgres", std::string(kPlainRole)}));
}

/// Where the role's new database of that name is.
inline std::string make_plain_database(const Server& server, const std::string& name) {
    EXPECT_TRUE(server.run({must(postgres_programs()) + "createdb", "-h", "127.0.0.1", "-p",
                            "{port}", "-U", "postgres", "-O", std::string(kPlainRole), name}));
    return postgres_location(server, std::string(kPlainRole), name);
}

/// The same place for another role.
inline std::string as_role(std::string place, const std::string& role) {
    return place.replace(place.find(kPlainRole), kPlainRole.size(), role);
}

}  // namespace taskstore
