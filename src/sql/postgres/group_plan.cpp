#include "group_plan.hpp"

#include <algorithm>
#include <map>

namespace taskstore::postgres {
namespace {

/// Rows sent as one statement: what the server unpacks fits into its work_mem.
constexpr std::size_t kRowsMergedMax = 2'048;
/// Of a batch whose statements meet those of others.
constexpr std::size_t kPartsMetMax = 64;

/// Whether another batch may be too much for them.
bool is_full(const std::vector<Item*>& items) {
    return std::ranges::any_of(
        items, [](const Item* item) { return item->rows.size() + kPartsMetMax > kRowsMergedMax; });
}

/// The form by which the statement may be one of many; null: none.
const Translated* form_of(const Member& member, const CheckedBatch::Part& part) {
    const bool plain = part.bound->changes_expected.value_or(1) == 1;
    return member.merge && plain ? part.many.get() : nullptr;
}

/// Those of a batch that may meet others of its like, neighbours of one form as one; empty: it may
/// not.
std::vector<const Translated*> forms_of(const Member& member) {
    std::vector<const Translated*> forms;
    if (member.batch->parts.size() > kPartsMetMax) return forms;
    for (const CheckedBatch::Part& part : member.batch->parts) {
        const Translated* const form = form_of(member, part);
        if (form == nullptr) return {};
        if (forms.empty() || forms.back() != form) forms.push_back(form);
    }
    return forms;
}

class Planner {
  public:
    void add(Member& member) {
        member.answers.assign(member.batch->parts.size(),
                              sql::Rows{.columns = {}, .rows = {}, .changes = -1});
        member.answers_complete = false;
        const std::vector<const Translated*> forms = forms_of(member);
        if (forms.empty())
            append(member);
        else
            append_to(place_of(forms), member);
    }
    std::deque<Item> take() {
        for (Item& item : x_items) {
            // One row alone is told by the plainer statement.
            item.merged = item.statement != nullptr && item.rows.size() > 1;
            if (!item.merged) item.statement = part_of(item.rows.front()).one.get();
        }
        return std::move(x_items);
    }

  private:
    Item& new_item(const Translated* form) {
        x_items.push_back({.rows = {}, .statement = form});
        return x_items.back();
    }
    const std::vector<Item*>& place_of(const std::vector<const Translated*>& forms) {
        std::vector<Item*>& place = x_open[forms];
        if (place.empty() || is_full(place)) {
            place.clear();
            for (const Translated* form : forms) place.push_back(&new_item(form));
        }
        return place;
    }
    static void append_to(const std::vector<Item*>& place, Member& member) {
        const Translated* last = nullptr;
        auto item = place.begin();
        for (std::size_t i = 0; i < member.batch->parts.size(); ++i) {
            const Translated* const form = form_of(member, member.batch->parts[i]);
            if (last != nullptr && form != last) ++item;
            (*item)->rows.push_back({&member, i});
            last = form;
        }
    }
    // Within a batch only neighbours may meet: what stands between them may read.
    void append(Member& member) {
        Item* item = nullptr;
        for (std::size_t i = 0; i < member.batch->parts.size(); ++i) {
            const Translated* const form = form_of(member, member.batch->parts[i]);
            if (form == nullptr || item == nullptr || item->statement != form ||
                item->rows.size() >= kRowsMergedMax)
                item = &new_item(form);
            item->rows.push_back({&member, i});
        }
    }

    std::deque<Item> x_items;  // Stay where they are.
    std::map<std::vector<const Translated*>, std::vector<Item*>> x_open;
};

}  // namespace

bool returns_rows(const Item& item) {
    return item.statement->kind == StatementKind::query ||
           item.statement->names.contains("returning");
}

std::deque<Item> plan(const std::vector<Member*>& members) {
    Planner planner;
    for (Member* member : members) planner.add(*member);
    return planner.take();
}

}  // namespace taskstore::postgres
