// Reading many records at once.

#include "plan_impl.hpp"

namespace taskstore::records {

Result<std::vector<Standing>> PlanImpl::look_up(std::string_view collection,
                                                const std::vector<std::string>& ids) {
    return read(
        [&](sql::Connection& db, const Catalogue& catalogue) -> Result<std::vector<Standing>> {
            const Kind* kind = catalogue.find_collection(collection);
            TASKSTORE_TRY(db.begin_read());
            const auto look = [&]() -> Result<std::vector<Standing>> {
                std::vector<Standing> out(ids.size());
                TASKSTORE_LET(auto live, db.prepare("SELECT data,revision,updated_at FROM " +
                                                    table_of(kind) + " WHERE id=?1" +
                                                    (kind == nullptr ? " AND collection=?2" : "")));
                TASKSTORE_LET(auto dead, db.prepare("SELECT 1 FROM taskstore_dead WHERE id=?1 AND "
                                                    "collection=?2 AND stamps<>''"));
                for (std::size_t i = 0; i < ids.size(); ++i) {
                    const std::string_view id = ids[i];
                    live->reset();
                    TASKSTORE_TRY(live->bind(1, id));
                    if (kind == nullptr) TASKSTORE_TRY(live->bind(2, collection));
                    TASKSTORE_LET(out[i].live, live->step());
                    if (out[i].live) {
                        out[i].record = {std::string(collection), ids[i],
                                         std::string(live->column_text(0)),
                                         std::string(live->column_text(1)), live->column_int64(2)};
                        continue;
                    }
                    dead->reset();
                    TASKSTORE_TRY(dead->bind(1, id));
                    TASKSTORE_TRY(dead->bind(2, collection));
                    TASKSTORE_LET(out[i].deleted, dead->step());
                }
                return out;
            };
            auto answer = look();
            db.rollback();
            return answer;
        });
}

Status PlanImpl::each(const EachRequest& request) {
    for (const std::string& collection : request.collections)
        TASKSTORE_TRY(check_is_file(collection));
    // What fails on the caller's side says nothing about the cache: it must not be built again.
    Status theirs = ok();
    const auto of_caller = [&](Status status) -> Status {
        if (status) return status;
        theirs = std::move(status);
        return fail(Code::cancelled, "the caller ended it");
    };
    const auto visit_all = [&](sql::Connection& db, const Kind* kind, const std::string& collection,
                               int pass) -> Status {
        // As they lie, or along records:updated, which is nearly so: other orders jump from page to
        // page, which costs three times as much.
        TASKSTORE_LET(
            auto rows,
            db.prepare("SELECT id,updated_at,data" + std::string(request.stamps ? ",stamps" : "") +
                       " FROM " + table_of(kind) +
                       (kind == nullptr ? " WHERE collection=?1 ORDER BY updated_at,id"
                                        : " ORDER BY rid")));
        if (kind == nullptr) TASKSTORE_TRY(rows->bind(1, std::string_view(collection)));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return ok();
            const Visited visited{collection, rows->column_text(0), rows->column_text(2),
                                  request.stamps ? rows->column_text(3) : std::string_view(),
                                  rows->column_int64(1)};
            const std::size_t end = visited.data.rfind('}');
            if (end == std::string_view::npos || visited.data.find('{') >= end) {
                return fail(Code::corrupt,
                            "the cache holds a damaged record '" + std::string(visited.id) + "'");
            }
            TASKSTORE_TRY(of_caller(request.visit(pass, visited)));
        }
    };
    Status answer = read([&](sql::Connection& db, const Catalogue& catalogue) -> Status {
        TASKSTORE_TRY(of_caller(request.begin()));
        TASKSTORE_TRY(db.begin_read());
        Status status = ok();
        for (int pass = 0; pass < request.passes && status; ++pass) {
            for (const std::string& collection : request.collections) {
                if (status)
                    status = visit_all(db, catalogue.find_collection(collection), collection, pass);
            }
        }
        db.rollback();
        return status;
    });
    return theirs ? answer : theirs;
}

}  // namespace taskstore::records
