// Threads of one process, and a second plan beside it, that declare a collection while others read
// and write it. What they must not see: an error that none of them made, or a race (tsan).
#include <taskstore/os/file_system.hpp>
#include <taskstore/records/plan.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

namespace taskstore::records {
namespace {

constexpr int kRounds = 25;

/// Both take every record that the writers make.
CollectionRequest with_index() {
    return {.name = "bugs",
            .schema = R"({"properties": {"n": {"type": "integer"}, "title": {"type": "string"}}})",
            .indexes = std::vector<std::string>{"n"}};
}
CollectionRequest without_index() {
    return {.name = "bugs",
            .schema = R"({"properties": {"n": {"type": "number"}}})",
            .indexes = std::vector<std::string>()};
}

class Shared {
  public:
    Shared() { EXPECT_TRUE(os::make_directories(x_files, x_folder / "p/run")); }
    std::unique_ptr<Plan> open() {
        auto plan = Plan::open(x_files, x_driver, x_clock, x_random,
                               {.folder = x_folder / "p",
                                .replica_path = x_folder / "p/run/replica.json",
                                .actor = "ann"});
        EXPECT_TRUE(plan) << plan.error().message;
        return plan ? std::move(*plan) : nullptr;
    }

  private:
    TemporaryFolder x_folder;
    os::SystemFileSystem x_files;
    sqlite::Driver x_driver;
    SystemClock x_clock;
    SystemRandom x_random;
};

void declare_again_and_again(Plan& plan) {
    for (int i = 0; i < kRounds; ++i) {
        const auto done =
            plan.declare(i % 2 == 0 ? with_index() : without_index(), Declare::either);
        EXPECT_TRUE(done) << done.error().message;
        if (i % 8 == 7) {
            const auto gone = plan.undeclare("bugs");
            EXPECT_TRUE(gone) << gone.error().message;
        }
    }
    EXPECT_TRUE(plan.declare(with_index(), Declare::either));
}

void write_on(Plan& plan, const std::string& thread) {
    for (int i = 0; i < kRounds; ++i) {
        const std::string id = thread + std::to_string(i);
        const auto made =
            plan.create("bugs", {{"n", std::to_string(i)}, {"title", "\"" + id + "\""}}, id);
        EXPECT_TRUE(made) << made.error().message;
        const auto changed = plan.update("bugs", id, {{"n", std::to_string(i + 1)}});
        EXPECT_TRUE(changed) << changed.error().message;
    }
}

void read_on(Plan& plan, const std::atomic<bool>& over) {
    while (!over) {
        const auto catalogue = plan.catalogue();
        ASSERT_TRUE(catalogue) << catalogue.error().message;
        const Kind* const kind = (*catalogue)->find_collection("bugs");
        EXPECT_TRUE(kind == nullptr || kind->field("n") != nullptr);
        const auto filter = parse_filter("n>=3", kind);
        ASSERT_TRUE(filter) << filter.error().message;
        const auto page = plan.list({.collection = "bugs", .filter = *filter, .limit = 20});
        ASSERT_TRUE(page) << page.error().message;
        for (const Record& record : page->records)
            EXPECT_NE(record.data.find("\"n\":"), std::string::npos);
        ASSERT_TRUE(plan.count({.collection = "bugs"}));
        const auto misfits = plan.misfits("bugs", 3);
        if (misfits) {
            EXPECT_EQ(misfits->count, 0);
        } else {
            EXPECT_EQ(misfits.error().code, Code::not_found) << misfits.error().message;
        }
        (void)plan.take_notes();
    }
}

void read_declare_and_write(Plan& plan, Plan& beside) {
    std::atomic<bool> over = false;
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i)
        readers.emplace_back([&, i] { read_on(i == 2 ? beside : plan, over); });
    {
        const std::jthread declarer([&] { declare_again_and_again(plan); });
        const std::jthread first([&] { write_on(plan, "a"); });
        const std::jthread second([&] { write_on(plan, "b"); });
        const std::jthread other([&] { write_on(beside, "c"); });
    }
    over = true;
    readers.clear();
    for (Plan* const one : {&plan, &beside}) {
        const auto catalogue = one->catalogue();
        ASSERT_TRUE(catalogue);
        const Kind* const kind = (*catalogue)->find_collection("bugs");
        ASSERT_NE(kind, nullptr);
        EXPECT_EQ(*one->count({.collection = "bugs"}), 3 * kRounds);
        EXPECT_EQ(*one->count({.collection = "bugs", .filter = *parse_filter("n=3", kind)}), 3);
    }
}

TEST(Threads, ReadDeclareAndWriteAtOnce) {
    Shared shared;
    const auto plan = shared.open();
    ASSERT_TRUE(plan);
    read_declare_and_write(*plan, *plan);
}

TEST(Threads, ReadDeclareAndWriteAtOnceBesideAnotherPlanOfTheProcess) {
    Shared shared;
    const auto plan = shared.open();
    const auto beside = shared.open();
    ASSERT_TRUE(plan && beside);
    read_declare_and_write(*plan, *beside);
}

}  // namespace
}  // namespace taskstore::records
