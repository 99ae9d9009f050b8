#pragma once
// Moves that are broken off, and who takes writes then.

#include "device_store.hpp"

#include <array>
#include <string>

namespace taskstore::store {

inline std::string config_of(Device& device) {
    return os::read_file(device.files, device.folder / "home/config.toml").value_or("");
}

inline constexpr std::array kSteps{MoveStep::begun,      MoveStep::marked, MoveStep::copied,
                                   MoveStep::sealing,    MoveStep::sealed, MoveStep::equal,
                                   MoveStep::going_live, MoveStep::live,   MoveStep::switched};

/// Ends after that step, as a crash would.
inline MoveRequest broken_off(MoveRequest request, MoveStep at) {
    request.after_step_for_testing = [at](MoveStep step) {
        return step == at ? Status(fail(Code::cancelled, "as planned")) : ok();
    };
    return request;
}

/// Whether somebody who opens the place now can write.
inline bool takes_writes(Device& device, const std::string& place) {
    Device other;
    other.place = place;
    const auto databases = other.databases();
    const auto database = databases->open(DatabaseName::tasks);
    if (!database) return false;
    return tasks::make_task_store(**database, device.clock, device.random)
        ->create_task({.title = "probe"})
        .has_value();
}

}  // namespace taskstore::store
