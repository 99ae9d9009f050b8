// The worker: what it prints, and how it is told to end. What it does is taskstore/work/worker.hpp.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/os/signals.hpp>

#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <thread>

namespace taskstore::cli {
namespace {

using work::Finished;
using work::Outcome;

constexpr std::size_t kOutcomes = static_cast<std::size_t>(Outcome::unwritten) + 1;
constexpr std::int64_t kCountAgainNs = 500'000'000;
constexpr std::int64_t kMsPerDay = 86'400'000;

Result<std::optional<std::int64_t>> maybe_duration(Context& context, std::string_view option) {
    if (!context.call.has(option)) return std::optional<std::int64_t>();
    TASKSTORE_LET(const std::int64_t ms, duration_of(option, context.call.value(option)));
    return std::optional(ms);
}

Result<work::WorkerOptions> options_of(Context& context) {
    const Invocation& call = context.call;
    work::WorkerOptions options;
    if (call.has("worker")) {
        options.name = call.value("worker");
    } else {
        TASKSTORE_LET(const std::string actor, task_actor(context));
        options.name = actor + "-" + std::to_string(::getpid());
    }
    TASKSTORE_LET(options.project, project_of(context));
    if (const auto found = call.options.find("capability"); found != call.options.end())
        options.capabilities = found->second;
    if (call.has("agent-type")) options.agent_type = call.value("agent-type");
    if (call.has("jobs")) {
        TASKSTORE_LET(const std::int64_t jobs, number_of("jobs", call.value("jobs")));
        options.jobs = static_cast<int>(std::clamp<std::int64_t>(jobs, INT_MIN, INT_MAX));
    }
    TASKSTORE_LET(options.lease_ms, maybe_duration(context, "lease"));
    TASKSTORE_LET(options.timeout_ms, maybe_duration(context, "timeout"));
    TASKSTORE_LET(const auto grace_ms, maybe_duration(context, "grace"));
    options.grace_ms = grace_ms.value_or(options.grace_ms);
    if (call.has("once")) options.tasks_max = 1;
    options.until_empty = call.has("drain");
    options.command = call.arguments;
    options.folder = context.absolute(".");
    TASKSTORE_LET(const std::string home, context.database_home());
    options.log_folder = os::join_path(home, "logs/tasks");
    TASKSTORE_LET(const config::Config* const settings, context.settings());
    options.log_age_ms_max = settings->integer("tasks.log_days_max") * kMsPerDay;
    options.session_grace_ms = settings->integer("tasks.session_grace_ms");
    options.log_bytes_max = settings->integer("tasks.log_bytes_max");
    // Verbs that a command runs are to find the same database.
    if (call.has("store"))
        options.environment.emplace_back("TASKSTORE_DIR", context.absolute(call.value("store")));
    TASKSTORE_LET(options.isolation, isolation_of(context));
    if (options.isolation) options.isolation->folder = os::join_path(home, "isolated");
    return options;
}

std::string seconds(std::int64_t ms) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f s", static_cast<double>(ms) / 1000.0);
    return text.data();
}

/// Prints as tasks end; called by one thread at a time.
class Report {
  public:
    Report(Context& context, tasks::TaskStore& store, std::optional<std::string> project)
        : x_context(context), x_store(store), x_project(std::move(project)) {}

    void add(const Finished& finished) {
        ++x_counts[static_cast<std::size_t>(finished.outcome)];
        ++x_done;
        if (finished.level) x_context.survives(*finished.level);
        if (!x_context.json && !x_context.quiet) {
            std::string line = std::string(name_of(finished.outcome));
            line.append(line.size() < 10 ? 10 - line.size() : 1, ' ');
            line += finished.task.id + "  " + seconds(finished.duration_ms) + "  " +
                    printable_line(finished.task.title);
            if (!finished.error.empty()) line += ": " + printable_line(finished.error);
            x_context.print(line + "\n");
            x_context.tell_now();
        }
        show();
    }
    void isolated(const work::IsolationFound& found) {
        x_isolation = found;
        for (const os::RefusedPart& part : found.trial.refused)
            x_context.warn("commands run without the namespace " + std::string(name_of(part.part)) +
                           ": " + part.reason);
        if (x_context.json || x_context.quiet) return;
        x_context.print("isolated: " + text_of(found) + "\n");
        x_context.tell_now();
    }
    bool any() const { return x_done > 0; }
    void finish(const std::string& worker) {
        x_context.end_progress();
        if (x_context.json) {
            std::string data;
            JsonWriter writer(data);
            writer.begin_object().key("worker").string(worker).key("tasks").integer(x_done);
            for (std::size_t i = 0; i < kOutcomes; ++i)
                writer.key(name_of(static_cast<Outcome>(i))).integer(x_counts[i]);
            if (x_isolation) put_isolation(writer, *x_isolation);
            writer.end_object();
            x_context.print_json("work", data);
        } else if (!x_context.quiet) {
            std::string line;
            for (std::size_t i = 0; i < kOutcomes; ++i) {
                if (x_counts[i] == 0) continue;
                line += (line.empty() ? "" : ", ") + std::to_string(x_counts[i]) + " " +
                        std::string(name_of(static_cast<Outcome>(i)));
            }
            x_context.print((line.empty() ? "nothing was done" : line) + "\n");
        }
    }

  private:
    void show() {
        if (x_context.quiet || x_context.json || ::isatty(STDERR_FILENO) == 0) return;
        const std::int64_t now = x_context.clock.boot_ns();
        if (now - x_counted_at > kCountAgainNs) {
            x_counted_at = now;
            if (const auto stats = x_store.stats(x_project)) {
                using tasks::TaskStatus;
                const auto of = [&](TaskStatus status) {
                    return stats->by_status[static_cast<std::size_t>(status)];
                };
                x_total = x_done + of(TaskStatus::pending) + of(TaskStatus::in_progress);
            }
        }
        x_context.progress("tasks", x_done, std::max(x_total, x_done));
    }

    Context& x_context;
    tasks::TaskStore& x_store;
    std::optional<std::string> x_project;
    std::array<std::int64_t, kOutcomes> x_counts{};
    std::int64_t x_done = 0;
    std::int64_t x_total = 0;
    std::int64_t x_counted_at = 0;
    std::optional<work::IsolationFound> x_isolation;
};

/// Nothing where there is no plan here.
Result<std::unique_ptr<work::SpecRuns>> runs_of(Context& context, tasks::TaskStore& store) {
    auto runs = spec_runs_of(context, store);
    if (!runs && runs.error().code == Code::not_found) return std::unique_ptr<work::SpecRuns>();
    if (!runs) return runs;
    TASKSTORE_TRY(rescue_first(context, store));
    TASKSTORE_TRY((*runs)->settle());
    return runs;
}

}  // namespace

Status run_work(Context& context) {
    TASKSTORE_LET(work::WorkerOptions options, options_of(context));
    // It asks again by itself.
    TASKSTORE_LET(const auto store, open_tasks_to_stay(context, {}));
    options.chore = archiving_as_set(context, *store);
    options.run = store->at()->run;
    options.run_now = [&store] { return store->at()->run; };
    if (context.call.has("share-store")) TASKSTORE_TRY(share_store(context, options));
    Report report(context, *store, options.project);
    options.isolated = [&](const work::IsolationFound& found) { report.isolated(found); };
    TASKSTORE_LET(const auto runs, runs_of(context, *store));
    const auto show = [&](const Status& shown) {
        if (!shown) context.warn("the plan does not show it: " + shown.error().message);
    };
    if (runs) options.began = [&](const tasks::Task& task) { show(runs->began(task)); };
    options.finished = [&](const Finished& finished) {
        if (runs) show(runs->ended(finished));
        report.add(finished);
    };
    options.warn = [&](const std::string& what) { context.warn(what); };
    const std::string name = options.name;
    TASKSTORE_LET(os::StopSignals signals, os::StopSignals::take());
    work::Worker worker(*store, context.clock, context.random, context.files, std::move(options));
    Status status;
    {
        const std::jthread thread([&] {
            status = worker.run();
            signals.wake();
        });
        // The first one: finish what runs. The second one: end that too.
        if (signals.wait()) {
            worker.drain();
            if (signals.wait()) worker.stop();
        }
    }
    // Who could not begin has nothing to sum up.
    if (!status && !report.any()) return status;
    report.finish(name);
    return status;
}

}  // namespace taskstore::cli
