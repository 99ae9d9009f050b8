// What is printed from the table of transitions stands in the files as it is printed.

#include "transitions.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace taskstore::tasks {
namespace {

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// What stands in `path` between two marks is `printed`; with TASKSTORE_UPDATE=1 it is made so.
void expect_printed(const std::string& name, std::string_view begin, std::string_view end,
                    const std::string& printed) {
    const std::string path = std::string(TASKSTORE_SOURCE) + "/" + name;
    std::string text = read_file(path);
    const std::size_t from = text.find(begin);
    ASSERT_NE(from, std::string::npos) << path << " lacks " << begin;
    const std::size_t first = from + begin.size();
    const std::size_t last = text.find(end, first);
    ASSERT_NE(last, std::string::npos) << path << " lacks " << end;
    if (std::getenv("TASKSTORE_UPDATE") != nullptr) {
        text.replace(first, last - first, printed);
        std::ofstream(path) << text;
        return;
    }
    EXPECT_EQ(text.substr(first, last - first), printed)
        << path << ": run this test with TASKSTORE_UPDATE=1";
}

TEST(Transitions, ChecksOfTheDatabasesArePrintedFromTheTable) {
    for (const std::string dialect : {"sqlite", "postgres"}) {
        const std::string path = "src/tasks/sql/" + dialect + "/create_tasks.sql";
        expect_printed(path, "CHECK (status IN (", "))", statuses_for_sql());
        expect_printed(path, "coalesce(to_status, '')) IN (\n", "))", moves_for_sql());
    }
}

TEST(Transitions, TheDiagramOfTheDocumentsIsPrintedFromTheTable) {
    expect_printed("docs/tasks.md", "```mermaid\n", "```", diagram());
}

TEST(Transitions, WhatTheTableDoesNotHaveIsNotAllowed) {
    int moves = 0;
    for (int from = 0; from < 6; ++from)
        for (int verb = 0; verb < 10; ++verb)
            for (int to = 0; to < 6; ++to)
                moves += allowed(static_cast<State>(from), static_cast<Verb>(verb),
                                 static_cast<State>(to));
    EXPECT_EQ(moves, std::ssize(kTransitions));
    EXPECT_FALSE(allowed(State::completed, Verb::fail));
    EXPECT_FALSE(allowed(State::none, Verb::claim));
}

}  // namespace
}  // namespace taskstore::tasks
