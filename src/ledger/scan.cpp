#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/ledger/scan.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace taskstore::ledger {
namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\r' || text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

/// Reads exactly `bytes` unless the file ends.
Status read_chunk(os::File& file, std::int64_t offset, std::size_t bytes, char* out,
                  std::size_t& got) {
    got = 0;
    while (got < bytes) {
        TASKSTORE_LET(const std::size_t more, file.read_at(offset + static_cast<std::int64_t>(got),
                                                           out + got, bytes - got));
        if (more == 0) break;
        got += more;
    }
    return ok();
}

}  // namespace

Marker marker_of(std::string_view line, std::size_t bytes_min) {
    constexpr std::string_view kSigns = "<|=>";
    constexpr std::array kKinds{LineKind::ours_marker, LineKind::base_marker,
                                LineKind::middle_marker, LineKind::theirs_marker};
    const std::size_t sign = line.empty() ? std::string_view::npos : kSigns.find(line[0]);
    if (sign == std::string_view::npos) return {};
    const std::size_t bytes = std::min(line.find_first_not_of(line[0]), line.size());
    if (bytes < bytes_min || (bytes < line.size() && line[bytes] != ' ')) return {};
    return {kKinds[sign], bytes};
}

Status scan(os::File& file, std::int64_t size, ScanStart start, std::vector<Chunk>& chunks,
            const std::function<Status(const ScannedLine&)>& each) {
    std::string buffer;  // the unfinished line, then the chunk being read
    std::int64_t buffer_offset = start.offset;
    std::int64_t number = start.number;
    std::int64_t chunk_start = start.offset / kChunkBytes * kChunkBytes;
    std::string lead;  // bytes of the first chunk before `start`, for its hash alone
    if (chunk_start < start.offset) {
        lead.resize(static_cast<std::size_t>(start.offset - chunk_start));
        std::size_t got = 0;
        TASKSTORE_TRY(read_chunk(file, chunk_start, lead.size(), lead.data(), got));
        lead.resize(got);
    }
    JsonSlicer slicer;
    while (chunk_start < size) {
        const std::int64_t chunk_end = std::min(size, chunk_start + kChunkBytes);
        const std::int64_t read_from = std::max(chunk_start, start.offset);
        const std::size_t kept = buffer.size();
        buffer.resize(kept + static_cast<std::size_t>(chunk_end - read_from));
        std::size_t got = 0;
        TASKSTORE_TRY(read_chunk(file, read_from, buffer.size() - kept, buffer.data() + kept, got));
        if (got != buffer.size() - kept) {
            return fail(Code::unavailable,
                        "the file shrank while it was read: somebody replaced it; try again");
        }
        if (static_cast<std::size_t>(chunk_start / kChunkBytes) >= chunks.size()) {
            Chunk chunk;
            const std::string_view fresh(buffer.data() + kept, got);
            chunk.hash = lead.empty() ? xxh3_64(fresh) : xxh3_64(lead + std::string(fresh));
            chunk.bytes = chunk_end - chunk_start;
            const bool started_inside = chunk_start < start.offset && start.chunk_line_start >= 0;
            chunk.line_start = started_inside ? start.chunk_line_start : buffer_offset;
            chunk.line_number = started_inside ? start.chunk_line_number : number;
            chunks.push_back(chunk);
        }
        lead.clear();
        std::size_t line = 0;
        while (true) {
            const void* hit = std::memchr(buffer.data() + line, '\n', buffer.size() - line);
            const bool last = hit == nullptr;
            if (last && (chunk_end < size || line == buffer.size())) break;
            const std::size_t end =
                last ? buffer.size()
                     : static_cast<std::size_t>(static_cast<const char*>(hit) - buffer.data());
            const std::string_view text =
                trimmed(std::string_view(buffer).substr(line, end - line));
            if (!text.empty()) {
                const Marker marker = marker_of(text);
                ScannedLine scanned{.text = text,
                                    .offset = buffer_offset + static_cast<std::int64_t>(line),
                                    .number = number,
                                    .kind = marker.kind,
                                    .marker_bytes = marker.bytes};
                if (last && scanned.kind == LineKind::record && !slicer.slice(text))
                    scanned.kind = LineKind::torn;
                TASKSTORE_TRY(each(scanned));
            }
            ++number;
            line = last ? end : end + 1;
            if (last) break;
        }
        buffer.erase(0, line);
        buffer_offset += static_cast<std::int64_t>(line);
        chunk_start = chunk_end;
    }
    return ok();
}

void scan_text(std::string_view text, std::int64_t first_number,
               const std::function<bool(const ScannedLine&)>& each) {
    std::int64_t number = first_number;
    for (std::size_t at = 0; at < text.size(); ++number) {
        const std::size_t lf = text.find('\n', at);
        const std::size_t end = std::min(lf, text.size());
        ScannedLine scanned{.text = trimmed(text.substr(at, end - at)),
                            .offset = static_cast<std::int64_t>(at),
                            .number = number};
        at = end + 1;
        if (scanned.text.empty()) continue;
        const Marker marker = marker_of(scanned.text);
        scanned.kind = marker.kind;
        scanned.marker_bytes = marker.bytes;
        const bool last = lf == std::string_view::npos;
        if (last && scanned.kind == LineKind::record && !JsonSlicer().slice(scanned.text))
            scanned.kind = LineKind::torn;
        if (!each(scanned)) return;
    }
}

Result<ScanStart> first_difference(os::File& file, std::int64_t size, std::int64_t seen_size,
                                   std::vector<Chunk>& chunks) {
    std::string buffer(static_cast<std::size_t>(kChunkBytes), '\0');
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        const auto bytes = static_cast<std::size_t>(chunks[i].bytes);
        std::size_t got = 0;
        TASKSTORE_TRY(read_chunk(file, offset, bytes, buffer.data(), got));
        const bool same =
            got == bytes && xxh3_64(std::string_view(buffer).substr(0, got)) == chunks[i].hash;
        // What was seen beyond the last chunk may be gone or changed; the last line seen may have
        // been unfinished, so growth continues in it.
        const std::int64_t covered = offset + chunks[i].bytes;
        const bool last = i + 1 == chunks.size() && (covered != size || covered != seen_size);
        if (!same || last) {
            ScanStart start{chunks[i].line_start, chunks[i].line_number};
            const std::size_t lf = same ? buffer.rfind('\n', got - 1) : std::string::npos;
            if (lf != std::string::npos) {
                const auto ended = std::count(
                    buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(lf) + 1, '\n');
                start = {offset + static_cast<std::int64_t>(lf) + 1, start.number + ended,
                         start.offset, start.number};
            }
            const auto holds = static_cast<std::size_t>(start.offset / kChunkBytes);
            chunks.resize(holds > i ? i + 1 : std::min(i, holds + 1));
            return start;
        }
        offset += chunks[i].bytes;
    }
    return ScanStart{offset, 1};
}

std::string pack_chunks(const std::vector<Chunk>& chunks) {
    std::string bytes(chunks.size() * sizeof(Chunk), '\0');
    if (!chunks.empty()) std::memcpy(bytes.data(), chunks.data(), bytes.size());
    return bytes;
}

std::vector<Chunk> unpack_chunks(std::string_view bytes) {
    std::vector<Chunk> chunks(bytes.size() / sizeof(Chunk));
    if (!chunks.empty()) std::memcpy(chunks.data(), bytes.data(), chunks.size() * sizeof(Chunk));
    return chunks;
}

}  // namespace taskstore::ledger
