# Compile settings shared by every target, and pgeist_module(), which makes one library of one folder of src/.

add_library(pgeist_compile INTERFACE)
target_include_directories(pgeist_compile INTERFACE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/generated")
target_compile_options(pgeist_compile INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
    -Wno-restrict)  # GCC 12 warns falsely inside std::string (bug 105329)
if(PGEIST_WARNINGS_AS_ERRORS)
    target_compile_options(pgeist_compile INTERFACE -Werror)
endif()
if(PGEIST_SANITIZE)
    target_compile_options(pgeist_compile INTERFACE -fsanitize=${PGEIST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(pgeist_compile INTERFACE -fsanitize=${PGEIST_SANITIZE})
endif()

target_compile_definitions(pgeist_compile INTERFACE BOOST_ASIO_NO_DEPRECATED)

find_program(PGEIST_CCACHE ccache)
if(PGEIST_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${PGEIST_CCACHE}")
endif()

# pgeist_module(NAME SOURCES a.cpp … DEPENDS other …): the library pgeist_NAME of src/NAME.
function(pgeist_module name)
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
    add_library(pgeist_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(pgeist_${name} PUBLIC pgeist_compile ${ARG_LINK})
    foreach(dependency IN LISTS ARG_DEPENDS)
        target_link_libraries(pgeist_${name} PUBLIC pgeist_${dependency})
    endforeach()
endfunction()
