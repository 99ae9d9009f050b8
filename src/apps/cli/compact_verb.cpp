// taskstore compact: files with fewer lines that say the same.

#include "context.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/store/committed.hpp>

#include <charconv>

namespace taskstore::cli {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kDaysMax = 36'500;

/// "90d", "12w", "36h"; a number alone is days.
Result<std::int64_t> horizon_of(const std::string& text) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const std::int64_t unit_ms = unit.empty() || unit == "d" ? kDayMs
                                 : unit == "w"               ? 7 * kDayMs
                                 : unit == "h"               ? kDayMs / 24
                                                             : 0;
    if (error != std::errc() || unit_ms == 0 || count < 0 || count > kDaysMax * kDayMs / unit_ms)
        return fail(Code::invalid, "--horizon wants a number of days, such as 90d, not '" +
                                       printable_line(text) + "'")
            .with_hint("weeks (12w) and hours (36h) go too, up to 100 years");
    return count * unit_ms;
}

std::string shown_bytes(std::int64_t bytes) {
    return short_number(static_cast<double>(bytes)) + "B";
}

void write_json(const Context& context, const records::CompactReport& report,
                const records::CompactRequest& request) {
    std::string data;
    JsonWriter writer(data);
    writer.begin_object().key("dry_run").boolean(request.dry_run);
    writer.key("horizon_ms").integer(request.horizon_ms).key("collections").begin_array();
    for (const records::CompactReport::One& one : report.collections) {
        const ledger::CompactCounts& counts = one.counts;
        writer.begin_object()
            .key("collection")
            .string(one.collection)
            .key("lines_before")
            .integer(counts.lines_before)
            .key("lines_after")
            .integer(counts.lines_after)
            .key("bytes_before")
            .integer(counts.bytes_before)
            .key("bytes_after")
            .integer(counts.bytes_after)
            .key("folded")
            .integer(counts.folded)
            .key("tombstones_dropped")
            .integer(counts.tombstones)
            .key("tombstones_waiting")
            .integer(counts.tombstones_waiting)
            .key("uncommitted_lines")
            .integer(counts.uncommitted)
            .key("has_markers")
            .boolean(counts.has_markers)
            .key("changed")
            .boolean(one.changed)
            .end_object();
    }
    writer.end_array().end_object();
    context.print_json("compact_report", data);
}

void print_table(const Context& context, const records::CompactReport& report) {
    std::vector<std::vector<Cell>> rows;
    for (const records::CompactReport::One& one : report.collections) {
        const ledger::CompactCounts& counts = one.counts;
        rows.push_back(
            {{one.collection, Colour::cyan},
             {std::to_string(counts.lines_before)},
             {std::to_string(counts.lines_after), one.changed ? Colour::green : Colour::none},
             {shown_bytes(counts.bytes_before)},
             {shown_bytes(counts.bytes_after)},
             {std::to_string(counts.tombstones)}});
    }
    if (!rows.empty())
        context.print(
            format_table(context.terminal,
                         {"COLLECTION", "LINES", "AFTER", "SIZE", "AFTER", "DELETED GONE"}, rows));
}

void warn_of_rest(Context& context, const records::CompactReport& report) {
    std::int64_t uncommitted = 0;
    for (const records::CompactReport::One& one : report.collections) {
        uncommitted += one.counts.uncommitted;
        if (one.counts.has_markers)
            context.warn(one.collection +
                         ".jsonl holds markers of a merge and was left alone: 'taskstore sync' "
                         "settles what can be settled");
        if (one.counts.tombstones_waiting > 0)
            context.warn(counted(one.counts.tombstones_waiting, "deleted record of ",
                                 "deleted records of ") +
                         one.collection +
                         " stay: other lines count only with those of the batch that they came in");
    }
    if (uncommitted > 0)
        context.warn(counted(uncommitted, "line is not in HEAD and stays as it is",
                             "lines are not in HEAD and stay as they are") +
                     ": commit first, so that git keeps what is dropped");
    for (const std::string& note : report.notes) context.warn(note);
}

void print_sum(const Context& context, const records::CompactReport& report, bool dry_run) {
    std::int64_t lines = 0;
    std::int64_t bytes = 0;
    for (const records::CompactReport::One& one : report.collections) {
        lines += one.counts.lines_before - one.counts.lines_after;
        bytes += one.counts.bytes_before - one.counts.bytes_after;
    }
    if (bytes == 0) {
        context.print("✓ nothing to save\n");
        return;
    }
    context.print((dry_run ? "it would save " : "✓ saved ") + counted(lines, "line", "lines") +
                  " and " + shown_bytes(bytes) +
                  (dry_run ? "; nothing was changed\n" : "; git keeps them: commit the files\n"));
}

}  // namespace

Status run_compact(Context& context) {
    records::CompactRequest request{.dry_run = context.call.has("dry-run")};
    if (context.call.has("horizon")) {
        TASKSTORE_LET(request.horizon_ms, horizon_of(context.call.value("horizon")));
    }
    TASKSTORE_LET(const store::Place place, context.place());
    TASKSTORE_TRY(context.settings());  // refuses another user's folder before git is run in it
    request.without_git = context.call.has("without-git");
    if (!request.without_git) {
        auto committed =
            store::committed_lines(context.files, place, git::Environment::of_process());
        if (!committed && committed.error().code == Code::not_found)
            return fail(Code::not_found, committed.error().message +
                                             ": what a compaction drops would be gone for good")
                .with_hint(
                    "put the store under git and commit it; 'taskstore compact --help' "
                    "tells what goes without");
        if (!committed) return fail(std::move(committed).error());
        request.committed = std::move(*committed);
    }
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const records::CompactReport report, plan->compact(request));
    context.end_progress();
    if (!request.dry_run) {
        context.wrote = "the files are compacted";
        context.survives(sql::DurabilityLevel::flushed);
    }
    warn_of_rest(context, report);
    if (context.json) {
        write_json(context, report, request);
    } else if (!context.quiet) {
        print_table(context, report);
        print_sum(context, report, request.dry_run);
    }
    return ok();
}

}  // namespace taskstore::cli
