#pragma once
// A temporary folder of one test; removed at its end.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace taskstore::os {

class TestFolder {
  public:
    TestFolder() {
        const char* base = std::getenv("TMPDIR");
        x_path = std::string(base == nullptr ? "/tmp" : base) + "/taskstore-os-XXXXXX";
        if (::mkdtemp(x_path.data()) == nullptr) ADD_FAILURE() << "cannot make " << x_path;
    }
    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;
    ~TestFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(x_path, ignored);
    }
    const std::string& path() const { return x_path; }
    std::string operator/(const std::string& name) const { return x_path + "/" + name; }

  private:
    std::string x_path;
};

}  // namespace taskstore::os
