#include "task_texts.hpp"

#include <task_sql.hpp>
#include <task_sql_postgres.hpp>
#include <task_sql_sqlite.hpp>

#include <array>
#include <utility>

namespace taskstore::tasks {
namespace {

using Substitution = std::pair<std::string_view, std::string_view>;

// ?1 is the clock's time (lease_clock.hpp), or null: then the server's. A number of a history row
// is larger than all before it, and than (epoch << 20); on PostgreSQL its sequence is, which
// begin_epoch.sql sees to. A substitute may hold what stands after it.

// What an archive may take: nobody who is open needs it, an edge that is still open would change
// its meaning, its key finds it, and the history goes on from its last number.
constexpr Substitution kMayGo{
    "@may_go@",
    "NOT EXISTS (SELECT 1 FROM task_dependencies d JOIN tasks w ON w.id = d.task_id WHERE "
    "d.depends_on = @of@.id AND (d.open = 1 OR w.status IN ('pending', 'in_progress'))) "
    "AND NOT EXISTS (SELECT 1 FROM tasks c WHERE c.parent = @of@.id AND c.status IN ('pending', "
    "'in_progress')) "
    "AND NOT EXISTS (SELECT 1 FROM tasks p WHERE p.id = @of@.parent AND p.status IN ('pending', "
    "'in_progress')) "
    "AND NOT EXISTS (SELECT 1 FROM task_keys k WHERE k.task_id = @of@.id AND k.expires_at > "
    "@now@) "
    "AND @of@.id <> coalesce((SELECT h.task_id FROM task_history h ORDER BY h.seq DESC LIMIT 1), "
    "'')"};

constexpr Substitution kClaimed{
    "@claimed@",
    "status = 'in_progress', ready = 0, assigned_to = ?4, @next_fence@, started_at = @now@, "
    "liveness = ?8, lease_expires_at = @now@ + coalesce(?5, lease_ms), updated_at = @now@, "
    "revision = revision + 1, last_write = ?6"};

constexpr Substitution kCompleted{
    "@completed@",
    "status = 'completed', result = ?4, exit_code = ?5, logs = coalesce(?6, logs), error = NULL, "
    "lease_expires_at = NULL, liveness = NULL, cancel_requested_at = NULL, completed_at = @now@, "
    "updated_at = @now@, revision = revision + 1, last_write = ?3"};

constexpr Substitution kInTime{"@in_time@", "(deadline IS NULL OR deadline > @now@)"};

// Without figures about its tables SQLite would go by the status, through all that is pending.
constexpr std::array kSqlite{
    Substitution{"@by_not_before@", "INDEXED BY idx_tasks_not_before"},
    Substitution{"@by_lease@", "INDEXED BY idx_tasks_lease"},
    Substitution{"@by_status@", "INDEXED BY idx_tasks_status"},
    Substitution{"@by_project@", "INDEXED BY idx_tasks_project"},
    Substitution{"@octets_begin@", "length(CAST("},
    Substitution{"@octets_end@", "AS BLOB))"},
    Substitution{"@by_deadline@", "INDEXED BY idx_tasks_deadline"},
    Substitution{"@by_liveness@", "INDEXED BY idx_tasks_liveness"},
    Substitution{"@next_seq_of_row@", "@next_seq@ + row_number() OVER (ORDER BY rank, id) - 1"},
    Substitution{"@next_seq@",
                 "(max(coalesce((SELECT max(seq) FROM task_history), 0), @epoch@ << 20) + 1)"},
    Substitution{"@transaction_id@", "NULL"},
    Substitution{"@concerns_others@",
                 ", concurrency_key IS NOT NULL OR EXISTS (SELECT 1 FROM task_dependencies d WHERE "
                 "d.depends_on = ?2)"},
    Substitution{"@for_update@", ""},
    Substitution{"@ids@", "SELECT json_extract(value, '$[0]') FROM json_each(?1)"},
    Substitution{"@pairs@",
                 "SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS "
                 "revision FROM json_each(?3)"},
    Substitution{"@any_begin@", "IN ("},
    Substitution{"@any_end@", ")"},
    Substitution{"@answers@",
                 "json_group_array(json_array(id, revision, status, fence, "
                 "lease_expires_at, updated_at))"},
    Substitution{"@lane_is_served@",
                 "(?2 IS NULL OR l.project = ?2) AND (l.needs = '[]' OR NOT EXISTS (SELECT 1 FROM "
                 "json_each(l.needs) n WHERE n.value NOT IN (SELECT value FROM json_each(?3))))"},
    Substitution{"@now@",
                 "coalesce(?1 + (SELECT offset_ms FROM task_clock), CAST((julianday('now') - "
                 "2440587.5) * 86400000.0 AS INTEGER))"},
};
// SQLite works out each julianday('now') in a text, also where ?1 is there: a tenth of a claim.
constexpr Substitution kNowPassed{"@now@", "(?1 + (SELECT offset_ms FROM task_clock))"};

constexpr std::array kPostgres{
    Substitution{"@by_not_before@", ""},
    Substitution{"@by_lease@", ""},
    Substitution{"@by_status@", ""},
    Substitution{"@by_project@", ""},
    Substitution{"@octets_begin@", "octet_length("},
    Substitution{"@octets_end@", ")"},
    Substitution{"@for_update@", "FOR UPDATE"},
    Substitution{"@ids@", "SELECT value->>0 FROM json_array_elements(?1::text::json)"},
    Substitution{"@pairs@",
                 "SELECT value->>0 AS id, (value->>1)::bigint AS revision FROM "
                 "json_array_elements(?3::text::json)"},
    Substitution{"@by_deadline@", ""},
    Substitution{"@by_liveness@", ""},
    Substitution{"@next_seq_of_row@", "@next_seq@"},
    Substitution{"@next_seq@", "nextval('task_history_seq')"},
    Substitution{"@concerns_others@", ""},
    Substitution{"@transaction_id@", "pg_current_xact_id()::text::bigint"},
    Substitution{"@any_begin@", "= ANY (ARRAY("},
    Substitution{"@any_end@", "FOR UPDATE SKIP LOCKED))"},
    Substitution{"@answers@",
                 "json_agg(json_build_array(id, revision, status, fence, "
                 "lease_expires_at, updated_at) ORDER BY rank, id)::text"},
    Substitution{"@lane_is_served@",
                 "(?2::text IS NULL OR l.project = ?2::text) AND (l.needs = '[]' OR l.needs::jsonb "
                 "<@ ?3::text::jsonb)"},
    Substitution{
        "@now@",
        "coalesce(?1::bigint, (extract(epoch FROM statement_timestamp()) * 1000)::bigint)"},
};
// The high bits of a fence are the epoch's (sql/identity.hpp): it is larger than any before, also
// after a move or a restore, and where the place was lost.
constexpr std::array kBoth{
    Substitution{
        "@next_fence@",
        "fence = CASE WHEN fence < (@epoch@ << 20) THEN (@epoch@ << 20) + 1 ELSE fence + 1 "
        "END"},
    Substitution{"@free_slots@",
                 "(SELECT CASE WHEN l.slots > @held@ THEN l.slots - @held@ ELSE 0 END FROM "
                 "task_limits l WHERE l.name = ?1)"},
    Substitution{"@held@",
                 "(SELECT count(*) FROM tasks h WHERE h.concurrency_key = ?1 AND h.status = "
                 "'in_progress')"},
    Substitution{
        "@edges_ended@",
        "SELECT count(*) FROM task_dependencies d WHERE d.task_id = tasks.id AND d.open = 1 "
        "AND d.depends_on IN (@ended@ SELECT id FROM ended)"},
    // A task whose transition drew ?2, and those that were cancelled with it.
    Substitution{"@ended@",
                 "WITH RECURSIVE ended(id) AS (SELECT p.id FROM tasks p WHERE p.id = ?1 AND "
                 "p.last_write = ?2 UNION SELECT t.id FROM ended e JOIN task_dependencies d ON "
                 "d.depends_on = e.id JOIN tasks t ON t.id = d.task_id WHERE t.last_write = ?2)"},
    // Smaller goes first. Without an ageing a priority outweighs all of time: 2^43 ms, which end in
    // 2248 (task_checks.cpp).
    Substitution{"@rank@",
                 "((100 - priority) * @ageing@ / 10 + CASE WHEN created_at < 7258118400000 THEN "
                 "created_at ELSE 7258118400000 END)"},
    Substitution{"@ageing@",
                 "coalesce((SELECT ageing_ms FROM task_ageing WHERE id = 1), 87960930222080)"},
    Substitution{"@epoch@", "(SELECT epoch FROM taskstore_database WHERE name = 'tasks')"},
};

std::string replaced(std::string text, const Substitution& one) {
    for (std::size_t at = text.find(one.first); at != std::string::npos;
         at = text.find(one.first, at + one.second.size()))
        text.replace(at, one.first.size(), one.second);
    return text;
}

Texts make(bool postgres, NowIs now = NowIs::passed_or_engines) {
    const auto text = [&](std::string_view sql) {
        std::string out = replaced(std::string(sql), {"@columns@", task_sql::columns});
        for (const Substitution& one : {kClaimed, kCompleted, kInTime})
            out = replaced(std::move(out), one);
        out = replaced(std::move(out), kMayGo);
        out = replaced(std::move(out), {"@of@", "tasks"});
        if (now == NowIs::passed) out = replaced(std::move(out), kNowPassed);
        for (const Substitution& one : postgres ? kPostgres : kSqlite)
            out = replaced(std::move(out), one);
        for (const Substitution& one : kBoth) out = replaced(std::move(out), one);
        return out;
    };
    const auto ended = [&](std::string_view which) {
        std::string out = replaced(std::string(task_sql::ended_tasks), kMayGo);
        out = replaced(std::move(out), {"@of@", "page"});
        return text(replaced(std::move(out), {"@of_which@", which}));
    };
    // All of a group have one clock.
    const auto many = [&](std::string_view sql) {
        return postgres ? replaced(text(sql), {"(?1::bigint,", "((?1::bigint[])[1],"}) : "";
    };
    const auto in_steps = [&](std::string_view sql) {
        return now == NowIs::passed ? text(sql) : std::string();
    };
    const auto at_found = [&](std::string sql) {
        return replaced(replaced(std::move(sql), {text("@now@"), "?10"}), {text("@epoch@"), "?11"});
    };
    const auto after_restore = [&](std::string_view reason) {
        return replaced(replaced(text(task_sql::after_restore), {"?1", "NULL"}),
                        {"@reason@", reason});
    };
    return {
        .get_task = text(task_sql::get_task),
        .list_tasks = text(task_sql::list_tasks),
        .search_tasks = text(task_sql::search_tasks),
        .insert_task = text(task_sql::insert_task),
        .insert_history = text(task_sql::insert_history),
        .insert_imported_history = text(task_sql::insert_imported_history),
        .history_of_write = text(task_sql::history_of_write),
        .history_of_row = postgres ? "" : text(task_sql_sqlite::history_of_row),
        .history_of_cancelled = text(task_sql::history_of_cancelled),
        .history_of_claim = text(task_sql::history_of_claim),
        .history_of_claim_of_one = text(
            replaced(std::string(task_sql::history_of_claim), {"@next_seq_of_row@", "@next_seq@"})),
        .history_of_claimed_row = postgres ? "" : text(task_sql_sqlite::history_of_claimed_row),
        .history_of_removal = text(task_sql::history_of_removal),
        .history_of_archived_removal = text(task_sql::history_of_archived_removal),
        .rewrite_task = text(task_sql::rewrite_task),
        .count_open_again = text(task_sql::count_open_again),
        .claim_key = text(task_sql::claim_key),
        .find_key = text(task_sql::find_key),
        .promote_due = text(task_sql::promote_due),
        .look = text(task_sql::look),
        .is_ready = text("ready = 1 AND @in_time@"),
        .is_ready_or_due = text(
            "tasks.id IN (SELECT r.id FROM tasks r WHERE r.ready = 1 UNION ALL SELECT d.id FROM "
            "tasks d @by_not_before@ WHERE d.status = 'pending' AND d.open_dependencies = 0 AND "
            "d.not_before <= @now@ AND d.concurrency_key IS NULL) AND @in_time@"),
        .hold_writers = postgres ? text(task_sql_postgres::hold_writers) : "",
        .next_page_of_ranks = text(task_sql::next_page_of_ranks),
        .mark_keys_of_page = text(task_sql::mark_keys_of_page),
        .rank_page = text(task_sql::rank_page),
        .find_misranked = text(task_sql::find_misranked),
        .find_candidate = text(task_sql::find_candidate),
        .next_time = text(task_sql::next_time),
        .complete = text(task_sql::complete),
        .renew = text(task_sql::renew),
        .move_task = text(task_sql::move_task),
        .request_cancel = text(task_sql::request_cancel),
        .settle_due = text(task_sql::settle_due),
        .settle_out = text(task_sql::settle_out),
        .settle_in = text(task_sql::settle_in),
        .keys_to_settle = text(task_sql::keys_to_settle),
        .list_expired = text(task_sql::list_expired),
        .list_watched = text(task_sql::list_watched),
        .find_request = text(task_sql::find_request),
        .drop_expired_request = text(task_sql::drop_expired_request),
        .answer_of_write = text(task_sql::answer_of_write),
        .take_request = text(task_sql::take_request),
        .answer_of_claim = text(task_sql::answer_of_claim),
        .forget_expired = text(task_sql::forget_expired),
        .forget_keys = text(task_sql::forget_keys),
        .cancel_dependents = text(task_sql::cancel_dependents),
        .history_of_dependents = text(task_sql::history_of_dependents),
        .count_down_anyway = text(task_sql::count_down_anyway),
        .close_edges_anyway = text(task_sql::close_edges_anyway),
        .mark_limits_again = text(task_sql::mark_limits_again),
        .mark_limits_anyway = text(task_sql::mark_limits_anyway),
        .stats_throughput = text(task_sql::stats_throughput),
        .due_schedules = text(task_sql::due_schedules),
        .next_schedule = text(task_sql::next_schedule),
        .why_task = text(task_sql::why_task),
        .mark_limits = text(task_sql::mark_limits),
        .claim = text(postgres ? task_sql_postgres::claim : task_sql_sqlite::claim),
        .claim_one = text(postgres ? task_sql_postgres::claim : task_sql_sqlite::claim_one),
        .find_claimable = in_steps(task_sql_sqlite::find_claimable),
        .claim_found = at_found(in_steps(task_sql_sqlite::claim_found)),
        .claimed_task = in_steps(task_sql_sqlite::claimed_task),
        .complete_held = in_steps(task_sql_sqlite::complete_held),
        .completed_task = in_steps(task_sql_sqlite::completed_task),
        .ended_tasks = ended("@by_status@ WHERE"),
        .ended_tasks_of_project = ended("@by_project@ WHERE project = ?7 AND"),
        .measure_tasks = text(task_sql::measure_tasks),
        .whole_tasks = text(task_sql::whole_tasks),
        .whole_histories = text(task_sql::whole_histories),
        .hold_ended = text(task_sql::hold_ended),
        .mark_ended = text(task_sql::mark_ended),
        .forget_history_of_ended = text(task_sql::forget_history_of_ended),
        .forget_edges_of_ended = text(task_sql::forget_edges_of_ended),
        .forget_edges_on_ended = text(task_sql::forget_edges_on_ended),
        .forget_keys_of_ended = text(task_sql::forget_keys_of_ended),
        .forget_ended = text(task_sql::forget_ended),
        .known_tasks = text(task_sql::known_tasks),
        .get_archived = text(task_sql::get_archived),
        .held_archived = text(task_sql::held_archived),
        .list_archived = text(task_sql::list_archived),
        .after_restore = after_restore("the database was restored"),
        .after_loss =
            after_restore("the place that the database had moved to was given up for lost "
                          "(move --undo --forget)"),
        .insert_lanes = many(task_sql_postgres::insert_lanes),
        .insert_tasks = many(task_sql_postgres::insert_tasks),
        .insert_histories = many(task_sql_postgres::insert_histories),
        .promotions_due = many(replaced(std::string(task_sql::promote_due),
                                        {"LIMIT 64", "LIMIT 64 * cardinality(?1::bigint[])"})),
        .claims = many(task_sql_postgres::claims),
        .histories_of_claims = many(task_sql_postgres::histories_of_claims),
        .looks = many(replaced(std::string(task_sql_postgres::looks), {"@look@", task_sql::look})),
        .completions = many(task_sql_postgres::completions),
        .histories_of_writes = many(task_sql_postgres::histories_of_writes),
        .counts_down = many(task_sql_postgres::counts_down),
        .closed_edges = many(task_sql_postgres::closed_edges),
        .marked_limits = many(task_sql_postgres::marked_limits),
    };
}

}  // namespace

const Texts& texts_of(std::string_view dialect, NowIs now) {
    static const Texts sqlite = make(false);
    static const Texts sqlite_passed = make(false, NowIs::passed);
    static const Texts postgres = make(true);
    if (dialect == "postgres") return postgres;
    return now == NowIs::passed ? sqlite_passed : sqlite;
}

}  // namespace taskstore::tasks
