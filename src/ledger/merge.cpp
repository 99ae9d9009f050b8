#include <taskstore/ledger/merge.hpp>

#include "merge_record.hpp"
#include "merge_stretches.hpp"
#include "parts.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/ledger/scan.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace taskstore::ledger {
namespace {

constexpr std::uint32_t kNone = UINT32_MAX;

enum Side : std::uint8_t { in_base = 1, in_ours = 2, in_theirs = 4, in_all = 7 };

/// One text that stands as a line in some of the three files.
struct Text {
    std::string_view text;  ///< Without CR and LF.
    std::uint32_t group = kNone;
    std::uint8_t sides = 0;
    bool emitted = false;  ///< Already in the result.
    bool dropped = false;  ///< The merge of its record leaves it out.
};

/// What a file's part is made of: one line, or lines that nothing is to be said of.
struct Piece {
    std::string_view raw;        ///< With its line end.
    std::uint32_t text = kNone;  ///< Of one line; blank ones have none.
};

/// Each distinct text once. Open addressing: half a million nodes would cost more than the texts.
class Texts {
  public:
    Texts() : x_slots(1024, kNone) {}
    std::uint32_t add(std::string_view text) {
        if ((x_texts.size() + 1) * 2 > x_slots.size()) grow();
        std::uint32_t& slot = x_slots[slot_of(text)];
        if (slot != kNone) return slot;
        slot = static_cast<std::uint32_t>(x_texts.size());
        x_texts.push_back({text});
        return slot;
    }
    /// kNone: it is not there.
    std::uint32_t find(std::string_view text) const { return x_slots[slot_of(text)]; }
    Text& operator[](std::uint32_t index) { return x_texts[index]; }
    std::size_t size() const { return x_texts.size(); }

  private:
    /// Where it is, or belongs.
    std::size_t slot_of(std::string_view text) const {
        const std::size_t mask = x_slots.size() - 1;
        std::size_t slot = xxh3_64(text) & mask;
        while (x_slots[slot] != kNone && x_texts[x_slots[slot]].text != text)
            slot = (slot + 1) & mask;
        return slot;
    }
    void grow() {
        x_slots.assign(x_slots.size() * 4, kNone);
        for (std::uint32_t i = 0; i < x_texts.size(); ++i) x_slots[slot_of(x_texts[i].text)] = i;
    }
    std::vector<std::uint32_t> x_slots;
    std::vector<Text> x_texts;
};

struct Group {
    std::string id;
    std::vector<std::uint32_t> texts;
    RecordMerge merge;
    bool shown = false;  ///< Its replacement or markers are in the result.
};

struct ByHash {
    std::size_t operator()(std::string_view text) const { return xxh3_64(text); }
};

class FileMerger {
  public:
    FileMerger(const MergeInput& input, const MergeOptions& options)
        : x_input(input),
          x_options(options),
          x_bytes_min(std::min(kMarkerBytesMin, options.marker_bytes)),
          x_decoder(options.shape) {
        // Lines between markers in the base are not agreed on, also where all three have them.
        if (!has_marker(input.base, x_bytes_min)) x_stretches = shared_stretches(input);
    }

    Merged run() {
        read_base();
        read(x_input.ours, in_ours, x_ours);
        read(x_input.theirs, in_theirs, x_theirs);
        group_changed();
        group_shared();
        look_for_damage();
        x_lists = x_options.in_store || has_stamps();
        merge_all();
        return write();
    }

  private:
    void read_base() {
        // What stands between markers was never agreed on: no side can have dropped it.
        std::vector<std::string_view> between;
        bool open = false;
        const auto agreed = [&](std::string_view text) {
            if (!text.empty()) x_texts[x_texts.add(text)].sides |= in_base;
        };
        const auto take = [&](std::string_view, std::string_view text) {
            const LineKind kind = marker_of(text, x_bytes_min).kind;
            if (kind == LineKind::ours_marker) open = true;
            if (kind == LineKind::theirs_marker) between.clear();
            if (kind == LineKind::theirs_marker) open = false;
            if (kind != LineKind::record) return;
            if (open)
                between.push_back(text);
            else
                agreed(text);
        };
        each_part(x_input.base, 0, take, [](std::string_view) {});
        for (const std::string_view text : between) agreed(text);  // a block without an end is none
    }

    /// Of a file's lines: take() each that is in no stretch, and whole stretches otherwise.
    template <typename Take, typename Whole>
    void each_part(std::string_view file, std::size_t which, const Take& take, const Whole& whole) {
        std::size_t at = 0;
        for (const Stretch& stretch : x_stretches) {
            each_line(file.substr(at, stretch.begin[which] - at), take);
            at = stretch.begin[which] + stretch.bytes;
            whole(file.substr(stretch.begin[which], stretch.bytes));
        }
        each_line(file.substr(at), take);
    }

    void read(std::string_view file, Side side, std::vector<Piece>& pieces) {
        const auto take = [&](std::string_view raw, std::string_view text) {
            std::uint32_t index = kNone;
            if (text.find_first_not_of(" \t") != std::string_view::npos) {
                index = x_texts.add(text);
                x_texts[index].sides |= side;
            }
            pieces.push_back({raw, index});
        };
        each_part(file, side == in_ours ? 1 : 2, take,
                  [&](std::string_view lines) { pieces.push_back({lines, kNone}); });
    }

    void put_into(std::uint32_t group, std::uint32_t text) {
        if (x_texts[text].group == group) return;
        x_texts[text].group = group;
        x_groups[group].texts.push_back(text);
    }

    /// Records of which a line is not in all three files.
    void group_changed() {
        std::vector<std::uint32_t> changed;
        for (std::uint32_t i = 0; i < x_texts.size(); ++i) {
            if (x_texts[i].sides != in_all) changed.push_back(i);
        }
        std::vector<std::string> ids(changed.size());  // empty: no record
        constexpr std::size_t kLinesPerThread = 4000;
        const std::size_t parts = parts_of(changed.size(), kLinesPerThread);
        run_in_parts(parts, [&](std::size_t part) {
            LineDecoder decoder(x_options.shape);
            const std::size_t end = changed.size() * (part + 1) / parts;
            for (std::size_t i = changed.size() * part / parts; i < end; ++i) {
                if (auto line = decoder.decode(x_texts[changed[i]].text))
                    ids[i] = std::move(line->id);
            }
        });
        for (std::size_t i = 0; i < changed.size(); ++i) {
            if (ids[i].empty()) {
                x_unread.push_back(changed[i]);
                continue;
            }
            auto found = x_group_of.find(ids[i]);
            if (found == x_group_of.end()) {
                const auto number = static_cast<std::uint32_t>(x_groups.size());
                x_groups.push_back({std::move(ids[i]), {}, {}, false});
                found = x_group_of.emplace(x_groups.back().id, number).first;
            }
            put_into(found->second, changed[i]);
        }
    }

    /// The lines of those records that are in all three: of the stretches they become pieces of
    /// their own.
    void group_shared() {
        const std::size_t known = x_texts.size();
        if (!x_groups.empty()) {
            for (std::uint32_t i = 0; i < known; ++i) {
                if (x_texts[i].sides != in_all) continue;
                if (const auto group = group_of(x_texts[i].text)) put_into(*group, i);
            }
        }
        if (x_stretches.empty() || (x_groups.empty() && x_unread.empty())) return;
        std::vector<Piece> pieces;
        pieces.reserve(x_ours.size() + 2 * x_groups.size());
        std::size_t stretch = 0;
        for (const Piece& piece : x_ours) {
            const bool shared =
                stretch < x_stretches.size() &&
                piece.raw.data() == x_input.ours.data() + x_stretches[stretch].begin[1];
            if (shared) {
                ++stretch;
                split(piece.raw, pieces);
            } else {
                pieces.push_back(piece);
            }
        }
        x_ours = std::move(pieces);
    }

    void split(std::string_view lines, std::vector<Piece>& pieces) {
        std::size_t put = 0;
        each_line(lines, [&](std::string_view raw, std::string_view text) {
            const auto group = group_of(text);
            // What cannot be read may stand twice.
            const bool again = !x_unread.empty() && x_texts.find(text) != kNone;
            if (!group && !again) return;
            const auto at = static_cast<std::size_t>(raw.data() - lines.data());
            if (at > put) pieces.push_back({lines.substr(put, at - put), kNone});
            put = at + raw.size();
            const std::uint32_t index = x_texts.add(text);
            x_texts[index].sides = in_all;
            if (group) put_into(*group, index);
            pieces.push_back({raw, index});
        });
        if (put < lines.size()) pieces.push_back({lines.substr(put), kNone});
    }

    /// The group of a line's record. Decoded is only what may be of one, where the name of the id's
    /// member is followed by the text of such an id, or anything is escaped; and of lines as we
    /// write them not even that: merge() looks at those that it needs.
    std::optional<std::uint32_t> group_of(std::string_view text) {
        if (const auto id = usual_id(text)) {
            const auto found = x_group_of.find(*id);
            if (found == x_group_of.end()) return std::nullopt;
            return found->second;
        }
        if (!may_be_grouped(text)) return std::nullopt;
        const auto line = x_decoder.decode(text);
        if (!line) return std::nullopt;
        const auto found = x_group_of.find(line->id);
        if (found == x_group_of.end()) return std::nullopt;
        return found->second;
    }

    /// As we write lines ourselves: a name stands once in an object, so this is its id, if it is a
    /// record at all.
    std::optional<std::string_view> usual_id(std::string_view text) const {
        constexpr std::string_view kStart = "{\"id\":\"";
        if (x_options.shape.id_member != "id" || !text.starts_with(kStart)) return std::nullopt;
        const std::string_view rest = text.substr(kStart.size());
        const std::string_view id = rest.substr(0, rest.find('"'));
        if (id.size() == rest.size() || id.find('\\') != std::string_view::npos)
            return std::nullopt;
        return id;
    }

    bool may_be_grouped(std::string_view text) const {
        return may_be_grouped(text, x_id_name) || may_be_grouped(text, "\"id\"");
    }

    void look_for_damage() {
        for (const std::uint32_t i : x_unread) {
            if ((x_texts[i].sides & in_base) == 0) x_damaged |= x_texts[i].sides;
        }
    }

    /// Whether any line is one of this program's.
    bool has_stamps() {
        constexpr std::string_view kName = "\"_stamps\":";
        for (std::string_view file : {x_input.ours, x_input.theirs, x_input.base}) {
            for (std::size_t at = file.find(kName); at != std::string_view::npos;
                 at = file.find(kName)) {
                const std::size_t begin = file.rfind('\n', at) + 1;
                const std::size_t end = std::min(file.find('\n', at), file.size());
                std::string_view text = file.substr(begin, end - begin);
                if (text.ends_with('\r')) text.remove_suffix(1);
                const auto line = x_decoder.decode(text);
                if (line && line->stamped) return true;
                file.remove_prefix(end);
            }
        }
        return false;
    }

    bool may_be_grouped(std::string_view text, std::string_view name) const {
        if (text.find("\\u") != std::string_view::npos) return true;
        for (std::size_t at = text.find(name); at != std::string_view::npos;
             at = text.find(name, at)) {
            at += name.size();
            const std::size_t colon = text.find_first_not_of(" \t", at);
            if (colon == std::string_view::npos || text[colon] != ':') continue;
            const std::size_t start = text.find_first_not_of(" \t", colon + 1);
            if (start == std::string_view::npos || text[start] != '"') continue;
            const std::size_t end = text.find('"', start + 1);
            if (end == std::string_view::npos) return true;
            const std::string_view id = text.substr(start + 1, end - start - 1);
            if (id.find('\\') != std::string_view::npos || x_group_of.contains(id)) return true;
        }
        return false;
    }

    /// Records know nothing of each other, so several threads merge them.
    void merge_all() {
        constexpr std::size_t kGroupsPerThread = 2000;
        const std::size_t parts = parts_of(x_groups.size(), kGroupsPerThread);
        run_in_parts(parts, [&](std::size_t part) {
            LineDecoder decoder(x_options.shape);
            const std::size_t end = x_groups.size() * (part + 1) / parts;
            for (std::size_t i = x_groups.size() * part / parts; i < end; ++i)
                merge(x_groups[i], decoder);
        });
    }

    void merge(Group& group, LineDecoder& decoder) {
        const auto differ = [&](std::uint8_t one, std::uint8_t other) {
            return std::ranges::any_of(group.texts, [&](std::uint32_t i) {
                return ((x_texts[i].sides & one) != 0) != ((x_texts[i].sides & other) != 0);
            });
        };
        const auto absent = [&](std::uint8_t side) {
            return std::ranges::none_of(
                group.texts, [&](std::uint32_t i) { return (x_texts[i].sides & side) != 0; });
        };
        // One side alone changed it: its lines say all. But that it has none must be said.
        const bool gone = absent(in_ours) || absent(in_theirs);
        if (!gone && (!differ(in_ours, in_theirs) || !differ(in_base, in_ours) ||
                      !differ(in_base, in_theirs)))
            return;
        if (gone && (absent(in_base) || (absent(in_ours) && absent(in_theirs)))) return;
        std::deque<Line> lines;
        RecordVersions versions;
        for (const std::uint32_t i : group.texts) {
            auto line = decoder.decode(x_texts[i].text);
            if (!line || line->id != group.id) {
                x_texts[i].group = kNone;  // it looked like one (usual_id); all three have it
                continue;
            }
            const Line* const kept = &lines.emplace_back(std::move(*line));
            const std::uint8_t sides = x_texts[i].sides;
            if ((sides & in_base) != 0) versions.base.push_back(kept);
            if ((sides & in_ours) != 0) versions.ours.push_back(kept);
            if ((sides & in_theirs) != 0) versions.theirs.push_back(kept);
        }
        versions.in_doubt = (versions.ours.empty() && (x_damaged & in_ours) != 0) ||
                            (versions.theirs.empty() && (x_damaged & in_theirs) != 0);
        group.merge = merge_record(decoder, x_options.shape, std::move(versions), x_lists);
        for (const std::uint32_t i : group.texts) {
            x_texts[i].dropped = std::ranges::find(group.merge.dropped, x_texts[i].text) !=
                                 group.merge.dropped.end();
        }
    }

    /// No result has more: so it is never copied while it grows.
    std::size_t result_bytes_max() const {
        constexpr std::size_t kMarkersBytes = 512;  // of one clash, its id three times
        std::size_t bytes = x_input.ours.size() + 1;
        for (const Piece& piece : x_theirs) {
            if (piece.text != kNone) bytes += piece.raw.size() + 1;
        }
        for (const Group& group : x_groups) {
            bytes += group.merge.added.size();
            if (group.merge.sides != nullptr)
                bytes += group.merge.sides->ours.size() + group.merge.sides->theirs.size();
            if (group.merge.outcome == RecordMerge::Outcome::clash)
                bytes += kMarkersBytes + 3 * (x_options.marker_bytes + group.id.size());
        }
        return bytes;
    }

    Merged write() {
        x_out.text.reserve(result_bytes_max());
        for (const Piece& piece : x_ours) {
            if (piece.text == kNone)
                put(piece.raw);
            else
                write_ours(piece);
        }
        for (const Piece& piece : x_theirs) {
            if (piece.text != kNone) write_theirs(piece);
        }
        std::map<std::string_view, const Group*> added;
        std::vector<const Group*> bad;
        for (const Group& group : x_groups) {
            if (!group.merge.added.empty()) x_out.corrected.push_back(group.id);
            if (group.merge.buried) x_out.buried.push_back(group.id);
            for (const MemberState& value : group.merge.unlisted)
                x_out.unlisted.push_back({group.id, value.name, value.raw_value});
            if (group.merge.outcome == RecordMerge::Outcome::clash && !group.shown)
                bad.push_back(&group);
            if (group.merge.outcome != RecordMerge::Outcome::replaced && !group.merge.added.empty())
                added.emplace(group.id, &group);
        }
        for (const Group* group : bad) write_clash(*group);
        for (const auto& [id, group] : added) put(group->merge.added);
        return std::move(x_out);
    }

    void write_ours(const Piece& piece) {
        Text& text = x_texts[piece.text];
        Group* const group = text.group == kNone ? nullptr : &x_groups[text.group];
        if (group != nullptr && group->merge.outcome == RecordMerge::Outcome::replaced) {
            if (!std::exchange(group->shown, true)) replace(piece, group->merge.added);
            return;
        }
        if (text.dropped) return;
        const bool shared = (text.sides & in_theirs) != 0;
        if (group != nullptr && group->merge.outcome == RecordMerge::Outcome::clash && !shared) {
            if (!std::exchange(group->shown, true)) write_clash(*group);
            return;
        }
        if ((text.sides & in_base) != 0 && !shared && !keeps_all(group)) return;
        put(piece.raw);
    }

    static bool keeps_all(const Group* group) {
        return group != nullptr && group->merge.outcome == RecordMerge::Outcome::all_lines;
    }

    void write_theirs(const Piece& piece) {
        Text& text = x_texts[piece.text];
        Group* const group = text.group == kNone ? nullptr : &x_groups[text.group];
        const std::uint8_t elsewhere = keeps_all(group) ? in_ours : in_base | in_ours;
        if (text.dropped || (text.sides & elsewhere) != 0 || std::exchange(text.emitted, true))
            return;
        if (group != nullptr && group->merge.outcome == RecordMerge::Outcome::replaced) return;
        if (group != nullptr && group->merge.outcome == RecordMerge::Outcome::clash) {
            if (!std::exchange(group->shown, true)) write_clash(*group);
            return;
        }
        put(piece.raw);
    }

    /// A line of ours that says the same as its replacement keeps its bytes.
    void replace(const Piece& piece, std::string_view line) {
        const std::string_view text = x_texts[piece.text].text;
        put(line.substr(0, line.size() - 1) == text ? piece.raw : line);
    }

    void write_clash(const Group& group) {
        x_out.clashes.push_back(group.id);
        const auto marker = [&](char sign, const std::string& label) {
            std::string line(std::max(kMarkerBytesMin, x_options.marker_bytes), sign);
            if (!label.empty()) line += " " + label + " " + group.id;
            put(line + "\n");
        };
        const auto lines = [&](Side side, Side other) {
            for (const std::uint32_t i : group.texts) {
                const Text& text = x_texts[i];
                if ((text.sides & side) != 0 && (text.sides & other) == 0)
                    put(std::string(text.text) + "\n");
            }
        };
        const ClashSides* const sides = group.merge.sides.get();
        marker('<', x_options.ours_label);
        sides != nullptr ? put_all(sides->ours) : lines(in_ours, in_theirs);
        marker('=', {});
        sides != nullptr ? put_all(sides->theirs) : lines(in_theirs, in_ours);
        marker('>', x_options.theirs_label);
    }

    void put_all(std::string_view lines) { x_out.text += lines; }

    void put(std::string_view raw) {
        x_out.text += raw;
        if (!raw.ends_with('\n')) x_out.text += '\n';
    }

    const MergeInput& x_input;
    const MergeOptions& x_options;
    const std::size_t x_bytes_min;  ///< Of markers in the base.
    const std::string x_id_name = "\"" + x_options.shape.id_member + "\"";
    std::vector<Stretch> x_stretches;
    LineDecoder x_decoder;
    Texts x_texts;
    std::vector<std::uint32_t> x_unread;  ///< Not in all three, and no record.
    std::vector<Piece> x_ours;
    std::vector<Piece> x_theirs;
    std::deque<Group> x_groups;
    std::unordered_map<std::string_view, std::uint32_t, ByHash> x_group_of;  ///< By Group::id.
    bool x_lists = true;         ///< What lost may be noted in the lines.
    std::uint8_t x_damaged = 0;  ///< The sides with new lines that cannot be read.
    Merged x_out;
};

}  // namespace

Merged merge_files(const MergeInput& input, const MergeOptions& options) {
    return FileMerger(input, options).run();
}

}  // namespace taskstore::ledger
