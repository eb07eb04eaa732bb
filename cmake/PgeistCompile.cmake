# Compile settings shared by every target, and pgeist_module(), which makes one library of one folder of src/.

add_library(pgeist_compile INTERFACE)
target_include_directories(pgeist_compile INTERFACE "${PROJECT_BINARY_DIR}/generated")
target_compile_options(pgeist_compile INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
    -Wno-restrict)  # GCC 12 warns falsely inside std::string (bug 105329)
if(PGEIST_WARNINGS_AS_ERRORS)
    target_compile_options(pgeist_compile INTERFACE -Werror)
else()
    # Optimised, GCC 12 warns falsely of more inside std::string (bug 105651). The builds that check have them on.
    target_compile_options(pgeist_compile INTERFACE -Wno-array-bounds -Wno-stringop-overflow)
endif()
if(PGEIST_UNITY)
    # GCC takes what a unity file includes for headers, and the frame of a coroutine with a local lambda for something that
    # every user of the header would define anew. What one file calls something hides what another does.
    target_compile_options(pgeist_compile INTERFACE -Wno-subobject-linkage -Wno-shadow)
endif()
if(PGEIST_SANITIZE)
    # At a fixed address: what the sanitizers know of each check is some 180 MB of pointers, which each start would relocate.
    target_compile_options(pgeist_compile INTERFACE -fsanitize=${PGEIST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
        -fno-pie)
    target_link_options(pgeist_compile INTERFACE -fsanitize=${PGEIST_SANITIZE} -no-pie)
endif()

# Asio's own code is compiled once (src/asio.cpp), not in each file that uses it: a third less time a file.
target_compile_definitions(pgeist_compile INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION)

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

# The headers of one folder, for those who may include them: links in the build tree, since all of them are in one folder
# include/ of the source tree. Removed headers go with the next configuration.
file(REMOVE_RECURSE "${PROJECT_BINARY_DIR}/visible")
function(pgeist_show_headers name folder)
    set(place "${PROJECT_SOURCE_DIR}/include/pgeist/${folder}")
    set(visible "${PROJECT_BINARY_DIR}/visible/${name}")
    file(GLOB headers CONFIGURE_DEPENDS RELATIVE "${place}" "${place}/*.hpp")
    file(MAKE_DIRECTORY "${visible}/pgeist/${folder}")
    foreach(header IN LISTS headers)
        file(CREATE_LINK "${place}/${header}" "${visible}/pgeist/${folder}/${header}" SYMBOLIC)
    endforeach()
    target_include_directories(pgeist_${name} PUBLIC "${visible}")
endfunction()

# pgeist_module(NAME SOURCES a.cpp … DEPENDS other …): the library pgeist_NAME of this folder of src/. It sees its own
# headers and those of the libraries it depends on: an include that points upwards does not compile.
function(pgeist_module name)
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
    add_library(pgeist_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(pgeist_${name} PUBLIC pgeist_headers ${ARG_LINK})
    target_precompile_headers(pgeist_${name} REUSE_FROM pgeist_headers)
    set_target_properties(pgeist_${name} PROPERTIES UNITY_BUILD ${PGEIST_UNITY} UNITY_BUILD_BATCH_SIZE 8)
    file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}/src" "${CMAKE_CURRENT_SOURCE_DIR}")
    pgeist_show_headers(${name} "${folder}")
    foreach(dependency IN LISTS ARG_DEPENDS)
        target_link_libraries(pgeist_${name} PUBLIC pgeist_${dependency})
    endforeach()
endfunction()
