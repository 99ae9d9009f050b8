// Tests a function of the application on a temporary store, with a clock that the test moves.
#include <taskstore/testing/record_factory.hpp>
#include <taskstore/testing/temporary_store.hpp>

#include <cstdio>

using taskstore::records::Prd;
using taskstore::records::PrdStatus;

namespace {

/// The function under test: drafts that nobody touched for `age_ms` are cancelled.
taskstore::Result<int> cancel_old_drafts(taskstore::Store& store, std::int64_t now_ms,
                                         std::int64_t age_ms) {
    auto prds = store.collection<Prd>();
    TASKSTORE_LET(const auto filter, taskstore::records::parse_filter("status=draft", nullptr));
    TASKSTORE_LET(const auto drafts, prds.list({.filter = filter}));
    int cancelled = 0;
    for (Prd prd : drafts.records) {
        if (now_ms - prd.updated_at < age_ms) continue;
        prd.status = PrdStatus::cancelled;
        TASKSTORE_TRY(prds.update(prd));
        ++cancelled;
    }
    return cancelled;
}

int failures = 0;
void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "FAILED: %s\n", what);
    ++failures;
}

}  // namespace

int main() {
    taskstore::TemporaryStore store;
    taskstore::RecordFactory make;
    auto prds = store.collection<Prd>();

    const auto old_one = prds.create(make.prd());
    store.clock().advance_ms(10'000);
    const auto young = prds.create(make.prd());
    expect(old_one && young, "both are created");

    const auto cancelled = cancel_old_drafts(store.store(), store.clock().wall_ms(), 5'000);
    expect(cancelled && *cancelled == 1, "one draft is old enough");

    store.reopen();
    expect(store.collection<Prd>().get(old_one->id)->status == PrdStatus::cancelled, "the old one");
    expect(store.collection<Prd>().get(young->id)->status == PrdStatus::draft, "the young one");
    return failures == 0 ? 0 : 1;
}
