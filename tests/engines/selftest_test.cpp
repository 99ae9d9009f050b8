// The trial of ownership, as people run it, on their own servers.

#include "servers.hpp"

#include <gmock/gmock.h>
#include <taskstore/testing/temporary_folder.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace taskstore {
namespace {

struct Ran {
    int status = -1;
    std::string said;
};

Ran run(const TemporaryFolder& folder, const std::string& words) {
    const std::string told = folder / "told";
    const std::string command = "cd '" + folder.path() + "' && TASKSTORE_HOME='" +
                                (folder / "home") + "' '" TASKSTORE_PROGRAM_HERE "' " + words +
                                " >'" + told + "' 2>&1";
    const int status = std::system(command.c_str());
    std::ostringstream said;
    said << std::ifstream(told).rdbuf();
    return {status, said.str()};
}

TEST(Selftest, RunsOnAServerAndTakesItsSchemaAway) {
    const TemporaryFolder folder;
    const std::string place = servers->fresh(sql::Engine::postgres);
    const Ran trial =
        run(folder, "selftest --ownership --operations 300 --processes 3 --place '" + place + "'");
    EXPECT_EQ(trial.status, 0) << trial.said;
    EXPECT_THAT(trial.said, testing::HasSubstr("no task was held twice"));
    store::Device device(TASKSTORE_DRIVERS_HERE);
    device.place = place;
    const auto databases = device.databases();
    sql::Database* const database = must(databases->open(store::DatabaseName::tasks));
    const auto answers = must(database->read_batch(std::vector<sql::BoundStatement>{
        {.sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'taskstore_selftest%'"}}));
    EXPECT_EQ(answers[0].rows.at(0).at(0), sql::Value{std::int64_t{0}});
}

TEST(Selftest, RunsInAnEmptyDatabaseThatHasNoSchemas) {
    const TemporaryFolder folder;
    const Ran trial = run(folder, "selftest --ownership --operations 100 --processes 2 --place '" +
                                      servers->fresh(sql::Engine::libsql) + "'");
    EXPECT_EQ(trial.status, 0) << trial.said;
}

}  // namespace
}  // namespace taskstore
