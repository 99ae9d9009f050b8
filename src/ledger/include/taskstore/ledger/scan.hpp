#pragma once
// Reads ledger files in a stream (floor 3): lines with their places, conflict markers, and the
// chunk hashes by which a later scan finds the first byte that changed.

#include <taskstore/os/file_system.hpp>

#include <functional>
#include <string_view>
#include <vector>

namespace taskstore::ledger {

inline constexpr std::int64_t kChunkBytes = 1 << 18;

/// One per started chunk of kChunkBytes.
struct Chunk {
    std::uint64_t hash = 0;  ///< XXH3-64 of its bytes (of the last chunk: of what there is).
    std::int64_t bytes = 0;
    std::int64_t line_start = 0;   ///< Start of the line that holds the chunk's first byte.
    std::int64_t line_number = 0;  ///< Of that line, from 1.
    friend bool operator==(const Chunk&, const Chunk&) = default;
};

enum class LineKind : std::uint8_t {
    record,         ///< Something to decode, damaged or not.
    ours_marker,    ///< "<<<<<<<", as git writes it
    base_marker,    ///< "|||||||"
    middle_marker,  ///< "======="
    theirs_marker,  ///< ">>>>>>>"
    torn,  ///< The last line, without LF, and not whole JSON: a crash in the middle of an append.
};

/// Git's size of markers where nothing else was asked; of fewer characters they are not told from
/// what people write.
inline constexpr std::size_t kMarkerBytesMin = 7;

/// The marker that a line is, and its characters. A longer run (conflict-marker-size, or the base
/// of a diff3 block that is itself a merge) is a marker too; no line of JSON starts so. `record`
/// and 0: it is none.
struct Marker {
    LineKind kind = LineKind::record;
    std::size_t bytes = 0;
};
Marker marker_of(std::string_view line, std::size_t bytes_min = kMarkerBytesMin);

struct ScannedLine {
    std::string_view text;  ///< Without LF and without CR before it; valid during the call.
    std::int64_t offset = 0;
    std::int64_t number = 0;  ///< From 1.
    LineKind kind = LineKind::record;
    std::size_t marker_bytes = 0;  ///< Characters of the marker; 0: it is none.
};

/// Where to start: at a line's start.
struct ScanStart {
    std::int64_t offset = 0;
    std::int64_t number = 1;
    /// The line that holds the first byte of the start's chunk, for that chunk's new entry; -1: the
    /// line of the start does, or the entry is there.
    std::int64_t chunk_line_start = -1;
    std::int64_t chunk_line_number = 0;
};

/// Calls each for every line from `start` (blank ones are passed over) and appends the chunks from
/// the one that holds `start` on to `chunks` (whose entries before it must be there). Reads up to
/// `size` bytes of the file.
Status scan(os::File& file, std::int64_t size, ScanStart start, std::vector<Chunk>& chunks,
            const std::function<Status(const ScannedLine&)>& each);

/// The same of a text in memory that begins at a line's start, with offsets and numbers (from
/// `first_number`) of its own; `text` in each line lives as long as the text. `each` returns false
/// to stop.
void scan_text(std::string_view text, std::int64_t first_number,
               const std::function<bool(const ScannedLine&)>& each);

/// Compares the file with what an earlier scan saw: `chunks`, and lines up to `seen_size`, which
/// may be beyond the last chunk (our own appends). The start of the first line that may differ;
/// `chunks` is cut to those that are unchanged and begin at or before that line. Nothing differs:
/// start.offset == size and `size` == `seen_size`; the number then means nothing unless the file is
/// empty.
Result<ScanStart> first_difference(os::File& file, std::int64_t size, std::int64_t seen_size,
                                   std::vector<Chunk>& chunks);

std::string pack_chunks(const std::vector<Chunk>& chunks);
std::vector<Chunk> unpack_chunks(std::string_view bytes);

}  // namespace taskstore::ledger
