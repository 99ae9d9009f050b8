#pragma once
// A store of one test (floor 7): real files in a temporary folder, or a disk that the test gives;
// a clock that stands still; ids that follow from a seed.
//
//   TemporaryStore store;
//   my_function_under_test(store.store());
//   store.clock().advance_ms(1000);
//   store.reopen();                      // what another process would see

#include <taskstore/taskstore.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <memory>
#include <string>

namespace taskstore::os {
class FileSystem;
}

namespace taskstore {

struct TemporaryStoreOptions {
    std::string actor = "tester";
    std::uint64_t seed = 1;  ///< Of ids. Print it where a test draws it.
    /// Where the store lives instead of the system's files, such as a FaultFileSystem (see
    /// os/fault_file_system.hpp); it must outlive the store. What stands there is opened.
    os::FileSystem* disk = nullptr;
};

/// Thread-safe as Store is, but for reopen(). A store that cannot be made ends the program, with
/// the reason.
class TemporaryStore {
  public:
    explicit TemporaryStore(const TemporaryStoreOptions& options = {});
    TemporaryStore(const TemporaryStore&) = delete;
    TemporaryStore& operator=(const TemporaryStore&) = delete;
    ~TemporaryStore();

    Store& store();
    records::Plan& plan() { return store().plan(); }
    template <records::Declared T>
    records::Collection<T> collection() {
        return store().template collection<T>();
    }
    FakeClock& clock();
    Random& random();
    os::FileSystem& files();
    /// The folder that holds .taskstore.
    const std::string& root() const;
    /// Closes and opens it; what it handed out before is gone.
    void reopen();

  private:
    class Opened;
    std::unique_ptr<Opened> x_opened;
};

}  // namespace taskstore
