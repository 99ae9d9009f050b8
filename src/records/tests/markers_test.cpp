// Merge markers are taken away while another program, which knows no lock, appends to the file.
#include "plan_process.hpp"

#include <gtest/gtest.h>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::Process;

std::string titled(const std::string& id, const std::string& title, int at) {
    return "{\"id\":\"" + id + "\",\"title\":\"" + title +
           "\",\"status\":\"draft\",\"created_at\":1,\"updated_at\":" + std::to_string(at) + "}\n";
}

TEST(Markers, WhatAnotherProgramAppendsAtAnyMomentOfTheSyncIsTakenIn) {
    const std::string marked = titled("before", "b", 1) + "<<<<<<< ours\n" + titled("a", "A", 5) +
                               "=======\n" + titled("a", "B", 6) + ">>>>>>> theirs\n";
    // The sync waits for who has the replaced file open, so it is let go after some calls.
    constexpr std::size_t kCallsMax = 12;
    std::size_t since_replaced = 0;
    for (std::size_t n = 0; since_replaced < kCallsMax; ++n) {
        SCOPED_TRACE(n);
        auto disk = new_disk();
        disk->put_file("/p/prds.jsonl", marked);
        Process p(*disk);
        auto other = std::move(*disk->open("/p/prds.jsonl", os::OpenMode::read_write));
        std::size_t calls = 0;
        since_replaced = 0;
        disk->set_hook([&](const os::CallRecord& call) {
            if (!other || call.path.find("prds.jsonl") == std::string::npos) return;
            if (disk->get_file("/p/prds.jsonl")->find('<') == std::string::npos) ++since_replaced;
            if (calls++ < n && since_replaced < kCallsMax) return;
            std::size_t written = 0;
            EXPECT_TRUE(other->append(titled("late", "l", 9), written));
            other.reset();
        });
        const auto report = p->sync();
        disk->set_hook({});
        ASSERT_TRUE(report) << report.error().message;
        ASSERT_FALSE(other) << "it was never replaced";
        ASSERT_TRUE(p->sync());
        const std::string text = *disk->get_file("/p/prds.jsonl");
        EXPECT_EQ(text.find_first_of("<>="), std::string::npos) << text;
        for (const char* id : {"before", "a", "late"}) EXPECT_TRUE(p->get("prds", id)) << id;
        for (const char* title : {"\"A\"", "\"B\"", "\"l\""})
            EXPECT_NE(text.find(title), std::string::npos) << title;
    }
}

}  // namespace
}  // namespace taskstore::records
