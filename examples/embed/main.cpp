// Opens the store of a folder, creates a PRD, filters, updates.
#include <taskstore/taskstore.hpp>

#include <cstdio>

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

}  // namespace

int main(int argc, char** argv) {
    const auto done = run(argc > 1 ? argv[1] : ".");
    if (done) return 0;
    std::fprintf(stderr, "%s\n", done.error().message.c_str());
    return 1;
}
