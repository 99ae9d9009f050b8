// docs/states.md says what the tables of transitions say.
#include <taskstore/records/kind.hpp>

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace taskstore::records {
namespace {

std::string tables() {
    std::string out;
    for (const Kind& kind : kinds()) {
        if (kind.transitions.empty()) continue;
        const std::string name = kind.noun == "prd"    ? "PRD"
                                 : kind.noun == "spec" ? "task spec"
                                                       : std::string(kind.noun);
        out += "\n| " + name + " from | to |\n|---|---|\n";
        std::vector<std::pair<std::string, std::string>> rows;
        for (const Transition& transition : kind.transitions) {
            if (rows.empty() || rows.back().first != transition.from)
                rows.emplace_back(transition.from, transition.to);
            else
                rows.back().second += ", " + std::string(transition.to);
        }
        for (const auto& [from, to] : rows) out += "| " + from + " | " + to + " |\n";
    }
    return out;
}

TEST(States, ThePageHasTheTablesOfTheCode) {
    std::ifstream file(TASKSTORE_STATES_PAGE);
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    const std::size_t first = page.find("\n| ");
    ASSERT_NE(first, std::string::npos) << "no table in " << TASKSTORE_STATES_PAGE;
    EXPECT_EQ(page.substr(first), tables())
        << "put these tables below the first lines of docs/states.md";
}

}  // namespace
}  // namespace taskstore::records
