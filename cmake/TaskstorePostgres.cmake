# Defines the target taskstore_pq, the one way to reach libpq; only src/sql/postgres links it. Shared: only who opens a
# PostgreSQL database pays for it and for what it brings in (TLS, Kerberos, LDAP).
include_guard(GLOBAL)
find_package(Threads REQUIRED)
find_path(TASKSTORE_PQ_INCLUDE libpq-fe.h PATH_SUFFIXES postgresql)
find_library(TASKSTORE_PQ_LIBRARY pq)
if(NOT TASKSTORE_PQ_INCLUDE OR NOT TASKSTORE_PQ_LIBRARY)
  message(FATAL_ERROR "libpq is missing: install libpq-dev (tools/setup does), or set TASKSTORE_WITH_POSTGRES=OFF")
endif()
add_library(taskstore_pq INTERFACE IMPORTED GLOBAL)
target_include_directories(taskstore_pq SYSTEM INTERFACE ${TASKSTORE_PQ_INCLUDE})
target_link_libraries(taskstore_pq INTERFACE ${TASKSTORE_PQ_LIBRARY} Threads::Threads)
