#include <taskstore/base/check.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <cstdlib>
#include <filesystem>

namespace taskstore {

TemporaryFolder::TemporaryFolder() {
    x_path = (std::filesystem::temp_directory_path() / "taskstore-XXXXXX").string();
    TASKSTORE_CHECK(::mkdtemp(x_path.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(x_path, ignored);
}

}  // namespace taskstore
