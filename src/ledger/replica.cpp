#include <taskstore/base/json.hpp>
#include <taskstore/ledger/replica.hpp>

#include <algorithm>
#include <limits>

namespace taskstore::ledger {
namespace {

constexpr std::size_t kBytes = 256;  // of the file, but where a path is very long

}  // namespace

std::string Replica::text() const {
    std::string out;
    JsonWriter(out)
        .begin_object()
        .key("v")
        .integer(1)
        .key("replica")
        .string(x_hlc->replica())
        .key("last")
        .string(to_text(x_hlc->last()))
        .key("home")
        .string(x_home)
        .end_object();
    // One size whatever it holds, so that a rewrite in place never leaves an old end behind.
    if (out.size() < kBytes - 1) out.append(kBytes - 1 - out.size(), ' ');
    return out + '\n';
}

bool Replica::is_ours(const Json& saved) const {
    return saved.get("home").as_string() == x_home;
}

void Replica::catch_up() {
    if (x_file) {
        const auto ours = x_file->info();
        const auto there = x_files.info(x_path);
        if (!ours || !there || ours->identity.inode != there->identity.inode) x_file.reset();
    }
    if (!x_file) {
        auto opened = x_files.open(x_path, os::OpenMode::create);
        if (!opened) return;
        x_file = std::move(*opened);
    }
    std::string saved(std::max(x_saved.size(), 2 * kBytes), '\0');
    const std::size_t wanted = x_saved.empty() ? saved.size() : x_saved.size();
    auto got = x_file->read_at(0, saved.data(), wanted);
    if (!got) return;
    if (*got == x_saved.size() && saved.starts_with(x_saved)) return;
    if (wanted < saved.size()) got = x_file->read_at(0, saved.data(), saved.size());
    if (!got) return;
    saved.resize(*got);
    x_saved = saved;
    const auto json = Json::parse(saved);
    if (!json || !is_ours(*json) || json->get("replica").as_string() != id()) return;
    const auto last = parse_stamp(json->get("last").as_string().value_or(""));
    // Our own stamps count however far the clock has been ahead.
    if (last) x_hlc->observe(*last, std::numeric_limits<std::int64_t>::max() / 4);
}

Result<std::unique_ptr<Replica>> Replica::open(os::FileSystem& files, const Clock& clock,
                                               Random& random, const std::string& ledger_folder,
                                               std::string path) {
    std::unique_ptr<Replica> replica(new Replica(files, std::move(path)));
    TASKSTORE_LET(const os::FileInfo folder, files.info(ledger_folder));
    const auto machine = os::read_file(files, "/etc/machine-id", 4096);
    replica->x_home = (machine ? machine->substr(0, machine->find('\n')) : std::string("unknown")) +
                      ":" + std::to_string(folder.identity.device) + ":" +
                      std::to_string(folder.identity.inode);
    ReplicaId id;
    Stamp last;
    if (const auto saved = os::read_file(files, replica->x_path, 65536)) {
        const auto json = Json::parse(*saved);
        if (json && replica->is_ours(*json)) {
            id = json->get("replica").as_string().value_or("");
            if (auto stamp = parse_stamp(json->get("last").as_string().value_or(""))) last = *stamp;
            if (!parse_stamp("1@" + id)) id.clear();
        }
    }
    const bool minted = id.empty();
    if (minted) id = make_replica_id(random);
    replica->x_hlc = std::make_unique<Hlc>(clock, id, minted ? Stamp{} : last);
    if (minted && os::make_directories(files, os::folder_of(replica->x_path))) {
        // A place that cannot be written is no error (I9): the id lives as long as this process.
        (void)os::replace_file(files, replica->x_path, replica->text()).has_value();
    }
    return replica;
}

Status Replica::save() {
    if (!x_file) {
        TASKSTORE_LET(x_file, x_files.open(x_path, os::OpenMode::create));
    }
    x_saved = text();
    return x_file->write_at(0, x_saved);
}

}  // namespace taskstore::ledger
