#pragma once
// The contract of os::FileSystem (floor 3) as tests that run on every implementation. Its test
// program links taskstore::file_system_contract, includes this header and instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, FileSystemContract, testing::Values(make_mine));

#include <taskstore/os/file_system.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace taskstore::os {

/// An implementation, and the empty folder that the tests work in: it is there in `files`, under
/// the path that it has on the system.
struct FileSystemSubject {
    std::unique_ptr<TemporaryFolder> folder = std::make_unique<TemporaryFolder>();
    std::unique_ptr<FileSystem> files = {};
};

class FileSystemContract : public testing::TestWithParam<FileSystemSubject (*)()> {
  protected:
    FileSystemContract() : x_subject(GetParam()()), x_files(*x_subject.files) {}
    std::string at(const std::string& name) const { return *x_subject.folder / name; }
    std::unique_ptr<File> make(const std::string& name, std::string_view content = {});
    /// Or the error's message.
    std::string content_of(const std::string& name);

    FileSystemSubject x_subject;
    FileSystem& x_files;
};

}  // namespace taskstore::os
