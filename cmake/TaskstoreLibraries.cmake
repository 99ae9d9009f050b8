# Third-party libraries, found once. Static archives where Debian ships them: the programs start faster (no
# relocation of libcrypto) and work after a plain copy.
include_guard(GLOBAL)
find_package(Threads REQUIRED)

# taskstore_library(<target> <header> <archive-name>...): an imported target for a library found by name.
function(taskstore_library target header)
  find_path(${target}_INCLUDE ${header} REQUIRED)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} SYSTEM INTERFACE ${${target}_INCLUDE})
  foreach(name IN LISTS ARGN)
    find_library(${target}_${name} NAMES lib${name}.a ${name} REQUIRED)
    target_link_libraries(${target} INTERFACE ${${target}_${name}})
  endforeach()
endfunction()

taskstore_library(ext_crypto openssl/evp.h crypto)
target_link_libraries(ext_crypto INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
taskstore_library(ext_simdjson simdjson.h simdjson)
taskstore_library(ext_xxhash xxhash.h xxhash)
taskstore_library(ext_toml toml++/toml.h)
taskstore_library(ext_re2 re2/re2.h re2)
target_link_libraries(ext_re2 INTERFACE Threads::Threads)
taskstore_library(ext_lzma lzma.h lzma)
target_link_libraries(ext_lzma INTERFACE Threads::Threads)
taskstore_library(ext_zstd zstd.h zstd)
taskstore_library(ext_zlib zlib.h z)
# Shared alone in Debian. It reads the system's tz database, which the header has to be told.
taskstore_library(ext_date_tz date/tz.h date-tz)
target_compile_definitions(ext_date_tz INTERFACE USE_OS_TZDB=1 ONLY_C_LOCALE=1 HAS_STRING_VIEW=1)
