# backprop_module(NAME SOURCES ... USES ...): one static library a folder of src/.
#
# A folder includes its own headers as "x.h" and another folder's as "folder/x.h". That
# works only for the folders named in USES: every folder has a private include root in the
# build tree which holds links to just those, so that a forbidden arrow does not compile.
function(backprop_include_root target root)
    file(MAKE_DIRECTORY "${root}")
    foreach(folder IN LISTS ARGN)
        set(source "${CMAKE_SOURCE_DIR}/src/${folder}")
        if(NOT EXISTS "${source}")
            set(source "${CMAKE_SOURCE_DIR}/src/server/${folder}")
        endif()
        file(CREATE_LINK "${source}" "${root}/${folder}" SYMBOLIC)
    endforeach()
    target_include_directories(${target} PRIVATE "${root}")
endfunction()

function(backprop_module name)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    backprop_include_root(${name} "${CMAKE_BINARY_DIR}/include/${name}" ${ARG_USES})
    target_link_libraries(${name} PRIVATE ${ARG_USES} ${ARG_LIBRARIES})
endfunction()

# backprop_program(NAME OUTPUT file SOURCES ... USES ...): an executable in bin/.
function(backprop_program name)
    cmake_parse_arguments(ARG "" "OUTPUT" "SOURCES;USES;LIBRARIES" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    set_target_properties(${name} PROPERTIES OUTPUT_NAME ${ARG_OUTPUT})
    backprop_include_root(${name} "${CMAKE_BINARY_DIR}/include/${name}" ${ARG_USES})
    target_link_libraries(${name} PRIVATE ${ARG_USES} ${ARG_LIBRARIES})
endfunction()
