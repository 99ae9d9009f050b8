#pragma once
// The disk that FaultFileSystem simulates, as a plain value: copying it copies the whole disk, so
// that many power cuts of one run can be looked at. Knows no calls, faults, handles or threads.
//
// D1 `names` and `content` are what calls see; `durable_names` and `durable` what a power cut
//    cannot take.
// D2 Applying all of `changes` to `durable` gives `content`, but for the ranges in `unwritten`.
// D3 Applying all of `x_name_changes` to the durable names gives the names.
// D4 A node is erased only when neither names, durable names, name changes nor handles mention it.

#include <taskstore/os/fault_file_system.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace taskstore::os {

/// Never given out twice, unlike inode numbers. 0 is none.
using NodeId = std::uint64_t;

/// One unflushed change of a content.
struct ContentChange {
    bool is_write = false;  ///< Else the size was set to `offset`.
    std::size_t offset = 0;
    std::string bytes;
    std::size_t size_after = 0;
};

struct ByteRange {
    std::size_t from = 0;
    std::size_t to = 0;
};

struct Node {
    bool is_folder = false;
    std::uint64_t inode = 0;
    std::uint32_t mode = 0;
    std::int64_t btime_ns = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    std::int64_t durable_mtime_ns = 0;
    std::int64_t durable_ctime_ns = 0;
    std::string content;
    std::string durable;
    std::vector<ContentChange> changes;
    /// What a failed flush left marked as clean: reads see it, the disk does not have it.
    std::vector<ByteRange> unwritten;
    std::map<std::string, NodeId> names;
    std::map<std::string, NodeId> durable_names;
    std::size_t links = 0;
    std::size_t handles = 0;
};

/// One unflushed change of names. Made whole or not at all.
struct NameChange {
    NodeId node = 0;
    NodeId from_folder = 0;  ///< 0: the name is new.
    std::string from_name;
    NodeId to_folder = 0;  ///< 0: the name goes away.
    std::string to_name;
};

/// Functions that answer an int give errno, 0 for success; after a failure nothing has changed.
class FaultDisk {
  public:
    explicit FaultDisk(const FaultOptions& options);

    struct Place {
        NodeId folder = 0;
        std::string name;
        NodeId node = 0;  ///< 0: nothing of that name.
    };
    int find(const std::string& path, Place& out) const;
    int find_node(const std::string& path, NodeId& out) const;
    Node& node(NodeId id) { return x_nodes.at(id); }
    const Node& node(NodeId id) const { return x_nodes.at(id); }
    FileInfo info_of(NodeId id) const;

    void tick() { x_now_ns += x_options.step_ns; }
    void advance(std::int64_t ns) { x_now_ns += ns; }

    NodeId make(const Place& place, bool is_folder, std::uint32_t mode);
    int rename(const std::string& from, const std::string& to);
    void remove(const Place& place);
    void write(NodeId id, std::size_t offset, std::string_view bytes);
    void truncate(NodeId id, std::size_t size);
    void set_mtime(NodeId id, std::int64_t mtime_ns);
    void add_handle(NodeId id) { ++node(id).handles; }
    void drop_handle(NodeId id);

    void flush(NodeId id);
    /// The flush failed: what was to be written counts as clean from now on.
    void lose(NodeId id);
    void flush_names(NodeId folder);
    void flush_all();
    /// Other bytes, durably, in the same inode.
    void overwrite(NodeId id, std::string_view content);

    /// Turns this into the disk that the next boot finds: one of the possible ones.
    void cut_power(const PowerCut& cut);

    std::string tree() const;
    std::string unflushed() const;

  private:
    std::int64_t now() const;
    std::uint64_t new_inode();
    void touch_folder(NodeId id);
    void unlink_node(NodeId id);
    void apply_durably(const NameChange& change);
    void sweep();
    void rebuild_after_cut();
    std::string path_of(NodeId id) const;

    static constexpr NodeId kRoot = 1;
    FaultOptions x_options;
    std::int64_t x_now_ns;
    std::map<NodeId, Node> x_nodes;
    std::vector<NameChange> x_name_changes;
    std::set<NodeId> x_nameless;  ///< No name and no handle, perhaps still on the durable disk.
    std::set<std::uint64_t> x_free_inodes;
    NodeId x_next_node = kRoot;
    std::uint64_t x_next_inode = 2;  // as ext4 numbers its root
};

}  // namespace taskstore::os
