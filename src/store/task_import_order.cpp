#include "task_import_order.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>

namespace taskstore::store {
namespace {

using founding::FoundTask;
using founding::Standing;

const std::string kArrow = " \xE2\x86\x92 ";

class Ordering {
  public:
    explicit Ordering(const std::vector<FoundTask>& tasks) : x_tasks(tasks) {
        x_out.depends_on.resize(tasks.size());
        x_out.cut.resize(tasks.size());
        x_gone.resize(tasks.size());
    }

    Ordered all() {
        for (std::size_t i = 0; i < x_tasks.size(); ++i)
            if (!x_places.emplace(x_tasks[i].id, i).second)
                leave(i, "its id is another task's of the same source");
        for (std::size_t i = 0; i < x_tasks.size(); ++i)
            if (!x_gone[i]) find_dependencies(i);
        leave_dependents();
        sort();
        if (open_circles()) sort();
        leave_circles();
        std::ranges::sort(x_out.left, {}, &Ordered::Left::task);
        return std::move(x_out);
    }

  private:
    void leave(std::size_t task, std::string reason) {
        x_gone[task] = true;
        x_out.left.push_back({task, std::move(reason)});
    }

    void find_dependencies(std::size_t i) {
        const FoundTask& task = x_tasks[i];
        std::vector<std::size_t>& edges = x_out.depends_on[i];
        for (const std::string& id : task.depends_on) {
            const auto other = x_places.find(id);
            const bool holds =
                other != x_places.end() && (task.standing != Standing::completed ||
                                            x_tasks[other->second].standing == Standing::completed);
            if (holds) {
                edges.push_back(other->second);
            } else if (has_ended(task)) {
                x_out.cut[i] = true;
            } else {
                edges.clear();
                leave(i, "it waits for task '" + id + "', which the source does not have");
                return;
            }
        }
        std::ranges::sort(edges);
        edges.erase(std::ranges::unique(edges).begin(), edges.end());
    }

    std::vector<std::vector<std::size_t>> dependents() const {
        std::vector<std::vector<std::size_t>> out(x_tasks.size());
        for (std::size_t i = 0; i < x_tasks.size(); ++i)
            for (const std::size_t other : x_out.depends_on[i]) out[other].push_back(i);
        return out;
    }

    /// Whoever waits for a task that is left is left too; what has ended goes without it.
    void leave_dependents() {
        const auto behind = dependents();
        std::vector<std::size_t> todo;
        for (std::size_t i = 0; i < x_tasks.size(); ++i)
            if (x_gone[i]) todo.push_back(i);
        while (!todo.empty()) {
            const std::size_t gone = todo.back();
            todo.pop_back();
            for (const std::size_t i : behind[gone]) {
                if (x_gone[i]) continue;
                if (has_ended(x_tasks[i])) {
                    std::erase(x_out.depends_on[i], gone);
                    x_out.cut[i] = true;
                    continue;
                }
                leave(i, "it waits for task '" + x_tasks[gone].id + "', which is left out");
                todo.push_back(i);
            }
        }
    }

    /// Whatever waits for nothing that is not sorted yet; circles, and what is behind them, are
    /// not.
    void sort() {
        const auto behind = dependents();
        x_out.order.clear();
        x_sorted.assign(x_tasks.size(), false);
        std::vector<std::size_t> waits(x_tasks.size());
        std::vector<std::size_t> ready;
        for (std::size_t i = 0; i < x_tasks.size(); ++i) {
            waits[i] = x_out.depends_on[i].size();
            if (waits[i] == 0 && !x_gone[i]) ready.push_back(i);
        }
        for (std::size_t at = 0; at < ready.size(); ++at) {
            x_sorted[ready[at]] = true;
            for (const std::size_t i : behind[ready[at]])
                if (--waits[i] == 0 && !x_gone[i]) ready.push_back(i);
        }
        x_out.order = std::move(ready);
    }

    /// What has ended waits for nobody: its edges may go.
    bool open_circles() {
        bool any = false;
        for (std::size_t i = 0; i < x_tasks.size(); ++i) {
            if (x_sorted[i] || x_gone[i] || !has_ended(x_tasks[i])) continue;
            const std::size_t before = x_out.depends_on[i].size();
            std::erase_if(x_out.depends_on[i], [&](std::size_t other) { return !x_sorted[other]; });
            if (x_out.depends_on[i].size() != before) any = x_out.cut[i] = true;
        }
        return any;
    }

    /// A long one is cut.
    std::string shown(std::span<const std::size_t> circle) const {
        constexpr std::size_t kShownMax = 8;
        std::string text;
        for (std::size_t i = 0; i < circle.size() && i < kShownMax; ++i)
            text += x_tasks[circle[i]].id + kArrow;
        if (circle.size() > kShownMax)
            text += "and " + std::to_string(circle.size() - kShownMax) + " more" + kArrow;
        return text + x_tasks[circle.front()].id;
    }

    /// Each task is walked over once, however long the circles are: the circle that it is in, or
    /// waits for.
    void leave_circles() {
        constexpr std::size_t kNone = SIZE_MAX;
        std::vector<std::string> circles;
        std::vector<std::size_t> circle_of(x_tasks.size(), kNone);
        std::vector<std::size_t> place_in_path(x_tasks.size(), kNone);
        for (std::size_t i = 0; i < x_tasks.size(); ++i) {
            if (x_sorted[i] || x_gone[i]) continue;
            std::vector<std::size_t> path;
            std::size_t at = i;
            while (circle_of[at] == kNone && place_in_path[at] == kNone) {
                place_in_path[at] = path.size();
                path.push_back(at);
                at = *std::ranges::find_if(x_out.depends_on[at],
                                           [&](std::size_t other) { return !x_sorted[other]; });
            }
            std::size_t circle = circle_of[at];
            if (circle == kNone) {
                circle = circles.size();
                circles.push_back(shown(std::span(path).subspan(place_in_path[at])));
            }
            for (const std::size_t one : path) circle_of[one] = circle;
        }
        for (std::size_t i = 0; i < x_tasks.size(); ++i)
            if (circle_of[i] != kNone) leave(i, "it would wait for ever: " + circles[circle_of[i]]);
    }

    const std::vector<FoundTask>& x_tasks;
    std::map<std::string_view, std::size_t> x_places;
    std::vector<bool> x_gone;
    std::vector<bool> x_sorted;
    Ordered x_out;
};

}  // namespace

bool has_ended(const FoundTask& task) {
    return task.standing == Standing::completed || task.standing == Standing::failed ||
           task.standing == Standing::cancelled;
}

Ordered order_of(const std::vector<FoundTask>& tasks) {
    return Ordering(tasks).all();
}

}  // namespace taskstore::store
