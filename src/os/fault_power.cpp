// What a power cut may leave of the unflushed changes.

#include "fault_disk.hpp"

#include <algorithm>
#include <random>

namespace taskstore::os {
namespace {

constexpr std::size_t kSectorBytes = 512;

/// Not std::uniform_int_distribution, whose numbers differ between standard libraries: a seed that
/// failed must fail everywhere.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : x_engine(seed * 0x9E3779B97F4A7C15U + 1) {}
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(x_engine() % n); }
    bool coin() { return below(2) == 0; }

  private:
    std::mt19937_64 x_engine;
};

void write_into(std::string& content, std::size_t offset, std::string_view bytes) {
    if (bytes.empty()) return;
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
    std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
}

void apply(std::string& content, const ContentChange& change) {
    if (change.is_write) {
        write_into(content, change.offset, change.bytes);
    } else {
        content.resize(change.offset, '\0');
    }
}

/// A prefix of the write, ending at any byte or at the end of a sector.
void apply_prefix(std::string& content, const ContentChange& change, Dice& dice) {
    std::size_t end = change.offset + dice.below(change.bytes.size() + 1);
    if (dice.coin()) end = std::max(change.offset, end - end % kSectorBytes);
    write_into(content, change.offset,
               std::string_view(change.bytes).substr(0, end - change.offset));
}

/// Any of the sectors that the write touches, each whole.
void apply_sectors(std::string& content, const ContentChange& change, Dice& dice) {
    const std::size_t end = change.offset + change.bytes.size();
    for (std::size_t at = change.offset; at < end;) {
        const std::size_t next = std::min(end, at - at % kSectorBytes + kSectorBytes);
        if (dice.coin()) {
            write_into(content, at,
                       std::string_view(change.bytes).substr(at - change.offset, next - at));
        }
        at = next;
    }
}

std::string torn(const Node& file) {
    std::string content = file.durable;
    const auto last = std::find_if(file.changes.rbegin(), file.changes.rend(),
                                   [](const ContentChange& change) { return change.is_write; });
    if (last == file.changes.rend()) return file.content;
    for (const ContentChange& change : file.changes) {
        if (&change != &*last) {
            apply(content, change);
        } else {
            write_into(content, change.offset,
                       std::string_view(change.bytes).substr(0, change.bytes.size() / 2));
        }
    }
    return content;
}

std::string zeroed(const Node& file) {
    std::string content = file.durable;
    for (const ContentChange& change : file.changes) content.resize(change.size_after, '\0');
    return content;
}

/// Writes in order up to some point, as a file system with ordered data leaves them.
std::string any_prefix(const Node& file, Dice& dice) {
    std::string content = file.durable;
    const std::size_t whole = dice.below(file.changes.size() + 1);
    for (std::size_t i = 0; i < whole; ++i) apply(content, file.changes[i]);
    if (whole < file.changes.size() && file.changes[whole].is_write) {
        apply_prefix(content, file.changes[whole], dice);
    }
    return content;
}

/// Writes out of order, with holes, and with any size that the file had.
std::string any_subset(const Node& file, Dice& dice) {
    std::string content = file.durable;
    for (const ContentChange& change : file.changes) {
        const std::size_t fate = dice.below(4);
        if (fate == 0) continue;
        if (fate == 1 || !change.is_write) {
            apply(content, change);
        } else if (fate == 2) {
            apply_prefix(content, change, dice);
        } else {
            apply_sectors(content, change, dice);
        }
    }
    const std::size_t size = dice.below(file.changes.size() + 1);
    content.resize(size == 0 ? file.durable.size() : file.changes[size - 1].size_after, '\0');
    return content;
}

std::string content_after(const Node& file, PowerCut::Kind kind, Dice& dice) {
    switch (kind) {
        case PowerCut::Kind::drop_all:
            return file.durable;
        case PowerCut::Kind::keep_all:
            return file.content;
        case PowerCut::Kind::torn:
            return torn(file);
        case PowerCut::Kind::zeroed:
            return zeroed(file);
        case PowerCut::Kind::random:
            break;
    }
    const std::size_t fate = dice.below(6);
    std::string content = fate == 0   ? file.durable
                          : fate == 1 ? zeroed(file)
                          : fate <= 3 ? any_prefix(file, dice)
                                      : any_subset(file, dice);
    // What a failed flush marked as clean may have reached the disk before the failure.
    for (const ByteRange& range : file.unwritten) {
        const std::size_t to = std::min({range.to, content.size(), file.content.size()});
        if (dice.coin() && range.from < to) {
            write_into(content, range.from,
                       std::string_view(file.content).substr(range.from, to - range.from));
        }
    }
    return content;
}

}  // namespace

void FaultDisk::cut_power(const PowerCut& cut) {
    Dice dice(cut.seed);
    const bool random = cut.kind == PowerCut::Kind::random;
    std::size_t kept = cut.kind == PowerCut::Kind::drop_all ? 0 : x_name_changes.size();
    if (random && !cut.any_names) kept = dice.below(x_name_changes.size() + 1);
    for (std::size_t i = 0; i < kept; ++i) {
        if (random && cut.any_names && dice.coin()) continue;
        apply_durably(x_name_changes[i]);
    }
    x_name_changes.clear();
    for (auto& [id, file] : x_nodes) {
        const bool old_times =
            cut.kind == PowerCut::Kind::drop_all || (random && !file.is_folder && dice.coin());
        if (old_times && !file.is_folder) {
            file.mtime_ns = file.durable_mtime_ns;
            file.ctime_ns = file.durable_ctime_ns;
        }
        if (!file.is_folder) file.content = content_after(file, cut.kind, dice);
        file.durable = file.content;
        file.durable_mtime_ns = file.mtime_ns;
        file.durable_ctime_ns = file.ctime_ns;
        file.changes.clear();
        file.unwritten.clear();
        file.links = 0;
        file.handles = 0;
    }
    rebuild_after_cut();
}

void FaultDisk::rebuild_after_cut() {
    // Only what can be reached from the root is left. Losing one of two renames may leave a folder
    // with two names or in a circle; a check of the file system would keep one name.
    std::vector<NodeId> todo{kRoot};
    node(kRoot).links = 1;
    while (!todo.empty()) {
        Node& folder = node(todo.back());
        todo.pop_back();
        std::erase_if(folder.durable_names, [&](const auto& entry) {
            Node& child = node(entry.second);
            if (child.is_folder && child.links > 0) return true;
            if (++child.links == 1 && child.is_folder) todo.push_back(entry.second);
            return false;
        });
        folder.names = folder.durable_names;
    }
    std::erase_if(x_nodes, [](const auto& entry) { return entry.second.links == 0; });

    // A number that was given out again while its first owner was not durably gone.
    std::set<std::uint64_t> used;
    for (auto& [id, file] : x_nodes) {
        if (!used.insert(file.inode).second) {
            file.inode = x_next_inode++;
            used.insert(file.inode);
        }
    }
    x_nameless.clear();
    x_free_inodes.clear();
    for (std::uint64_t inode = 3; inode < x_next_inode; ++inode) {
        if (!used.contains(inode)) x_free_inodes.insert(inode);
    }
}

std::vector<PowerCut> PowerCut::matrix(std::uint64_t seeds, std::uint64_t first_seed) {
    std::vector<PowerCut> cuts{drop_all(), keep_all(), torn(), zeroed()};
    for (std::uint64_t i = 0; i < seeds; ++i) cuts.push_back(random(first_seed + i, i % 2 == 1));
    return cuts;
}

std::string PowerCut::text() const {
    switch (kind) {
        case Kind::drop_all:
            return "drop_all";
        case Kind::keep_all:
            return "keep_all";
        case Kind::torn:
            return "torn";
        case Kind::zeroed:
            return "zeroed";
        case Kind::random:
            break;
    }
    return "random(" + std::to_string(seed) + (any_names ? ", any_names)" : ")");
}

}  // namespace taskstore::os
