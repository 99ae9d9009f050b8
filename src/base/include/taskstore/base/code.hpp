#pragma once
// The one table of error codes (floor 0; every module returns them, the programs map them to exit
// codes). A new code exists only if a caller would act differently on it. Each has a page in
// docs/errors/.

#include <cstdint>
#include <span>
#include <string_view>

namespace taskstore {

/// Stored in JSON and logs by name, never by number.
enum class Code : std::uint8_t {
    failed,           ///< Nothing more precise fits: an I/O error, a refused system call.
    invalid,          ///< The request itself is wrong: repeat it corrected, never as it is.
    not_found,        ///< The named record, file or collection does not exist.
    exists,           ///< A create met a record of that id.
    conflict,         ///< Stale revision, unresolved merge, illegal status change.
    lease_lost,       ///< Another worker owns the task; nothing was written.
    unavailable,      ///< Locked, busy or not reachable now: retrying may help.
    timed_out,        ///< The deadline passed before the work began; nothing was written.
    corrupt,          ///< Stored bytes are damaged; nothing was guessed.
    denied,           ///< The system or a rule does not permit it.
    outcome_unknown,  ///< The write may or may not be durable: read again before trying again.
    unsupported,      ///< Written by a newer version, or a part that was not built in.
    cancelled,        ///< The caller asked to stop.
    partial,          ///< Of several that were asked some answered: what they said is there.
};

struct CodeRow {
    Code code;
    std::string_view name;  ///< As in JSON, logs and docs/errors/NAME.md.
    int exit_code;   ///< 0 success 1 other 2 usage 3 not found 4 conflict 5 unavailable 6 corrupt 7
                     ///< denied 8 unknown 9 partly
    bool retryable;  ///< Whether the same call may succeed later without a change by the caller.
    int http_status;
};

/// All rows, in the order of the enumerators.
std::span<const CodeRow> code_rows();
const CodeRow& row_of(Code code);
inline std::string_view name_of(Code code) {
    return row_of(code).name;
}

}  // namespace taskstore
