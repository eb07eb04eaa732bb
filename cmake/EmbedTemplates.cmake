# Writes one header with every *.sql template of a folder as a string constant named after its file.
# Usage: cmake -DINPUT_DIR=… -DOUTPUT=… -P EmbedTemplates.cmake
file(GLOB templates "${INPUT_DIR}/*.sql")
list(SORT templates)
set(text "#pragma once\n\n#include <string_view>\n\n/// The SQL templates of triggers/, embedded at build time.\nnamespace pgeist::templates {\n\n")
foreach(template IN LISTS templates)
    get_filename_component(name "${template}" NAME_WE)
    file(READ "${template}" sql)
    string(APPEND text "inline constexpr std::string_view ${name} = R\"pgeist(${sql})pgeist\";\n\n")
endforeach()
string(APPEND text "}  // namespace pgeist::templates\n")
file(WRITE "${OUTPUT}.new" "${text}")
file(COPY_FILE "${OUTPUT}.new" "${OUTPUT}" ONLY_IF_DIFFERENT)
file(REMOVE "${OUTPUT}.new")
