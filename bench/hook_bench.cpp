// What a hook costs that has nothing to do, against `git rev-parse HEAD` in the same repository.
//   hook_bench FOLDER PROGRAM     FOLDER on the disk to measure; git and PROGRAM's folder on PATH
// Each as a process of its own, interleaved, 101 rounds: median, and the quickest of each, which
// the machine's other work touches least.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

constexpr int kRounds = 101;

/// Seconds that it took, its output thrown away. Any failure ends the run.
double run(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    const auto start = std::chrono::steady_clock::now();
    pid_t pid = 0;
    int status = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (status == 0) waitpid(pid, &status, 0);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (status != 0) {
        std::fprintf(stderr, "'%s' failed\n", words[0].c_str());
        std::exit(1);
    }
    return took.count();
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: hook_bench FOLDER PROGRAM\n"), 2;
    const auto folder =
        std::filesystem::path(argv[1]) / ("taskstore-hooks-" + std::to_string(getpid()));
    const std::filesystem::path program = std::filesystem::absolute(argv[2]);
    setenv("PATH", (program.parent_path().string() + ":" + std::getenv("PATH")).c_str(), 1);
    setenv("TASKSTORE_HOME", (folder / "home").c_str(), 1);
    std::filesystem::create_directories(folder / "repository");
    std::filesystem::current_path(folder / "repository");
    run({"git", "init", "-q", "."});
    run({program, "sync", "--quiet"});
    for (int i = 0; i < 100; ++i) run({program, "prd", "add", "--quiet", "--title", "a step"});
    run({program, "install-hooks", "--quiet"});
    run({"git", "add", "-A"});
    run({"git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "plan"});
    // A file that was written a moment ago is looked at more closely.
    usleep(200'000);
    run({program, "sync", "--quiet"});
    const std::vector<std::string> hooks{"pre-commit", "post-merge", "post-checkout"};
    std::vector<double> git;
    std::vector<std::vector<double>> ours(hooks.size());
    for (int round = 0; round < kRounds; ++round) {
        git.push_back(run({"git", "rev-parse", "HEAD"}));
        for (std::size_t i = 0; i < hooks.size(); ++i)
            ours[i].push_back(run({".git/hooks/" + hooks[i], "0", "0", "1"}));
    }
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        const double quickest = *std::ranges::min_element(ours[i]);
        const double quickest_git = *std::ranges::min_element(git);
        std::printf("%-14s median %.2f ms, %.2f x git rev-parse HEAD; quickest %.2f ms, %.2f x\n",
                    hooks[i].c_str(), median(ours[i]) * 1e3, median(ours[i]) / median(git),
                    quickest * 1e3, quickest / quickest_git);
    }
    std::filesystem::current_path("/");
    std::filesystem::remove_all(folder);
    return 0;
}
