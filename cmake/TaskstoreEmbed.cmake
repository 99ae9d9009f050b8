# taskstore_embed_sql(<target> <header-name> <namespace> FILES <sql>...)
# Embeds named .sql files as constexpr std::string_view constants: records/sql/sqlite/get_row.sql becomes
# <namespace>::get_row. The leading comment of each file, which names the index it relies on, stays in the text.
include_guard(GLOBAL)
set(TASKSTORE_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_sql.cmake)

function(taskstore_embed_sql target header namespace)
  cmake_parse_arguments(E "" "" "FILES" ${ARGN})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded/${header})
  set(inputs)
  foreach(file IN LISTS E_FILES)
    list(APPEND inputs ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAMESPACE=${namespace} "-DFILES=${inputs}" -P ${TASKSTORE_EMBED_SCRIPT}
    DEPENDS ${inputs} ${TASKSTORE_EMBED_SCRIPT}
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/embedded)
endfunction()
