#include "log_cleaning.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace taskstore::work {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

struct Left {
    std::string path;
    std::int64_t written_ns = 0;
    std::int64_t bytes = 0;
};

/// TASK-FENCE.log, TASK-FENCE.result
bool is_of_a_command(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos) return false;
    if (name.substr(dot) != ".log" && name.substr(dot) != ".result") return false;
    const std::size_t dash = name.substr(0, dot).rfind('-');
    if (dash == std::string_view::npos || dash == 0 || dash + 1 == dot) return false;
    return name.substr(dash + 1, dot - dash - 1).find_first_not_of("0123456789") ==
           std::string_view::npos;
}

Result<std::vector<Left>> oldest_first(os::FileSystem& files, const std::string& folder) {
    auto names = files.list(folder);
    if (!names && names.error().code == Code::not_found) return std::vector<Left>();
    if (!names) return fail(std::move(names).error());
    std::vector<Left> all;
    for (const std::string& name : *names) {
        if (!is_of_a_command(name)) continue;
        std::string path = os::join_path(folder, name);
        const auto info = files.info(path);
        if (info && info->kind == os::FileKind::regular)
            all.push_back({std::move(path), info->identity.mtime_ns, info->identity.size});
    }
    std::ranges::sort(all, {}, &Left::written_ns);
    return all;
}

/// Nothing: the system does not say.
std::optional<bool> is_written_to(os::FileSystem& files, const std::string& path) {
    const auto file = files.open(path, os::OpenMode::read);
    if (!file) return std::nullopt;
    const auto written = (*file)->has_other_writers();
    return written ? std::optional(*written) : std::nullopt;
}

}  // namespace

Result<std::int64_t> clean_logs(os::FileSystem& files, const std::string& folder,
                                const LogLimits& limits, std::int64_t now_ms) {
    TASKSTORE_LET(const std::vector<Left> all, oldest_first(files, folder));
    std::int64_t bytes = 0;
    for (const Left& one : all) bytes += one.bytes;
    std::int64_t removed = 0;
    for (const Left& one : all) {
        const bool old =
            limits.age_ms_max > 0 && one.written_ns / kNsPerMs < now_ms - limits.age_ms_max;
        const bool too_much = limits.bytes_max > 0 && bytes > limits.bytes_max;
        if (!old && !too_much) break;
        // Who cannot tell whether it is in use takes a long silence for its end.
        if (is_written_to(files, one.path).value_or(!old)) continue;
        const Status gone = files.unlink(one.path);
        if (!gone && gone.error().code != Code::not_found) return fail(gone.error());
        bytes -= one.bytes;
        ++removed;
    }
    return removed;
}

}  // namespace taskstore::work
