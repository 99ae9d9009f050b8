# What `cmake --install` puts where: the program with its man page and completions (component program); headers, archives,
# the CMake package and the pkg-config file (component library). `cpack` makes a Debian package of each.
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
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/taskstoreConfig.cmake.in ${CMAKE_BINARY_DIR}/package/taskstoreConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/taskstoreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(${CMAKE_CURRENT_LIST_DIR}/taskstore.pc.in ${CMAKE_BINARY_DIR}/package/taskstore.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/taskstoreConfig.cmake ${CMAKE_BINARY_DIR}/package/taskstoreConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/TaskstoreLibraries.cmake ${CMAKE_CURRENT_LIST_DIR}/TaskstoreSqlite.cmake
        DESTINATION ${package_dir} COMPONENT library)
install(FILES ${CMAKE_BINARY_DIR}/package/taskstore.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)

# Made by the program itself, from its table of commands.
set(pages ${CMAKE_BINARY_DIR}/package)
set(made)
foreach(page IN ITEMS "taskstore.bash;completion bash" "_taskstore;completion zsh" "taskstore.fish;completion fish" "taskstore.1;manual")
  list(POP_FRONT page file words)
  separate_arguments(words)
  add_custom_command(OUTPUT ${pages}/${file} COMMAND taskstore ${words} > ${pages}/${file} DEPENDS taskstore VERBATIM)
  list(APPEND made ${pages}/${file})
endforeach()
add_custom_target(taskstore_pages ALL DEPENDS ${made})
install(TARGETS taskstore RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(FILES ${pages}/taskstore.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
install(FILES ${pages}/taskstore.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME taskstore COMPONENT program)
install(FILES ${pages}/_taskstore DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT program)
install(FILES ${pages}/taskstore.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/taskstore RENAME copyright COMPONENT program)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME taskstore)
set(CPACK_PACKAGE_CONTACT "the taskstore authors <taskstore@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL program library)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME taskstore)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "${PROJECT_DESCRIPTION}: the program")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libtaskstore-dev)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "${PROJECT_DESCRIPTION}: headers and archives")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS "libsqlite3-dev, libssl-dev, libsimdjson-dev, libxxhash-dev, libre2-dev, liblzma-dev, libzstd-dev, zlib1g-dev, libtomlplusplus-dev")
include(CPack)
