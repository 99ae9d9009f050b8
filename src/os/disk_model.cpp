#include "disk_model.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <optional>
#include <utility>

namespace taskstore::os {
namespace {

constexpr std::size_t kSectorBytes = 512;
constexpr std::size_t kNameBytesMax = 255;

/// SplitMix64 (Steele et al. 2014): its results are the same on every machine.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : x_state(seed) {}
    std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

  private:
    std::uint64_t next() {
        std::uint64_t z = (x_state += 0x9E3779B97F4A7C15U);
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31U);
    }
    std::uint64_t x_state;
};

/// Part of a write that reached the disk: a prefix by bytes, a prefix by sectors, or some of its
/// sectors.
void apply_torn(const Change& change, std::string& content, Dice& dice) {
    const std::size_t bytes = change.bytes.size();
    const std::uint64_t how = dice.below(3);
    if (how == 0) {
        Change part = change;
        part.bytes.resize(dice.below(bytes + 1));
        if (!part.bytes.empty()) part.apply(content);
        return;
    }
    bool stopped = false;
    for (std::size_t at = 0; at < bytes;) {
        const std::size_t to_boundary = kSectorBytes - (change.offset + at) % kSectorBytes;
        const std::size_t length = std::min(to_boundary, bytes - at);
        const bool kept = dice.below(2) == 0;
        if (how == 1 && !kept) stopped = true;
        if (kept && !stopped) {
            const Change part{.offset = change.offset + at,
                              .bytes = change.bytes.substr(at, length)};
            part.apply(content);
        }
        at += length;
    }
}

std::string flushed_content(const Node& node) {
    std::string content = node.base;
    for (const Change& change : node.changes) {
        if (change.state == Change::State::flushed) change.apply(content);
    }
    return content;
}

std::string survive_torn(const Node& node) {
    const auto is_unflushed_write = [](const Change& change) {
        return change.state != Change::State::flushed && !change.truncation;
    };
    const auto last = std::find_if(node.changes.rbegin(), node.changes.rend(), is_unflushed_write);
    std::string content = node.base;
    for (const Change& change : node.changes) {
        if (last == node.changes.rend() || &change != &*last) {
            change.apply(content);
            continue;
        }
        Change part = change;
        part.bytes.resize(part.bytes.size() / 2);
        part.apply(content);
    }
    return content;
}

std::string survive_randomly(const Node& node, Dice& dice) {
    const std::size_t flushed_size = flushed_content(node).size();
    std::string content = node.base;
    // One file in four is written out in order, which is what disks mostly do.
    const bool in_order = dice.below(4) == 0;
    std::size_t until = in_order ? dice.below(node.changes.size() + 1) : 0;
    for (const Change& change : node.changes) {
        std::uint64_t fate = dice.below(3);
        if (in_order) {
            fate = until > 1 ? 1 : until == 1 ? 2 : 0;
            if (until > 0) --until;
        }
        if (change.state == Change::State::flushed || fate == 1) {
            change.apply(content);
        } else if (fate == 2 && !change.truncation) {
            apply_torn(change, content, dice);
        }
    }
    switch (dice.below(4)) {
        case 0:
            content.resize(flushed_size);
            break;
        case 1:
            content.resize(node.now.size());
            break;
        default:
            break;
    }
    return content;
}

std::string survive(const Node& node, const PowerCut& cut, Dice& dice) {
    if (node.changes.empty()) return node.base;
    switch (cut.kind) {
        case PowerCut::Kind::drop_all:
            return flushed_content(node);
        case PowerCut::Kind::keep_all:
            return node.now;
        case PowerCut::Kind::torn:
            return survive_torn(node);
        case PowerCut::Kind::zeroed: {
            std::string content = flushed_content(node);
            content.resize(node.now.size());
            return content;
        }
        case PowerCut::Kind::random:
            return survive_randomly(node, dice);
    }
    return node.base;
}

std::string escaped(std::string_view bytes, std::size_t bytes_max) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    std::string text;
    for (const char c : bytes.substr(0, bytes_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7F && c != '\\') {
            text += c;
        } else if (c == '\n') {
            text += "\\n";
        } else {
            text.append("\\x").append(1, kHex[byte >> 4U]).append(1, kHex[byte & 15U]);
        }
    }
    if (bytes.size() > bytes_max) text += "…";
    return text;
}

void walk(const NodePtr& node, const std::string& path,
          const std::function<void(const std::string&, const NodePtr&)>& visit) {
    visit(path.empty() ? "/" : path, node);
    for (const auto& [name, child] : node->names) walk(child, path + "/" + name, visit);
}

}  // namespace

void Change::apply(std::string& content) const {
    if (truncation) {
        content.resize(offset);
        return;
    }
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    content.replace(offset, bytes.size(), bytes);
}

FileInfo Node::info() const {
    FileInfo info;
    info.identity = {
        .device = 1,
        .inode = number,
        .btime_ns = btime_ns,
        .size = kind == FileKind::directory ? 4096 : static_cast<std::int64_t>(now.size()),
        .mtime_ns = mtime_ns,
        .ctime_ns = ctime_ns};
    info.kind = kind;
    info.mode = mode;
    return info;
}

DiskModel::DiskModel(FaultOptions options)
    : x_options(std::move(options)), x_root(std::make_shared<Node>()) {
    x_root->number = take_number();
    x_root->kind = FileKind::directory;
    x_root->mode = 0755;
    x_root->links = 1;
}

std::int64_t DiskModel::stamp() {
    x_options.now_ns += x_options.step_ns;
    return x_options.now_ns -
           x_options.now_ns % std::max<std::int64_t>(1, x_options.granularity_ns);
}

std::uint64_t DiskModel::take_number() {
    if (x_options.reuse_inode_numbers && !x_free_numbers.empty()) {
        return x_free_numbers.extract(x_free_numbers.begin()).value();
    }
    return x_next_number++;
}

void DiskModel::release(const Node& node) {
    if (node.links == 0 && node.handles == 0) x_free_numbers.insert(node.number);
}

int DiskModel::find(const std::string& path, Place& out) const {
    if (path.empty()) return ENOENT;
    if (path.find('\0') != std::string::npos) return EINVAL;
    out = {.folder = x_root, .name = {}, .node = x_root};
    std::vector<NodePtr> above{x_root};
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t slash = std::min(path.find('/', at), path.size());
        const std::string part = path.substr(at, slash - at);
        at = slash + 1;
        if (part.empty() || part == ".") continue;
        if (part.size() > kNameBytesMax) return ENAMETOOLONG;
        if (!out.node) return ENOENT;
        if (out.node->kind != FileKind::directory) return ENOTDIR;
        if (part == "..") {
            if (above.size() > 1) above.pop_back();
            out = {.folder = above.back(), .name = {}, .node = above.back()};
            continue;
        }
        const NodePtr folder = out.node;
        const auto found = folder->names.find(part);
        out = {.folder = folder,
               .name = part,
               .node = found == folder->names.end() ? nullptr : found->second};
        above.push_back(out.node);
    }
    return 0;
}

void DiskModel::set_name(std::map<std::string, NodePtr>& names, const NameEdit& edit) {
    if (edit.node) {
        names[edit.name] = edit.node;
    } else {
        names.erase(edit.name);
    }
}

void DiskModel::perform(NameOperation operation) {
    const std::int64_t now = stamp();
    for (const NameEdit& edit : operation.edits) {
        NodePtr& slot = edit.folder->names[edit.name];
        const NodePtr before = slot;
        if (edit.node) ++edit.node->links;
        set_name(edit.folder->names, edit);
        edit.folder->mtime_ns = edit.folder->ctime_ns = now;
        if (before) {
            --before->links;
            before->ctime_ns = now;
            release(*before);
        }
        if (edit.node) edit.node->ctime_ns = now;
    }
    x_pending.push_back(std::move(operation));
}

NodePtr DiskModel::create(const Place& place, FileKind kind, std::uint32_t mode) {
    auto node = std::make_shared<Node>();
    node->number = take_number();
    node->kind = kind;
    node->mode = mode;
    perform({.edits = {{place.folder, place.name, node}}, .text = "create " + place.name});
    node->mtime_ns = node->ctime_ns = place.folder->mtime_ns;
    node->mtime_durable_ns = node->ctime_durable_ns = node->mtime_ns;
    node->btime_ns = x_options.birth_times ? node->mtime_ns : 0;
    return node;
}

void DiskModel::write(Node& node, std::size_t offset, std::string_view bytes) {
    if (bytes.empty()) return;
    node.changes.push_back({.offset = offset, .bytes = std::string(bytes)});
    node.changes.back().apply(node.now);
    node.mtime_ns = node.ctime_ns = stamp();
}

void DiskModel::truncate(Node& node, std::size_t size) {
    node.changes.push_back({.truncation = true, .offset = size, .bytes = {}});
    node.changes.back().apply(node.now);
    node.mtime_ns = node.ctime_ns = stamp();
}

void DiskModel::set_mtime(Node& node, std::int64_t mtime_ns) {
    node.mtime_ns = mtime_ns;
    node.ctime_ns = stamp();
}

void DiskModel::flush(Node& node) {
    // fdatasync writes the times only along with a new size.
    if (flushed_content(node).size() != node.now.size()) {
        node.mtime_durable_ns = node.mtime_ns;
        node.ctime_durable_ns = node.ctime_ns;
    }
    bool lost = false;
    for (Change& change : node.changes) {
        if (change.state == Change::State::pending) change.state = Change::State::flushed;
        if (change.state == Change::State::lost) lost = true;
        if (!lost) change.apply(node.base);
    }
    const auto first_lost =
        std::find_if(node.changes.begin(), node.changes.end(),
                     [](const Change& change) { return change.state == Change::State::lost; });
    node.changes.erase(node.changes.begin(), first_lost);
}

void DiskModel::lose_unflushed(Node& node) {
    for (Change& change : node.changes) {
        if (change.state == Change::State::pending) change.state = Change::State::lost;
    }
}

int DiskModel::rename(const std::string& from, const std::string& to) {
    Place source;
    Place target;
    if (const int error = find(from, source); error != 0) return error;
    if (const int error = find(to, target); error != 0) return error;
    if (!source.node) return ENOENT;
    if (source.name.empty() || target.name.empty()) return EBUSY;
    if (source.node == target.node) return 0;
    const bool is_folder = source.node->kind == FileKind::directory;
    if (target.node) {
        const bool onto_folder = target.node->kind == FileKind::directory;
        if (is_folder && !onto_folder) return ENOTDIR;
        if (!is_folder && onto_folder) return EISDIR;
        if (onto_folder && !target.node->names.empty()) return ENOTEMPTY;
    }
    bool into_itself = false;
    walk(source.node, "x", [&](const std::string&, const NodePtr& inner) {
        into_itself = into_itself || inner == target.folder;
    });
    if (into_itself) return EINVAL;
    perform({.edits = {{target.folder, target.name, source.node},
                       {source.folder, source.name, nullptr}},
             .text = "rename " + from + " to " + to});
    return 0;
}

int DiskModel::hard_link(const std::string& from, const std::string& to) {
    Place source;
    Place target;
    if (const int error = find(from, source); error != 0) return error;
    if (const int error = find(to, target); error != 0) return error;
    if (!source.node) return ENOENT;
    if (source.node->kind == FileKind::directory) return EPERM;
    if (target.node) return EEXIST;
    perform({.edits = {{target.folder, target.name, source.node}},
             .text = "link " + from + " to " + to});
    return 0;
}

int DiskModel::unlink(const std::string& path) {
    Place place;
    if (const int error = find(path, place); error != 0) return error;
    if (!place.node) return ENOENT;
    if (place.node->kind == FileKind::directory) return EISDIR;
    perform({.edits = {{place.folder, place.name, nullptr}}, .text = "unlink " + path});
    return 0;
}

int DiskModel::remove_directory(const std::string& path) {
    Place place;
    if (const int error = find(path, place); error != 0) return error;
    if (!place.node) return ENOENT;
    if (place.name.empty()) return EBUSY;
    if (place.node->kind != FileKind::directory) return ENOTDIR;
    if (!place.node->names.empty()) return ENOTEMPTY;
    perform({.edits = {{place.folder, place.name, nullptr}}, .text = "remove folder " + path});
    return 0;
}

void DiskModel::flush_names(const NodePtr& folder) {
    // An operation on two folders takes along what came before it in the other one, or it would
    // overtake that.
    std::set<const Node*> folders{folder.get()};
    std::vector<bool> taken(x_pending.size());
    for (std::size_t i = x_pending.size(); i-- > 0;) {
        const auto& edits = x_pending[i].edits;
        taken[i] = std::any_of(edits.begin(), edits.end(), [&](const NameEdit& edit) {
            return folders.contains(edit.folder.get());
        });
        if (!taken[i]) continue;
        for (const NameEdit& edit : edits) folders.insert(edit.folder.get());
    }
    std::vector<NameOperation> rest;
    for (std::size_t i = 0; i < x_pending.size(); ++i) {
        if (!taken[i]) {
            rest.push_back(std::move(x_pending[i]));
            continue;
        }
        for (const NameEdit& edit : x_pending[i].edits) set_name(edit.folder->names_durable, edit);
    }
    x_pending = std::move(rest);
}

void DiskModel::flush_everything() {
    for (const NameOperation& operation : x_pending) {
        for (const NameEdit& edit : operation.edits) set_name(edit.folder->names_durable, edit);
    }
    x_pending.clear();
    walk(x_root, "", [](const std::string&, const NodePtr& node) {
        node->base = node->now;
        node->changes.clear();
        node->mtime_durable_ns = node->mtime_ns;
        node->ctime_durable_ns = node->ctime_ns;
    });
}

DiskModel DiskModel::survivor(const PowerCut& cut) const {
    Dice dice(cut.seed);
    const bool all = cut.kind != PowerCut::Kind::drop_all && cut.kind != PowerCut::Kind::random;
    std::size_t prefix = all ? x_pending.size() : 0;
    if (cut.kind == PowerCut::Kind::random) prefix = dice.below(x_pending.size() + 1);

    std::map<const Node*, std::map<std::string, NodePtr>> names;
    const auto names_of = [&](const Node* folder) -> auto& {
        return names.try_emplace(folder, folder->names_durable).first->second;
    };
    for (std::size_t i = 0; i < x_pending.size(); ++i) {
        const bool any = cut.any_names && cut.kind == PowerCut::Kind::random;
        if (any ? dice.below(2) == 0 : i >= prefix) continue;
        for (const NameEdit& edit : x_pending[i].edits) set_name(names_of(edit.folder.get()), edit);
    }

    DiskModel after(x_options);
    after.x_next_number = x_next_number;
    std::map<const Node*, NodePtr> copies;
    const std::function<NodePtr(const Node*)> copy = [&](const Node* old) -> NodePtr {
        NodePtr& slot = copies[old];
        if (slot) {
            ++slot->links;
            return slot;
        }
        slot = std::make_shared<Node>();
        const NodePtr made = slot;
        const bool times_kept = all || (cut.kind == PowerCut::Kind::random && dice.below(2) == 0);
        made->number = old->number;
        made->kind = old->kind;
        made->mode = old->mode;
        made->btime_ns = old->btime_ns;
        made->mtime_ns = made->mtime_durable_ns =
            times_kept ? old->mtime_ns : old->mtime_durable_ns;
        made->ctime_ns = made->ctime_durable_ns =
            times_kept ? old->ctime_ns : old->ctime_durable_ns;
        made->links = 1;
        made->now = made->base = survive(*old, cut, dice);
        for (const auto& [name, child] : names_of(old)) made->names[name] = copy(child.get());
        made->names_durable = made->names;
        return made;
    };
    after.x_root = copy(x_root.get());
    if (x_options.reuse_inode_numbers) {
        for (std::uint64_t number = 2; number < x_next_number; ++number) {
            after.x_free_numbers.insert(number);
        }
        for (const auto& [old, made] : copies) after.x_free_numbers.erase(made->number);
    }
    return after;
}

std::string DiskModel::tree() const {
    std::string text;
    walk(x_root, "", [&](const std::string& path, const NodePtr& node) {
        text += path + "  #" + std::to_string(node->number);
        if (node->kind == FileKind::regular) {
            text += "  " + std::to_string(node->now.size()) + " bytes: " + escaped(node->now, 60);
        }
        text += '\n';
    });
    return text;
}

std::string DiskModel::unflushed() const {
    std::string text;
    for (const NameOperation& operation : x_pending) text += operation.text + '\n';
    walk(x_root, "", [&](const std::string& path, const NodePtr& node) {
        for (const Change& change : node->changes) {
            if (change.state == Change::State::flushed) continue;
            text += path + (change.truncation ? ": size " : ": write at ") +
                    std::to_string(change.offset);
            if (!change.truncation) text += " of " + std::to_string(change.bytes.size()) + " bytes";
            text += change.state == Change::State::lost ? ", lost by a failed flush\n" : "\n";
        }
    });
    return text;
}

}  // namespace taskstore::os
