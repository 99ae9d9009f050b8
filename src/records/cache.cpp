#include "cache.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace taskstore::records {

namespace {

/// `data` with its stamps put back: the line that a state is decoded from.
std::string with_stamps(std::string_view data, std::string_view stamps) {
    std::string text(data.substr(0, data.rfind('}')));
    if (!stamps.empty()) {
        if (text.find_last_not_of(" \t{") != std::string::npos) text += ',';
        text += "\"_stamps\":" + std::string(stamps);
    }
    return text + "}";
}

}  // namespace

std::string stamps_of(const ledger::Shape& shape, const ledger::State& state) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object().key("v").integer(1).key("at").string(to_text(state.at));
    if (!state.by.empty()) writer.key("by").string(state.by);
    if (state.life != 1) writer.key("life").integer(state.life);
    bool any = false;
    const auto put = [&](const std::string& name, const Stamp& stamp) {
        if (!any) writer.key("f").begin_object();
        any = true;
        writer.key(name).string(stamp == state.at ? "" : to_text(stamp));
    };
    for (const ledger::MemberState& member : state.members) {
        if (member.stamp != state.at && !ledger::is_frame_member(shape, member.name))
            put(member.name, member.stamp);
    }
    for (const ledger::RemovedMember& removed : state.removed) put(removed.name, removed.stamp);
    if (any) writer.end_object();
    writer.end_object();
    return text;
}

Result<std::int64_t> Cache::number(std::string_view sql) {
    TASKSTORE_LET(auto rows, x_db.prepare(sql));
    TASKSTORE_LET(const bool row, rows->step());
    return row ? rows->column_int64(0) : 0;
}

Result<std::int64_t> Cache::next_rid() {
    if (x_next_rid < 0) {
        TASKSTORE_LET(x_next_rid, number("SELECT max(rid) FROM taskstore_lines"));
    }
    return ++x_next_rid;
}

Result<std::int64_t> Cache::find_rid(std::string_view collection, std::string_view id) {
    const Kind* kind = x_catalogue->find_collection(collection);
    const std::string live = kind != nullptr
                                 ? "SELECT rid FROM " + table_of(kind) + " WHERE id=?1"
                                 : "SELECT rid FROM records WHERE id=?1 AND collection=?2";
    for (const std::string& sql :
         {live, std::string("SELECT rid FROM taskstore_dead WHERE id=?1 AND collection=?2")}) {
        TASKSTORE_LET(auto rows, x_db.prepare(sql));
        TASKSTORE_TRY(rows->bind(1, id));
        if (sql.ends_with("?2")) TASKSTORE_TRY(rows->bind(2, collection));
        TASKSTORE_LET(const bool row, rows->step());
        if (row) return rows->column_int64(0);
    }
    return 0;
}

Result<StoredState> Cache::load(std::string_view collection, std::string_view id) {
    const Kind* kind = x_catalogue->find_collection(collection);
    StoredState out;
    ledger::LineDecoder decoder(shape_of(collection), true);
    std::string text;
    {
        TASKSTORE_LET(
            auto rows,
            x_db.prepare("SELECT rid,data,stamps FROM " + table_of(kind) +
                         (kind != nullptr ? " WHERE id=?1" : " WHERE id=?1 AND collection=?2")));
        TASKSTORE_TRY(rows->bind(1, id));
        if (kind == nullptr) TASKSTORE_TRY(rows->bind(2, collection));
        TASKSTORE_LET(const bool row, rows->step());
        if (row) {
            out.rid = rows->column_int64(0);
            text = with_stamps(rows->column_text(1), rows->column_text(2));
        }
    }
    if (out.rid == 0) {
        TASKSTORE_LET(
            auto rows,
            x_db.prepare(
                "SELECT rid,updated_at,stamps FROM taskstore_dead WHERE id=?1 AND collection=?2"));
        TASKSTORE_TRY(rows->bind(1, id));
        TASKSTORE_TRY(rows->bind(2, collection));
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) return out;
        out.rid = rows->column_int64(0);
        if (rows->column_text(2).empty()) return out;  // its lines wait for their batch
        std::string data;
        JsonWriter(data)
            .begin_object()
            .key(shape_of(collection).id_member)
            .string(id)
            .key("deleted")
            .boolean(true)
            .key("updated_at")
            .integer(rows->column_int64(1))
            .end_object();
        text = with_stamps(data, rows->column_text(2));
    }
    auto line = decoder.decode(text);
    if (!line)
        return fail(Code::corrupt, "the cache holds a damaged record '" + std::string(id) +
                                       "': " + line.error().message);
    out.state = ledger::fold(shape_of(collection), std::span(&*line, 1));
    return out;
}

Result<MemberStamps> Cache::stamps_in(std::string_view select, std::int64_t rid) {
    MemberStamps out;
    TASKSTORE_LET(auto rows, x_db.prepare(select));
    TASKSTORE_TRY(rows->bind(1, rid));
    while (true) {
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) return out;
        TASKSTORE_LET(auto stamp, parse_stamp(rows->column_text(1)));
        out.emplace_back(rows->column_text(0), std::move(stamp));
    }
}

Result<MemberStamps> Cache::lost_of(std::int64_t rid) {
    return stamps_in("SELECT member,stamp FROM taskstore_lost WHERE rid=?1", rid);
}

Result<MemberStamps> Cache::agreed_of(std::int64_t rid) {
    return stamps_in("SELECT member,stamp FROM taskstore_agreed WHERE rid=?1", rid);
}

const std::string& Cache::insert_sql(const Kind* kind) {
    std::string& sql = x_insert_sql[kind];
    if (!sql.empty()) return sql;
    sql = "INSERT INTO " + table_of(kind) + "(rid,id,updated_at,revision,data,stamps";
    std::string values = "?1,?2,?3,?4,?5,?6";
    int index = 6;
    if (kind == nullptr) {
        sql += ",collection";
        values += ",?7";
    } else {
        for (const Field& field : kind->fields) {
            if (field.document) continue;
            sql += "," + column_of(kind, field.name);
            values += ",?" + std::to_string(++index);
        }
    }
    return sql += ") VALUES (" + values + ")";
}

Status Cache::put_new(std::string_view collection, std::int64_t rid, const Record& record,
                      std::string_view stamps, const std::vector<ledger::Change>& members) {
    return put_row(collection, rid, record.id, record.updated_at, record.revision, record.data,
                   stamps, [&](std::string_view name) {
                       const auto found = std::ranges::find(members, name, &ledger::Change::name);
                       return found == members.end() ? std::string_view()
                                                     : std::string_view(found->raw_value);
                   });
}

Status Cache::put_row(std::string_view collection, std::int64_t rid, const std::string& id,
                      std::int64_t updated_at, const std::string& revision, std::string_view data,
                      std::string_view stamps,
                      const std::function<std::string_view(std::string_view)>& raw_of) {
    const Kind* kind = x_catalogue->find_collection(collection);
    TASKSTORE_LET(auto insert, x_db.prepare(insert_sql(kind)));
    int index = 6;
    TASKSTORE_TRY(insert->bind(1, rid));
    TASKSTORE_TRY(insert->bind(2, std::string_view(id)));
    TASKSTORE_TRY(insert->bind(3, updated_at));
    TASKSTORE_TRY(insert->bind(4, std::string_view(revision)));
    TASKSTORE_TRY(insert->bind(5, data));
    TASKSTORE_TRY(insert->bind(6, stamps));
    std::vector<std::string> texts;  // what is bound is bound where it stands
    std::vector<sql::Value> values;
    if (kind != nullptr && kind->declared)
        values.reserve(kind->fields.size());
    else if (kind != nullptr)
        texts.reserve(kind->fields.size());
    if (kind == nullptr) {
        TASKSTORE_TRY(insert->bind(7, collection));
    } else {
        index = 6;
        for (const Field& field : kind->fields) {
            if (field.document) continue;
            ++index;
            const std::string_view raw = raw_of(field.name);
            if (kind->declared) {
                // As json_extract() would have it: what does not fit is found all the same.
                sql::Value value = raw.empty() ? sql::Value() : value_of_raw(raw);
                const auto* const text = std::get_if<std::string>(&value);
                if (text == nullptr || text->find('\0') == std::string::npos) {
                    values.push_back(std::move(value));
                    TASKSTORE_TRY(insert->bind_value(index, values.back()));
                }
                continue;
            }
            const bool number =
                field.type == FieldType::integer || field.type == FieldType::time_ms;
            // A value of another type than declared stays in `data`, is found by no index, and is
            // listed by doctor.
            if (number) {
                const auto value = raw_to_int64(raw);
                if (value) TASKSTORE_TRY(insert->bind(index, *value));
            } else if (!raw.empty() && kind_of_raw(raw) == JsonKind::string) {
                auto text = unescape_json(raw);
                if (text && text->find('\0') == std::string::npos) {
                    texts.push_back(std::move(*text));
                    TASKSTORE_TRY(insert->bind(index, std::string_view(texts.back())));
                }
            }
        }
    }
    count(collection, 1);
    return insert->run();
}

Status Cache::put_line(std::string_view collection, std::int64_t rid, const ledger::Line& line,
                       std::string_view data, std::string_view stamps) {
    return put_row(collection, rid, line.id, line.updated_at, to_text(line.at), data, stamps,
                   [&](std::string_view name) {
                       const auto found =
                           std::ranges::find(line.members, name, &ledger::Member::name);
                       return found == line.members.end() ? std::string_view() : found->raw_value;
                   });
}

Status Cache::erase(std::string_view collection, std::int64_t rid) {
    const std::array<std::string, 4> statements{
        "DELETE FROM " + table_of(x_catalogue->find_collection(collection)) + " WHERE rid=?1",
        "DELETE FROM taskstore_dead WHERE rid=?1", "DELETE FROM taskstore_lost WHERE rid=?1",
        "DELETE FROM taskstore_agreed WHERE rid=?1"};
    for (const std::string& sql : statements) {
        TASKSTORE_LET(auto statement, x_db.prepare(sql));
        TASKSTORE_TRY(statement->bind(1, rid));
        TASKSTORE_TRY(statement->run());
        if (&sql == &statements[0]) count(collection, -x_db.changes());
    }
    return ok();
}

void Cache::count(std::string_view collection, std::int64_t change) {
    const auto found = x_live.find(collection);
    if (found != x_live.end())
        found->second += change;
    else
        x_live.emplace(collection, change);
}

Status Cache::save_counts() {
    for (const auto& [collection, change] : std::exchange(x_live, {})) {
        if (change == 0) continue;
        TASKSTORE_LET(auto update,
                      x_db.prepare("UPDATE taskstore_files SET live=live+?2 WHERE collection=?1"));
        TASKSTORE_TRY(update->bind(1, std::string_view(collection)));
        TASKSTORE_TRY(update->bind(2, change));
        TASKSTORE_TRY(update->run());
    }
    return ok();
}

Status Cache::put(std::string_view collection, std::int64_t rid, const ledger::State& state) {
    TASKSTORE_TRY(erase(collection, rid));
    if (state.life == 0) return ok();
    const ledger::Shape shape = shape_of(collection);
    const std::string stamps = stamps_of(shape, state);
    for (const ledger::LostValue& value : state.lost) {
        TASKSTORE_LET(
            auto insert,
            x_db.prepare("INSERT INTO taskstore_lost VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)"));
        const std::string stamp = to_text(value.stamp);
        TASKSTORE_TRY(insert->bind(1, rid));
        TASKSTORE_TRY(insert->bind(2, collection));
        TASKSTORE_TRY(insert->bind(3, std::string_view(state.id)));
        TASKSTORE_TRY(insert->bind(4, std::string_view(value.name)));
        TASKSTORE_TRY(insert->bind(5, std::string_view(value.raw_value)));
        TASKSTORE_TRY(insert->bind(6, std::string_view(stamp)));
        TASKSTORE_TRY(insert->bind(7, std::string_view(value.by)));
        TASKSTORE_TRY(insert->bind(8, static_cast<std::int64_t>(value.lost_to)));
        TASKSTORE_TRY(insert->bind(9, std::int64_t{value.clash ? 1 : 0}));
        TASKSTORE_TRY(insert->run());
    }
    for (const ledger::AgreedValue& value : state.agreed) {
        TASKSTORE_LET(auto insert, x_db.prepare("INSERT INTO taskstore_agreed VALUES (?1,?2,?3)"));
        const std::string stamp = to_text(value.stamp);
        TASKSTORE_TRY(insert->bind(1, rid));
        TASKSTORE_TRY(insert->bind(2, std::string_view(value.name)));
        TASKSTORE_TRY(insert->bind(3, std::string_view(stamp)));
        TASKSTORE_TRY(insert->run());
    }
    if (state.deleted) {
        TASKSTORE_LET(auto insert,
                      x_db.prepare("INSERT INTO taskstore_dead VALUES (?1,?2,?3,?4,?5)"));
        TASKSTORE_TRY(insert->bind(1, rid));
        TASKSTORE_TRY(insert->bind(2, collection));
        TASKSTORE_TRY(insert->bind(3, std::string_view(state.id)));
        TASKSTORE_TRY(insert->bind(4, state.updated_at));
        TASKSTORE_TRY(insert->bind(5, std::string_view(stamps)));
        return insert->run();
    }
    return put_row(collection, rid, state.id, state.updated_at, to_text(state.at),
                   ledger::to_record_text(state), stamps, [&](std::string_view name) {
                       const ledger::MemberState* member = state.find(name);
                       return member == nullptr ? std::string_view()
                                                : std::string_view(member->raw_value);
                   });
}

Status Cache::put_own(std::string_view collection, std::int64_t rid, std::string_view text,
                      bool known, bool beside) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (known) {
        // Its lines tell what of that this one settled.
        TASKSTORE_LET(auto values, x_db.prepare("SELECT 1 FROM taskstore_lost WHERE rid=?1 UNION "
                                                "ALL SELECT 1 FROM taskstore_agreed WHERE rid=?1"));
        TASKSTORE_TRY(values->bind(1, rid));
        TASKSTORE_LET(const bool row, values->step());
        if (row || beside) {
            values.reset();
            x_open.clear();
            return refold(collection, rid);
        }
    }
    ledger::LineDecoder decoder(shape_of(collection));
    TASKSTORE_LET(const ledger::Line line, decoder.decode(text));
    if (known || line.tombstone) {
        TASKSTORE_TRY(erase(collection, rid));
    }
    if (line.tombstone)
        return put(collection, rid, ledger::fold(shape_of(collection), std::span(&line, 1)));
    const auto [record, stamps] = ledger::split_own_line(text);
    return put_line(collection, rid, line, std::string(record) + "}", stamps);
}

Status Cache::add_line(std::int64_t pos, std::int64_t rid, std::int64_t bytes, std::int64_t batch,
                       std::int64_t k) {
    TASKSTORE_LET(auto insert, x_db.prepare("INSERT INTO taskstore_lines VALUES (?1,?2,?3,?4,?5)"));
    TASKSTORE_TRY(insert->bind(1, pos));
    TASKSTORE_TRY(insert->bind(2, rid));
    TASKSTORE_TRY(insert->bind(3, bytes));
    if (batch != 0) {
        TASKSTORE_TRY(insert->bind(4, batch));
        TASKSTORE_TRY(insert->bind(5, k));
    }
    return insert->run();
}

Result<std::int64_t> Cache::add_batch(const std::string& name, std::int64_t count, bool complete) {
    {
        TASKSTORE_LET(auto find, x_db.prepare("SELECT batch FROM taskstore_batches WHERE name=?1"));
        TASKSTORE_TRY(find->bind(1, std::string_view(name)));
        TASKSTORE_LET(const bool row, find->step());
        if (row) return find->column_int64(0);
    }
    TASKSTORE_LET(
        auto insert,
        x_db.prepare(
            "INSERT INTO taskstore_batches(name,n,complete) VALUES (?1,?2,?3) RETURNING batch"));
    TASKSTORE_TRY(insert->bind(1, std::string_view(name)));
    TASKSTORE_TRY(insert->bind(2, count));
    TASKSTORE_TRY(insert->bind(3, std::int64_t{complete ? 1 : 0}));
    TASKSTORE_LET(const bool row, insert->step());
    return row ? insert->column_int64(0) : 0;
}

Result<FileRow> Cache::file_row(std::string_view collection) {
    FileRow file;
    TASKSTORE_LET(auto rows,
                  x_db.prepare("SELECT file,device,inode,btime,size,mtime,ctime,racy,hashed FROM "
                               "taskstore_files WHERE collection=?1"));
    TASKSTORE_TRY(rows->bind(1, collection));
    TASKSTORE_LET(const bool row, rows->step());
    if (!row) return file;
    file.number = rows->column_int64(0);
    file.identity = {static_cast<std::uint64_t>(rows->column_int64(1)),
                     static_cast<std::uint64_t>(rows->column_int64(2)),
                     rows->column_int64(3),
                     rows->column_int64(4),
                     rows->column_int64(5),
                     rows->column_int64(6)};
    file.racy = rows->column_int64(7) != 0;
    file.hashed = rows->column_int64(8);
    return file;
}

Result<std::vector<ledger::Chunk>> Cache::chunks_of(std::int64_t file) {
    TASKSTORE_LET(auto rows, x_db.prepare("SELECT chunks FROM taskstore_chunks WHERE file=?1"));
    TASKSTORE_TRY(rows->bind(1, file));
    TASKSTORE_LET(const bool row, rows->step());
    return row ? ledger::unpack_chunks(rows->column_blob(0)) : std::vector<ledger::Chunk>();
}

Status Cache::save_chunks(FileRow& row, const std::vector<ledger::Chunk>& chunks) {
    row.hashed = 0;
    for (const ledger::Chunk& chunk : chunks) row.hashed += chunk.bytes;
    TASKSTORE_LET(auto insert,
                  x_db.prepare("INSERT OR REPLACE INTO taskstore_chunks VALUES (?1,?2)"));
    const std::string packed = ledger::pack_chunks(chunks);
    TASKSTORE_TRY(insert->bind(1, row.number));
    TASKSTORE_TRY(insert->bind_blob(2, packed));
    return insert->run();
}

Status Cache::save_file(std::string_view collection, const FileRow& row) {
    // Not INSERT OR REPLACE: it would write the pages of the unique index too, at each append.
    TASKSTORE_LET(
        auto insert,
        x_db.prepare("INSERT INTO taskstore_files VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?11,?10)"
                     " ON CONFLICT(file) DO UPDATE SET device=?3, inode=?4, btime=?5,"
                     " size=?6, mtime=?7, ctime=?8, racy=?9, hashed=?10, live=live+?11"));
    const auto change = x_live.find(collection);
    const std::int64_t live = change == x_live.end() ? 0 : change->second;
    TASKSTORE_TRY(insert->bind(1, row.number));
    TASKSTORE_TRY(insert->bind(2, collection));
    TASKSTORE_TRY(insert->bind(3, static_cast<std::int64_t>(row.identity.device)));
    TASKSTORE_TRY(insert->bind(4, static_cast<std::int64_t>(row.identity.inode)));
    TASKSTORE_TRY(insert->bind(5, row.identity.btime_ns));
    TASKSTORE_TRY(insert->bind(6, row.identity.size));
    TASKSTORE_TRY(insert->bind(7, row.identity.mtime_ns));
    TASKSTORE_TRY(insert->bind(8, row.identity.ctime_ns));
    TASKSTORE_TRY(insert->bind(9, std::int64_t{row.racy ? 1 : 0}));
    TASKSTORE_TRY(insert->bind(10, row.hashed));
    TASKSTORE_TRY(insert->bind(11, live));
    TASKSTORE_TRY(insert->run());
    if (change != x_live.end()) x_live.erase(change);
    return ok();
}

}  // namespace taskstore::records
