// What a record was.

#include "plan_impl.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::records {
namespace {

struct Lines {
    std::vector<std::string> texts;
    std::vector<ledger::Line> lines;  ///< By stamp, oldest first.
};

}  // namespace

std::string shown(std::string_view raw) {
    const std::string text = kind_of_raw(raw) == JsonKind::string
                                 ? unescape_json(raw).value_or(std::string(raw))
                                 : std::string(raw);
    const std::string line = text.substr(0, text.find('\n'));
    return line.size() < text.size() || line.size() > 60 ? std::string(cut_utf8(line, 60)) + "…"
                                                         : line;
}

Result<std::vector<Version>> PlanImpl::history(std::string_view collection, std::string_view id) {
    TASKSTORE_LET(auto past, past_of(collection, id));
    std::vector<Version> versions;
    versions.reserve(past.size());
    for (Past& one : past) versions.push_back(std::move(one.version));
    return versions;
}

Result<std::vector<Past>> PlanImpl::past_of(std::string_view collection, std::string_view id) {
    Lines own;
    const ledger::Shape shape = shape_of(collection);
    const auto read_lines = [&](Cache& cache) -> Status {
        own = {};
        TASKSTORE_LET(const StoredState stored, cache.load(collection, id));
        if (stored.rid == 0)
            return fail(Code::not_found, "nothing is known of '" + std::string(id) + "'");
        TASKSTORE_LET(own.texts, cache.lines_of(collection, stored.rid));
        if (own.texts.empty())
            return fail(Code::not_found,
                        "the lines of '" + std::string(id) + "' wait for the rest of their batch");
        ledger::LineDecoder decoder(shape);
        for (const std::string& text : own.texts) {
            auto line = decoder.decode(text);
            if (!line || line->id != id)
                return fail(Code::corrupt, "the cache does not know the ledger that is there");
            own.lines.push_back(std::move(*line));
        }
        return ok();
    };
    // It reads the files themselves, where the cache says that the lines stand. What somebody else
    // put there since the cache looked is no damage of the cache: it looks again.
    Status known = ok();
    for (int times = 0; times <= kMovedMax; ++times) {
        x_checked_boot_ns = 0;
        bool moved = false;
        known = read([&](sql::Connection& db, const Catalogue& catalogue) -> Status {
            TASKSTORE_LET(auto snapshot, sql::Transaction::begin_read(db));
            Cache cache(db, x_ledger, x_clock, catalogue.shared_from_this());
            auto status = read_lines(cache);
            if (status || times == kMovedMax) return status;
            TASKSTORE_LET(moved, is_replaced(cache, collection));
            return moved ? Status(fail(Code::conflict, status.error().message)) : status;
        });
        if (known || !moved) break;
    }
    if (!known) {
        if (known.error().code == Code::not_found) TASKSTORE_TRY(check_is_file(collection));
        return fail(known.error());
    }
    std::ranges::sort(own.lines, [](const ledger::Line& a, const ledger::Line& b) {
        return std::tie(a.at, a.text) < std::tie(b.at, b.text);
    });
    const auto same = std::ranges::unique(
        own.lines, [](const ledger::Line& a, const ledger::Line& b) { return a.text == b.text; });
    own.lines.erase(same.begin(), same.end());
    std::vector<Past> past;
    ledger::State before;
    for (std::size_t i = 0; i < own.lines.size(); ++i) {
        if (i % 64 == 63 && x_options.progress) {
            x_options.progress("folding versions", static_cast<std::int64_t>(i),
                               static_cast<std::int64_t>(own.lines.size()));
        }
        const ledger::Line& line = own.lines[i];
        ledger::State after = ledger::fold(shape, std::span(own.lines).first(i + 1));
        Version version{std::string(collection),
                        std::string(id),
                        to_text(line.at),
                        line.by,
                        line.updated_at,
                        {},
                        {},
                        {},
                        line.forced,
                        {}};
        version.action = line.tombstone                   ? "deleted"
                         : !before.live() && after.live() ? "created"
                                                          : "changed";
        if (!line.stamped && !line.tombstone)
            version.action = before.live() ? "changed" : "imported";
        version.live = after.live();
        version.revision = to_text(after.at);
        for (const ledger::MemberState& member : after.members) {
            if (!before.live() || ledger::is_frame_member(shape, member.name)) continue;
            const ledger::MemberState* old = before.find(member.name);
            if (old != nullptr && old->raw_value == member.raw_value) continue;
            version.changed.push_back(member.name + ": " +
                                      (old == nullptr ? "–" : shown(old->raw_value)) + " → " +
                                      shown(member.raw_value));
            version.changed_members.push_back(member.name);
        }
        for (const ledger::MemberState& member : before.members) {
            if (!after.live() || after.find(member.name) != nullptr) continue;
            version.changed.push_back(member.name + ": " + shown(member.raw_value) + " → –");
            version.changed_members.push_back(member.name);
        }
        // After a deletion nothing of it stands, also where the record was created again since.
        const bool too_late = !line.tombstone && before.life != 0 && line.life != 0 &&
                              line.life < after.life && version.changed.empty();
        if (too_late || (!version.live && !line.tombstone)) {
            version.action = "lost";
            for (const ledger::LostValue& lost : after.lost) {
                if (lost.stamp != line.at) continue;
                version.changed.push_back(lost.name + ": " + shown(lost.raw_value) +
                                          " lost to the deletion");
                version.changed_members.push_back(lost.name);
            }
        }
        version.data = ledger::to_record_text(after);
        if (line.batch) version.batch = line.batch->id;
        Past one{std::move(version), line.at.replica == x_replica->id(), {}, after.lost};
        for (const ledger::Member& member : line.members) {
            if (member.stamp == line.at) one.written.push_back(member.name);
        }
        past.push_back(std::move(one));
        before = std::move(after);
    }
    return past;
}

/// Whether another file has the place of the one that was taken in.
Result<bool> PlanImpl::is_replaced(Cache& cache, std::string_view collection) {
    TASKSTORE_LET(const FileRow row, cache.file_row(collection));
    const auto info = x_files.info(x_ledger.path_of(collection));
    return row.number != 0 && !(info && info->identity == row.identity);
}

}  // namespace taskstore::records
