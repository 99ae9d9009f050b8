#include "word_waiter.hpp"

#include <taskstore/sqlite/database.hpp>

#include <algorithm>
#include <utility>

namespace taskstore::sqlite {
namespace {

class WordWaiter final : public sql::Waiter {
  public:
    WordWaiter(std::shared_ptr<os::WakeWord> word, const Clock& clock)
        : x_word(std::move(word)), x_clock(clock), x_seen(x_word->value()) {}

    Result<bool> wait(std::int64_t deadline_boot_ns, const std::stop_token& cancel) override {
        constexpr std::int64_t kLookAgainMs = 2'000;
        std::int64_t left_ms = kLookAgainMs;
        if (deadline_boot_ns != 0) {
            const std::int64_t left_ns = deadline_boot_ns - x_clock.boot_ns();
            if (left_ns <= 0) return false;
            left_ms = std::min(left_ms, left_ns / 1'000'000 + 1);
        }
        const os::WakeReason reason = x_word->wait(x_seen, left_ms, cancel);
        x_seen = x_word->value();
        if (reason == os::WakeReason::cancelled) return fail(Code::cancelled, "asked to stop");
        if (reason != os::WakeReason::timed_out) return true;
        return deadline_boot_ns == 0 || x_clock.boot_ns() < deadline_boot_ns;
    }

  private:
    std::shared_ptr<os::WakeWord> x_word;
    const Clock& x_clock;
    std::uint64_t x_seen;
};

}  // namespace

std::string wake_word_path(const std::string& path, std::string_view topic) {
    return path + "-wake-" + std::string(topic);
}

Result<std::shared_ptr<os::WakeWord>> open_word(os::FileSystem& files, const std::string& path,
                                                std::string_view topic) {
    const bool on_disk = dynamic_cast<os::SystemFileSystem*>(&files) != nullptr;
    auto made =
        on_disk ? os::WakeWord::open(wake_word_path(path, topic)) : os::WakeWord::in_process();
    if (!made) return fail(std::move(made).error());
    return std::make_shared<os::WakeWord>(std::move(*made));
}

std::unique_ptr<sql::Waiter> wait_on(std::shared_ptr<os::WakeWord> word, const Clock& clock) {
    return std::make_unique<WordWaiter>(std::move(word), clock);
}

}  // namespace taskstore::sqlite
