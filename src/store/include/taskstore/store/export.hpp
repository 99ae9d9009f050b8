#pragma once
// Moving out (floor 5): live records of a plan as JSONL, CSV or a Markdown checklist, in forms that
// import_records takes in again. Memory is bounded; all of it is one committed state.
//
// JSONL and CSV carry every member but `updated_at`'s role: it is written, but an import is a write
// of its own time. JSONL carries declarations of collections too, also of empty ones. Records stand
// in the order of the store, about that of their creation. Markdown carries PRDs and task specs:
// title, content, id, and whether a spec is complete.

#include <taskstore/records/plan.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::store {

enum class ExportFormat : std::uint8_t { jsonl, csv, markdown };

struct ExportRequest {
    std::vector<std::string> collections;  ///< Empty: all that hold something.
    ExportFormat format = ExportFormat::jsonl;
    bool stamps = false;  ///< JSONL: with each record's _stamps.
    /// Takes the text in pieces.
    std::function<Status(std::string_view)> write;
    /// The output is to be empty again. Empty: it cannot, and what would need it fails.
    std::function<Status()> rewind = {};
    std::function<void(std::string_view what, std::int64_t done, std::int64_t total)> progress = {};
};

struct ExportReport {
    std::map<std::string, std::int64_t> collections;
    std::int64_t bytes = 0;
    std::vector<std::string> notes;  ///< What the format does not carry.
};

/// not_found: there is nothing of that name. invalid: Markdown of other collections, stamps in
/// other formats than JSONL, more columns than CSV takes. Errors of `write` are passed on.
Result<ExportReport> export_records(records::Plan& plan, const ExportRequest& request);

}  // namespace taskstore::store
