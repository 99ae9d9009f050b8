// Opens the store of a folder, creates a PRD, filters, updates; then the same with a struct of its
// own, which becomes a collection by one declaration.
#include <taskstore/taskstore.hpp>

#include <cstdio>

namespace app {

enum class State : std::uint8_t { open, fixed };

struct Bug {
    taskstore::Id<Bug> id{};
    std::int64_t updated_at = 0;
    std::string revision{};
    std::string title{};
    std::optional<std::string> owner{};
    int severity = 3;
    State status = State::open;
};

}  // namespace app

namespace taskstore::records {

template <>
struct Choices<app::State> {
    static constexpr std::array<std::string_view, 2> names{"open", "fixed"};
};
template <>
struct Declaration<app::Bug> {
    static constexpr std::string_view collection = "bugs";
    static constexpr std::string_view help = "what went wrong";
    static constexpr std::array transitions{Transition{"open", "fixed"}};
    static constexpr auto fields = std::tuple{
        field(&app::Bug::title, {.name = "title", .required = true, .help = "in one line"}),
        field(&app::Bug::owner, {.name = "owner", .indexed = true}),
        field(&app::Bug::severity, {.name = "severity", .indexed = true, .initial = "3"}),
        field(&app::Bug::status, {.name = "status", .initial = "\"open\""})};
};

}  // namespace taskstore::records

using taskstore::records::Prd;
using taskstore::records::PrdStatus;

namespace {

taskstore::Status run(const char* folder) {
    TASKSTORE_LET(const auto store, taskstore::Store::open(folder));
    auto prds = store->collection<Prd>();

    TASKSTORE_LET(Prd prd,
                  prds.create({.title = "Example PRD", .description = "Test description"}));
    std::printf("created %s, %s\n", prd.id.text().c_str(), prd.title.c_str());

    prd.status = PrdStatus::active;
    TASKSTORE_LET(prd, prds.update(prd));

    TASKSTORE_LET(const auto filter, taskstore::records::parse_filter("status=active", nullptr));
    TASKSTORE_LET(const auto active, prds.list({.filter = filter}));
    for (const Prd& one : active.records) std::printf("active: %s\n", one.title.c_str());

    TASKSTORE_LET(const Prd again, prds.get(prd.id));
    std::printf("revision %s\n", again.revision.c_str());
    return taskstore::ok();
}

taskstore::Status run_own(const char* folder) {
    TASKSTORE_LET(const auto store, taskstore::Store::open(folder));
    auto bugs = store->collection<app::Bug>();
    // Indexes and checks, here and on every clone.
    TASKSTORE_TRY(bugs.declare());

    TASKSTORE_LET(app::Bug bug, bugs.create({.title = "Crash at start", .owner = "ann"}));
    bug.severity = 1;
    TASKSTORE_LET(bug, bugs.update(bug));
    TASKSTORE_LET(const auto mine, bugs.filter("owner=ann AND severity<=2"));
    TASKSTORE_LET(const auto urgent, bugs.list({.filter = mine}));
    for (const app::Bug& one : urgent.records) std::printf("urgent: %s\n", one.title.c_str());

    bug.status = app::State::fixed;
    TASKSTORE_LET(bug, bugs.update(bug));
    bug.status = app::State::open;
    const auto refused = bugs.update(bug);
    if (!refused) std::printf("refused: %s\n", refused.error().message.c_str());
    TASKSTORE_TRY(bugs.remove(bug.id));
    TASKSTORE_LET(const std::int64_t left, bugs.count());
    std::printf("left: %lld\n", static_cast<long long>(left));
    return taskstore::ok();
}

}  // namespace

int main(int argc, char** argv) {
    const char* folder = argc > 1 ? argv[1] : ".";
    auto done = run(folder);
    if (done) done = run_own(folder);
    if (done) return 0;
    std::fprintf(stderr, "%s\n", done.error().message.c_str());
    return 1;
}
