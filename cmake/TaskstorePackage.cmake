# `cpack` makes three Debian packages: taskstore (the programs), taskstore-drivers (PostgreSQL and libSQL) and
# libtaskstore-dev (the library).
include_guard(GLOBAL)
include(GNUInstallDirs)
find_package(Git QUIET)
set(TASKSTORE_MAINTAINER "taskstore developers <developers@taskstore.invalid>" CACHE STRING "Maintainer of the packages")

# The date of the packages is that of the sources.
set(packaged_at "Thu, 01 Jan 1970 00:00:00 +0000")
if(Git_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} log -1 --format=%cD WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                  OUTPUT_VARIABLE committed_at OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(committed_at MATCHES "^([A-Z][a-z][a-z]), ([0-9]) (.*)$")
    set(committed_at "${CMAKE_MATCH_1}, 0${CMAKE_MATCH_2} ${CMAKE_MATCH_3}")
  endif()
  if(committed_at)
    set(packaged_at "${committed_at}")
  endif()
endif()
file(WRITE ${CMAKE_BINARY_DIR}/package/changelog.Debian
     "taskstore (${PROJECT_VERSION}-1) unstable; urgency=medium\n\n  * Version ${PROJECT_VERSION}: changelog.gz says what is new.\n\n -- ${TASKSTORE_MAINTAINER}  ${packaged_at}\n")

foreach(pair IN ITEMS "program;taskstore" "drivers;taskstore-drivers" "library;libtaskstore-dev")
  list(GET pair 0 component)
  list(GET pair 1 package)
  set(folder ${CMAKE_INSTALL_DATADIR}/doc/${package})
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/copyright DESTINATION ${folder} COMPONENT ${component})
  install(FILES ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${folder} RENAME changelog COMPONENT ${component})
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/lintian/${package} DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides COMPONENT ${component})
  install(FILES ${CMAKE_BINARY_DIR}/package/changelog.Debian DESTINATION ${folder} COMPONENT ${component})
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME taskstore)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_PACKAGE_CONTACT "${TASKSTORE_MAINTAINER}")
set(CPACK_PACKAGE_CHECKSUM SHA256)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/stage.cmake)
set(CPACK_COMPONENTS_ALL program drivers library)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)

set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
    "plans that travel with git, kept durably
PRDs, task specs, executions, dependencies, workflows and other records in
append-only JSONL files that git brings together, with SQLite as a cache that
can be deleted at any moment. A success is told after the record is on disk.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME taskstore)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS git)

set(CPACK_COMPONENT_DRIVERS_DESCRIPTION
    "plans that travel with git, kept durably: drivers for database servers
Lets taskstore keep the state of a device on a PostgreSQL server or on a libSQL
server (Turso, sqld). Loaded when a database is named that needs them.")
set(CPACK_DEBIAN_DRIVERS_PACKAGE_NAME taskstore-drivers)
set(CPACK_DEBIAN_DRIVERS_PACKAGE_SECTION database)
set(CPACK_DEBIAN_DRIVERS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DRIVERS_PACKAGE_DEPENDS "taskstore (= ${PROJECT_VERSION}-1)")

set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
    "plans that travel with git, kept durably: the C++ library
Headers, archives, the CMake package and the pkg-config file of taskstore, for
programs that open stores by themselves, and what their tests need: temporary
stores, record factories, contract suites, servers that end with the test.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libtaskstore-dev)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS
    "libsqlite3-dev, libssl-dev, libsimdjson-dev, libxxhash-dev, libre2-dev, liblzma-dev, libzstd-dev, zlib1g-dev, libtomlplusplus-dev, libhowardhinnant-date-dev")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS "cmake, pkg-config, libgtest-dev, libgmock-dev")
include(CPack)
