// What a record was, and the way back to it.

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
    TASKSTORE_TRY(ensure_fresh());
    Lines own;
    {
        const std::lock_guard db(x_db_mutex);
        std::optional<os::FileLock::Guard> guard;
        if (!x_in_memory) {
            TASKSTORE_LET(auto held, x_ledger.lock().acquire());
            guard.emplace(std::move(held));
            TASKSTORE_LET(const bool fresh, x_cache->is_fresh());
            if (!fresh) TASKSTORE_TRY(refresh_locked(x_taken_in));
        }
        TASKSTORE_LET(const StoredState stored, x_cache->load(collection, id));
        if (stored.rid == 0)
            return fail(Code::not_found, "nothing is known of '" + std::string(id) + "'");
        TASKSTORE_LET(own.texts, x_cache->lines_of(collection, stored.rid));
        if (own.texts.empty())
            return fail(Code::not_found,
                        "the lines of '" + std::string(id) + "' wait for the rest of their batch");
    }
    const ledger::Shape shape = shape_of(collection);
    ledger::LineDecoder decoder(shape);
    for (const std::string& text : own.texts) {
        TASKSTORE_LET(auto line, decoder.decode(text));
        own.lines.push_back(std::move(line));
    }
    std::ranges::sort(own.lines, [](const ledger::Line& a, const ledger::Line& b) {
        return std::tie(a.at, a.text) < std::tie(b.at, b.text);
    });
    const auto same = std::ranges::unique(
        own.lines, [](const ledger::Line& a, const ledger::Line& b) { return a.text == b.text; });
    own.lines.erase(same.begin(), same.end());
    std::vector<Version> versions;
    ledger::State before;
    for (std::size_t i = 0; i < own.lines.size(); ++i) {
        const ledger::Line& line = own.lines[i];
        const ledger::State after = ledger::fold(shape, std::span(own.lines).first(i + 1));
        Version version{std::string(collection),
                        std::string(id),
                        to_text(line.at),
                        line.by,
                        line.updated_at,
                        {},
                        {},
                        line.forced,
                        {}};
        version.action = line.tombstone                   ? "deleted"
                         : !before.live() && after.live() ? "created"
                                                          : "changed";
        if (!line.stamped && !line.tombstone)
            version.action = before.live() ? "changed" : "imported";
        for (const ledger::MemberState& member : after.members) {
            if (!before.live() || ledger::is_frame_member(shape, member.name)) continue;
            const ledger::MemberState* old = before.find(member.name);
            if (old != nullptr && old->raw_value == member.raw_value) continue;
            version.changed.push_back(member.name + ": " +
                                      (old == nullptr ? "–" : shown(old->raw_value)) + " → " +
                                      shown(member.raw_value));
        }
        for (const ledger::MemberState& member : before.members) {
            if (after.live() && after.find(member.name) == nullptr)
                version.changed.push_back(member.name + ": " + shown(member.raw_value) + " → –");
        }
        version.data = ledger::to_record_text(after);
        versions.push_back(std::move(version));
        before = after;
    }
    return versions;
}

Result<Written> PlanImpl::undo(std::string_view collection, std::string_view given_id) {
    std::string name(collection);
    std::string id(given_id);
    if (id.empty()) {
        std::string sql =
            "SELECT collection, id, updated_at u FROM taskstore_dead WHERE stamps<>'' UNION ALL "
            "SELECT collection, id, updated_at FROM records";
        for (const Kind& kind : kinds())
            sql += " UNION ALL SELECT '" + std::string(kind.collection) +
                   "', id, updated_at FROM " + std::string(kind.collection);
        TASKSTORE_TRY(read([&](sql::Connection& db) -> Status {
            TASKSTORE_LET(auto rows, db.prepare(sql + " ORDER BY u DESC LIMIT 1"));
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return fail(Code::not_found, "there is nothing to undo: the plan is empty");
            name = rows->column_text(0);
            id = rows->column_text(1);
            return ok();
        }));
    }
    TASKSTORE_LET(const auto versions, history(name, id));
    const Version& last = versions.back();
    Write write{.collection = name, .id = id, .force = true, .check_references = false};
    write.expected_revision = last.stamp;
    const ledger::Shape shape = shape_of(name);
    const Kind* kind = find_collection(name);
    JsonSlicer now_slicer;
    JsonSlicer then_slicer;
    const bool settable_all = kind == nullptr;
    const auto settable = [&](std::string_view member) {
        if (ledger::is_frame_member(shape, member)) return false;
        const Field* field = settable_all ? nullptr : kind->field(member);
        return field == nullptr || people_set(*field);
    };
    if (last.action == "created" || last.action == "imported") {
        write.kind = WriteKind::remove;
    } else {
        if (versions.size() < 2)
            return fail(Code::not_found,
                        "there is no earlier version of '" + id + "' to go back to");
        const Version& then = versions[versions.size() - 2];
        TASKSTORE_LET(const auto* const then_members, then_slicer.slice(then.data));
        TASKSTORE_LET(const auto* const now_members, now_slicer.slice(last.data));
        const auto raw_of = [](const std::vector<JsonMember>& members, std::string_view member) {
            const auto found = std::ranges::find(members, member, &JsonMember::name);
            return found == members.end() ? std::string() : std::string(found->raw_value);
        };
        write.kind = last.action == "deleted" ? WriteKind::create : WriteKind::update;
        if (write.kind == WriteKind::create) write.expected_revision.clear();
        for (const JsonMember& member : *then_members) {
            if (settable(member.name) && raw_of(*now_members, member.name) != member.raw_value) {
                write.changes.push_back({std::string(member.name), std::string(member.raw_value)});
            }
        }
        for (const JsonMember& member : *now_members) {
            if (settable(member.name) && raw_of(*then_members, member.name).empty())
                write.changes.push_back({std::string(member.name), ""});
        }
        // A null that was there before is what a create sets by itself.
        if (write.kind == WriteKind::create)
            std::erase_if(write.changes, [&](const ledger::Change& change) {
                return kind != nullptr &&
                       (change.raw_value == "null" || kind->field(change.name) == nullptr);
            });
    }
    return this->write({std::move(write)});
}

}  // namespace taskstore::records
