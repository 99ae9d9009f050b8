#pragma once
// Running another program and taking what it prints (floor 1; git uses it). No shell sees the
// arguments.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace taskstore::os {

struct Command {
    /// The program, looked up on PATH where it holds no '/', and its arguments.
    std::vector<std::string> arguments;
    std::string folder = {};  ///< Where it runs; empty: the working folder.
    std::string_view input = {};
    /// It has our own input, output and errors, such as an editor at the terminal: nothing is fed
    /// or taken, no timeout counts, and until it ends this process ignores SIGINT and SIGQUIT.
    bool shares_streams = false;
    /// On top of our own environment: a value, or nothing to take the name away.
    std::vector<std::pair<std::string, std::optional<std::string>>> environment = {};
    std::size_t output_bytes_max = std::size_t{1} << 30;
    std::optional<std::int64_t> timeout_ms = {};  ///< Nothing: as long as it takes.
};

struct Finished {
    int exit_code = 0;  ///< 128 + the signal's number for one that a signal ended.
    std::string output;
    std::string errors;  ///< What it said on stderr, cut at 64 KiB.
};

/// Waits for its end. Whatever the exit code, an answer: only what kept the program from running to
/// its end is an error. not_found: there is no such program, or no such folder. corrupt: it printed
/// more than output_bytes_max. timed_out. After an error it has been killed. Thread-safe; the child
/// starts with the signals as they are by default. A process that ignores SIGCHLD cannot wait for
/// children: `failed`. The timeout counts until the program has closed its outputs.
Result<Finished> run_command(const Command& command);

}  // namespace taskstore::os
