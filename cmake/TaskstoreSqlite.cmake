# Defines the target taskstore_sqlite3, the one way to reach SQLite's C API; only src/sql/sqlite links it.
# The static archive is preferred: a program that starts in a few milliseconds feels each shared library.
#   TASKSTORE_SQLITE_SOURCE  a folder with sqlite3.c and sqlite3.h (an amalgamation) to build instead of
#                            the installed library
#   TASKSTORE_SQLITE_SHARED  link the shared library even where the archive is there
include_guard(GLOBAL)
set(TASKSTORE_SQLITE_SOURCE "" CACHE PATH "Folder of a SQLite amalgamation; empty: the installed library")
option(TASKSTORE_SQLITE_SHARED "Link the installed shared libsqlite3" OFF)

find_package(Threads REQUIRED)
if(TASKSTORE_SQLITE_SOURCE)
  enable_language(C)
  add_library(taskstore_sqlite3 STATIC ${TASKSTORE_SQLITE_SOURCE}/sqlite3.c)
  target_include_directories(taskstore_sqlite3 SYSTEM PUBLIC ${TASKSTORE_SQLITE_SOURCE})
  target_compile_options(taskstore_sqlite3 PRIVATE -w)
  target_compile_definitions(taskstore_sqlite3 PRIVATE SQLITE_THREADSAFE=1 SQLITE_ENABLE_FTS5
                             SQLITE_ENABLE_MATH_FUNCTIONS SQLITE_ENABLE_DBSTAT_VTAB
                             SQLITE_OMIT_LOAD_EXTENSION)
  target_link_libraries(taskstore_sqlite3 PUBLIC Threads::Threads m)
else()
  find_path(TASKSTORE_SQLITE_INCLUDE sqlite3.h)
  if(NOT TASKSTORE_SQLITE_SHARED)
    find_library(TASKSTORE_SQLITE_ARCHIVE libsqlite3.a)
  endif()
  find_library(TASKSTORE_SQLITE_LIBRARY sqlite3)
  if(NOT TASKSTORE_SQLITE_INCLUDE OR NOT TASKSTORE_SQLITE_LIBRARY)
    message(FATAL_ERROR "SQLite is missing: install libsqlite3-dev (tools/setup does), or set "
                        "TASKSTORE_SQLITE_SOURCE to the folder of an amalgamation")
  endif()
  add_library(taskstore_sqlite3 INTERFACE IMPORTED GLOBAL)
  target_include_directories(taskstore_sqlite3 SYSTEM INTERFACE ${TASKSTORE_SQLITE_INCLUDE})
  if(TASKSTORE_SQLITE_ARCHIVE AND NOT TASKSTORE_SQLITE_SHARED)
    target_link_libraries(taskstore_sqlite3 INTERFACE ${TASKSTORE_SQLITE_ARCHIVE} Threads::Threads
                          ${CMAKE_DL_LIBS} m)
  else()
    target_link_libraries(taskstore_sqlite3 INTERFACE ${TASKSTORE_SQLITE_LIBRARY} Threads::Threads)
  endif()
endif()
