# taskstore_module(NAME <name> FLOOR <n> [DEPS <module>...] [INCLUDE <folder>] HEADERS <hpp>... SOURCES <cpp>...
#                  [PRIVATE_LIBS <target>...] [APART|PART] [SQL <file>...] [TESTS <cpp>...] [TEST_DEPS <module>...])
#
# Declares one module of the house: the static library taskstore_<name> (alias taskstore::<name>) built from
# the folder it is called in, and the test program <name>_test. Four guards keep the floors:
#   1. include roots are per module, so a header of an undeclared module is "no such file";
#   2. a DEPS entry on the same or a higher floor stops the configure step;
#   3. every public header is compiled alone (VERIFY_INTERFACE_HEADER_SETS);
#   4. <name>_link_test links the whole archive against its declared DEPS only.
# APART: installed, but no part of taskstore::taskstore. PART: goes into a loadable part, and is not installed itself.
# Sources are listed by hand: a file nobody lists is found by the house-rules test.
include_guard(GLOBAL)

function(taskstore_module)
  cmake_parse_arguments(M "APART;PART" "NAME;FLOOR;INCLUDE" "DEPS;HEADERS;SOURCES;PRIVATE_LIBS;TESTS;TEST_DEPS;TEST_LIBS" ${ARGN})
  if(M_UNPARSED_ARGUMENTS OR NOT M_NAME OR "${M_FLOOR}" STREQUAL "")
    message(FATAL_ERROR "taskstore_module: NAME and FLOOR are needed; not understood: '${M_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT M_INCLUDE)
    set(M_INCLUDE include)
  endif()
  set(target taskstore_${M_NAME})
  set_property(GLOBAL PROPERTY taskstore_floor_${M_NAME} ${M_FLOOR})
  if(M_PART)
    set_property(GLOBAL APPEND PROPERTY taskstore_parts ${M_NAME})
  elseif(M_APART)
    set_property(GLOBAL APPEND PROPERTY taskstore_apart ${M_NAME})
  else()
    set_property(GLOBAL APPEND PROPERTY taskstore_modules ${M_NAME})
  endif()

  add_library(${target} STATIC)
  add_library(taskstore::${M_NAME} ALIAS ${target})
  set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  target_sources(${target} PRIVATE ${M_SOURCES})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${M_INCLUDE} FILES ${M_HEADERS})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${M_NAME})
  target_compile_features(${target} PUBLIC cxx_std_20)
  if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Machine code beside the compiler's own: whoever links the installed archive may have another compiler.
    target_compile_options(${target} PRIVATE -ffat-lto-objects)
  endif()
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(dep IN LISTS M_DEPS)
    get_property(floor GLOBAL PROPERTY taskstore_floor_${dep})
    if("${floor}" STREQUAL "")
      message(FATAL_ERROR "module '${M_NAME}' depends on '${dep}', which is not declared before it: "
                          "check the name and the order in src/CMakeLists.txt")
    endif()
    if(NOT floor LESS M_FLOOR)
      message(FATAL_ERROR "module '${M_NAME}' (floor ${M_FLOOR}) may not depend on '${dep}' (floor ${floor}): "
                          "a module sees strictly lower floors only. Move the shared part down, or pass it in.")
    endif()
    target_link_libraries(${target} PUBLIC taskstore::${dep})
  endforeach()
  foreach(lib IN LISTS M_PRIVATE_LIBS)
    target_link_libraries(${target} PRIVATE ${lib})
  endforeach()

  if(NOT TASKSTORE_TESTS)
    return()
  endif()
  file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${M_NAME}_link_test.cpp CONTENT "int main() { return 0; }\n")
  add_executable(${M_NAME}_link_test ${CMAKE_CURRENT_BINARY_DIR}/${M_NAME}_link_test.cpp)
  taskstore_links_soon(${M_NAME}_link_test)
  target_link_libraries(${M_NAME}_link_test PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,${target}>")
  add_test(NAME ${M_NAME}_link COMMAND ${M_NAME}_link_test)
  set_tests_properties(${M_NAME}_link PROPERTIES LABELS quick)
  if(M_TESTS)
    taskstore_test(NAME ${M_NAME}_test SOURCES ${M_TESTS} DEPS ${M_NAME} ${M_TEST_DEPS} LIBS ${M_TEST_LIBS})
    target_include_directories(${M_NAME}_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
endfunction()

# taskstore_links_soon(<target>): a program that nobody installs takes the machine code out of the archives as it is, where
# the others are optimised once more as a whole: sixty tests link in seconds instead of twenty minutes.
function(taskstore_links_soon target)
  if(NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
  target_link_options(${target} PRIVATE -fno-lto -fno-use-linker-plugin)
  if(LLD_PROGRAM)
    target_link_options(${target} PRIVATE -fuse-ld=lld)
  endif()
endfunction()

# taskstore_test(NAME <name> SOURCES <cpp>... [DEPS <module>...] [LIBS <target>...] [LABELS <label>...] [TIMEOUT <s>])
# One GoogleTest program, run by ctest as one test per program. Label `quick` unless another is given.
function(taskstore_test)
  cmake_parse_arguments(T "" "NAME;TIMEOUT" "SOURCES;DEPS;LIBS;LABELS" ${ARGN})
  add_executable(${T_NAME} ${T_SOURCES})
  taskstore_links_soon(${T_NAME})
  foreach(dep IN LISTS T_DEPS)
    target_link_libraries(${T_NAME} PRIVATE taskstore::${dep})
  endforeach()
  target_link_libraries(${T_NAME} PRIVATE GTest::gmock GTest::gtest_main ${T_LIBS})
  add_test(NAME ${T_NAME} COMMAND ${T_NAME})
  if(NOT T_LABELS)
    set(T_LABELS quick)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 900)
  endif()
  # What may take longest begins first, so that it does not run alone in the end.
  set_tests_properties(${T_NAME} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} COST ${T_TIMEOUT})
endfunction()

# taskstore_program(<target> <page>...): a program that is installed, with the pages that it prints itself: man (by its
# command `manual`), bash, zsh, fish (by `completion <shell>`).
function(taskstore_program target)
  set_property(GLOBAL APPEND PROPERTY taskstore_programs ${target})
  set_property(GLOBAL PROPERTY taskstore_pages_${target} ${ARGN})
endfunction()
