// The two ways to carry out a task: a command under its guard, and a function of this program.

#include "isolated.hpp"
#include "running.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/work/command_words.hpp>

#include <filesystem>
#include <thread>

namespace taskstore::work {
namespace {

constexpr std::size_t kResultBytesMax = std::size_t{16} << 20U;

class CommandDoing final : public Doing {
  public:
    CommandDoing(const Services& services, const tasks::Task& task, os::Guard& guard)
        : x_services(services),
          x_task(task),
          x_guard(guard),
          x_name(task.id + "-" + std::to_string(task.fence)),
          x_log(os::join_path(services.options.log_folder, x_name + ".log")),
          x_result(os::join_path(services.options.log_folder, x_name + ".result")) {
        if (!services.isolation) return;
        x_own.emplace(services.files, services.options.isolation->folder, x_name);
        x_result = x_own->result();
    }

    ~CommandDoing() override { static_cast<void>(x_services.files.unlink(x_result).has_value()); }
    CommandDoing(const CommandDoing&) = delete;
    CommandDoing& operator=(const CommandDoing&) = delete;

    Status begin() override {
        os::GuardedCommand command{.arguments = x_services.options.command,
                                   .folder = x_services.options.folder,
                                   .log_path = x_log};
        if (command.arguments.empty() && x_task.shell) {
            command.arguments = {"/bin/sh", "-c", x_task.command.value_or("")};
        } else if (command.arguments.empty()) {
            TASKSTORE_LET(command.arguments, words_of_command(x_task.command.value_or("")));
        }
        command.environment = x_services.options.environment;
        command.environment.emplace_back("TASKSTORE_TASK_ID", x_task.id);
        command.environment.emplace_back("TASKSTORE_TASK_FENCE", std::to_string(x_task.fence));
        command.environment.emplace_back("TASKSTORE_TASK_WORKER", x_services.options.name);
        command.environment.emplace_back("TASKSTORE_TASK_RESULT", x_result);
        if (x_own) TASKSTORE_TRY(isolate(command));
        const std::string input = tasks::task_json(x_task) + "\n";
        command.input = input;
        return x_guard.run(command);
    }
    void end_at(std::int64_t at_ns, os::GuardClock clock) override { x_guard.end_at(at_ns, clock); }
    Result<std::optional<os::CommandEnd>> wait(std::optional<std::int64_t> timeout_ms) override {
        return x_guard.wait(timeout_ms);
    }
    void wake() override { x_guard.wake(); }
    void terminate() override { x_guard.terminate(); }
    void kill() override { x_guard.kill(); }
    Result<std::optional<std::string>> result() override {
        // A pipe that nobody writes to would keep us, and a link lead to what is none of its own.
        const auto info = x_services.files.link_info(x_result);
        if (info && x_own && info->kind != os::FileKind::regular)
            return fail(Code::invalid, "what the command left as its result is no file");
        auto text = os::read_file(x_services.files, x_result, kResultBytesMax);
        if (!text && text.error().code == Code::not_found) return std::optional<std::string>();
        if (!text) return fail(std::move(text).error());
        if (const auto json = check_json(*text); !json)
            return fail(Code::invalid,
                        "what the command wrote as its result is no JSON: " + json.error().message);
        return std::optional(std::move(*text));
    }
    std::string log_path() const override { return x_log; }

  private:
    Status isolate(os::GuardedCommand& command) {
        const IsolationOptions& wanted = *x_services.options.isolation;
        const IsolationFound& found = *x_services.isolation;
        TASKSTORE_TRY(x_own->make(x_guard.lock_path()));
        TASKSTORE_TRY(begin_log("isolated: " + text_of(found) + "\n"));
        const std::string from =
            command.folder.empty() ? std::filesystem::current_path().string() : command.folder;
        // Meant from where the worker stands.
        std::string& program = command.arguments.front();
        if (program.find('/') != std::string::npos && !program.starts_with('/'))
            program = os::join_path(from, program);
        command.environment_kept.emplace(kEnvironmentKept.begin(), kEnvironmentKept.end());
        command.environment_kept->insert(command.environment_kept->end(),
                                         wanted.environment_kept.begin(),
                                         wanted.environment_kept.end());
        command.environment.emplace_back("HOME", x_own->home());
        command.environment.emplace_back("TMPDIR", x_own->tmp());
        command.environment.emplace_back("TASKSTORE_TASK_FOLDER", from);
        command.isolation.emplace();
        command.isolation->parts = found.trial.got;
        command.isolation->limits = found.limits;
        command.isolation->writable = wanted.writable;
        command.isolation->writable.push_back(x_own->path());
        if (!os::lies_in_tmp(from)) command.isolation->tmp = x_own->tmp();
        command.folder = x_own->home();
        return ok();
    }
    Status begin_log(const std::string& line) {
        TASKSTORE_LET(const auto log, x_services.files.open(x_log, os::OpenMode::create, 0600));
        std::size_t written = 0;
        return log->append(line, written);
    }

    const Services& x_services;
    const tasks::Task& x_task;
    os::Guard& x_guard;
    const std::string x_name;
    const std::string x_log;
    std::string x_result;
    std::optional<IsolatedFolder> x_own;
};

class HandlerDoing final : public Doing {
  public:
    HandlerDoing(const Services& services, const tasks::Task& task)
        : x_services(services), x_task(task) {}

    Status begin() override {
        x_thread = std::jthread([this](const std::stop_token& stop) {
            auto answer = x_services.options.handler(x_task, stop);
            const std::lock_guard guard(x_mutex);
            x_answer.emplace(std::move(answer));
            x_changed.notify_all();
        });
        return ok();
    }
    void end_at(std::int64_t, os::GuardClock) override {}
    Result<std::optional<os::CommandEnd>> wait(std::optional<std::int64_t> timeout_ms) override {
        std::unique_lock guard(x_mutex);
        const auto over = [&] { return x_answer || x_woken; };
        if (timeout_ms)
            x_changed.wait_for(guard, std::chrono::milliseconds(*timeout_ms), over);
        else
            x_changed.wait(guard, over);
        x_woken = false;
        if (!x_answer) return std::optional<os::CommandEnd>();
        return std::optional(os::CommandEnd{x_answer->has_value() ? 0 : 1, 0});
    }
    void wake() override {
        const std::lock_guard guard(x_mutex);
        x_woken = true;
        x_changed.notify_all();
    }
    void terminate() override { x_thread.request_stop(); }
    void kill() override {}
    Result<std::optional<std::string>> result() override {
        if (!*x_answer) return fail(x_answer->error());
        if (const auto json = check_json(**x_answer); !json)
            return fail(Code::invalid,
                        "what the handler answered is no JSON: " + json.error().message);
        return std::optional(**x_answer);
    }

  private:
    const Services& x_services;
    const tasks::Task& x_task;
    std::mutex x_mutex;
    std::condition_variable x_changed;
    bool x_woken = false;
    std::optional<Result<std::string>> x_answer;
    std::jthread x_thread;
};

}  // namespace

std::unique_ptr<Doing> run_command(const Services& services, const tasks::Task& task,
                                   os::Guard& guard) {
    return std::make_unique<CommandDoing>(services, task, guard);
}

std::unique_ptr<Doing> run_handler(const Services& services, const tasks::Task& task) {
    return std::make_unique<HandlerDoing>(services, task);
}

}  // namespace taskstore::work
