# What `cmake --install` puts where: the program with its man page and completions (component program); headers, archives,
# the CMake package and the pkg-config file (component library). TaskstorePackage makes Debian packages of them.
include_guard(GLOBAL)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(modules GLOBAL PROPERTY taskstore_modules)
set(targets)
set(archives "")
foreach(module IN LISTS modules)
  list(APPEND targets taskstore_${module})
  string(PREPEND archives "-ltaskstore_${module} ")
endforeach()
# One name for all of it: target_link_libraries(app taskstore::taskstore).
add_library(taskstore_all INTERFACE)
set_target_properties(taskstore_all PROPERTIES EXPORT_NAME taskstore)
target_link_libraries(taskstore_all INTERFACE ${targets})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/taskstore)
install(TARGETS ${targets} taskstore_all EXPORT taskstore COMPONENT library
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT taskstore NAMESPACE taskstore:: FILE taskstoreTargets.cmake DESTINATION ${package_dir} COMPONENT library)

# What tests of others need: the CMake package's components `testing` and `contracts`, each with a file of targets.
get_property(apart GLOBAL PROPERTY taskstore_apart)
list(TRANSFORM apart PREPEND taskstore_)
install(TARGETS ${apart} EXPORT taskstore_testing COMPONENT library
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT taskstore_testing NAMESPACE taskstore:: FILE taskstoreTesting.cmake DESTINATION ${package_dir} COMPONENT library)
get_property(contracts GLOBAL PROPERTY taskstore_contracts)
if(contracts)
  install(TARGETS ${contracts} EXPORT taskstore_contracts COMPONENT library
          OBJECTS DESTINATION ${CMAKE_INSTALL_LIBDIR}/taskstore FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT taskstore_contracts NAMESPACE taskstore:: FILE taskstoreContracts.cmake DESTINATION ${package_dir} COMPONENT library)
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/taskstoreConfig.cmake.in ${CMAKE_BINARY_DIR}/package/taskstoreConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/taskstoreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(${CMAKE_CURRENT_LIST_DIR}/taskstore.pc.in ${CMAKE_BINARY_DIR}/package/taskstore.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/taskstoreConfig.cmake ${CMAKE_BINARY_DIR}/package/taskstoreConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/TaskstoreLibraries.cmake ${CMAKE_CURRENT_LIST_DIR}/TaskstoreSqlite.cmake
        DESTINATION ${package_dir} COMPONENT library)
install(FILES ${CMAKE_BINARY_DIR}/package/taskstore.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)

# The programs, each with the pages that it prints itself from its table of commands: `manual`, `completion SHELL`.
set(pages ${CMAKE_BINARY_DIR}/package)
set(place_man ${CMAKE_INSTALL_MANDIR}/man1)
set(place_bash ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
set(place_zsh ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
set(place_fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
get_property(programs GLOBAL PROPERTY taskstore_programs)
set(made)
foreach(program IN LISTS programs)
  set(name_man ${program}.1)
  set(name_bash ${program})
  set(name_zsh _${program})
  set(name_fish ${program}.fish)
  install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  get_property(kinds GLOBAL PROPERTY taskstore_pages_${program})
  foreach(kind IN LISTS kinds)
    set(words completion ${kind})
    if(kind STREQUAL man)
      set(words manual)
    endif()
    set(page ${pages}/${kind}/${name_${kind}})
    file(MAKE_DIRECTORY ${pages}/${kind})
    add_custom_command(OUTPUT ${page} COMMAND ${program} ${words} > ${page} DEPENDS ${program} VERBATIM)
    list(APPEND made ${page})
    install(FILES ${page} DESTINATION ${place_${kind}} COMPONENT program)
  endforeach()
endforeach()
add_custom_target(taskstore_pages ALL DEPENDS ${made})
