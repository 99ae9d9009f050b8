#include <taskstore/base/json.hpp>
#include <taskstore/ledger/replica.hpp>

namespace taskstore::ledger {

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
    if (out.size() < 255) out.append(255 - out.size(), ' ');
    return out + '\n';
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
        if (json && json->get("home").as_string() == replica->x_home) {
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
    return x_file->write_at(0, text());
}

}  // namespace taskstore::ledger
