#pragma once
// The command's process from the guard's fork to the program. Private to os; as in
// guard_process.hpp, nothing but what is safe in a signal handler.

#include "guard_process.hpp"
#include "isolation_process.hpp"

#include <array>
#include <ctime>

namespace taskstore::os {

bool read_all(int fd, void* to, std::size_t bytes);
bool write_all(int fd, const char* from, std::size_t bytes);

/// When a command is to be killed.
struct End {
    std::int64_t at_ns = 0;  ///< 0: never.
    clockid_t clock = CLOCK_BOOTTIME;

    bool passed() const;
};

struct Order {
    GuardOrder head;
    const char* program = nullptr;
    const char* folder = nullptr;
    const char* log = nullptr;
    char** arguments = nullptr;
    char** variables = nullptr;
    const char* input = nullptr;
    Surroundings surroundings;
};
/// Reads an order into pages of its own, which stay until the guard ends.
bool read_order(int control, std::uint64_t bytes, Order& order);

/// What guard and command share while the command begins. Descriptors that are -1 are not open.
struct CommandStart {
    Order& order;
    End end;
    pid_t guard = 0;
    int input = -1;
    int output = -1;
    std::array<int, 2> failed{-1, -1};  ///< A StepFailure, or the end when the program took over.
    std::array<int, 2> status{-1, -1};  ///< As of be_first(); the guard's end is the first.
};
/// In the guard: before the fork, so that the log is written also where its folder cannot be.
StepFailure open_streams(CommandStart& start);
void close_streams(CommandStart& start);
/// In the guard, after the fork: those that the child alone is to hold.
void close_child_ends(CommandStart& start);
/// In the child of fork_into(). Runs the program, or says why not, and ends.
[[noreturn]] void be_command(CommandStart& start);

}  // namespace taskstore::os
