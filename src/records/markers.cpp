// Leftover merge markers in the ledger's files: what the rule decides is rewritten clean.

#include "plan_impl.hpp"

#include <taskstore/ledger/scan.hpp>

#include <map>
#include <set>
#include <tuple>

namespace taskstore::records {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 40U;

/// Members with values of equal stamps, by (id, member, stamp).
using Clashes = std::set<std::tuple<std::string, std::string, std::string>>;

/// A file with leftover merge markers: each block is settled or kept as it stands.
class MarkedFile {
  public:
    MarkedFile(std::string_view text, ledger::Shape shape, const Clashes& clashes)
        : x_text(text), x_decoder(std::move(shape)), x_clashes(clashes) {}

    void take(const ledger::ScannedLine& line) {
        using enum ledger::LineKind;
        const auto offset = static_cast<std::size_t>(line.offset);
        (x_inside ? x_block : x_clean) += x_text.substr(x_done, offset - x_done);  // blank lines
        const std::size_t lf = x_text.find('\n', offset);
        x_done = lf == std::string_view::npos ? x_text.size() : lf + 1;
        const std::string_view bytes = x_text.substr(offset, x_done - offset);
        const bool nested = x_part == Part::base && line.marker_bytes > x_marker_bytes;
        if (line.kind == ours_marker && !nested) {
            close();
            x_inside = true;
            x_part = Part::ours;
            x_marker_bytes = line.marker_bytes;
        }
        if (!x_inside) {
            if (line.kind == record || line.kind == torn)
                x_clean += bytes;
            else
                ++x_settled;  // a marker without a block around it
            return;
        }
        x_block += bytes;
        if (x_kept.empty() || x_kept.back().last_line != 0)
            x_kept.push_back({.first_line = line.number});
        x_last_line = line.number;
        if (line.kind == record && x_seen.insert(std::string(line.text)).second) {
            // A line that both sides hold is wanted once.
            x_lines += bytes;
            if (x_lines.back() != '\n') x_lines += '\n';
            if (const auto decoded = x_decoder.decode(line.text)) look_for_clashes(*decoded);
        } else if (line.kind == torn) {
            x_lines += bytes;
        }
        if (!nested) follow(line);
    }
    /// The whole text without the blocks that are settled.
    std::string finish() {
        close();
        x_clean += x_text.substr(x_done);
        return std::move(x_clean);
    }
    /// Blocks, and markers without one, that are not in the text that finish() made.
    int settled() const { return x_settled; }
    /// A block lacks a marker: where it begins and ends is a guess, so the file stays as it is.
    bool broken() const { return x_broken; }
    std::vector<KeptBlock> kept() && { return std::move(x_kept); }

  private:
    enum class Part : std::uint8_t { ours, base, theirs };

    /// Of a marker that is not its block's next, or of another length, another marker is missing.
    void follow(const ledger::ScannedLine& line) {
        using enum ledger::LineKind;
        if (line.marker_bytes == 0 || line.kind == ours_marker) return;
        const bool own = line.marker_bytes == x_marker_bytes;
        const bool last = own && line.kind == theirs_marker;
        const bool next = line.kind == base_marker     ? x_part == Part::ours
                          : line.kind == middle_marker ? x_part != Part::theirs
                                                       : x_part == Part::theirs;
        if (!own || !next) x_ordered = false;
        if (line.kind == base_marker) x_part = Part::base;
        if (line.kind == middle_marker) x_part = Part::theirs;
        if (!last) return;
        x_whole = x_ordered;
        close();
    }

    /// What the line itself wrote, not what it carried on: a clash of old, with none of its values
    /// from this block, is none between the block's sides.
    void look_for_clashes(const ledger::Line& line) {
        for (const ledger::Member& member : line.members) {
            if (member.stamp != line.at) continue;
            if (!x_clashes.contains({line.id, member.name, to_text(member.stamp)})) continue;
            auto& sides = x_kept.back().clashes[{line.id, member.name}];
            (x_part == Part::ours ? sides.ours : sides.theirs) = member.raw_value;
        }
    }

    void close() {
        if (!x_inside) return;
        // Of a block without its middle or its end a side may be missing: that is for a person.
        KeptBlock& block = x_kept.back();
        block.last_line = x_last_line;
        block.whole = x_whole;
        const bool settles = x_whole && block.clashes.empty();
        if (!x_whole) x_broken = true;
        x_clean += settles ? x_lines : x_block;
        if (settles) {
            ++x_settled;
            x_kept.pop_back();
        }
        x_block.clear();
        x_lines.clear();
        x_seen.clear();
        x_part = Part::ours;
        x_ordered = true;
        x_whole = false;
        x_inside = false;
    }

    std::string_view x_text;
    ledger::LineDecoder x_decoder;
    const Clashes& x_clashes;
    std::vector<KeptBlock> x_kept;
    std::int64_t x_last_line = 0;
    std::string x_clean;
    std::string x_block;  ///< As it stands.
    std::string x_lines;  ///< Without its markers.
    std::set<std::string> x_seen;
    std::size_t x_done = 0;
    int x_settled = 0;
    std::size_t x_marker_bytes =
        0;  ///< Of the block's markers; those of a merge in its base are longer.
    Part x_part = Part::ours;
    bool x_inside = false;
    bool x_ordered = true;
    bool x_whole = false;
    bool x_broken = false;
};

struct Settled {
    std::string clean;
    bool changed = false;
    std::vector<KeptBlock> kept;
};

Settled settle_markers(std::string_view text, ledger::Shape shape, const Clashes& clashes) {
    MarkedFile lines(text, std::move(shape), clashes);
    ledger::scan_text(text, 1, [&](const ledger::ScannedLine& line) {
        lines.take(line);
        return true;
    });
    Settled out;
    out.clean = lines.finish();
    out.changed = lines.settled() > 0 && !lines.broken();
    out.kept = std::move(lines).kept();
    return out;
}

}  // namespace

Result<std::vector<KeptBlock>> PlanImpl::look_at_markers(sql::Connection& db, bool* rewritten) {
    std::map<std::string, Clashes> marked;  // by collection that has markers
    for (const char* sql :
         {"SELECT DISTINCT collection,NULL,NULL,NULL FROM taskstore_damaged "
          "WHERE what='merge_marker'",
          "SELECT collection,id,member,stamp FROM taskstore_lost WHERE clash=1"}) {
        TASKSTORE_LET(auto rows, db.prepare(sql));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) break;
            const std::string collection(rows->column_text(0));
            if (rows->is_null(1))
                marked[collection];
            else if (const auto found = marked.find(collection); found != marked.end())
                found->second.emplace(rows->column_text(1), rows->column_text(2),
                                      rows->column_text(3));
        }
    }
    std::vector<KeptBlock> kept;
    for (const auto& [collection, clashes] : marked) {
        std::vector<KeptBlock> here;
        const auto settle = [&](std::string_view text,
                                const ledger::LedgerFolder::Put& put) -> Result<bool> {
            Settled settled = settle_markers(text, shape_of(collection), clashes);
            here = std::move(settled.kept);
            if (!settled.changed || rewritten == nullptr) return false;
            TASKSTORE_TRY(put(settled.clean));
            return true;
        };
        if (rewritten == nullptr) {
            TASKSTORE_LET(const std::string text,
                          os::read_file(x_files, x_ledger.path_of(collection), kFileBytesMax));
            TASKSTORE_TRY(settle(text, {}));
        } else {
            auto done = x_ledger.rewrite(collection, settle);
            // Who changes it again and again is read first; the markers wait for the next sync.
            if (!done && done.error().code != Code::conflict) return fail(done.error());
            if (done && done->done) {
                for (std::string& text : done->notes) note(std::move(text));
                const std::string held =
                    collection +
                    ".jsonl held leftover merge markers: both sides' lines were kept, the rule "
                    "decided, the markers ";
                note(!here.empty() ? held + "are gone except around what clashes"
                                   : held + "are gone; tell git that it is settled: 'git add " +
                                         x_ledger.path_of(collection) + "'");
                *rewritten = true;
            }
        }
        for (KeptBlock& block : here) {
            block.collection = collection;
            kept.push_back(std::move(block));
        }
    }
    return kept;
}

}  // namespace taskstore::records
