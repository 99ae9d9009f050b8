#pragma once
// The module's statements as a dialect takes them. In the files of sql/ stand @columns@ for what a
// Task is read from, @now@ for the time, and what else differs between engines in a few words.

#include <cstdint>
#include <string>
#include <string_view>

namespace taskstore::tasks {

struct Texts {
    std::string get_task;
    std::string list_tasks;
    std::string search_tasks;
    std::string insert_task;
    std::string insert_history;
    std::string insert_imported_history;
    std::string history_of_write;
    std::string history_of_row;  ///< Empty where an answer is not there that early.
    std::string history_of_cancelled;
    std::string history_of_claim;
    std::string history_of_claim_of_one;
    std::string history_of_claimed_row;  ///< As history_of_row.
    std::string history_of_removal;
    std::string history_of_archived_removal;
    std::string rewrite_task;
    std::string count_open_again;
    std::string claim_key;
    std::string find_key;
    std::string promote_due;
    std::string look;
    std::string is_ready;         ///< Of a list of tasks; ?1 is the time.
    std::string is_ready_or_due;  ///< Where some are due that are not in order yet.
    std::string hold_writers;     ///< Empty where one writes at a time.
    std::string next_page_of_ranks;
    std::string mark_keys_of_page;
    std::string rank_page;
    std::string find_misranked;
    std::string find_candidate;
    std::string next_time;
    std::string complete;
    std::string renew;
    std::string move_task;
    std::string request_cancel;
    std::string settle_due;
    std::string settle_out;
    std::string settle_in;
    std::string keys_to_settle;
    std::string list_expired;
    std::string list_watched;
    std::string find_request;
    std::string drop_expired_request;
    std::string answer_of_write;
    std::string take_request;
    std::string answer_of_claim;
    std::string forget_expired;
    std::string forget_keys;
    std::string cancel_dependents;
    std::string history_of_dependents;
    std::string count_down_anyway;
    std::string close_edges_anyway;
    std::string mark_limits_again;
    std::string mark_limits_anyway;
    std::string stats_throughput;
    std::string due_schedules;
    std::string next_schedule;
    std::string why_task;
    std::string mark_limits;
    std::string claim;
    std::string claim_one;  ///< Where the limit is 1.
    // sql::InSteps of it and of `complete`; empty where an answer is not there that early.
    std::string find_claimable;
    std::string claim_found;
    std::string claimed_task;
    std::string complete_held;
    std::string completed_task;
    std::string ended_tasks;
    std::string ended_tasks_of_project;
    std::string measure_tasks;
    std::string whole_tasks;
    std::string whole_histories;
    std::string hold_ended;
    std::string mark_ended;
    std::string forget_history_of_ended;
    std::string forget_edges_of_ended;
    std::string forget_edges_on_ended;
    std::string forget_keys_of_ended;
    std::string forget_ended;
    std::string known_tasks;
    std::string get_archived;
    std::string held_archived;
    std::string list_archived;
    std::string after_restore;  ///< Several statements, without parameters.
    std::string after_loss;     ///< The same with another reason.
    /// The forms for many rows; empty where there are none.
    std::string insert_lanes;
    std::string insert_tasks;
    std::string insert_histories;
    std::string promotions_due;
    std::string claims;  ///< Of one task each.
    std::string histories_of_claims;
    std::string looks;
    std::string completions;
    std::string histories_of_writes;
    std::string counts_down;
    std::string closed_edges;
    std::string marked_limits;
};

/// What sql/look.sql says last.
inline constexpr int kPromotesColumn = 3;

enum class NowIs : std::uint8_t {
    passed,             ///< ?1 is never null, and who writes has kept the time (task_clock).
    passed_or_engines,  ///< Where either is missing the engine's own time counts.
};

/// `dialect` as of sql::Connection. Made once and kept.
const Texts& texts_of(std::string_view dialect, NowIs now = NowIs::passed_or_engines);

}  // namespace taskstore::tasks
