#pragma once
// Copies of databases in files of SQLite (floor 3; composition roots name it).

#include <taskstore/sql/part.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <memory>
#include <string>

namespace taskstore::sqlite {

/// Over the empty file `path`, whose name may go as soon as this returns; see sql::CopyFile.
/// Nothing is ever made beside it. What it holds is not flushed. copy_from() is SQLite's online
/// backup (https://sqlite.org/c3ref/backup_finish.html). `driver` must outlive it and what it
/// gives. failed, with a hint: the disk is full.
Result<std::unique_ptr<sql::CopyFile>> begin_copy(Driver& driver, const std::string& path);

}  // namespace taskstore::sqlite
