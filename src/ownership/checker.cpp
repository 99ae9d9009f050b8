#include "model.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>

namespace taskstore::ownership {
namespace {

constexpr std::array<std::string_view, 8> kWrongs{
    "double_claim",   "fence_not_grown", "claim_of_ended",     "stale_write",
    "holder_refused", "lost_change",     "running_when_freed", "undecided"};
/// Of one task. A history without violations needs about as many as it has operations.
constexpr std::size_t kStepsMax = 2'000'000;
constexpr std::size_t kShownBefore = 12;
constexpr std::size_t kShownOpen = 8;
constexpr std::int64_t kNsPerUs = 1'000;

std::string line_of(const Operation& one, std::int64_t zero_ns) {
    std::string out = "  " + std::to_string((one.begin_ns - zero_ns) / kNsPerUs) + "–";
    out += one.end_ns == kNever ? "?" : std::to_string((one.end_ns - zero_ns) / kNsPerUs);
    out += " us  " + one.process + "#" + std::to_string(one.number) + "  " +
           std::string(name_of(one.act));
    if (one.fence != 0) out += " fence " + std::to_string(one.fence);
    if (one.lease_ms != 0) out += " for " + std::to_string(one.lease_ms) + " ms";
    out += ": " + std::string(name_of(one.outcome));
    if (one.status) out += ", " + std::string(tasks::name_of(*one.status));
    return out + "\n";
}

/// The operations of one task, put into an order one after the other.
class Search {
  public:
    explicit Search(std::vector<const Operation*> operations)
        : x_operations(std::move(operations)), x_taken(x_operations.size(), false) {
        std::ranges::sort(x_operations, {}, [](const Operation* one) {
            return std::tie(one->begin_ns, one->end_ns);
        });
        for (const Operation* one : x_operations) x_left += one->end_ns == kNever ? 0 : 1;
    }

    std::optional<Violation> run() {
        visit();
        while (x_left > 0) {
            if (x_steps_tried > kStepsMax) return undecided();
            if (step()) continue;
            if (!back()) return violation();
        }
        return std::nullopt;
    }

  private:
    struct Choice {
        std::size_t operation;
        State next;
    };
    /// A point of the search: what could be next, and how far that has been tried.
    struct Frame {
        std::vector<Choice> choices;
        std::size_t tried = 0;
        State before;
    };

    /// What may come next: it began before any other that is left was answered.
    std::vector<std::size_t> open_ones() const {
        std::vector<std::size_t> open;
        std::int64_t first_end_ns = kNever;
        for (std::size_t i = x_first; i < x_operations.size(); ++i) {
            if (x_taken[i]) continue;
            if (x_operations[i]->begin_ns > first_end_ns) break;
            open.push_back(i);
            first_end_ns = std::min(first_end_ns, x_operations[i]->end_ns);
        }
        return open;
    }

    /// Opens a frame for where the search stands.
    void visit() {
        Frame frame{.choices = {}, .before = x_state};
        for (const std::size_t i : open_ones()) {
            const Steps steps = steps_of(x_state, *x_operations[i]);
            for (std::size_t k = 0; k < steps.count; ++k) {
                // What changes nothing may come first without harm: nothing else need be tried. A
                // cancellation that was asked for already may be meant for a later claim.
                if (steps.states.at(k) == x_state && x_operations[i]->end_ns != kNever &&
                    x_operations[i]->act != Act::cancel) {
                    frame.choices = {{i, x_state}};
                    x_frames.push_back(std::move(frame));
                    return;
                }
                frame.choices.push_back({i, steps.states.at(k)});
            }
        }
        // Those that were answered first come first: most often that is how it was.
        std::ranges::stable_sort(frame.choices, {}, [&](const Choice& choice) {
            return x_operations[choice.operation]->end_ns;
        });
        x_frames.push_back(std::move(frame));
    }

    /// One operation further, if one can be taken that leads where the search has not been.
    bool step() {
        Frame& frame = x_frames.back();
        while (frame.tried < frame.choices.size()) {
            const Choice choice = frame.choices[frame.tried++];
            ++x_steps_tried;
            take(choice.operation);
            if (!x_seen.insert(place(choice.next)).second) {
                give_back(choice.operation);
                continue;
            }
            x_path.push_back(choice.operation);
            x_state = choice.next;
            if (x_path.size() > x_farthest.size()) {
                x_farthest = x_path;
                x_farthest_state = x_state;
            }
            visit();
            return true;
        }
        return false;
    }

    bool back() {
        x_frames.pop_back();
        if (x_path.empty()) return false;
        give_back(x_path.back());
        x_path.pop_back();
        x_state = x_frames.back().before;
        return true;
    }

    void take(std::size_t i) {
        x_taken[i] = true;
        if (x_operations[i]->end_ns != kNever) --x_left;
        while (x_first < x_taken.size() && x_taken[x_first]) ++x_first;
        x_last = std::max(x_last, i + 1);
    }
    void give_back(std::size_t i) {
        x_taken[i] = false;
        if (x_operations[i]->end_ns != kNever) ++x_left;
        x_first = std::min(x_first, i);
    }

    /// Which operations are taken, and the state: the same again leads to the same.
    std::string place(const State& state) const {
        std::string key = std::to_string(x_first);
        for (std::size_t i = x_first; i < x_last; ++i) {
            if (x_taken[i]) key += "," + std::to_string(i);
        }
        key += ";" + std::to_string(static_cast<int>(state.status)) + "," +
               std::to_string(state.fence) + "," + std::to_string(state.held_until_ns) +
               (state.cancel_asked ? "c" : "") + (state.exists ? "e" : "") + "," +
               std::to_string(state.not_before_ns);
        return key;
    }

    Violation undecided() const {
        return {Wrong::undecided, x_operations[0]->task,
                "task " + x_operations[0]->task + ": no answer within " +
                    std::to_string(kStepsMax) + " steps\n"};
    }

    Violation violation() {
        // Where the search came farthest: what could not follow there.
        for (const std::size_t i : x_farthest) take(i);
        const std::vector<std::size_t> open = open_ones();
        const Operation* culprit = nullptr;
        for (const std::size_t i : open) {
            const Operation* const one = x_operations[i];
            if (culprit == nullptr || one->end_ns < culprit->end_ns) culprit = one;
        }
        const Wrong wrong = why_not(x_farthest_state, *culprit);
        const std::int64_t zero_ns = x_operations[0]->begin_ns;
        std::string report = "task " + culprit->task + ": " + std::string(name_of(wrong)) +
                             ": no order of its operations explains the answers\nso far:\n";
        const std::size_t shown = std::min(x_farthest.size(), kShownBefore);
        if (shown < x_farthest.size())
            report += "  (" + std::to_string(x_farthest.size() - shown) + " before)\n";
        for (std::size_t i = x_farthest.size() - shown; i < x_farthest.size(); ++i)
            report += line_of(*x_operations[x_farthest[i]], zero_ns);
        report += "then it is " + std::string(tasks::name_of(x_farthest_state.status)) +
                  ", fence " + std::to_string(x_farthest_state.fence) +
                  ", and none of these can be next:\n";
        for (std::size_t i = 0; i < std::min(open.size(), kShownOpen); ++i)
            report += line_of(*x_operations[open[i]], zero_ns);
        return {wrong, culprit->task, std::move(report)};
    }

    std::vector<const Operation*> x_operations;
    std::vector<bool> x_taken;
    std::size_t x_first = 0;  ///< All before it are taken.
    std::size_t x_last = 0;   ///< None from it on ever was.
    std::size_t x_left = 0;   ///< Answered ones that are not taken.
    State x_state;
    std::vector<Frame> x_frames;
    std::vector<std::size_t> x_path;
    std::vector<std::size_t> x_farthest;
    State x_farthest_state;
    std::unordered_set<std::string> x_seen;
    std::size_t x_steps_tried = 0;
};

}  // namespace

std::string_view name_of(Wrong wrong) {
    return kWrongs.at(static_cast<std::size_t>(wrong));
}

Verdict check_ownership(std::span<const Operation> operations) {
    std::map<std::string_view, std::vector<const Operation*>> by_task;
    for (const Operation& one : operations) by_task[one.task].push_back(&one);
    Verdict verdict;
    verdict.operations = std::ssize(operations);
    verdict.tasks = std::ssize(by_task);
    for (auto& [task, own] : by_task) {
        if (auto violation = Search(std::move(own)).run())
            verdict.violations.push_back(std::move(*violation));
    }
    return verdict;
}

}  // namespace taskstore::ownership
