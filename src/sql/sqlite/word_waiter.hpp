#pragma once
#include <taskstore/base/clock.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/os/wake.hpp>
#include <taskstore/sql/database.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace taskstore::sqlite {

/// The word of the database at `path`. Beside it, so that whoever opens the same file meets there.
/// A disk in memory has one process, and its words are in memory too.
Result<std::shared_ptr<os::WakeWord>> open_word(os::FileSystem& files, const std::string& path,
                                                std::string_view topic);

/// Wakes when the word changes, and by itself now and then: a file may be copied or made anew.
std::unique_ptr<sql::Waiter> wait_on(std::shared_ptr<os::WakeWord> word, const Clock& clock);

}  // namespace taskstore::sqlite
