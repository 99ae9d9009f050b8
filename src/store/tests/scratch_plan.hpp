#pragma once
// A temporary store that imports and exports, for the tests of store.

#include <taskstore/store/export.hpp>
#include <taskstore/store/import.hpp>
#include <taskstore/testing/temporary_store.hpp>

#include <gtest/gtest.h>

namespace taskstore::store {

class ScratchPlan {
  public:
    records::Plan* operator->() { return &x_store.plan(); }
    FakeClock& clock() { return x_store.clock(); }

    Result<ImportReport> take(const std::string& text, ImportRequest request = {}) {
        clock().advance_ms(1000);
        request.open = [&]() -> Result<std::unique_ptr<exchange::ByteSource>> {
            return exchange::text_source(text);
        };
        if (request.name.empty()) request.name = "plans/source.jsonl";
        return import_records(x_store.plan(), x_store.clock(), request);
    }
    std::string give(ExportRequest request = {}) {
        std::string out;
        request.write = [&](std::string_view text) {
            out += text;
            return ok();
        };
        const auto report = export_records(x_store.plan(), request);
        EXPECT_TRUE(report) << report.error().message;
        return out;
    }
    Json get(std::string_view collection, std::string_view id) {
        const auto record = x_store.plan().get(collection, id);
        EXPECT_TRUE(record) << record.error().message;
        return record ? *Json::parse(record->data) : Json();
    }

  private:
    TemporaryStore x_store{{.seed = 11}};
};

}  // namespace taskstore::store
