// The merge driver with every call of the disk failed once, and the power cut after every one.
#include "driver.hpp"

#include <taskstore/os/fault_file_system.hpp>

#include <gtest/gtest.h>

#include <memory>

namespace taskstore {
namespace {

using os::FaultKind;
using os::PowerCut;

std::string line(const std::string& id, const std::string& title, int at) {
    return "{\"id\":\"" + id + "\",\"title\":\"" + title +
           "\",\"updated_at\":" + std::to_string(at) + "}\n";
}

struct Case {
    std::string base;
    std::string ours;
    std::string theirs;
    std::string merged;  ///< As the driver leaves it where nothing fails.
    DriverExit exit = DriverExit::merged;

    std::unique_ptr<os::FaultFileSystem> disk() const {
        auto files = std::make_unique<os::FaultFileSystem>();
        files->put_directory("/w");
        files->put_file("/w/base", base);
        files->put_file("/w/ours", ours);
        files->put_file("/w/theirs", theirs);
        files->sync_everything();
        return files;
    }
    static DriverExit drive(os::FaultFileSystem& files) {
        testing::internal::CaptureStderr();
        const DriverExit exit =
            merge_over_ours(files, {"/w/base", "/w/ours", "/w/theirs", ".taskstore/prds.jsonl", 7});
        (void)testing::internal::GetCapturedStderr();
        return exit;
    }
    /// What the file may hold where git is told that it failed: both sides whole, between markers.
    bool is_given_up(const std::string& text) const {
        return text.starts_with("<<<<<<< ours\n" + ours + "=======\n") &&
               text.find(">>>>>>> theirs") != std::string::npos;
    }
};

Case make(const std::string& base, const std::string& ours, const std::string& theirs) {
    Case out{base, ours, theirs, {}};
    const auto files = out.disk();
    out.exit = Case::drive(*files);
    out.merged = *files->get_file("/w/ours");
    return out;
}

std::vector<Case> cases() {
    const std::string base = line("a", "t", 1) + line("b", "t", 1);
    return {
        make(base, line("a", "ours", 5) + line("b", "t", 1),
             line("a", "t", 1) + line("b", "theirs", 6) + line("c", "new", 7)),
        make(base, line("a", "ours", 5) + line("b", "t", 1),
             line("a", "theirs", 5) + line("b", "u", 6)),
    };
}

TEST(MergeDriver, EndsAsItIsTold) {
    const auto made = cases();
    EXPECT_EQ(made[0].exit, DriverExit::merged);
    EXPECT_EQ(made[1].exit, DriverExit::clashes);
    EXPECT_NE(made[1].merged.find("<<<<<<< ours a\n"), std::string::npos);
}

TEST(MergeDriver, APowerCutAfterEachCallLeavesWhatWasThereOrTheResult) {
    for (const Case& one : cases()) {
        for (std::size_t n = 0;; ++n) {
            const auto files = one.disk();
            files->power_off_after(n);
            (void)Case::drive(*files);
            const bool done = !files->power_is_off();
            for (const PowerCut& cut : PowerCut::matrix(2, n)) {
                const auto after = files->after_power_cut(cut);
                const auto text = after->get_file("/w/ours");
                ASSERT_TRUE(text) << n << cut.text();
                EXPECT_TRUE(*text == one.ours || *text == one.merged) << n << cut.text() << *text;
                // Git runs it once more, or gives the merge up.
                if (*text != one.ours) continue;
                EXPECT_EQ(Case::drive(*after), one.exit) << n << cut.text();
                EXPECT_EQ(after->get_file("/w/ours"), one.merged) << n << cut.text();
            }
            if (HasFailure()) return;
            if (done) {
                EXPECT_GT(n, 3U);
                break;
            }
        }
    }
}

TEST(MergeDriver, EachFailingCallIsToldAndLosesNothing) {
    for (const Case& one : cases()) {
        for (const FaultKind kind :
             {FaultKind::error, FaultKind::short_write, FaultKind::error_after,
              FaultKind::disk_full, FaultKind::read_only}) {
            for (const bool reads : {false, true}) {
                for (std::size_t n = 1;; ++n) {
                    os::FaultOptions options;
                    options.count_reads = reads;
                    os::FaultFileSystem files(options);
                    files.put_directory("/w");
                    files.put_file("/w/base", one.base);
                    files.put_file("/w/ours", one.ours);
                    files.put_file("/w/theirs", one.theirs);
                    files.reset_calls();
                    files.fail_at(n, {.kind = kind});
                    const DriverExit exit = Case::drive(files);
                    const bool done = files.calls() < n;
                    files.clear_faults();
                    SCOPED_TRACE("n=" + std::to_string(n) + "\n" + files.log_text());
                    const std::string text = *files.get_file("/w/ours");
                    if (exit == DriverExit::failed)
                        EXPECT_TRUE(text == one.ours || text == one.merged || one.is_given_up(text))
                            << text;
                    else
                        EXPECT_TRUE(exit == one.exit && text == one.merged) << text;
                    if (HasFailure()) return;
                    if (done) break;
                }
            }
        }
    }
}

}  // namespace
}  // namespace taskstore
