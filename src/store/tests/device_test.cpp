#include <taskstore/store/device.hpp>

#include <gtest/gtest.h>

#include <map>

namespace taskstore::store {
namespace {

using sql::Engine;
using sql::Location;

struct Said {
    DatabaseSettings settings;
    std::map<std::string, std::string> variables{{"HOME", "/home/ann"}, {"DATA", "/srv"}};

    Said() {
        settings.home = "/home/ann/.local/share/taskstore";
        settings.folder = "/srv/here";
        settings.variable = [this](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            if (found == variables.end()) return std::nullopt;
            return found->second;
        };
    }
    Said& environment(const std::string& name, const std::string& value) {
        const DatabaseSettings::Text text{value, "environment", true};
        (name == "BACKEND" ? settings.backend
         : name == "PATH"  ? settings.path
                           : settings.url) = text;
        return *this;
    }
    Said& file(DatabaseName name, const std::string& value) {
        settings.places[static_cast<std::size_t>(name)] = {value, "config.toml", false};
        return *this;
    }
    std::string at(DatabaseName name) const {
        const auto place = place_of(name, settings);
        return place ? sql::shown(place->location)
                     : std::string(taskstore::name_of(place.error().code));
    }
};

TEST(DevicePlace, WithoutSettingsEachHasAFileInTheHome) {
    EXPECT_EQ(Said().at(DatabaseName::tasks), "sqlite:/home/ann/.local/share/taskstore/tasks.db");
    EXPECT_EQ(Said().at(DatabaseName::memory), "sqlite:/home/ann/.local/share/taskstore/memory.db");
    EXPECT_EQ(place_of(DatabaseName::main, Said().settings)->source, "default");
}

TEST(DevicePlace, ThePathIsTheTasksDatabaseAndTheOthersAreItsSiblings) {
    Said said;
    said.environment("PATH", "~/.local/share/adi/tasks.db");
    EXPECT_EQ(said.at(DatabaseName::tasks), "sqlite:/home/ann/.local/share/adi/tasks.db");
    EXPECT_EQ(said.at(DatabaseName::logs), "sqlite:/home/ann/.local/share/adi/logs.db");
    EXPECT_EQ(Said().environment("PATH", "$DATA/q/x.db").at(DatabaseName::tasks),
              "sqlite:/srv/q/x.db");
    EXPECT_EQ(Said().environment("PATH", "${DATA}/x.db").at(DatabaseName::main),
              "sqlite:/srv/main.db");
    EXPECT_EQ(Said().environment("PATH", "x.db").at(DatabaseName::tasks), "sqlite:/srv/here/x.db");
    EXPECT_EQ(Said().environment("PATH", "$NOWHERE/x.db").at(DatabaseName::tasks), "invalid");
    EXPECT_EQ(Said().environment("PATH", "/a/").at(DatabaseName::tasks), "invalid");
}

TEST(DevicePlace, TheBackendSaysWhichOfPathAndUrlCounts) {
    const auto with = [](const std::string& backend) {
        Said said;
        said.environment("PATH", "/a/t.db").environment("URL", "postgres://u:p@h/d");
        if (!backend.empty()) said.environment("BACKEND", backend);
        return said.at(DatabaseName::tasks);
    };
    EXPECT_EQ(with("sqlite"), "sqlite:/a/t.db");
    EXPECT_EQ(with("postgres"), "postgres://h/d");
    EXPECT_EQ(with("PostgreSQL"), "postgres://h/d");
    EXPECT_EQ(with(""), "invalid") << "nothing is guessed";
    EXPECT_EQ(with("libsql"), "invalid") << "the URL is another engine's";
    EXPECT_EQ(with("mysql"), "invalid");
}

TEST(DevicePlace, ABackendWithoutAUrlIsAnErrorThatNamesIt) {
    Said said;
    said.environment("BACKEND", "turso");
    const auto place = place_of(DatabaseName::tasks, said.settings);
    EXPECT_NE(place.error().hint.find("TASK_STORE_URL"), std::string::npos);
    EXPECT_EQ(Said().environment("BACKEND", "sqlite").at(DatabaseName::tasks),
              "sqlite:/home/ann/.local/share/taskstore/tasks.db");
}

TEST(DevicePlace, AUrlServesAllThatHaveNoPlaceOfTheirOwn) {
    Said said;
    said.settings.url = {"libsql://h.turso.io", "config.toml", false};
    said.file(DatabaseName::logs, "/fast/logs.db");
    EXPECT_EQ(said.at(DatabaseName::tasks), "libsql://h.turso.io");
    EXPECT_EQ(said.at(DatabaseName::logs), "sqlite:/fast/logs.db");
}

TEST(DevicePlace, TheEnvironmentComesBeforeTheFile) {
    Said said;
    said.file(DatabaseName::tasks, "postgres://h/d").environment("PATH", "/a/t.db");
    EXPECT_EQ(said.at(DatabaseName::tasks), "sqlite:/a/t.db");
}

TEST(DevicePlace, MessagesHoldNoPassword) {
    Said said;
    said.file(DatabaseName::tasks, "postgres//ann:secret@h/d");
    const auto place = place_of(DatabaseName::tasks, said.settings);
    ASSERT_FALSE(place);
    EXPECT_EQ(place.error().message.find("secret"), std::string::npos);
    EXPECT_NE(place.error().message.find("config.toml"), std::string::npos);
}

TEST(DevicePlace, ADollarInAUrlIsItself) {
    Said said;
    said.variables["PW"] = "x";
    said.file(DatabaseName::tasks, "postgres://u:a$PW@h/d")
        .file(DatabaseName::main, "postgres://u:${PW}@h/d");
    EXPECT_EQ(place_of(DatabaseName::tasks, said.settings)->location.text, "postgres://u:a$PW@h/d");
    EXPECT_EQ(place_of(DatabaseName::main, said.settings)->location.text, "postgres://u:x@h/d");
}

TEST(DevicePlace, AVariableInAUrlStandsForItselfWhateverItIsMadeOf) {
    Said said;
    said.variables["PW"] = "p:a/s@s%41 ä?#";
    said.variables["HOST"] = "h:5433";
    said.variables["WHOLE"] = "postgres://u:a%40b@h/d";
    const std::string encoded = "p%3Aa%2Fs%40s%2541%20%C3%A4%3F%23";
    said.file(DatabaseName::tasks, "postgres://u:${PW}@${HOST}/d?sslmode=require")
        .file(DatabaseName::main, "libsql://h/?authToken=${PW}")
        .file(DatabaseName::logs, "${WHOLE}");
    EXPECT_EQ(place_of(DatabaseName::tasks, said.settings)->location.text,
              "postgres://u:" + encoded + "@h:5433/d?sslmode=require");
    EXPECT_EQ(place_of(DatabaseName::main, said.settings)->location.text,
              "libsql://h/?authToken=" + encoded);
    EXPECT_EQ(place_of(DatabaseName::logs, said.settings)->location.text, "postgres://u:a%40b@h/d");
}

TEST(DevicePlace, TheHomeOfSomebodyElseIsNotGuessed) {
    EXPECT_EQ(Said().environment("PATH", "~bob/t.db").at(DatabaseName::tasks), "invalid");
    EXPECT_EQ(Said().environment("PATH", "./~bob/t.db").at(DatabaseName::tasks).find("~bob") !=
                  std::string::npos,
              true);
}

}  // namespace
}  // namespace taskstore::store
