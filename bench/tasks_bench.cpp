// What a batch of new tasks costs, against the same rows written with SQLite alone.
//   tasks_bench [TASKS] [ROUNDS]     on the disk of the working folder
// Both write tasks, history, words and all their indexes in one transaction, flushed; rounds are
// interleaved. The raw one has its words made before, and keeps them by no triggers.
#include "must.hpp"

#include <taskstore/base/clock.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

using namespace taskstore;

namespace {

using taskstore::bench::must;

using Row = std::vector<sql::Value>;
struct Table {
    std::string name;
    std::string select;
    std::vector<Row> rows = {};
    std::size_t columns = 0;
};

struct Scratch {
    explicit Scratch(const std::string& name) : path("tasks_bench_" + name + ".db") {
        remove();
        const auto connection = must(driver.connect(path, {}));
        must(sql::migrate(*connection, tasks::kModule, tasks::migrations("sqlite"), clock));
        must(sql::identify(*connection, tasks::kModule, clock, random));
    }
    ~Scratch() { remove(); }
    void remove() const {
        for (const char* end : {"", "-wal", "-shm", "-writer.lock", "-wake-tasks"})
            std::filesystem::remove(path + end);
    }
    std::string path;
    SystemClock clock;
    SystemRandom random;
    sqlite::Driver driver;
};

std::vector<tasks::CreateTask> asked_for(std::size_t count) {
    constexpr const char* kWords[] = {"build",  "index", "search", "deploy", "review",
                                      "parser", "docs",  "login",  "cache",  "release"};
    std::vector<tasks::CreateTask> list;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string word = kWords[i % 10];
        list.push_back(
            {.title = "Task " + std::to_string(i) + ": " + word + " and " + kWords[(i / 10) % 10],
             .description =
                 "What is to be done about the " + word + " of part " + std::to_string(i / 100),
             .command = "make " + word,
             .project = "bench"});
    }
    return list;
}

double seconds(std::chrono::steady_clock::time_point from) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
}

double ours(const std::vector<tasks::CreateTask>& list, std::vector<Table>* keep) {
    Scratch scratch("ours");
    const auto database = must(sqlite::open_database(
        scratch.path, {}, {.driver = &scratch.driver, .clock = &scratch.clock}));
    const auto store = tasks::make_task_store(*database, scratch.clock, scratch.random);
    const auto from = std::chrono::steady_clock::now();
    must(store->create_tasks(list));
    const double took = seconds(from);
    if (keep == nullptr) return took;
    for (Table& table : *keep) {
        const sql::BoundStatement select{.sql = table.select};
        auto answers = must(database->read_batch({&select, 1}));
        table.columns = answers[0].columns.size();
        table.rows = std::move(answers[0].rows);
    }
    return took;
}

void run(sqlite3* db, const char* text) {
    char* message = nullptr;
    if (sqlite3_exec(db, text, nullptr, nullptr, &message) == SQLITE_OK) return;
    std::fprintf(stderr, "%s: %s\n", text, message);
    std::exit(1);
}

void insert(sqlite3* db, const Table& table) {
    std::string text = "INSERT INTO " + table.name + " VALUES (";
    for (std::size_t i = 0; i < table.columns; ++i) text += i == 0 ? "?" : ", ?";
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, (text + ")").c_str(), -1, &statement, nullptr) != SQLITE_OK)
        std::exit(1);
    for (const Row& row : table.rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            const int at = static_cast<int>(i) + 1;
            if (const auto* word = std::get_if<std::string>(&row[i]))
                sqlite3_bind_text(statement, at, word->data(), static_cast<int>(word->size()),
                                  SQLITE_STATIC);
            else if (const auto* number = std::get_if<std::int64_t>(&row[i]))
                sqlite3_bind_int64(statement, at, *number);
            else
                sqlite3_bind_null(statement, at);
        }
        if (sqlite3_step(statement) != SQLITE_DONE) {
            std::fprintf(stderr, "%s\n", sqlite3_errmsg(db));
            std::exit(1);
        }
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
}

double raw(const std::vector<Table>& tables) {
    Scratch scratch("raw");
    sqlite3* db = nullptr;
    if (sqlite3_open(scratch.path.c_str(), &db) != SQLITE_OK) std::exit(1);
    run(db,
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; DROP TRIGGER task_words_added;"
        "DROP TRIGGER task_words_changed; DROP TRIGGER task_words_removed");
    const auto from = std::chrono::steady_clock::now();
    run(db, "BEGIN IMMEDIATE");
    for (const Table& table : tables) insert(db, table);
    run(db, "COMMIT");
    const double took = seconds(from);
    sqlite3_close(db);
    return took;
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
    const auto list = asked_for(count);
    std::vector<Table> tables{
        {"task_lanes", "SELECT * FROM task_lanes"},
        {"tasks", "SELECT * FROM tasks ORDER BY id"},
        {"task_history", "SELECT * FROM task_history ORDER BY seq"},
        {"task_words", "SELECT token, at, task_id FROM task_words ORDER BY task_id, token"}};
    ours(list, &tables);
    std::vector<std::pair<double, std::pair<double, double>>> ratios;
    for (int i = 0; i < rounds; ++i) {
        const double plain = raw(tables);
        const double with_all = ours(list, nullptr);
        ratios.push_back({with_all / plain, {with_all, plain}});
    }
    std::ranges::sort(ratios);
    const auto& middle = ratios[ratios.size() / 2];
    std::printf(
        "batch of %zu tasks, %zu words: ratio %.2f (ours %.2f s, raw %.2f s; ratios %.2f to "
        "%.2f)\n",
        count, tables[3].rows.size(), middle.first, middle.second.first, middle.second.second,
        ratios.front().first, ratios.back().first);
}
