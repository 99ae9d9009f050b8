# Run by taskstore_embed_sql: writes OUT, a header with one string constant per file of FILES.
set(text "// Generated from .sql files at build time; edit those.\n#pragma once\n#include <string_view>\n\nnamespace ${NAMESPACE} {\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} sql)
  string(APPEND text "inline constexpr std::string_view ${name} = R\"sql(${sql})sql\";\n")
endforeach()
string(APPEND text "}  // namespace ${NAMESPACE}\n")
file(WRITE ${OUT} "${text}")
