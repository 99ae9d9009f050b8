// What several stores say to one request. The cursor of a joined list holds one of each store:
//
//   cursor = "s" names [bytes ":" cursor-of-a-store]…
//
// `names` is a hash of the stores' names in their order, 16 hexadecimal digits; an empty cursor
// says that nothing of that store has been told yet. So a store that was away for a page is not
// passed over: its tasks come when it is back.

#include "ask.hpp"
#include "task_text.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/secrets.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>
#include <thread>

namespace taskstore::query {
namespace {

constexpr std::size_t kNamesBytes = 16;

using Outcome = Result<Found>;

std::string hash_of_names(std::span<const Store> stores) {
    std::string names;
    for (const Store& store : stores) names += store.name + '\n';
    return sha256_hex(names).substr(0, kNamesBytes);
}

std::string cursor_of(std::span<const Store> stores, std::span<const std::string> cursors) {
    std::string text = "s" + hash_of_names(stores);
    for (const std::string& one : cursors) text += std::to_string(one.size()) + ":" + one;
    return text;
}

/// One per store.
Result<std::vector<std::string>> cursors_of(std::span<const Store> stores, std::string_view text) {
    std::vector<std::string> cursors;
    if (text.empty()) return std::vector<std::string>(stores.size());
    const auto wrong = [&] {
        return fail(Code::invalid, "params.cursor is no cursor of these stores")
            .with_hint(
                "take next_cursor of the page before, with the same stores in the same "
                "order, or begin anew");
    };
    const std::string begin = "s" + hash_of_names(stores);
    if (!text.starts_with(begin)) return wrong();
    text.remove_prefix(begin.size());
    while (!text.empty()) {
        std::size_t bytes = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (error != std::errc() || !text.starts_with(':') || bytes > text.size() - 1)
            return wrong();
        cursors.emplace_back(text.substr(1, bytes));
        text.remove_prefix(bytes + 1);
    }
    if (cursors.size() != stores.size()) return wrong();
    return cursors;
}

Status check_stores(std::span<const Store> stores) {
    if (stores.empty() || stores.size() > kStoresMax)
        return fail(Code::invalid, "1 to " + std::to_string(kStoresMax) +
                                       " stores can be asked, not " +
                                       std::to_string(stores.size()));
    std::set<std::string_view> names;
    for (const Store& store : stores)
        if (!names.insert(store.name).second)
            return fail(Code::invalid, "the store " + store.name + " stands twice");
    return ok();
}

std::vector<Outcome> ask_all(const Request& request, std::span<const Store> stores,
                             std::span<const std::string> cursors, std::int64_t deadline_ns,
                             const Clock& clock, Random& random) {
    std::vector<Outcome> outcomes(stores.size(), Outcome(Found()));
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < stores.size(); ++i)
        threads.emplace_back([&, i] {
            Request own = request;
            own.filter.after = cursors[i];
            const auto open = [&] { return stores[i].open(deadline_ns); };
            outcomes[i] = ask_store(own, open, deadline_ns, clock, random);
        });
    threads.clear();
    return outcomes;
}

/// A task of a store, by their places.
struct Place {
    std::size_t store = 0;
    std::size_t task = 0;
};

struct Joined {
    std::vector<Place> tasks;
    std::string next_cursor;
};

/// The first of all of them, as many as a page has.
Joined join(const Request& request, std::span<const Store> stores,
            std::span<const Outcome> outcomes, std::vector<std::string> cursors) {
    Joined joined;
    bool more = false;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (!outcomes[i]) continue;
        more = more || !outcomes[i]->page.next_cursor.empty();
        for (std::size_t k = 0; k < outcomes[i]->page.tasks.size(); ++k)
            joined.tasks.push_back({i, k});
    }
    // Of one place in the order, which a copy of a task has, the stores' own order decides.
    std::ranges::stable_sort(joined.tasks, [&](const Place& a, const Place& b) {
        return tasks::comes_before(request.filter, outcomes[a.store]->page, a.task,
                                   outcomes[b.store]->page, b.task);
    });
    if (std::ssize(joined.tasks) > request.filter.limit) {
        joined.tasks.resize(static_cast<std::size_t>(request.filter.limit));
        more = true;
    }
    for (const Place& place : joined.tasks)
        cursors[place.store] =
            tasks::cursor_after(request.filter, outcomes[place.store]->page, place.task);
    if (more) joined.next_cursor = cursor_of(stores, cursors);
    return joined;
}

void add(tasks::TaskStats::Counts& sum, const tasks::TaskStats::Counts& counts) {
    std::ranges::transform(sum, counts, sum.begin(), std::plus<>());
}

tasks::TaskStats sum_of(std::span<const Outcome> outcomes) {
    tasks::TaskStats sum;
    for (const Outcome& outcome : outcomes) {
        if (!outcome) continue;
        const tasks::TaskStats& one = outcome->stats;
        add(sum.by_status, one.by_status);
        for (const auto& [project, counts] : one.by_project) add(sum.by_project[project], counts);
        for (const auto& [holder, count] : one.by_holder) sum.by_holder[holder] += count;
        if (one.oldest_pending_at)
            sum.oldest_pending_at = std::min(sum.oldest_pending_at.value_or(*one.oldest_pending_at),
                                             *one.oldest_pending_at);
        sum.completed_last_hour += one.completed_last_hour;
        sum.completed_last_day += one.completed_last_day;
    }
    return sum;
}

std::string data_of(const Request& request, std::span<const Store> stores,
                    std::span<const Outcome> outcomes, std::vector<std::string> cursors) {
    std::string data;
    JsonWriter writer(data);
    if (request.asked.type == QueryType::get_task_stats) {
        put_stats(writer, sum_of(outcomes));
        return data;
    }
    const Joined joined = join(request, stores, outcomes, std::move(cursors));
    writer.begin_object().key("tasks").begin_array();
    for (const Place& place : joined.tasks)
        put_task(writer, outcomes[place.store]->page.tasks[place.task], stores[place.store].name);
    writer.end_array();
    if (request.asked.type != QueryType::get_task) put_cursor(writer, joined.next_cursor);
    writer.end_object();
    return data;
}

/// A store that does not have the task that is asked for has said so.
bool has_answered(const Request& request, const Outcome& outcome) {
    return outcome ||
           (request.asked.type == QueryType::get_task && outcome.error().code == Code::not_found);
}

Status status_of(const Request& request, std::span<const Store> stores,
                 std::span<const Outcome> outcomes) {
    std::string silent;
    std::size_t answered = 0;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (has_answered(request, outcomes[i]))
            ++answered;
        else
            silent += "\n  " + stores[i].name + ": " + outcomes[i].error().message;
    }
    const bool found = std::ranges::any_of(outcomes, &Outcome::has_value);
    if (answered == outcomes.size()) return found ? ok() : Status(fail(outcomes.front().error()));
    // Of a request that is wrong all say the same.
    if (answered == 0 && (outcomes.size() == 1 || outcomes.front().error().code == Code::invalid))
        return fail(outcomes.front().error());
    return fail(answered == 0 ? outcomes.front().error().code : Code::partial,
                std::to_string(outcomes.size() - answered) + " of " +
                    std::to_string(outcomes.size()) + " stores did not answer:" + silent)
        .with_hint(answered == 0 ? "" : "the answer has what the others say");
}

Error shown(Error error) {
    error.message = without_passwords(error.message, Wording::prose);
    error.hint = without_passwords(error.hint, Wording::prose);
    return error;
}

void put_outcomes(JsonWriter& writer, std::span<const Store> stores,
                  std::span<const Outcome> outcomes) {
    writer.key("stores").begin_array();
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        writer.begin_object().key("store").string(stores[i].name).key("status");
        if (outcomes[i]) {
            writer.string("ok").key("level").string(name_of(outcomes[i]->level));
            writer.key("error").null();
        } else {
            writer.string(name_of(outcomes[i].error().code)).key("level").null();
            put_error(writer, shown(outcomes[i].error()));
        }
        writer.end_object();
    }
    writer.end_array();
}

/// `data`: nothing where no store has any. `outcomes`: none where no store was asked.
Answer made(const Asked& asked, Status status, std::string_view data, std::span<const Store> stores,
            std::span<const Outcome> outcomes) {
    Answer answer{.text = {}, .status = std::move(status)};
    JsonWriter writer(answer.text);
    writer.begin_object();
    put_asked(writer, asked);
    writer.key("status").string(answer.status ? "ok" : name_of(answer.status.error().code));
    writer.key("data").raw(data.empty() ? "null" : data);
    if (answer.status)
        writer.key("error").null();
    else
        put_error(writer, shown(answer.status.error()));
    put_outcomes(writer, stores, outcomes);
    writer.key("is_final").boolean(true).end_object();
    return answer;
}

}  // namespace

Answer answer_of_stores(std::string_view text, std::span<const Store> stores, const Clock& clock,
                        Random& random) {
    const std::int64_t began_ns = clock.boot_ns();
    Asked asked;
    const auto refused = [&](const Error& error) { return made(asked, fail(error), {}, {}, {}); };
    if (const Status usable = check_stores(stores); !usable) return refused(usable.error());
    const auto request = parse_request(text, asked);
    if (!request) return refused(request.error());
    auto cursors = cursors_of(stores, request->filter.after);
    if (!cursors) return refused(cursors.error());
    const auto outcomes =
        ask_all(*request, stores, *cursors, deadline_boot_ns(*request, began_ns), clock, random);
    Status status = status_of(*request, stores, outcomes);
    const bool has_data = status || status.error().code == Code::partial;
    return made(asked, std::move(status),
                has_data ? data_of(*request, stores, outcomes, std::move(*cursors)) : "", stores,
                outcomes);
}

}  // namespace taskstore::query
