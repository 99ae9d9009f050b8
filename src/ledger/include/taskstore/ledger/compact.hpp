#pragma once
// Compaction of a ledger file (floor 3): fewer lines that say the same.
//
// The lines of one record and life are folded into one, with `was` (line.hpp). It is exact:
//   C1. Whatever other lines come, also late ones from clones that still have the old lines or made
//       edits of old versions: the fold of them with the compacted lines is their fold with all.
//   C2. Nothing is settled: the lines of values that lost and are not settled stay as they are, as
//       do those of agreed values.
//   C3. The line depends on the set of lines alone: clones that compact the same lines write the
//       same bytes, and compacting twice changes nothing.
//   C4. A line is dropped only if it stands in git already (`committed`), or is a folded one, whose
//       lines stood there. Lines that are not there,
//       lines of batches that are not whole there, damaged lines and lines without stamps stay; of
//       the last kind one goes only where a later one of its kind has all its members.
//   C5. A deleted record goes altogether, tombstone included, when all its lines are older than the
//       horizon and stand in git, nothing of it is unsettled, and no line of a batch counts by
//       them. From then on C1 holds no more for it: lines of it that come from a clone which never
//       saw the tombstone bring it back, unless a three-way merge sees that it was deleted.
// A folded line keeps the places that its lines had in batches, so that the other lines of those
// batches still count.
//
// Lines keep their order, a folded one stands where its record's first line stood.

#include <taskstore/ledger/line.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::ledger {

/// Which lines there are, by their hashes: 32 bytes a line, whatever its length, and without the
/// file that they stood in. Of two texts that XXH3-128 does not tell apart one would be taken for
/// the other: by chance among a thousand million lines once in 10^20; it is no cryptographic hash,
/// so who can write into the ledger could make such lines, but gains no more than by deleting them.
/// Safe to read from several threads.
class LineSet {
  public:
    /// Without line end and blanks before it.
    void add(std::string_view text);
    bool contains(std::string_view text) const;
    /// Every line of a file.
    void add_file(std::string_view file);
    std::size_t size() const { return x_count; }

  private:
    std::size_t slot_of(std::uint64_t low, std::uint64_t high) const;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> x_slots;
    std::size_t x_count = 0;
};

/// The places in batches that the lines of a folder's files have.
class BatchPlaces {
  public:
    /// Every line of one file; of all files before one is compacted. `committed`: null: all.
    void read(std::string_view file, const Shape& shape, const LineSet* committed);
    /// All its places stand in git.
    bool is_whole(const std::string& batch) const;
    /// Lines that count only if it is whole.
    std::int64_t waiting(const std::string& batch) const;
    void forget(const std::string& batch, std::int64_t lines);

  private:
    struct Places {
        std::uint32_t count = 0;
        std::int64_t waiting = 0;
        bool odd = false;  ///< Its lines disagree on how many there are.
        std::set<std::uint32_t> committed;
    };
    void add(const Batch& batch, bool committed, bool waits);
    std::map<std::string, Places, std::less<>> x_batches;
};

struct CompactOptions {
    Shape shape;
    /// Records that were deleted before it go (C5).
    std::int64_t horizon_ms = 0;
    const LineSet* committed = nullptr;    ///< What may be dropped; null: every line.
    const BatchPlaces* batches = nullptr;  ///< Null: no batch is whole.
};

struct CompactCounts {
    std::int64_t lines_before = 0;
    std::int64_t lines_after = 0;
    std::int64_t bytes_before = 0;
    std::int64_t bytes_after = 0;
    std::int64_t folded = 0;      ///< Records with a new line.
    std::int64_t tombstones = 0;  ///< Deleted records that are gone.
    /// Of those that were to go, how many stay until the lines of their batches are folded too.
    std::int64_t tombstones_waiting = 0;
    std::int64_t uncommitted = 0;  ///< Lines that stay because git does not have them.
    bool has_markers = false;      ///< Of a merge: such a file is left alone.
};

/// What is to become of one file. Holds the new lines and 24 bytes for each old one. Changes
/// nothing: where it throws (std::bad_alloc, from whichever thread) or write() fails, the file is
/// as it was. Thread-safe once it is made.
class Compaction {
  public:
    /// `file` must live as long as the result. Costs: one look at each line, and decoding those of
    /// records with more than one, or with a tombstone.
    Compaction(std::string_view file, const CompactOptions& options);
    ~Compaction();
    Compaction(const Compaction&) = delete;
    Compaction& operator=(const Compaction&) = delete;

    const CompactCounts& counts() const;
    bool changes() const;
    /// The new content, in pieces. Fails as `put` does, at once; what was put is a part of it.
    Status write(const std::function<Status(std::string_view)>& put) const;
    /// Lines of batches that are gone with it, for BatchPlaces::forget().
    const std::map<std::string, std::int64_t>& gone_of_batches() const;

  private:
    class Planner;
    std::unique_ptr<Planner> x_planner;
};

}  // namespace taskstore::ledger
