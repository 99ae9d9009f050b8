#include "fault_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>

namespace taskstore::os {
namespace {

constexpr std::size_t kNameBytesMax = 255;
// No system has it, so no look-up by device number can meet a real file.
constexpr std::uint64_t kDevice = 0xFA017;

void write_into(std::string& content, std::size_t offset, std::string_view bytes) {
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
    std::copy(bytes.begin(), bytes.end(),
              content.begin() + static_cast<std::ptrdiff_t>(offset));
}

void subtract(std::vector<ByteRange>& ranges, ByteRange hole) {
    std::vector<ByteRange> rest;
    for (const ByteRange& range : ranges) {
        if (range.from < hole.from) rest.push_back({range.from, std::min(range.to, hole.from)});
        if (range.to > hole.to) rest.push_back({std::max(range.from, hole.to), range.to});
    }
    ranges = std::move(rest);
}

/// The parts of a path; `..` is taken by its text, as there are no symbolic links.
std::vector<std::string> parts_of(const std::string& path) {
    std::vector<std::string> parts;
    std::size_t at = 0;
    while (at < path.size()) {
        std::size_t end = path.find('/', at);
        if (end == std::string::npos) end = path.size();
        std::string part = path.substr(at, end - at);
        at = end + 1;
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            parts.push_back(std::move(part));
        } else if (!parts.empty()) {
            parts.pop_back();
        }
    }
    return parts;
}

std::string escaped(std::string_view bytes) {
    constexpr std::size_t kShown = 48;
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes.substr(0, kShown)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            text += "\\n";
        } else if (byte < 0x20 || byte >= 0x7F || c == '\\') {
            text.append("\\x").append(1, kDigits[byte >> 4U]).append(1, kDigits[byte & 15U]);
        } else {
            text += c;
        }
    }
    return bytes.size() > kShown ? text + "..." : text;
}

}  // namespace

FaultDisk::FaultDisk(const FaultOptions& options) : x_options(options), x_now_ns(options.now_ns) {
    Node root;
    root.is_folder = true;
    root.inode = new_inode();
    root.mode = 0755;
    root.links = 1;
    root.btime_ns = x_options.birth_times ? now() : 0;
    root.mtime_ns = root.ctime_ns = root.durable_mtime_ns = root.durable_ctime_ns = now();
    x_nodes.emplace(x_next_node++, std::move(root));
}

std::int64_t FaultDisk::now() const {
    const std::int64_t grain = std::max<std::int64_t>(x_options.granularity_ns, 1);
    return x_now_ns - x_now_ns % grain;
}

std::uint64_t FaultDisk::new_inode() {
    if (!x_options.reuse_inode_numbers || x_free_inodes.empty()) return x_next_inode++;
    return x_free_inodes.extract(x_free_inodes.begin()).value();
}

int FaultDisk::find(const std::string& path, Place& out) const {
    if (path.empty()) return ENOENT;
    if (path.find('\0') != std::string::npos) return EINVAL;
    out = {.folder = 0, .name = {}, .node = kRoot};
    for (std::string& part : parts_of(path)) {
        if (out.node == 0) return ENOENT;
        if (part.size() > kNameBytesMax) return ENAMETOOLONG;
        const Node& folder = node(out.node);
        if (!folder.is_folder) return ENOTDIR;
        const auto found = folder.names.find(part);
        const NodeId next = found == folder.names.end() ? 0 : found->second;
        out = {.folder = out.node, .name = std::move(part), .node = next};
    }
    if (path.back() == '/' && out.node != 0 && !node(out.node).is_folder) return ENOTDIR;
    return 0;
}

int FaultDisk::find_node(const std::string& path, NodeId& out) const {
    Place place;
    if (const int error = find(path, place); error != 0) return error;
    out = place.node;
    return out == 0 ? ENOENT : 0;
}

FileInfo FaultDisk::info_of(NodeId id) const {
    const Node& node = this->node(id);
    FileInfo info;
    info.identity = {.device = kDevice,
                     .inode = node.inode,
                     .btime_ns = node.btime_ns,
                     .size = static_cast<std::int64_t>(node.content.size()),
                     .mtime_ns = node.mtime_ns,
                     .ctime_ns = node.ctime_ns};
    info.kind = node.is_folder ? FileKind::directory : FileKind::regular;
    info.mode = node.mode;
    return info;
}

void FaultDisk::touch_folder(NodeId id) {
    Node& folder = node(id);
    folder.mtime_ns = folder.ctime_ns = now();
}

NodeId FaultDisk::make(const Place& place, bool is_folder, std::uint32_t mode) {
    const NodeId id = x_next_node++;
    Node made;
    made.is_folder = is_folder;
    made.inode = new_inode();
    made.mode = mode;
    made.links = 1;
    made.btime_ns = x_options.birth_times ? now() : 0;
    made.mtime_ns = made.ctime_ns = made.durable_mtime_ns = made.durable_ctime_ns = now();
    x_nodes.emplace(id, std::move(made));
    node(place.folder).names[place.name] = id;
    touch_folder(place.folder);
    x_name_changes.push_back({id, 0, {}, place.folder, place.name});
    return id;
}

int FaultDisk::rename(const std::string& from, const std::string& to) {
    Place source;
    Place target;
    if (const int error = find(from, source); error != 0) return error;
    if (const int error = find(to, target); error != 0) return error;
    if (source.node == 0) return ENOENT;
    if (source.folder == 0 || target.folder == 0) return EBUSY;
    if (source.node == target.node) return 0;
    const bool is_folder = node(source.node).is_folder;
    if (target.node != 0) {
        const Node& old = node(target.node);
        if (old.is_folder && !is_folder) return EISDIR;
        if (!old.is_folder && is_folder) return ENOTDIR;
        if (old.is_folder && !old.names.empty()) return ENOTEMPTY;
    }
    if (is_folder) {
        // A folder cannot go below itself.
        std::string prefix;
        Place above{};
        for (const std::string& part : parts_of(to)) {
            prefix += '/' + part;
            if (find(prefix, above) == 0 && above.node == source.node) return EINVAL;
        }
    }
    node(source.folder).names.erase(source.name);
    node(target.folder).names[target.name] = source.node;
    touch_folder(source.folder);
    touch_folder(target.folder);
    node(source.node).ctime_ns = now();
    x_name_changes.push_back(
        {source.node, source.folder, source.name, target.folder, target.name});
    if (target.node != 0) unlink_node(target.node);
    return 0;
}

void FaultDisk::remove(const Place& place) {
    node(place.folder).names.erase(place.name);
    touch_folder(place.folder);
    x_name_changes.push_back({place.node, place.folder, place.name, 0, {}});
    unlink_node(place.node);
}

void FaultDisk::unlink_node(NodeId id) {
    Node& gone = node(id);
    gone.ctime_ns = now();
    if (--gone.links == 0 && gone.handles == 0) {
        x_free_inodes.insert(gone.inode);
        x_nameless.insert(id);
    }
}

void FaultDisk::drop_handle(NodeId id) {
    Node& closed = node(id);
    if (--closed.handles == 0 && closed.links == 0) {
        x_free_inodes.insert(closed.inode);
        x_nameless.insert(id);
    }
}

void FaultDisk::write(NodeId id, std::size_t offset, std::string_view bytes) {
    if (bytes.empty()) return;
    Node& file = node(id);
    write_into(file.content, offset, bytes);
    subtract(file.unwritten, {offset, offset + bytes.size()});
    file.changes.push_back({true, offset, std::string(bytes), file.content.size()});
    file.mtime_ns = file.ctime_ns = now();
}

void FaultDisk::truncate(NodeId id, std::size_t size) {
    Node& file = node(id);
    file.content.resize(size, '\0');
    subtract(file.unwritten, {size, std::string::npos});
    file.changes.push_back({false, size, {}, size});
    file.mtime_ns = file.ctime_ns = now();
}

void FaultDisk::set_mtime(NodeId id, std::int64_t mtime_ns) {
    Node& file = node(id);
    const std::int64_t grain = std::max<std::int64_t>(x_options.granularity_ns, 1);
    file.mtime_ns = mtime_ns - mtime_ns % grain;
    file.ctime_ns = now();
}

void FaultDisk::flush(NodeId id) {
    Node& file = node(id);
    const std::size_t size_before = file.durable.size();
    for (const ContentChange& change : file.changes) {
        if (change.is_write) {
            write_into(file.durable, change.offset, change.bytes);
        } else {
            file.durable.resize(change.offset, '\0');
        }
    }
    file.changes.clear();
    if (file.durable.size() != size_before) {
        file.durable_mtime_ns = file.mtime_ns;
        file.durable_ctime_ns = file.ctime_ns;
    }
}

void FaultDisk::lose(NodeId id) {
    Node& file = node(id);
    std::size_t size_least = file.durable.size();
    for (const ContentChange& change : file.changes) {
        size_least = std::min(size_least, change.size_after);
        const std::size_t end = std::min(change.offset + change.bytes.size(), file.content.size());
        if (change.is_write && change.offset < end) {
            file.unwritten.push_back({change.offset, end});
        }
    }
    // The sizes belong to the inode, which the next flush writes all the same.
    file.changes.clear();
    if (size_least < file.durable.size()) {
        file.changes.push_back({false, size_least, {}, size_least});
    }
    if (file.content.size() != size_least) {
        const std::size_t size = file.content.size();
        file.changes.push_back({false, size, {}, size});
    }
}

void FaultDisk::apply_durably(const NameChange& change) {
    if (change.from_folder != 0) {
        auto& names = node(change.from_folder).durable_names;
        const auto found = names.find(change.from_name);
        if (found != names.end() && found->second == change.node) names.erase(found);
    }
    if (change.to_folder != 0) node(change.to_folder).durable_names[change.to_name] = change.node;
}

void FaultDisk::flush_names(NodeId folder) {
    // A rename binds two folders: what came before it in the other one goes with it.
    std::set<NodeId> folders{folder};
    std::vector<NameChange> now_durable;
    std::vector<NameChange> later;
    for (auto change = x_name_changes.rbegin(); change != x_name_changes.rend(); ++change) {
        if (folders.contains(change->from_folder) || folders.contains(change->to_folder)) {
            for (const NodeId id : {change->from_folder, change->to_folder}) {
                if (id != 0) folders.insert(id);
            }
            now_durable.push_back(std::move(*change));
        } else {
            later.push_back(std::move(*change));
        }
    }
    for (auto change = now_durable.rbegin(); change != now_durable.rend(); ++change) {
        apply_durably(*change);
    }
    x_name_changes.assign(std::make_move_iterator(later.rbegin()),
                          std::make_move_iterator(later.rend()));
    sweep();
}

void FaultDisk::flush_all() {
    for (const NameChange& change : x_name_changes) apply_durably(change);
    x_name_changes.clear();
    for (auto& [id, file] : x_nodes) {
        file.durable = file.content;
        file.changes.clear();
        file.unwritten.clear();
        file.durable_mtime_ns = file.mtime_ns;
        file.durable_ctime_ns = file.ctime_ns;
    }
    sweep();
}

void FaultDisk::overwrite(NodeId id, std::string_view content) {
    Node& file = node(id);
    file.content = content;
    file.durable = content;
    file.changes.clear();
    file.unwritten.clear();
    file.mtime_ns = file.ctime_ns = file.durable_mtime_ns = file.durable_ctime_ns = now();
}

void FaultDisk::sweep() {
    if (x_nameless.empty()) return;
    std::set<NodeId> needed;
    for (const NameChange& change : x_name_changes) {
        needed.insert({change.node, change.from_folder, change.to_folder});
    }
    for (const auto& [id, folder] : x_nodes) {
        for (const auto& [name, child] : folder.durable_names) needed.insert(child);
    }
    std::erase_if(x_nameless, [&](NodeId id) {
        if (needed.contains(id)) return false;
        x_nodes.erase(id);
        return true;
    });
}

std::string FaultDisk::tree() const {
    std::string text;
    const std::function<void(NodeId, const std::string&)> add = [&](NodeId id,
                                                                     const std::string& path) {
        for (const auto& [name, child_id] : node(id).names) {
            const Node& child = node(child_id);
            const std::string child_path = path + '/' + name;
            text += child_path + (child.is_folder ? "/" : "") + " inode " +
                    std::to_string(child.inode);
            if (!child.is_folder) {
                text += " size " + std::to_string(child.content.size()) + " \"" +
                        escaped(child.content) + '"';
            }
            text += '\n';
            if (child.is_folder) add(child_id, child_path);
        }
    };
    add(kRoot, "");
    return text;
}

std::string FaultDisk::path_of(NodeId id) const {
    if (id == kRoot) return "";
    for (const auto& [folder, candidate] : x_nodes) {
        for (const auto& [name, child] : candidate.names) {
            if (child == id) return path_of(folder) + '/' + name;
        }
    }
    return "(removed, inode " + std::to_string(node(id).inode) + ")";
}

std::string FaultDisk::unflushed() const {
    std::string text;
    for (const auto& [id, file] : x_nodes) {
        for (const ContentChange& change : file.changes) {
            text += change.is_write ? "write " : "size ";
            text += path_of(id) + ' ' + std::to_string(change.offset);
            if (change.is_write) text += '+' + std::to_string(change.bytes.size());
            text += '\n';
        }
        for (const ByteRange& range : file.unwritten) {
            text += "unwritten " + path_of(id) + ' ' + std::to_string(range.from) + '+' +
                    std::to_string(range.to - range.from) + '\n';
        }
    }
    for (const NameChange& change : x_name_changes) {
        const bool made = change.from_folder == 0;
        text += made ? "create" : change.to_folder == 0 ? "unlink" : "rename";
        if (!made) text += ' ' + path_of(change.from_folder) + '/' + change.from_name;
        if (change.to_folder != 0) text += ' ' + path_of(change.to_folder) + '/' + change.to_name;
        text += '\n';
    }
    return text;
}

}  // namespace taskstore::os
