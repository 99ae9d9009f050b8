// `work --isolate`: what the command line says of it.

#include "task_verbs.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace taskstore::cli {
namespace {

constexpr std::int64_t kMsPerSecond = 1'000;
/// What verbs that a command runs find their database by.
constexpr std::array<std::string_view, 6> kStoreNames{"TASKSTORE_ACTOR", "TASKSTORE_CONFIG_*",
                                                      "TASKSTORE_DIR",   "TASKSTORE_DRIVERS",
                                                      "TASK_STORE_*",    "TURSO_TOKEN"};

Result<std::int64_t> size_of(std::string_view option, const std::string& text) {
    constexpr std::array<std::pair<std::string_view, unsigned>, 5> kUnits{
        {{"", 0U}, {"K", 10U}, {"M", 20U}, {"G", 30U}, {"T", 40U}}};
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && number > 0) {
        const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
        for (const auto& [unit, shift] : kUnits) {
            if (rest == unit && number <= (std::numeric_limits<std::int64_t>::max() >> shift))
                return number << shift;
        }
    }
    return fail(Code::invalid, "--" + std::string(option) +
                                   " wants a size such as 512M or 2G, not '" + text + "'");
}

Result<os::CommandLimits> limits_of(Context& context) {
    const Invocation& call = context.call;
    os::CommandLimits limits;
    if (call.has("limit-memory")) {
        TASKSTORE_LET(limits.memory_bytes, size_of("limit-memory", call.value("limit-memory")));
    }
    if (call.has("limit-cpu")) {
        TASKSTORE_LET(const std::int64_t ms, duration_of("limit-cpu", call.value("limit-cpu")));
        // The system counts whole seconds.
        limits.cpu_seconds = (ms + kMsPerSecond - 1) / kMsPerSecond;
    }
    if (call.has("limit-files")) {
        TASKSTORE_LET(limits.files, number_of("limit-files", call.value("limit-files")));
    }
    if (call.has("limit-processes")) {
        TASKSTORE_LET(limits.processes,
                      number_of("limit-processes", call.value("limit-processes")));
    }
    return limits;
}

std::vector<std::string> values_of(const Invocation& call, std::string_view option) {
    const auto found = call.options.find(option);
    return found == call.options.end() ? std::vector<std::string>() : found->second;
}

}  // namespace

Result<std::optional<work::IsolationOptions>> isolation_of(Context& context) {
    const Invocation& call = context.call;
    if (!call.has("isolate")) {
        for (const std::string_view option :
             {"strict", "no-network", "share-store", "writable", "keep-env", "limit-memory",
              "limit-cpu", "limit-files", "limit-processes"}) {
            if (call.has(option))
                return fail(Code::invalid, "--" + std::string(option) + " is for --isolate")
                    .with_hint("add --isolate");
        }
        return std::optional<work::IsolationOptions>();
    }
    work::IsolationOptions options;
    options.strict = call.has("strict");
    options.network = !call.has("no-network");
    options.environment_kept = values_of(call, "keep-env");
    for (const std::string& name : options.environment_kept) {
        if (name.find('=') != std::string::npos)
            return fail(Code::invalid, "--keep-env wants a name, not '" + name + "'")
                .with_hint(
                    "set it for the worker, and name it: NAME=VALUE taskstore work --isolate "
                    "--keep-env NAME");
    }
    for (const std::string& folder : values_of(call, "writable")) {
        options.writable.push_back(context.absolute(folder));
        TASKSTORE_TRY(context.files.info(options.writable.back()));
    }
    TASKSTORE_LET(options.limits, limits_of(context));
    return std::optional(std::move(options));
}

Status share_store(Context& context, work::WorkerOptions& options) {
    work::IsolationOptions& isolation = *options.isolation;
    isolation.environment_kept.insert(isolation.environment_kept.end(), kStoreNames.begin(),
                                      kStoreNames.end());
    const std::string home = device_home();
    options.environment.emplace_back("TASKSTORE_HOME", home);
    TASKSTORE_LET(const std::string databases, context.database_home());
    // Beside the folder of the holders lies the database, where it is a file.
    for (const std::string& folder : {home, databases, os::folder_of(options.run.path)}) {
        if (folder.empty() || !context.files.info(folder)) continue;
        if (std::ranges::find(isolation.writable, folder) == isolation.writable.end())
            isolation.writable.push_back(folder);
    }
    return ok();
}

void put_isolation(JsonWriter& writer, const work::IsolationFound& found) {
    writer.key("isolation").begin_object().key("got").begin_array();
    for (const os::IsolationPart part : found.trial.got) writer.string(name_of(part));
    writer.end_array().key("refused").begin_array();
    for (const os::RefusedPart& part : found.trial.refused) {
        writer.begin_object().key("part").string(name_of(part.part));
        writer.key("reason").string(part.reason).end_object();
    }
    writer.end_array().key("limits").begin_object();
    const auto limit = [&](std::string_view name, const std::optional<std::int64_t>& value) {
        if (value) writer.key(name).integer(*value);
    };
    limit("memory_bytes", found.limits.memory_bytes);
    limit("cpu_seconds", found.limits.cpu_seconds);
    limit("files", found.limits.files);
    limit("processes", found.limits.processes);
    writer.end_object().end_object();
}

}  // namespace taskstore::cli
