#pragma once
// Who this ledger folder is (floor 3): the replica id and its last stamp, kept outside the tree
// that git tracks.

#include <taskstore/base/json.hpp>
#include <taskstore/base/stamp.hpp>
#include <taskstore/os/file_system.hpp>

#include <memory>

namespace taskstore::ledger {

/// Reads, mints and saves the identity of one ledger folder. Hold the ledger's lock for catch_up()
/// and save().
class Replica {
  public:
    /// `path`: a file in the git folder of the work tree (or, without git, in the store's run
    /// folder). Minted anew when it is absent, or when the folder's inode, device or the machine is
    /// another than it says (a copy). A read-only place is not an error: the id then lives as long
    /// as the process.
    static Result<std::unique_ptr<Replica>> open(os::FileSystem& files, const Clock& clock,
                                                 Random& random, const std::string& ledger_folder,
                                                 std::string path);
    Hlc& clock() { return *x_hlc; }
    const std::string& id() const { return x_hlc->replica(); }
    /// Moves the clock past what other processes of this replica have stamped since. Before ticks.
    void catch_up();
    /// Writes the last stamp, without a flush: stamps in the ledger itself carry it over a power
    /// cut, the file carries it over a switch of branches.
    Status save();

  private:
    Replica(os::FileSystem& files, std::string path) : x_files(files), x_path(std::move(path)) {}
    std::string text() const;
    bool is_ours(const Json& saved) const;
    os::FileSystem& x_files;
    std::string x_path;
    std::string x_home;   ///< machine, device and inode of the folder
    std::string x_saved;  ///< What the file held when it was last read or written.
    std::unique_ptr<Hlc> x_hlc;
    std::unique_ptr<os::File> x_file;
};

}  // namespace taskstore::ledger
