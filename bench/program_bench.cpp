// Figures of the program as people run it, against the sqlite3 shell and against itself.
//   program_bench FOLDER PROGRAM [RECORDS]     FOLDER on the disk to measure; tmpfs: no flush
//   counts
// cold: a process of its own for each answer, its pages in the page cache; interleaved, median of
// 31. Sixteen processes: each runs the program 100 times, one after the other.
#include <taskstore/task_store.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr int kRounds = 31;
constexpr int kProcesses = 16;
constexpr int kCreates = 100;

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Seconds that the program took, its output thrown away. Any failure ends the run.
double run(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    const double start = now();
    pid_t pid = 0;
    int status = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (status == 0) waitpid(pid, &status, 0);
    const double took = now() - start;
    if (status != 0) {
        std::fprintf(stderr, "'%s' failed\n", words[0].c_str());
        std::exit(1);
    }
    return took;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void compare(const char* what, const std::vector<std::string>& ours,
             const std::vector<std::string>& raw) {
    std::vector<double> mine;
    std::vector<double> theirs;
    for (int round = 0; round < kRounds; ++round) {
        theirs.push_back(run(raw));
        mine.push_back(run(ours));
    }
    std::printf("%-44s ratio %5.2f  (ours %.2f ms, sqlite3 %.2f ms)\n", what,
                median(mine) / median(theirs), median(mine) * 1e3, median(theirs) * 1e3);
}

struct Wait {
    double total = 0;    ///< Seconds until the last process was done.
    double longest = 0;  ///< Of one run of the program.
};

using Commands = std::vector<std::vector<std::string>>;

Wait at_once(const Commands& commands, int processes) {
    std::array<int, 2> pipe_ends{};
    if (pipe(pipe_ends.data()) != 0) std::exit(1);
    const double start = now();
    for (int i = 0; i < processes; ++i) {
        if (fork() != 0) continue;
        double longest = 0;
        for (int n = 0; n < kCreates; ++n)
            for (const auto& command : commands) longest = std::max(longest, run(command));
        if (write(pipe_ends[1], &longest, sizeof longest) < 0) _exit(1);
        _exit(0);
    }
    Wait wait;
    for (int i = 0; i < processes; ++i) {
        int status = 0;
        ::wait(&status);
        if (status != 0) std::exit(1);
        double longest = 0;
        if (read(pipe_ends[0], &longest, sizeof longest) < 0) std::exit(1);
        wait.longest = std::max(wait.longest, longest);
    }
    wait.total = now() - start;
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return wait;
}

/// A plan or a queue made anew for each round: one process alone, then all of them.
template <typename Make>
void compare_at_once(const char* what, const Make& make) {
    std::vector<double> ratios;
    double longest = 0;
    for (int round = 0; round < 3; ++round) {
        const Commands commands = make(round);
        const Wait alone = at_once(commands, 1);
        const Wait together = at_once(commands, kProcesses);
        ratios.push_back(kProcesses * alone.total / together.total);
        longest = std::max(longest, together.longest);
    }
    std::printf("%-44s ratio %5.2f of one alone, longest wait %.0f ms\n", what, median(ratios),
                longest * 1e3);
}

/// A cold claim among many, and processes that create and claim at once.
void queue(const std::filesystem::path& folder, const std::string& program, int count) {
    const std::string database = folder / "queue.db";
    {
        auto store = taskstore::create_task_store(taskstore::Sqlite{database});
        const std::vector<taskstore::tasks::CreateTask> many(static_cast<std::size_t>(count),
                                                             {.title = "one of many"});
        if (!store || !(*store)->create_tasks(many)) std::exit(1);
    }
    const std::string copy = folder / "copy.db";
    run({"sqlite3", database, "VACUUM INTO '" + copy + "'"});
    run({"sqlite3", copy, "PRAGMA journal_mode = WAL"});
    ::setenv("TASK_STORE_PATH", database.c_str(), 1);
    compare(
        "cold task next", {program, "task", "next", "--worker", "w"},
        {"sqlite3", copy,
         "UPDATE tasks SET status = 'in_progress', ready = 0, fence = 1, assigned_to = 'w', "
         "lease_expires_at = 1, revision = 2 WHERE id = (SELECT id FROM tasks WHERE ready = 1 AND "
         "lane = (SELECT id FROM task_lanes) "
         "ORDER BY rank, id LIMIT 1) RETURNING *"});
    compare_at_once("16 processes, 100 creates and claims each", [&](int round) {
        ::setenv("TASK_STORE_PATH", (folder / ("at_once" + std::to_string(round) + ".db")).c_str(),
                 1);
        return Commands{{program, "--quiet", "task", "add", "--title", "one of many"},
                        {program, "--quiet", "task", "next", "--worker", "w"}};
    });
    ::unsetenv("TASK_STORE_PATH");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return std::fprintf(stderr, "usage: program_bench FOLDER PROGRAM [RECORDS]\n"), 2;
    const auto folder =
        std::filesystem::path(argv[1]) / ("taskstore-bench-" + std::to_string(getpid()));
    const std::string program = std::filesystem::absolute(argv[2]);
    const int records = argc > 3 ? std::atoi(argv[3]) : 100'000;
    setenv("TASKSTORE_HOME", (folder / "home").c_str(), 1);
    const std::string store = folder / "store";
    std::filesystem::create_directories(store);
    {
        std::ofstream file(store + "/task_specs.jsonl");
        for (int i = 0; i < records; ++i) {
            const std::string time = std::to_string(1'700'000'000'000 + i);
            file << R"({"id":"ts-)" << i << R"(","prd_id":"prd-)" << i % 100
                 << R"(","phase_name":"phase number )" << i
                 << R"(","description":"a step of the plan that somebody wrote down","created_at":)"
                 << time << R"(,"status":"pending","workflow_name":null,"assigned_to":null,)"
                 << R"("content":"","updated_at":)" << time << "}\n";
        }
    }
    run({program, "init", "--store", store});
    // A file that was written a moment ago is looked at more closely.
    usleep(200'000);
    run({program, "sync", "--store", store});
    const std::string database = store + "/store.db";
    const std::string id = "ts-" + std::to_string(records / 2);
    compare("cold show", {program, "--store", store, "show", "ts", id},
            {"sqlite3", "-readonly", database, "SELECT * FROM task_specs WHERE id='" + id + "'"});
    compare("cold list --limit 20", {program, "--store", store, "spec", "list", "--limit", "20"},
            {"sqlite3", "-readonly", database,
             "SELECT * FROM task_specs ORDER BY created_at, id LIMIT 20"});

    compare_at_once("16 processes, 100 creates each", [&](int round) {
        const std::string plan = folder / ("many" + std::to_string(round));
        run({program, "init", "--store", plan});
        return Commands{
            {program, "--store", plan, "--quiet", "prd", "add", "--title", "one of many"}};
    });
    queue(folder, program, records);
    std::filesystem::remove_all(folder);
    return 0;
}
