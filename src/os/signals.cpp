#include <taskstore/os/signals.hpp>

#include "descriptor.hpp"
#include "system_error.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace taskstore::os {

struct StopSignals::State {
    sigset_t before{};
    Descriptor signals;
    Descriptor woken{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    ~State() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
};

StopSignals::StopSignals(std::unique_ptr<State> state) : x_state(std::move(state)) {}
StopSignals::StopSignals(StopSignals&&) noexcept = default;
StopSignals& StopSignals::operator=(StopSignals&&) noexcept = default;
StopSignals::~StopSignals() = default;

Result<StopSignals> StopSignals::take() {
    sigset_t wanted;
    ::sigemptyset(&wanted);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&wanted, number);
    auto state = std::make_unique<State>();
    ::pthread_sigmask(SIG_BLOCK, &wanted, &state->before);
    state->signals.take(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    if (state->signals.get() < 0 || state->woken.get() < 0)
        return system_failure("wait for", "signals", errno);
    return StopSignals(std::move(state));
}

std::optional<int> StopSignals::wait() {
    while (true) {
        std::array<struct pollfd, 2> waited{
            {{x_state->signals.get(), POLLIN, 0}, {x_state->woken.get(), POLLIN, 0}}};
        if (::poll(waited.data(), waited.size(), -1) < 0) continue;
        if (waited[0].revents != 0) {
            if (const auto number = look()) return number;
        }
        if (waited[1].revents != 0) return std::nullopt;
    }
}

std::optional<int> StopSignals::look() {
    struct signalfd_siginfo info{};
    if (::read(x_state->signals.get(), &info, sizeof info) != sizeof info) return std::nullopt;
    return static_cast<int>(info.ssi_signo);
}

void StopSignals::wake() {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(x_state->woken.get(), &one, sizeof one));
}

}  // namespace taskstore::os
