#pragma once
// The disk behind FaultFileSystem: names and contents, each with a volatile and a durable state,
// and the choice of what survives a power cut. Knows nothing of calls, faults, locks or threads;
// errors are errno.
//
// Invariants: D1 base is the content as last flushed, but for writes that follow a lost one, which
// stay in `changes` as flushed so that a cut can still lay the lost one below them. D2 `changes`,
// applied in order to base, give `now`. D3 the pending operations, applied in order to
// names_durable, give `names`.

#include <taskstore/os/fault_file_system.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace taskstore::os {

struct Change {
    enum class State : std::uint8_t { pending, lost, flushed };
    State state = State::pending;
    bool truncation = false;
    std::size_t offset = 0;  ///< The new size for a truncation.
    std::string bytes;
    void apply(std::string& content) const;
};

struct Node {
    std::uint64_t number = 0;
    FileKind kind = FileKind::regular;
    std::uint32_t mode = 0;
    std::int64_t btime_ns = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    std::int64_t mtime_durable_ns = 0;
    std::int64_t ctime_durable_ns = 0;

    std::string now;
    std::string base;
    std::vector<Change> changes;

    std::map<std::string, std::shared_ptr<Node>> names;
    std::map<std::string, std::shared_ptr<Node>> names_durable;

    std::uint32_t links = 0;
    std::uint32_t handles = 0;
    const void* lock_owner = nullptr;

    FileInfo info() const;
};
using NodePtr = std::shared_ptr<Node>;

/// A path, resolved up to its last part.
struct Place {
    NodePtr folder;
    std::string name;  ///< Empty: the root itself.
    NodePtr node;      ///< Null: nothing of that name.
};

class DiskModel {
  public:
    explicit DiskModel(FaultOptions options);

    int find(const std::string& path, Place& out) const;
    NodePtr create(const Place& place, FileKind kind, std::uint32_t mode);
    void write(Node& node, std::size_t offset, std::string_view bytes);
    void truncate(Node& node, std::size_t size);
    void set_mtime(Node& node, std::int64_t mtime_ns);
    void flush(Node& node);
    /// What a failed flush does on Linux: the bytes count as clean from now on.
    void lose_unflushed(Node& node);
    int rename(const std::string& from, const std::string& to);
    int hard_link(const std::string& from, const std::string& to);
    int unlink(const std::string& path);
    int remove_directory(const std::string& path);
    void flush_names(const NodePtr& folder);
    void flush_everything();
    /// After the last handle or name is gone its number may be given out again.
    void release(const Node& node);

    DiskModel survivor(const PowerCut& cut) const;

    std::string tree() const;
    std::string unflushed() const;
    void advance_time_ns(std::int64_t ns) { x_options.now_ns += ns; }
    const FaultOptions& options() const { return x_options; }

  private:
    struct NameEdit {
        NodePtr folder;
        std::string name;
        NodePtr node;  ///< Null: the name goes away.
    };
    /// One atomic operation.
    struct NameOperation {
        std::vector<NameEdit> edits;
        std::string text;
    };

    std::int64_t stamp();
    std::uint64_t take_number();
    void perform(NameOperation operation);
    static void set_name(std::map<std::string, NodePtr>& names, const NameEdit& edit);

    FaultOptions x_options;
    NodePtr x_root;
    std::vector<NameOperation> x_pending;
    std::uint64_t x_next_number = 2;
    std::set<std::uint64_t> x_free_numbers;
};

}  // namespace taskstore::os
