#pragma once
// What one process of a trial asked and was told, line by line in a file of its own. The question
// is written before it is asked, so that a killed process leaves it without an answer, and whoever
// comes after it asks the same again.
//
//   {"n":17,"call":"complete","at":NS,"task":ID,"fence":F,"lease":MS,"limit":N}
//   {"n":17,"outcome":"done","at":NS,"tasks":[[ID,FENCE,STATUS]…]}

#include <taskstore/os/file_system.hpp>
#include <taskstore/ownership/operation.hpp>

#include <optional>
#include <string>
#include <vector>

namespace taskstore::ownership {

struct Call {
    std::int64_t number = 0;
    Act act = Act::look;
    std::int64_t at_ns = 0;
    std::string task = {};
    std::int64_t fence = 0;
    std::int64_t lease_ms = 0;
    std::int64_t limit = 1;
};

struct Answer {
    struct Told {
        std::string task;
        std::int64_t fence = 0;
        tasks::TaskStatus status = tasks::TaskStatus::pending;
    };
    Outcome outcome = Outcome::unknown;
    std::int64_t at_ns = 0;
    std::vector<Told> tasks = {};
};

struct Asked {
    Call call;
    std::optional<Answer> answer;
};

class TrialLog {
  public:
    /// Goes on in a file that is there.
    static Result<TrialLog> open(os::FileSystem& files, const std::string& path);
    Status asked(const Call& call);
    Status told(std::int64_t number, const Answer& answer);

  private:
    explicit TrialLog(std::unique_ptr<os::File> file) : x_file(std::move(file)) {}
    Status line(std::string text);
    std::unique_ptr<os::File> x_file;
};

/// Of a file that is not there: nothing. A last line that was cut by a kill is left out.
Result<std::vector<Asked>> read_log(os::FileSystem& files, const std::string& path);

/// For the checker: an operation for each task that it was about; none for what concerned none.
std::vector<Operation> operations_of(const std::string& process, const std::vector<Asked>& asked);

}  // namespace taskstore::ownership
