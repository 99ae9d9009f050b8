#include "input.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/exchange/checklist.hpp>

#include <array>

namespace taskstore::exchange {
namespace {

/// Members: id, title, content, status (of a heading: by its items; of an item: pending or
/// complete), and prd_id (of an item).
class ChecklistReader final : public Reader {
  public:
    ChecklistReader(std::unique_ptr<ByteSource> source, ReaderOptions options)
        : x_in(std::move(source)), x_options(std::move(options)) {}

    Result<bool> next(Incoming& out) override {
        if (!x_read) TASKSTORE_TRY(read_all());
        if (x_section == x_sections.size()) return false;
        const ChecklistSection& section = x_sections[x_section];
        if (x_item == 0) {
            std::size_t checked = 0;
            for (const ChecklistItem& item : section.items) checked += item.checked ? 1 : 0;
            const std::string_view status = checked == 0                      ? "draft"
                                            : checked == section.items.size() ? "complete"
                                                                              : "active";
            give(out, section.line, section.id, section.title, section.content, status, {});
        } else {
            const ChecklistItem& item = section.items[x_item - 1];
            give(out, item.line, item.id, item.text, item.content,
                 item.checked ? "complete" : "pending", section.id);
        }
        if (++x_item > section.items.size()) {
            ++x_section;
            x_item = 0;
        }
        return true;
    }

  private:
    Status read_all() {
        TASKSTORE_TRY(x_in.skip_byte_order_mark());
        bool got = true;
        while (got && x_in.rest().size() <= kRecordBytesMax) {
            TASKSTORE_LET(got, x_in.more());
        }
        TASKSTORE_LET(x_sections, read_checklist(x_in.rest(), x_options.name));
        x_read = true;
        return ok();
    }

    void give(Incoming& out, int line, std::string_view id, std::string_view title,
              std::string_view content, std::string_view status, std::string_view parent) {
        out.line = line;
        out.column = 1;
        out.members.clear();
        std::size_t at = 0;
        const auto put = [&](std::string_view name, std::string_view text) {
            x_raws[at].clear();
            append_json_string(x_raws[at], text);
            out.members.push_back({name, x_raws[at++]});
        };
        put("id", id);
        put("title", title);
        put("content", content);
        put("status", status);
        if (!parent.empty()) put("prd_id", parent);
    }

    Input x_in;
    ReaderOptions x_options;
    std::vector<ChecklistSection> x_sections;
    std::array<std::string, 5> x_raws;
    std::size_t x_section = 0;
    std::size_t x_item = 0;  ///< 0: the section itself is next.
    bool x_read = false;
};

}  // namespace

std::unique_ptr<Reader> open_checklist(std::unique_ptr<ByteSource> source, ReaderOptions options) {
    return std::make_unique<ChecklistReader>(std::move(source), std::move(options));
}

}  // namespace taskstore::exchange
