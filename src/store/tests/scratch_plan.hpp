#pragma once
// A plan in a folder of its own, for the tests of store.

#include <taskstore/sqlite/driver.hpp>
#include <taskstore/store/export.hpp>
#include <taskstore/store/import.hpp>
#include <taskstore/store/place.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace taskstore::store {

class ScratchPlan {
  public:
    ScratchPlan() {
        std::string pattern = std::filesystem::temp_directory_path() / "taskstore-moving-XXXXXX";
        x_root = mkdtemp(pattern.data());
        const auto place = place_at(x_files, x_root / "store");
        EXPECT_TRUE(make_store(x_files, *place));
        auto opened = records::Plan::open(
            x_files, x_driver, x_clock, x_random,
            {.folder = place->folder, .replica_path = place->replica_path, .actor = "tester"});
        EXPECT_TRUE(opened) << opened.error().message;
        x_plan = std::move(*opened);
    }
    ScratchPlan(const ScratchPlan&) = delete;
    ScratchPlan& operator=(const ScratchPlan&) = delete;
    ~ScratchPlan() {
        x_plan.reset();
        std::filesystem::remove_all(x_root);
    }

    records::Plan* operator->() { return x_plan.get(); }
    FakeClock& clock() { return x_clock; }

    Result<ImportReport> take(const std::string& text, ImportRequest request = {}) {
        x_clock.advance_ms(1000);
        request.open = [&]() -> Result<std::unique_ptr<exchange::ByteSource>> {
            return exchange::text_source(text);
        };
        if (request.name.empty()) request.name = "plans/source.jsonl";
        return import_records(*x_plan, x_clock, request);
    }
    std::string give(ExportRequest request = {}) {
        std::string out;
        request.write = [&](std::string_view text) {
            out += text;
            return ok();
        };
        const auto report = export_records(*x_plan, request);
        EXPECT_TRUE(report) << report.error().message;
        return out;
    }
    Json get(std::string_view collection, std::string_view id) {
        const auto record = x_plan->get(collection, id);
        EXPECT_TRUE(record) << record.error().message;
        return record ? *Json::parse(record->data) : Json();
    }

  private:
    os::SystemFileSystem x_files;
    sqlite::Driver x_driver;
    FakeClock x_clock;
    SeededRandom x_random{11};
    std::filesystem::path x_root;
    std::unique_ptr<records::Plan> x_plan;
};

}  // namespace taskstore::store
