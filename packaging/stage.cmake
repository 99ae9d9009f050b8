# Run by cpack between staging and packing: what a Debian package has and a plain `cmake --install` has not: pages and
# changelogs packed with gzip, without a time in them, so that equal trees make equal packages.
file(GLOB pages ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/man1/*.1)
file(GLOB changelogs ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*/changelog ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*/changelog.Debian)
foreach(page IN LISTS pages changelogs)
  execute_process(COMMAND gzip --best --no-name --force ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
# Sections for link-time optimisation bind an archive to one release of one compiler; the machine code beside them does not.
file(GLOB_RECURSE archives ${CPACK_TEMPORARY_DIRECTORY}/library/usr/*.a ${CPACK_TEMPORARY_DIRECTORY}/library/usr/*.o)
foreach(archive IN LISTS archives)
  execute_process(COMMAND strip --strip-debug --remove-section=.comment --remove-section=.note --wildcard
                          --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_* --strip-symbol=__gnu_lto_v1 ${archive}
                  COMMAND_ERROR_IS_FATAL ANY)
endforeach()
