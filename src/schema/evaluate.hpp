#pragma once
// Runs a program over an instance. Twice where it does not fit and reasons are wanted: the first
// run only asks, and stops at the first reason; the second tells.

#include "program.hpp"

namespace taskstore::schema {

/// Whether `instance` fits. invalid: the budget was used up.
Result<bool> instance_fits(const Program& program, const Tape& instance,
                           const ValidateOptions& options);

/// Why it does not. Not empty where instance_fits says no.
std::vector<Violation> tell_violations(const Program& program, const Tape& instance,
                                       const ValidateOptions& options);

}  // namespace taskstore::schema
