// How age counts against priority: one setting of the database, and the ranks of the tasks that
// were pending when it was set.
//
// A rank is (100 - priority) * ageing / 10 + created_at, computed by the statement that writes it
// from the setting that it sees; what becomes pending again is ranked again. Strict priority is an
// ageing longer than all time. So after the commit of a setting only tasks that were pending then
// have other ranks, and they are gone through in pages, by whoever tends: the place is kept in the
// transaction of the page.

#include "sql_task_store.hpp"

#include <task_sql.hpp>

#include <limits>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kAgeingMsMin = 1'000;
constexpr std::int64_t kAgeingMsMax = 366LL * 86'400'000;

struct Place {
    std::int64_t created_at;
    std::string id;
};
struct Kept {
    std::optional<std::int64_t> ageing_ms;
    std::int64_t change;
    bool stale;
    Place next;
};

std::optional<Kept> kept_of(const sql::Rows& found) {
    if (found.rows.empty()) return std::nullopt;
    RowReader read(found.rows[0]);
    Kept kept{.ageing_ms = read.maybe_number(), .change = read.number()};
    kept.stale = read.number() != 0;
    kept.next.created_at = read.number();
    kept.next.id = read.text();
    return kept;
}

std::optional<Place> place_of(const sql::Rows& found) {
    if (found.rows.empty()) return std::nullopt;
    RowReader read(found.rows[0]);
    Place place{.created_at = read.number()};
    place.id = read.text();
    return place;
}

sql::BoundStatement keep_place(const Kept& kept, bool stale, const Place& next) {
    return {.sql = task_sql::keep_place_of_ranks,
            .values = {kept.change, std::int64_t{stale ? 1 : 0}, next.created_at, next.id}};
}

}  // namespace

Result<Ageing> SqlTaskStore::ageing() {
    const Statements batch{{.sql = task_sql::read_ageing}};
    TASKSTORE_LET(const auto answers, x_database.read_batch(batch));
    const auto kept = kept_of(answers[0]);
    if (!kept) return Ageing{};
    return Ageing{.ms = kept->ageing_ms, .ranking = kept->stale};
}

Result<Written<Ageing>> SqlTaskStore::set_ageing(std::optional<std::int64_t> ageing_ms) {
    if (ageing_ms && (*ageing_ms < kAgeingMsMin || *ageing_ms > kAgeingMsMax))
        return fail(Code::invalid, "an ageing of " + std::to_string(*ageing_ms) +
                                       " ms is not within a second and 366 days")
            .with_hint(
                "say how long a task waits until it counts as one of the next priority, "
                "such as 10m, or off");
    Statements batch;
    if (!x_texts.hold_writers.empty()) batch.push_back({.sql = x_texts.hold_writers});
    batch.push_back({.sql = task_sql::set_ageing, .values = {value_of(ageing_ms), draw()}});
    batch.push_back({.sql = task_sql::read_ageing});
    TASKSTORE_LET(const sql::Committed committed, write_batch(batch, {.alone = true}));
    const auto kept = kept_of(committed.answers.back());
    return Written<Ageing>{{.ms = ageing_ms, .ranking = kept && kept->stale}, committed.level};
}

Result<std::int64_t> SqlTaskStore::rank_some() {
    const Statements look{{.sql = task_sql::read_ageing}};
    TASKSTORE_LET(const auto found, x_database.read_batch(look));
    const auto kept = kept_of(found[0]);
    if (!kept || !kept->stale) return std::int64_t{0};
    TASKSTORE_LET(const auto page, read_one({.sql = x_texts.next_page_of_ranks,
                                             .values = {kept->next.created_at, kept->next.id}}));
    const auto end = place_of(page[0]);
    const Place until = end.value_or(Place{std::numeric_limits<std::int64_t>::max(), ""});
    const std::vector<sql::Value> range{kept->next.created_at, kept->next.id, until.created_at,
                                        until.id};
    Statements batch{{.sql = x_texts.mark_keys_of_page, .values = range},
                     {.sql = x_texts.rank_page, .values = range}};
    if (end) batch.push_back(keep_place(*kept, true, *end));
    TASKSTORE_LET(const sql::Committed committed, write_batch(batch, {.alone = true}));
    const std::int64_t ranked = committed.answers[1].changes;
    if (end) return ranked + 1;
    TASKSTORE_LET(const auto rest, read_one({.sql = x_texts.find_misranked}));
    const auto passed_over = place_of(rest[0]);
    const sql::BoundStatement keep =
        keep_place(*kept, passed_over.has_value(), passed_over.value_or(Place{0, ""}));
    TASKSTORE_TRY(write_batch({&keep, 1}));
    return passed_over ? ranked : ranked + 1;
}

}  // namespace taskstore::tasks
