// Reading: one record, lists, counts.

#include "plan_impl.hpp"

#include <algorithm>

namespace taskstore::records {
namespace {

Result<Record> record_of(std::string_view collection, sql::Statement& row) {
    Record record{std::string(collection), std::string(row.column_text(0)),
                  std::string(row.column_text(1)), std::string(row.column_text(2)),
                  row.column_int64(3)};
    if (record.data.find('{') >= record.data.rfind('}'))
        return fail(Code::corrupt, "the cache holds a damaged record '" + record.id + "'");
    return record;
}

/// The ending of `count` characters, as SQLite's substr(id, -count) counts them.
std::string_view last_characters(std::string_view text, std::size_t count) {
    std::size_t at = text.size();
    while (at > 0 && count > 0) {
        --at;
        if ((static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U) --count;
    }
    return text.substr(at);
}

/// The first word of a statement, in capitals, after its comments.
std::string first_word(std::string_view sql) {
    const auto skip = [&](std::size_t end, std::size_t past) {
        sql.remove_prefix(end == std::string_view::npos ? sql.size() : end + past);
    };
    while (!sql.empty()) {
        if (sql.starts_with("--"))
            skip(sql.find('\n'), 1);
        else if (sql.starts_with("/*"))
            skip(sql.find("*/", 2), 2);
        else if (std::string_view(" \t\r\n\f").find(sql.front()) != std::string_view::npos)
            sql.remove_prefix(1);
        else
            break;
    }
    std::string word;
    for (const char c : sql) {
        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z')) break;
        word += static_cast<char>(c & ~0x20);
    }
    return word;
}

/// A connection to a database in memory for people's own SQL. The engine cannot open one read-only,
/// and from a writable one ATTACH and VACUUM INTO would reach the disk.
class ReadingOnly final : public sql::Connection {
  public:
    explicit ReadingOnly(sql::Connection& inner) : x_inner(inner) {}
    Result<std::unique_ptr<sql::Statement>> prepare(std::string_view sql) override {
        const std::string word = first_word(sql);
        if (word != "SELECT" && word != "VALUES" && word != "WITH" && word != "EXPLAIN")
            return fail(Code::denied, "the connection is read-only, so '" + word + "' is refused");
        return x_inner.prepare(sql);
    }
    Status execute(std::string_view) override {
        return fail(Code::denied, "the connection is read-only");
    }
    std::int64_t changes() override { return x_inner.changes(); }
    bool in_transaction() override { return x_inner.in_transaction(); }
    std::string_view dialect() const override { return x_inner.dialect(); }
    Status begin_read() override { return x_inner.begin_read(); }
    Status begin_write() override { return fail(Code::denied, "the connection is read-only"); }
    Status commit() override { return x_inner.commit(); }
    void rollback() override { x_inner.rollback(); }
    void interrupt() override { x_inner.interrupt(); }

  private:
    sql::Connection& x_inner;
};

}  // namespace

Result<Record> PlanImpl::get(std::string_view collection, std::string_view id) {
    auto answer = read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<Record> {
        const Kind* kind = catalogue.find_collection(collection);
        TASKSTORE_LET(
            auto rows,
            db.prepare("SELECT id,data,revision,updated_at FROM " + table_of(kind) +
                       (kind != nullptr ? " WHERE id=?1" : " WHERE id=?1 AND collection=?2")));
        TASKSTORE_TRY(rows->bind(1, id));
        if (kind == nullptr) TASKSTORE_TRY(rows->bind(2, collection));
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) {
            return fail(Code::not_found,
                        "there is no " +
                            (kind != nullptr ? std::string(kind->noun) : std::string(collection)) +
                            " '" + std::string(id) + "'");
        }
        return record_of(collection, *rows);
    });
    if (!answer && answer.error().code == Code::not_found) TASKSTORE_TRY(check_is_file(collection));
    return answer;
}

Status PlanImpl::query(const std::function<Status(sql::Connection&)>& work) {
    return read([&](sql::Connection& db) -> Status {
        ReadingOnly guarded(db);
        const Status status = work(x_in_memory ? guarded : db);
        db.rollback();  // a BEGIN of theirs is not the next reader's
        return status;
    });
}

std::string list_command(const Kind* kind, std::string_view collection) {
    return kind == nullptr || kind->declared || kind->id_member != "id"
               ? "taskstore record list " + std::string(collection)
               : "taskstore " + std::string(kind->noun) + " list";
}

Result<std::string> PlanImpl::resolve(std::string_view collection, std::string_view part) {
    if (part.empty()) return fail(Code::invalid, "an id is needed");
    auto answer = read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<std::string> {
        const Kind* kind = catalogue.find_collection(collection);
        const std::string noun =
            kind != nullptr ? std::string(kind->noun) : std::string(collection);
        const std::string from = "SELECT id FROM " + table_of(kind) + " WHERE " +
                                 (kind == nullptr ? "collection=?2 AND " : "");
        std::vector<std::string> found;
        // An ending wins over a part: it is what lists print, and it has an index.
        for (const std::string& sql :
             {from + "id=?1",
              from + "substr(id,-8)=substr(?1,-8) AND substr(id,-length(?1))=?1 AND "
                     "length(?1)>=8 LIMIT 6",
              from + "instr(id,?1)>0 LIMIT 6"}) {
            TASKSTORE_LET(auto rows, db.prepare(sql));
            TASKSTORE_TRY(rows->bind(1, part));
            if (kind == nullptr) TASKSTORE_TRY(rows->bind(2, collection));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                found.emplace_back(rows->column_text(0));
            }
            if (!found.empty()) break;
        }
        if (found.size() == 1) return found[0];
        if (found.empty()) {
            return fail(Code::not_found, "there is no " + noun + " '" + std::string(part) + "'")
                .with_hint("look at '" + list_command(kind, collection) + "'");
        }
        std::string list;
        for (const std::string& id : found) list += "\n  " + id;
        return fail(Code::conflict, "'" + std::string(part) + "' is part of more than one " + noun +
                                        "'s id:" + list)
            .with_hint("give more of the id");
    });
    if (!answer && answer.error().code == Code::not_found) TASKSTORE_TRY(check_is_file(collection));
    return answer;
}

Result<std::vector<Found>> PlanImpl::find(std::string_view part, std::string_view collection) {
    if (part.empty()) return fail(Code::invalid, "an id is needed");
    auto answer = read([&](sql::Connection& db,
                           const Catalogue& catalogue) -> Result<std::vector<Found>> {
        std::vector<Found> found;
        const auto take = [&](const std::string& sql, bool deleted) -> Status {
            TASKSTORE_LET(auto rows, db.prepare(sql + " LIMIT 16"));
            TASKSTORE_TRY(rows->bind(1, part));
            TASKSTORE_TRY(rows->bind(2, collection));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) return ok();
                found.push_back({std::string(rows->column_text(0)),
                                 std::string(rows->column_text(1)), deleted});
            }
        };
        // Naming the collections lets the index serve.
        const std::string known =
            " AND collection IN (SELECT collection FROM taskstore_files WHERE ?2 IN "
            "('',collection))";
        for (const std::string match :
             {" WHERE id=?1",
              " WHERE substr(id,-8)=substr(?1,-8) AND substr(id,-length(?1))=?1 AND length(?1)>=8",
              " WHERE instr(id,?1)>0"}) {
            std::string live = "SELECT collection,id FROM records" + match + known;
            for (const Kind& kind : catalogue.kinds()) {
                if (!collection.empty() && collection != kind.collection) continue;
                live.append(" UNION ALL SELECT '").append(kind.collection).append("',id FROM ");
                live.append(table_of(&kind)).append(match);
            }
            TASKSTORE_TRY(take(live, false));
            if (!found.empty()) break;
            TASKSTORE_TRY(
                take("SELECT collection,id FROM taskstore_dead" + match + known + " AND stamps<>''",
                     true));
            if (!found.empty()) break;
        }
        return found;
    });
    // None of a kind whose file is a folder: that is why.
    const auto known = known_kinds();
    for (const Kind& kind : known->kinds()) {
        if (answer && answer->empty() && (collection.empty() || collection == kind.collection))
            TASKSTORE_TRY(check_is_file(kind.collection));
    }
    return answer;
}

Result<std::vector<std::string>> PlanImpl::short_ids(std::string_view collection,
                                                     const std::vector<std::string>& ids) {
    return read([&](sql::Connection& db,
                    const Catalogue& catalogue) -> Result<std::vector<std::string>> {
        const Kind* kind = catalogue.find_collection(collection);
        std::vector<std::string> out;
        TASKSTORE_LET(auto rows, db.prepare("SELECT id FROM " + table_of(kind) + " WHERE " +
                                            (kind == nullptr ? "collection=?2 AND " : "") +
                                            "substr(id,-8)=substr(?1,-8) AND id<>?1 LIMIT 64"));
        for (const std::string& id : ids) {
            if (id.size() <= 12) {
                out.push_back(id);
                continue;
            }
            rows->reset();
            TASKSTORE_TRY(rows->bind(1, std::string_view(id)));
            if (kind == nullptr) TASKSTORE_TRY(rows->bind(2, collection));
            std::vector<std::string> others;
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                others.emplace_back(rows->column_text(0));
            }
            std::string best = id;
            for (std::size_t count = 8; count <= 24 && best.size() == id.size(); count += 4) {
                const std::string_view ending = last_characters(id, count);
                if (others.size() < 64 && !ending.starts_with('-') &&
                    std::ranges::none_of(
                        others, [&](const std::string& other) { return other.ends_with(ending); }))
                    best = ending;
            }
            out.push_back(std::move(best));
        }
        for (std::string& form : out) {
            if (!form.starts_with('-')) continue;
            const std::size_t letter = form.find_first_not_of('-');
            if (letter == std::string::npos) continue;
            const std::string part = form.substr(letter);
            TASKSTORE_LET(auto holders, db.prepare("SELECT count(*) FROM " + table_of(kind) +
                                                   " WHERE instr(id,?1)>0" +
                                                   (kind == nullptr ? " AND collection=?2" : "")));
            TASKSTORE_TRY(holders->bind(1, std::string_view(part)));
            if (kind == nullptr) TASKSTORE_TRY(holders->bind(2, collection));
            TASKSTORE_TRY(holders->step());
            if (holders->column_int64(0) == 1) form = part;
        }
        return out;
    });
}

Result<Page> PlanImpl::list(const Query& query) {
    auto answer = read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<Page> {
        TASKSTORE_LET(const SelectSql select, select_sql(catalogue, query));
        TASKSTORE_LET(auto rows, db.prepare(select.text));
        for (std::size_t i = 0; i < select.parameters.size(); ++i) {
            TASKSTORE_TRY(rows->bind_value(static_cast<int>(i + 1), select.parameters[i]));
        }
        Page page;
        sql::Value last_key;
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return page;
            if (query.limit > 0 && static_cast<std::int64_t>(page.records.size()) == query.limit) {
                page.next_cursor = make_cursor(query, select, last_key, page.records.back().id);
                return page;
            }
            TASKSTORE_LET(auto record, record_of(query.collection, *rows));
            page.records.push_back(std::move(record));
            last_key = rows->column_value(4);
        }
    });
    if (answer && answer->records.empty()) TASKSTORE_TRY(check_is_file(query.collection));
    return answer;
}

Result<std::int64_t> PlanImpl::count(const Query& query) {
    auto answer =
        read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<std::int64_t> {
            TASKSTORE_LET(const SelectSql select, count_sql(catalogue, query));
            TASKSTORE_LET(auto rows, db.prepare(select.text));
            for (std::size_t i = 0; i < select.parameters.size(); ++i) {
                TASKSTORE_TRY(rows->bind_value(static_cast<int>(i + 1), select.parameters[i]));
            }
            TASKSTORE_TRY(rows->step());
            return rows->column_int64(0);
        });
    if (answer && *answer == 0) TASKSTORE_TRY(check_is_file(query.collection));
    return answer;
}

Result<std::vector<std::pair<std::string, std::int64_t>>> PlanImpl::collections() {
    auto answer = read([&](sql::Connection& db, const Catalogue& catalogue)
                           -> Result<std::vector<std::pair<std::string, std::int64_t>>> {
        std::vector<std::pair<std::string, std::int64_t>> out;
        for (const Kind& kind : catalogue.kinds()) out.emplace_back(kind.collection, 0);
        TASKSTORE_LET(auto rows, db.prepare("SELECT collection, live FROM taskstore_files "
                                            "ORDER BY collection"));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return out;
            const std::string name(rows->column_text(0));
            const auto found =
                std::ranges::find(out, name, &std::pair<std::string, std::int64_t>::first);
            if (found != out.end())
                found->second = rows->column_int64(1);
            else
                out.emplace_back(name, rows->column_int64(1));
        }
    });
    if (answer) TASKSTORE_TRY(check_own_files());
    return answer;
}

Result<std::vector<std::pair<std::string, std::int64_t>>> PlanImpl::tally(
    std::string_view collection, std::string_view field) {
    return read([&](sql::Connection& db, const Catalogue& catalogue)
                    -> Result<std::vector<std::pair<std::string, std::int64_t>>> {
        const Kind* kind = catalogue.find_collection(collection);
        const std::string column = column_of(kind, field);
        TASKSTORE_LET(
            auto rows,
            db.prepare("SELECT " + column + ", count(*) FROM " + table_of(kind) +
                       (kind == nullptr ? " WHERE collection=?1" : "") + " GROUP BY 1 ORDER BY 1"));
        if (kind == nullptr) TASKSTORE_TRY(rows->bind(1, collection));
        std::vector<std::pair<std::string, std::int64_t>> out;
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return out;
            out.emplace_back(rows->column_text(0), rows->column_int64(1));
        }
    });
}

}  // namespace taskstore::records
