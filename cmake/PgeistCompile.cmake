# Compile settings shared by every target, and pgeist_module(), which makes one library of one folder of src/.

add_library(pgeist_compile INTERFACE)
target_include_directories(pgeist_compile INTERFACE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/generated")
target_compile_options(pgeist_compile INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
    -Wno-restrict)  # GCC 12 warns falsely inside std::string (bug 105329)
if(PGEIST_WARNINGS_AS_ERRORS)
    target_compile_options(pgeist_compile INTERFACE -Werror)
else()
    # Optimised, GCC 12 warns falsely of more inside std::string (bug 105651). The builds that check have them on.
    target_compile_options(pgeist_compile INTERFACE -Wno-array-bounds -Wno-stringop-overflow)
endif()
if(PGEIST_SANITIZE)
    target_compile_options(pgeist_compile INTERFACE -fsanitize=${PGEIST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(pgeist_compile INTERFACE -fsanitize=${PGEIST_SANITIZE})
endif()

target_compile_definitions(pgeist_compile INTERFACE BOOST_ASIO_NO_DEPRECATED)

find_program(PGEIST_CCACHE ccache)
if(PGEIST_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # What ccache needs to work with precompiled headers (its manual, "Precompiled headers").
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        "${PGEIST_CCACHE}")
    target_compile_options(pgeist_compile INTERFACE -fpch-preprocess)
endif()

# Every module sees the same third-party headers, so that all can share one precompiled header: reading Asio and fmt again
# for each file would be more than half of the time of a build.
target_link_libraries(pgeist_compile INTERFACE fmt::fmt Boost::headers Threads::Threads)

# pgeist_module(NAME SOURCES a.cpp … DEPENDS other …): the library pgeist_NAME of src/NAME.
function(pgeist_module name)
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
    add_library(pgeist_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(pgeist_${name} PUBLIC pgeist_compile ${ARG_LINK})
    target_precompile_headers(pgeist_${name} REUSE_FROM pgeist_headers)
    foreach(dependency IN LISTS ARG_DEPENDS)
        target_link_libraries(pgeist_${name} PUBLIC pgeist_${dependency})
    endforeach()
endfunction()
