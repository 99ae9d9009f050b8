#include <taskstore/founding/found.hpp>

#include <taskstore/base/hash.hpp>

#include <array>

namespace taskstore::founding {
namespace {

constexpr std::array<std::string_view, 2> kWords{"lib-task-store", "adt"};

void put(std::string& out, std::string_view text) {
    out += std::to_string(text.size()) + ":";
    out += text;
}
void put(std::string& out, const std::optional<std::string>& text) {
    if (text)
        put(out, std::string_view(*text));
    else
        out += "-";
}
void put(std::string& out, std::optional<std::int64_t> number) {
    out += number ? std::to_string(*number) + ";" : "-";
}

}  // namespace

std::string_view word_of(System system) {
    return kWords.at(static_cast<std::size_t>(system));
}

std::optional<System> system_of(std::string_view word) {
    for (std::size_t i = 0; i < kWords.size(); ++i)
        if (kWords.at(i) == word) return static_cast<System>(i);
    return std::nullopt;
}

std::string digest(const FoundTask& task) {
    std::string text;
    for (const std::string* one : {&task.id, &task.status, &task.title, &task.project, &task.input,
                                   &task.metadata, &task.times_as_written})
        put(text, std::string_view(*one));
    for (const auto* one : {&task.description, &task.command, &task.result, &task.error, &task.logs,
                            &task.assigned_to, &task.agent_type})
        put(text, *one);
    for (const auto& one : {task.exit_code, task.max_attempts, std::optional(task.priority),
                            std::optional(task.retry_count)})
        put(text, one);
    for (const std::string& one : task.depends_on) put(text, std::string_view(one));
    for (const auto& [name, raw] : task.others) {
        put(text, std::string_view(name));
        put(text, std::string_view(raw));
    }
    return sha256_hex(text);
}

}  // namespace taskstore::founding
