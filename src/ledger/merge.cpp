#include <taskstore/ledger/merge.hpp>

#include "merge_record.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/ledger/scan.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <deque>
#include <map>
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
};

/// One line of a file, as it stands there.
struct Piece {
    std::string_view raw;        ///< With its line end.
    std::uint32_t text = kNone;  ///< Blank lines have none.
};

/// Each distinct text once. Open addressing: half a million nodes would cost more than the texts.
class Texts {
  public:
    explicit Texts(std::size_t lines) : x_slots(std::bit_ceil(lines * 2 + 16), kNone) {
        x_texts.reserve(lines / 2);
    }
    std::uint32_t add(std::string_view text) {
        const std::size_t mask = x_slots.size() - 1;
        for (std::size_t slot = xxh3_64(text) & mask;; slot = (slot + 1) & mask) {
            const std::uint32_t found = x_slots[slot];
            if (found == kNone) {
                x_slots[slot] = static_cast<std::uint32_t>(x_texts.size());
                x_texts.push_back({text});
                return x_slots[slot];
            }
            if (x_texts[found].text == text) return found;
        }
    }
    Text& operator[](std::uint32_t index) { return x_texts[index]; }
    std::size_t size() const { return x_texts.size(); }

  private:
    std::vector<std::uint32_t> x_slots;
    std::vector<Text> x_texts;
};

template <typename Each>
void each_line(std::string_view file, const Each& each) {
    while (!file.empty()) {
        const std::size_t end = std::min(file.find('\n'), file.size() - 1) + 1;
        std::string_view text = file.substr(0, end);
        if (text.ends_with('\n')) text.remove_suffix(1);
        if (text.ends_with('\r')) text.remove_suffix(1);
        each(file.substr(0, end), text);
        file.remove_prefix(end);
    }
}

struct Group {
    std::string id;
    std::vector<std::uint32_t> texts;
    RecordMerge merge;
    bool shown = false;  ///< Its replacement or markers are in the result.
};

class FileMerger {
  public:
    FileMerger(const MergeInput& input, const MergeOptions& options)
        : x_input(input),
          x_options(options),
          x_decoder(options.shape),
          x_texts(static_cast<std::size_t>(std::ranges::count(input.base, '\n') +
                                           std::ranges::count(input.ours, '\n') +
                                           std::ranges::count(input.theirs, '\n')) +
                  3) {}

    Merged run() {
        read_base();
        read(x_input.ours, in_ours, x_ours);
        read(x_input.theirs, in_theirs, x_theirs);
        group_changed();
        if (!x_groups.empty()) group_shared();
        for (Group& group : x_groups) merge(group);
        return write();
    }

  private:
    void read_base() {
        // What stands between markers was never agreed on: no side can have dropped it.
        std::vector<std::string_view> between;
        bool open = false;
        const std::size_t bytes_min = std::min(kMarkerBytesMin, x_options.marker_bytes);
        const auto agreed = [&](std::string_view text) {
            if (!text.empty()) x_texts[x_texts.add(text)].sides |= in_base;
        };
        each_line(x_input.base, [&](std::string_view, std::string_view text) {
            const LineKind kind = marker_of(text, bytes_min).kind;
            if (kind == LineKind::ours_marker) open = true;
            if (kind == LineKind::theirs_marker) between.clear();
            if (kind == LineKind::theirs_marker) open = false;
            if (kind != LineKind::record) return;
            if (open)
                between.push_back(text);
            else
                agreed(text);
        });
        for (const std::string_view text : between) agreed(text);  // a block without an end is none
    }

    void read(std::string_view file, Side side, std::vector<Piece>& pieces) {
        each_line(file, [&](std::string_view raw, std::string_view text) {
            std::uint32_t index = kNone;
            if (text.find_first_not_of(" \t") != std::string_view::npos) {
                index = x_texts.add(text);
                x_texts[index].sides |= side;
            }
            pieces.push_back({raw, index});
        });
    }

    /// Records of which a line is not in all three files.
    void group_changed() {
        for (std::uint32_t i = 0; i < x_texts.size(); ++i) {
            if (x_texts[i].sides == in_all) continue;
            const auto line = x_decoder.decode(x_texts[i].text);
            if (!line) {
                if ((x_texts[i].sides & in_base) == 0) x_damaged |= x_texts[i].sides;
                continue;
            }
            const auto [found, is_new] =
                x_group_of.emplace(line->id, static_cast<std::uint32_t>(x_groups.size()));
            if (is_new) x_groups.push_back({line->id, {}, {}, false});
            x_texts[i].group = found->second;
            x_groups[found->second].texts.push_back(i);
        }
    }

    /// The lines of those records that are in all three. Only what may be one is decoded: where the
    /// name of the id's member is followed by the text of such an id, or anything is escaped.
    void group_shared() {
        const std::array names{"\"" + x_options.shape.id_member + "\"", std::string("\"id\"")};
        for (std::uint32_t i = 0; i < x_texts.size(); ++i) {
            const std::string_view text = x_texts[i].text;
            if (x_texts[i].sides != in_all ||
                (!may_be_grouped(text, names[0]) && !may_be_grouped(text, names[1])))
                continue;
            const auto line = x_decoder.decode(x_texts[i].text);
            if (!line) continue;
            const auto found = x_group_of.find(line->id);
            if (found == x_group_of.end()) continue;
            x_texts[i].group = found->second;
            x_groups[found->second].texts.push_back(i);
        }
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

    void merge(Group& group) {
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
            auto line = x_decoder.decode(x_texts[i].text);
            if (!line) continue;
            const Line* const kept = &lines.emplace_back(std::move(*line));
            const std::uint8_t sides = x_texts[i].sides;
            if ((sides & in_base) != 0) versions.base.push_back(kept);
            if ((sides & in_ours) != 0) versions.ours.push_back(kept);
            if ((sides & in_theirs) != 0) versions.theirs.push_back(kept);
        }
        versions.in_doubt = (versions.ours.empty() && (x_damaged & in_ours) != 0) ||
                            (versions.theirs.empty() && (x_damaged & in_theirs) != 0);
        group.merge = merge_record(x_options.shape, versions);
    }

    Merged write() {
        x_out.text.reserve(std::max(x_input.ours.size(), x_input.theirs.size()) + 4096);
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
        if ((text.sides & elsewhere) != 0 || std::exchange(text.emitted, true)) return;
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
        marker('<', x_options.ours_label);
        lines(in_ours, in_theirs);
        marker('=', {});
        lines(in_theirs, in_ours);
        marker('>', x_options.theirs_label);
    }

    void put(std::string_view raw) {
        x_out.text += raw;
        if (!raw.ends_with('\n')) x_out.text += '\n';
    }

    const MergeInput& x_input;
    const MergeOptions& x_options;
    LineDecoder x_decoder;
    Texts x_texts;
    std::vector<Piece> x_ours;
    std::vector<Piece> x_theirs;
    std::deque<Group> x_groups;
    std::map<std::string, std::uint32_t, std::less<>> x_group_of;
    std::uint8_t x_damaged = 0;  ///< The sides with new lines that cannot be read.
    Merged x_out;
};

}  // namespace

Merged merge_files(const MergeInput& input, const MergeOptions& options) {
    return FileMerger(input, options).run();
}

}  // namespace taskstore::ledger
