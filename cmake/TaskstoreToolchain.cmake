# Compiler flags, caches and linkers, in one place. Warnings are errors; ccache and lld where present.
include_guard(GLOBAL)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
                    -Woverloaded-virtual -Wno-missing-field-initializers -Wold-style-cast -Wextra-semi -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside libstdc++ and variant code that is right (GCC bugs 105329, 105562, 107852).
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds
                      -Wno-stringop-overread)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# Not mold 1.x (Debian 12 has 1.10): it may start PT_GNU_RELRO one page below the segment it protects, and the loader then
# refuses the program ("cannot apply additional memory protection after relocation"). LTO stays with the compiler's own linker.
find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  add_link_options(-fuse-ld=lld)
endif()

if(TASKSTORE_SANITIZE)
  string(REPLACE "," ";" sanitizers "${TASKSTORE_SANITIZE}")
  foreach(sanitizer IN LISTS sanitizers)
    add_compile_options(-fsanitize=${sanitizer})
    add_link_options(-fsanitize=${sanitizer})
  endforeach()
  add_compile_options(-fno-omit-frame-pointer -fno-sanitize-recover=all)
endif()

if(TASKSTORE_FUZZ)
  # The libraries too: a fuzzer that sees no branches of a parser gropes in the dark.
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
