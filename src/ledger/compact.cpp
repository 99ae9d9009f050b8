#include "compact_chain.hpp"
#include "compact_record.hpp"
#include "each_line.hpp"
#include "parts.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/ledger/compact.hpp>
#include <taskstore/ledger/scan.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <iterator>
#include <tuple>
#include <unordered_map>

namespace taskstore::ledger {
namespace {

constexpr std::uint32_t kNone = UINT32_MAX;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ' ||
                             text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

bool holds(std::string_view text, std::string_view part) {
    return ::memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

/// The id of a line that begins with it, as ours do; empty: it must be decoded for that.
std::string_view leading_id(std::string_view text, std::string_view start) {
    if (!text.starts_with(start)) return {};
    const void* quote = std::memchr(text.data() + start.size(), '"', text.size() - start.size());
    if (quote == nullptr) return {};
    const auto end = static_cast<std::size_t>(static_cast<const char*>(quote) - text.data());
    const std::string_view id = text.substr(start.size(), end - start.size());
    return id.find('\\') == std::string_view::npos ? id : std::string_view();
}

}  // namespace

std::size_t LineSet::slot_of(std::uint64_t low, std::uint64_t high) const {
    std::size_t slot = low & (x_slots.size() - 1);
    while (x_slots[slot] != std::pair<std::uint64_t, std::uint64_t>(0, 0) &&
           x_slots[slot] != std::pair(low, high))
        slot = (slot + 1) & (x_slots.size() - 1);
    return slot;
}

void LineSet::add(std::string_view text) {
    constexpr std::size_t kSlotsMin = 1024;
    if ((x_count + 1) * 2 > x_slots.size()) {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> old(
            std::max(kSlotsMin, x_slots.size() * 2));
        old.swap(x_slots);
        for (const auto& [low, high] : old) {
            if (low != 0 || high != 0) x_slots[slot_of(low, high)] = {low, high};
        }
    }
    const Hash128 hash = xxh3_128(text);
    auto& slot = x_slots[slot_of(hash.low, hash.high)];
    if (slot == std::pair(hash.low, hash.high)) return;
    slot = {hash.low, hash.high};
    ++x_count;
}

bool LineSet::contains(std::string_view text) const {
    if (x_slots.empty()) return false;
    const Hash128 hash = xxh3_128(text);
    return x_slots[slot_of(hash.low, hash.high)] == std::pair(hash.low, hash.high);
}

void LineSet::add_file(std::string_view file) {
    each_line(file, [&](std::string_view raw, std::string_view) {
        const std::string_view text = trimmed(raw);
        if (!text.empty()) add(text);
    });
}

void BatchPlaces::add(const Batch& batch, bool committed, bool waits) {
    Places& places = x_batches[batch.id];
    if (places.count == 0) places.count = batch.count;
    if (places.count != batch.count) places.odd = true;
    if (waits) ++places.waiting;
    if (committed) places.committed.insert(batch.number);
}

void BatchPlaces::read(std::string_view file, const Shape& shape, const LineSet* committed) {
    LineDecoder decoder(shape);
    each_line(file, [&](std::string_view raw, std::string_view) {
        if (!holds(raw, "\"b\":[")) return;
        const std::string_view text = trimmed(raw);
        const bool stands = committed == nullptr || committed->contains(text);
        const auto line = decoder.decode(text);
        if (!line) {
            if (const auto batch = batch_of_damaged(text)) add(*batch, stands, false);
            return;
        }
        if (line->batch) add(*line->batch, stands, true);
        if (line->was == nullptr) return;
        for (const Batch& batch : line->was->batches) add(batch, true, false);
    });
}

bool BatchPlaces::is_whole(const std::string& batch) const {
    const auto found = x_batches.find(batch);
    return found != x_batches.end() && !found->second.odd &&
           found->second.committed.size() == found->second.count;
}

std::int64_t BatchPlaces::waiting(const std::string& batch) const {
    const auto found = x_batches.find(batch);
    return found == x_batches.end() ? 0 : found->second.waiting;
}

void BatchPlaces::forget(const std::string& batch, std::int64_t lines) {
    const auto found = x_batches.find(batch);
    if (found != x_batches.end()) found->second.waiting -= lines;
}

/// Groups the lines by their records, then decides for each record.
class Compaction::Planner {
  public:
    Planner(std::string_view file, const CompactOptions& options)
        : x_file(file), x_options(options), x_decoder(options.shape) {
        index();
        x_counts.lines_before = x_lines;
        x_counts.bytes_before = static_cast<std::int64_t>(file.size());
        if (x_counts.has_markers) {
            for (Piece& piece : x_pieces) piece.group = kNone;
        } else {
            decide_all();
            bury();
        }
        count_up();
    }

    const CompactCounts& counts() const { return x_counts; }
    const std::map<std::string, std::int64_t>& gone_of_batches() const { return x_gone; }

    Status write(const std::function<Status(std::string_view)>& put) const {
        // Neighbours that stay are one piece, small pieces are put together.
        constexpr std::size_t kTogetherBytes = 1U << 18U;
        std::string together;
        const auto put_piece = [&](std::string_view piece) -> Status {
            if (together.size() + piece.size() > kTogetherBytes && !together.empty()) {
                TASKSTORE_TRY(put(together));
                together.clear();
            }
            if (piece.size() > kTogetherBytes) return put(piece);
            together += piece;
            return ok();
        };
        std::size_t from = 0;
        std::size_t to = 0;
        const auto put_kept = [&] { return put_piece(x_file.substr(from, to - from)); };
        for (std::size_t i = 0; i < x_pieces.size(); ++i) {
            const Piece& piece = x_pieces[i];
            const std::string* const added = added_at(i);
            if (added != nullptr) {
                TASKSTORE_TRY(put_kept());
                from = to = piece.offset;
                TASKSTORE_TRY(put_piece(*added));
            }
            if (piece.dropped) {
                TASKSTORE_TRY(put_kept());
                from = to = end_of(i);
            } else {
                to = end_of(i);
            }
        }
        TASKSTORE_TRY(put_kept());
        return together.empty() ? ok() : put(together);
    }

  private:
    struct Piece {
        std::size_t offset = 0;
        std::uint32_t group = kNone;            ///< Blank and damaged lines have none.
        std::uint32_t next : 31 = kNone >> 1U;  ///< Of its group.
        bool dropped : 1 = false;
    };
    static constexpr std::uint32_t kLast = kNone >> 1U;
    struct Group {
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        std::uint32_t count = 0;
        std::uint32_t change = kNone;  ///< In x_changes.
    };
    struct Change {
        std::string added;
        bool buried = false;
        /// Of a record that is buried: the lines that stay where it must stay, and their batches.
        std::vector<std::pair<std::size_t, std::string>> stays;
        std::vector<Batch> batches;  ///< Places that its lines have.
    };

    std::size_t end_of(std::size_t piece) const {
        return piece + 1 < x_pieces.size() ? x_pieces[piece + 1].offset : x_file.size();
    }
    std::string_view text_of(std::size_t piece) const {
        return trimmed(
            x_file.substr(x_pieces[piece].offset, end_of(piece) - x_pieces[piece].offset));
    }
    const std::string* added_at(std::size_t piece) const {
        const std::uint32_t number = x_pieces[piece].group;
        if (number == kNone || x_groups[number].first != piece) return nullptr;
        const std::uint32_t change = x_groups[number].change;
        if (change == kNone || x_changes[change].added.empty()) return nullptr;
        return &x_changes[change].added;
    }

    void index() {
        const std::string start = "{\"" + x_options.shape.id_member + "\":\"";
        each_line(x_file, [&](std::string_view raw, std::string_view) {
            const auto offset = static_cast<std::size_t>(raw.data() - x_file.data());
            x_pieces.push_back({.offset = offset});
            const std::string_view text = trimmed(raw);
            if (text.empty()) return;
            ++x_lines;
            if (marker_of(text).bytes > 0) x_counts.has_markers = true;
            std::string_view id = leading_id(text, start);
            if (id.empty()) {
                const auto line = x_decoder.decode(text);
                if (!line) return;
                id = x_ids.emplace_back(line->id);
            }
            join(static_cast<std::uint32_t>(x_pieces.size() - 1), id);
        });
    }

    void join(std::uint32_t piece, std::string_view id) {
        const auto [found, is_new] =
            x_group_of.emplace(id, static_cast<std::uint32_t>(x_groups.size()));
        if (is_new) x_groups.push_back({.first = piece, .last = piece});
        Group& group = x_groups[found->second];
        x_pieces[piece].group = found->second;
        if (!is_new) x_pieces[group.last].next = piece & kLast;
        group.last = piece;
        ++group.count;
    }

    bool is_committed(std::string_view text) const {
        return x_options.committed == nullptr || x_options.committed->contains(text);
    }

    /// One of the threads that decide: each for records of its own.
    struct Worker {
        explicit Worker(const Shape& shape) : decoder(shape), chain(shape) {}
        LineDecoder decoder;
        ChainFolder chain;
        std::vector<std::string_view> texts;
        std::vector<RecordLine> record;
        std::vector<Change> changes;
        std::map<std::string, std::int64_t> gone;
        std::int64_t uncommitted = 0;
        std::size_t first = 0;  ///< Of its groups.
        std::size_t end = 0;
    };

    void decide_all() {
        constexpr std::size_t kLinesPerThread = 20'000;
        const std::size_t threads = parts_of(x_pieces.size(), kLinesPerThread);
        std::deque<Worker> workers;
        for (std::size_t i = 0; i < threads; ++i) {
            Worker& worker = workers.emplace_back(x_options.shape);
            worker.first = x_groups.size() * i / threads;
            worker.end = x_groups.size() * (i + 1) / threads;
        }
        run_in_parts(threads, [&](std::size_t part) { decide_some(workers[part]); });
        for (Worker& worker : workers) {
            const auto before = static_cast<std::uint32_t>(x_changes.size());
            for (std::size_t i = worker.first; i < worker.end; ++i) {
                if (x_groups[i].change != kNone) x_groups[i].change += before;
            }
            std::ranges::move(worker.changes, std::back_inserter(x_changes));
            for (const auto& [batch, lines] : worker.gone) x_gone[batch] += lines;
            x_counts.uncommitted += worker.uncommitted;
        }
    }

    void decide_some(Worker& worker) {
        for (std::size_t i = worker.first; i < worker.end; ++i) decide(worker, x_groups[i]);
    }

    void decide(Worker& worker, Group& group) {
        // One line stays as it is, unless it is an old tombstone.
        if (group.count == 1 && !holds(text_of(group.first), "\"deleted\"")) {
            if (x_options.committed != nullptr && !is_committed(text_of(group.first)))
                ++worker.uncommitted;
            return;
        }
        if (group.count > 1 && decide_chain(worker, group)) return;
        std::vector<RecordLine>& record = worker.record;
        record.clear();
        record.reserve(group.count);
        bool others = false;
        for (std::uint32_t i = group.first; i != kLast; i = x_pieces[i].next)
            take(worker, i, others);
        drop_repeats(worker, record);
        const RecordCompaction result =
            compact_record(x_options.shape, record, others, x_options.horizon_ms);
        const bool drops = std::ranges::any_of(record, &RecordLine::dropped);
        for (const RecordLine& item : record) {
            if (item.dropped || result.buried) x_pieces[item.piece].dropped = true;
        }
        if (!drops && !result.buried) return;
        group.change = static_cast<std::uint32_t>(worker.changes.size());
        Change& change = worker.changes.emplace_back();
        change.added = result.added;
        change.buried = result.buried;
        for (const RecordLine& item : record) {
            const Line& line = item.line;
            const bool batched = line.batch && line.batch->count > 1;
            if (batched && x_pieces[item.piece].dropped) ++worker.gone[line.batch->id];
            if (!change.buried) continue;
            if (!item.dropped)
                change.stays.emplace_back(item.piece, batched ? line.batch->id : std::string());
            if (batched) change.batches.push_back(*line.batch);
            if (line.was == nullptr) continue;
            for (const Batch& batch : line.was->batches) change.batches.push_back(batch);
        }
    }

    bool decide_chain(Worker& worker, Group& group) {
        worker.texts.clear();
        std::size_t bytes = 0;
        for (std::uint32_t i = group.first; i != kLast; i = x_pieces[i].next) {
            worker.texts.push_back(text_of(i));
            if (!is_committed(worker.texts.back())) return false;
            bytes += worker.texts.back().size() + 1;
        }
        auto folded = worker.chain.fold(worker.texts);
        if (!folded) return false;
        if (folded->size() >= bytes) return true;
        for (std::uint32_t i = group.first; i != kLast; i = x_pieces[i].next)
            x_pieces[i].dropped = true;
        group.change = static_cast<std::uint32_t>(worker.changes.size());
        worker.changes.emplace_back().added = std::move(*folded);
        return true;
    }

    void take(Worker& worker, std::uint32_t piece, bool& others) {
        const std::string_view text = text_of(piece);
        auto line = worker.decoder.decode(text);
        // What a folded line stands for is in git, whether it is there itself or not.
        const bool committed = (line && line->was != nullptr) || is_committed(text);
        if (!committed) ++worker.uncommitted;
        const bool counts =
            line &&
            (!line->batch || line->batch->count == 1 ||
             (x_options.batches != nullptr && x_options.batches->is_whole(line->batch->id)));
        if (counts)
            worker.record.push_back({std::move(*line), piece, committed, false});
        else
            others = true;
    }

    void drop_repeats(Worker& worker, std::vector<RecordLine>& record) {
        const auto order = [](const RecordLine& item) {
            return std::tie(item.line.at, item.line.text, item.piece);
        };
        const auto less = [&](const RecordLine& a, const RecordLine& b) {
            return order(a) < order(b);
        };
        if (!std::ranges::is_sorted(record, less)) std::ranges::sort(record, less);
        const auto repeats =
            std::ranges::unique(record, [&](const RecordLine& a, const RecordLine& b) {
                if (a.line.text != b.line.text) return false;
                x_pieces[b.piece].dropped = b.committed;
                const bool batched = b.line.batch && b.line.batch->count > 1;
                if (b.committed && batched) ++worker.gone[b.line.batch->id];
                return true;
            });
        record.erase(repeats.begin(), repeats.end());
    }

    /// Deleted records stay, each as one line where it has several, while lines of their batches
    /// count by them. That one stays may keep another.
    void bury() {
        for (bool again = true; again;) {
            again = false;
            for (Group& group : x_groups) {
                if (group.change == kNone || !x_changes[group.change].buried) continue;
                if (!is_waited_for(x_changes[group.change])) continue;
                keep(group);
                again = true;
            }
        }
        for (Change& change : x_changes) {
            if (!change.buried) continue;
            change.added.clear();
            ++x_counts.tombstones;
        }
    }

    bool is_waited_for(const Change& change) const {
        return std::ranges::any_of(change.batches, [&](const Batch& batch) {
            if (x_options.batches == nullptr) return true;
            const auto gone = x_gone.find(batch.id);
            return x_options.batches->waiting(batch.id) > (gone == x_gone.end() ? 0 : gone->second);
        });
    }

    void keep(const Group& group) {
        Change& change = x_changes[group.change];
        ++x_counts.tombstones_waiting;
        change.buried = false;
        for (const auto& [piece, batch] : change.stays) {
            x_pieces[piece].dropped = false;
            if (!batch.empty()) --x_gone[batch];
        }
    }

    void count_up() {
        for (std::size_t i = 0; i < x_pieces.size(); ++i) {
            if (!x_pieces[i].dropped) continue;
            --x_counts.lines_after;
            x_counts.bytes_after -= static_cast<std::int64_t>(end_of(i) - x_pieces[i].offset);
        }
        for (const Change& change : x_changes) {
            if (change.added.empty()) continue;
            ++x_counts.folded;
            x_counts.lines_after += std::ranges::count(change.added, '\n');
            x_counts.bytes_after += static_cast<std::int64_t>(change.added.size());
        }
        x_counts.lines_after += x_counts.lines_before;
        x_counts.bytes_after += x_counts.bytes_before;
    }

    std::string_view x_file;
    CompactOptions x_options;
    LineDecoder x_decoder;
    std::vector<Piece> x_pieces;
    std::int64_t x_lines = 0;
    std::vector<Group> x_groups;
    std::unordered_map<std::string_view, std::uint32_t> x_group_of;
    std::deque<std::string> x_ids;  ///< Those that stand in no line as they are.
    std::vector<Change> x_changes;
    std::map<std::string, std::int64_t> x_gone;
    CompactCounts x_counts;
};

Compaction::Compaction(std::string_view file, const CompactOptions& options)
    : x_planner(std::make_unique<Planner>(file, options)) {}
Compaction::~Compaction() = default;

const CompactCounts& Compaction::counts() const {
    return x_planner->counts();
}
bool Compaction::changes() const {
    return counts().bytes_after != counts().bytes_before;
}
Status Compaction::write(const std::function<Status(std::string_view)>& put) const {
    return x_planner->write(put);
}
const std::map<std::string, std::int64_t>& Compaction::gone_of_batches() const {
    return x_planner->gone_of_batches();
}

}  // namespace taskstore::ledger
