#include <taskstore/records/readable.hpp>

#include "line_difference.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/ledger/scan.hpp>
#include <taskstore/records/changes.hpp>

#include <algorithm>
#include <map>

namespace taskstore::records {
namespace {

constexpr std::size_t kPieceBytes = 1 << 16;

/// Where a character that a terminal would obey stands in it, JSON's escapes tell it apart.
bool is_plain(std::string_view text) {
    return std::ranges::none_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F;
    });
}

/// What folding them says; of one line, the usual case in a large file, without the work.
ledger::State state_of(const ledger::Shape& shape, const std::vector<ledger::Line>& lines) {
    const ledger::Line& line = lines.front();
    if (lines.size() > 1 || line.tombstone || line.was != nullptr)
        return ledger::fold(shape, lines);
    ledger::State state;
    state.id = line.id;
    state.life = 1;
    state.at = line.at;
    state.by = line.by;
    state.updated_at = line.updated_at;
    state.members.reserve(line.members.size());
    for (const ledger::Member& member : line.members) {
        if (!member.removed())
            state.members.push_back({member.name, std::string(member.raw_value), member.stamp});
    }
    return state;
}

class Writer {
  public:
    Writer(std::string_view collection, const std::function<Status(std::string_view)>& put)
        : x_kind(find_collection(collection)),
          x_noun(x_kind != nullptr ? x_kind->noun : collection),
          x_shape(shape_of(collection)),
          x_put(put) {}

    Status record(const ledger::State& state) {
        x_out += x_noun;
        x_out += ' ';
        x_out += printable_line(state.id);
        x_out += state.live() ? "\n" : " (deleted)\n";
        for (const ledger::MemberState* const member : in_order(state)) {
            // Null and empty text say no more than the member's absence does.
            const bool told = member->raw_value != "null" && member->raw_value != "\"\"";
            if (told && !ledger::is_frame_member(x_shape, member->name))
                value(printable_line(member->name), member->raw_value, {});
        }
        for (const ledger::LostValue& lost : state.lost) {
            value("lost " + printable_line(lost.name), lost.raw_value,
                  lost.by.empty() ? std::string() : " (" + printable_line(lost.by) + ")");
        }
        if (state.updated_at != 0 || !state.by.empty()) {
            x_out += "  edited: " + to_rfc3339(state.updated_at);
            if (!state.by.empty()) x_out += " by " + printable_line(state.by);
            x_out += '\n';
        }
        return flush(kPieceBytes);
    }
    Status odd(std::string_view line) {
        x_out += printable_line(line);
        x_out += '\n';
        return flush(kPieceBytes);
    }
    Status finish() { return flush(1); }

  private:
    /// The kind's members in its order, then the others by name.
    std::vector<const ledger::MemberState*> in_order(const ledger::State& state) const {
        std::vector<const ledger::MemberState*> order;
        std::vector<const ledger::MemberState*> others;
        order.reserve(state.members.size());
        for (const ledger::MemberState& member : state.members) {
            if (x_kind == nullptr || x_kind->field(member.name) == nullptr)
                others.push_back(&member);
        }
        std::ranges::sort(others, {}, &ledger::MemberState::name);
        if (x_kind != nullptr) {
            for (const Field& field : x_kind->fields) {
                if (const auto* const member = state.find(field.name)) order.push_back(member);
            }
        }
        order.insert(order.end(), others.begin(), others.end());
        return order;
    }

    void value(const std::string& name, std::string_view raw, const std::string& after) {
        x_out += "  " + name + ":";
        if (raw.empty()) {
            x_out += " –" + after + "\n";
            return;
        }
        std::string text = printable_json(raw);
        if (const auto ms = raw_to_int64(raw);
            ms && name.ends_with("_at") && *ms > 0 && *ms <= kStampMsMax)
            text = to_rfc3339(*ms);
        if (kind_of_raw(raw) == JsonKind::string) {
            if (auto plain = unescape_json(raw); plain && is_plain(*plain))
                text = std::move(*plain);
        }
        if (text.find('\n') == std::string::npos) {
            x_out += " " + printable_line(text) + after + "\n";
            return;
        }
        x_out += after + "\n";
        for (std::string_view rest = text; !rest.empty();) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            x_out += (end == 0 ? "    |" : "    | " + printable_line(rest.substr(0, end))) + "\n";
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }

    Status flush(std::size_t bytes_min) {
        if (x_out.size() < bytes_min) return ok();
        auto status = x_put(x_out);
        x_out.clear();
        return status;
    }

    const Kind* x_kind;
    std::string x_noun;
    ledger::Shape x_shape;
    const std::function<Status(std::string_view)>& x_put;
    std::string x_out;
};

}  // namespace

Status write_readable(std::string_view file, std::string_view collection,
                      const std::function<Status(std::string_view)>& put) {
    const ledger::Shape shape = shape_of(collection);
    const LinePicker picker(shape);
    ledger::LineDecoder decoder(shape);
    // Only the ids are read at first: decoded, the file would take many times its size.
    std::map<std::string, std::vector<std::string_view>, std::less<>> records;
    std::vector<std::string_view> odd;
    ledger::scan_text(file, 1, [&](const ledger::ScannedLine& line) {
        if (line.kind != ledger::LineKind::record) {
            odd.push_back(line.text);
            return true;
        }
        std::string id(picker.id_of(line.text));
        if (id.empty()) {
            const auto decoded = decoder.decode(line.text);
            if (decoded) id = decoded->id;
        }
        if (id.empty())
            odd.push_back(line.text);
        else
            records[std::move(id)].push_back(line.text);
        return true;
    });
    Writer writer(collection, put);
    std::vector<ledger::Line> lines;
    for (const auto& [id, texts] : records) {
        lines.clear();
        for (const std::string_view text : texts) {
            auto line = decoder.decode(text);
            if (line)
                lines.push_back(std::move(*line));
            else
                odd.push_back(text);
        }
        if (!lines.empty()) TASKSTORE_TRY(writer.record(state_of(shape, lines)));
    }
    std::ranges::sort(odd, {}, [](std::string_view text) { return text.data(); });
    for (const std::string_view line : odd) TASKSTORE_TRY(writer.odd(line));
    return writer.finish();
}

}  // namespace taskstore::records
