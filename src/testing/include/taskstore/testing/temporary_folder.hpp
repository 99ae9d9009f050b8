#pragma once
// A folder of one test (floor 2).

#include <string>

namespace taskstore {

/// An empty folder of its own under $TMPDIR, else /tmp; removed with all that is in it. A folder
/// that cannot be made ends the program.
class TemporaryFolder {
  public:
    TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();
    /// Absolute.
    const std::string& path() const { return x_path; }
    std::string operator/(const std::string& name) const { return x_path + "/" + name; }

  private:
    std::string x_path;
};

}  // namespace taskstore
