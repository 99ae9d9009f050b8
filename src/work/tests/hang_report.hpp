#pragma once
// A test that hangs says where: what each thread waits for, and what the processes that it started
// do. Then it aborts, long before its time in CTest is over.

#include <execinfo.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <semaphore>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace taskstore {

class HangReport {
  public:
    explicit HangReport(std::chrono::seconds limit)
        : x_thread([this, limit](const std::stop_token& stop) {
              std::unique_lock lock(x_mutex);
              x_ended.wait_for(lock, stop, limit, [] { return false; });
              if (!stop.stop_requested()) report();
          }) {}

  private:
    static std::string text(const std::filesystem::path& path) {
        std::ostringstream out;
        out << std::ifstream(path).rdbuf();
        return out.str();
    }
    static void print_stack(int) {
        void* frames[64];  // NOLINT(modernize-avoid-c-arrays): what backtrace(3) takes
        ::backtrace_symbols_fd(frames, ::backtrace(frames, 64), STDERR_FILENO);
        static_cast<void>(!::write(STDERR_FILENO, "--\n", 3));
        x_printed.release();
    }
    [[noreturn]] static void report() {
        namespace fs = std::filesystem;
        std::cerr << "this test hangs; its threads:\n";
        std::signal(SIGURG, print_stack);
        std::vector<int> threads;
        for (const auto& thread : fs::directory_iterator("/proc/self/task")) {
            threads.push_back(std::stoi(thread.path().filename()));
            std::cerr << threads.back() << " waits in " << text(thread.path() / "wchan") << ", "
                      << text(thread.path() / "syscall");
        }
        std::cerr << "their stacks, in that order:\n";
        for (const int thread : threads) {
            ::syscall(SYS_tgkill, ::getpid(), thread, SIGURG);
            x_printed.try_acquire_for(std::chrono::seconds(1));
        }
        std::cerr << "its processes:\n";
        const std::string parent = "PPid:\t" + std::to_string(::getpid()) + "\n";
        for (const auto& process : fs::directory_iterator("/proc")) {
            const std::string status = text(process.path() / "status");
            const bool of_guard =
                text(process.path() / "environ").find("TASKSTORE_TASK_LOCK=") != std::string::npos;
            if (status.find(parent) == std::string::npos && !of_guard) continue;
            std::cerr << status << "waits in " << text(process.path() / "wchan") << ", "
                      << text(process.path() / "syscall");
            std::error_code error;
            for (const auto& open : fs::directory_iterator(process.path() / "fd", error))
                std::cerr << "  " << open.path().filename() << " is "
                          << fs::read_symlink(open.path(), error) << '\n';
        }
        std::abort();
    }

    static inline std::counting_semaphore<> x_printed{0};
    std::mutex x_mutex;
    std::condition_variable_any x_ended;
    std::jthread x_thread;
};

}  // namespace taskstore
