// How soon a task is free when its worker dies, and a waiter has a task that somebody made.
//   work_bench PROGRAM [ROUNDS]     PROGRAM: taskstore; on the disk of the working folder
// Every round is a worker process of its own that is killed with SIGKILL, and a waiter process that
// is asleep.
#include "must.hpp"

#include <taskstore/base/clock.hpp>
#include <taskstore/os/process.hpp>
#include <taskstore/os/watch.hpp>
#include <taskstore/task_store.hpp>
#include <taskstore/work/liveness.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

using namespace taskstore;

namespace {

using taskstore::bench::must;

using Steady = std::chrono::steady_clock;

double ms_between(Steady::time_point from, Steady::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

void print(const char* what, std::vector<double> values) {
    std::ranges::sort(values);
    const auto at = [&](double part) {
        return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
    };
    std::printf("%-52s median %7.2f  p99 %7.2f  most %7.2f ms  (%zu rounds)\n", what, at(0.5),
                at(0.99), values.back(), values.size());
}

pid_t spawn(const std::vector<std::string>& words, int out = -1) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    if (posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) {
        std::perror(words[0].c_str());
        std::exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

struct Bench {
    std::string program;
    std::string folder;
    std::unique_ptr<tasks::TaskStore> store;
    os::SystemFileSystem files;

    double cpu_ms(pid_t pid) {
        const std::string stat =
            must(os::read_file(files, "/proc/" + std::to_string(pid) + "/stat", 4096));
        long user = 0;
        long system = 0;
        std::sscanf(stat.c_str() + stat.rfind(')') + 2,
                    "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
        return static_cast<double>(user + system) * 1000.0 /
               static_cast<double>(sysconf(_SC_CLK_TCK));
    }

    void deaths(int rounds) {
        const std::string spot = folder + "/spots";
        std::filesystem::create_directory(spot);
        auto spots = must(os::FolderWatch::open(files, spot));
        const auto watch =
            must(work::Watch::start(*store, files, work::run_folder(folder, folder + "/tasks.db")));
        const auto waiter = must(store->waiter());
        std::vector<double> after_kill;
        std::vector<double> after_gone;
        for (int round = 0; round < rounds; ++round) {
            const std::string name = spot + "/" + std::to_string(round);
            const auto task =
                must(store->create_task({.title = "x",
                                         .command = "echo $$ > " + name + ".part && mv " + name +
                                                    ".part " + name + " && exec sleep 100000",
                                         .shell = true}));
            const pid_t worker = spawn({program, "work", "--worker", "w"});
            while (!files.info(name)) must(spots.wait(60'000));
            const std::int64_t pid = std::stoll(must(os::read_file(files, name, 64)));
            const auto command = must(os::identify_process(pid));
            Steady::time_point gone;
            std::thread looks([&] {
                must(os::wait_for_exit(command, std::nullopt));
                gone = Steady::now();
            });
            // So that the other thread has begun to wait.
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            const auto killed = Steady::now();
            ::kill(worker, SIGKILL);
            while (!must(store->outlook({.worker = "next"})).claimable) must(waiter->wait(0));
            const auto free = Steady::now();
            looks.join();
            after_kill.push_back(ms_between(killed, free));
            after_gone.push_back(std::max(0.0, ms_between(gone, free)));
            ::waitpid(worker, nullptr, 0);
            must(store->claim_tasks({.worker = "next"}));
            must(store->complete_task({.task_id = task.value.id}, {}));
        }
        print("worker killed, its task may be claimed", after_kill);
        print("the same, from the end of its command", after_gone);
    }

    void wakes(int rounds) {
        std::vector<double> from_call;
        std::vector<double> from_return;
        double idle_ms = 0;
        for (int round = 0; round < rounds; ++round) {
            std::array<int, 2> ends{};
            if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::exit(1);
            const pid_t waiter = spawn(
                {program, "task", "next", "--wait", "1h", "--worker", "n", "--quiet"}, ends[1]);
            ::close(ends[1]);
            // Until it sleeps: its processor time stands still.
            double before = -1;
            double now = cpu_ms(waiter);
            for (int same = 0; same < 6;) {
                std::this_thread::sleep_for(std::chrono::milliseconds(15));
                before = std::exchange(now, cpu_ms(waiter));
                same = now == before ? same + 1 : 0;
            }
            if (round == 0) {
                std::this_thread::sleep_for(std::chrono::seconds(10));
                idle_ms = cpu_ms(waiter) - now;
            }
            const auto call = Steady::now();
            const auto task = must(store->create_task({.title = "x"}));
            const auto made = Steady::now();
            std::array<char, 64> id{};
            if (::read(ends[0], id.data(), id.size()) <= 0) std::exit(1);
            const auto got = Steady::now();
            ::close(ends[0]);
            ::waitpid(waiter, nullptr, 0);
            from_call.push_back(ms_between(call, got));
            from_return.push_back(ms_between(made, got));
            must(store->complete_task({.task_id = task.value.id}, {}));
        }
        print("create called, 'next --wait' has printed its task", from_call);
        print("the same, from the return of create", from_return);
        std::printf("processor time of a waiter in 10 s: %.0f ms\n", idle_ms);
    }
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "work_bench PROGRAM [ROUNDS]\n");
        return 2;
    }
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 200;
    Bench bench;
    bench.program = argv[1];
    bench.folder = std::filesystem::current_path() / ("work_bench-" + std::to_string(::getpid()));
    std::filesystem::create_directory(bench.folder);
    ::setenv("TASKSTORE_HOME", bench.folder.c_str(), 1);
    bench.store = must(create_task_store(Sqlite{bench.folder + "/tasks.db"}));
    bench.deaths(rounds);
    bench.wakes(rounds);
    bench.store.reset();
    std::filesystem::remove_all(bench.folder);
    return 0;
}
