# embed_files(TARGET NAME [BASE folder] files...): files as constant arrays in TARGET.
#
# Makes NAME.c and NAME.h in the build tree, adds the first to TARGET and the folder of the
# second to its includes. The sources then say
#
#     #include "NAME.h"
#     for (size_t i = 0; i < NAME_count; i++)
#         use(NAME[i].name, NAME[i].bytes, NAME[i].length);
#
# The order is that of the arguments. A file's `name` is its path relative to BASE (default:
# its last component). `bytes` is followed by a NUL that `length` does not count, so that a
# text can be used as a string. A changed file is embedded again by the next build.
#
# This file is also the script that the build runs: cmake -DNAME=… -DOUTPUT=… -DBASE=…
# -DFILES=a|b|c -P EmbedFiles.cmake.

function(embed_files target name)
    cmake_parse_arguments(ARG "" "BASE" "" ${ARGN})
    set(folder "${CMAKE_BINARY_DIR}/embedded/${target}")
    set(files "")
    foreach(file IN LISTS ARG_UNPARSED_ARGUMENTS)
        get_filename_component(file "${file}" ABSOLUTE)
        list(APPEND files "${file}")
    endforeach()
    if(ARG_BASE)
        get_filename_component(ARG_BASE "${ARG_BASE}" ABSOLUTE)
    endif()
    list(JOIN files "|" joined)
    add_custom_command(
        OUTPUT "${folder}/${name}.c" "${folder}/${name}.h"
        COMMAND "${CMAKE_COMMAND}" "-DNAME=${name}" "-DOUTPUT=${folder}" "-DBASE=${ARG_BASE}"
                "-DFILES=${joined}" -P "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
        DEPENDS ${files} "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
        COMMENT "Embedding ${name}" VERBATIM)
    target_sources(${target} PRIVATE "${folder}/${name}.c" "${folder}/${name}.h")
    target_include_directories(${target} PRIVATE "${folder}")
endfunction()

# ret_text: the bytes of `file` as C initialisers, 16 a line, with a closing NUL.
function(embed_bytes file ret_text)
    file(READ "${file}" bytes HEX)
    string(REPEAT "[0-9a-f]" 32 line)
    string(REGEX REPLACE "(${line})" "\\1\n    " bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    set(${ret_text} "${bytes}0x00" PARENT_SCOPE)
endfunction()

function(embed_write_header)
    file(WRITE "${OUTPUT}/${NAME}.h" "/* Made by cmake/EmbedFiles.cmake. */
#ifndef BACKPROP_EMBEDDED_${NAME}
#define BACKPROP_EMBEDDED_${NAME}

#include <stddef.h>

#ifndef BACKPROP_EMBEDDED_FILE
#define BACKPROP_EMBEDDED_FILE
struct embedded_file {
    const char *name;
    const unsigned char *bytes; /* a NUL follows */
    size_t length;
};
#endif

extern const struct embedded_file ${NAME}[];
extern const size_t ${NAME}_count;

#endif
")
endfunction()

function(embed_write_source)
    set(arrays "")
    set(table "")
    set(count 0)
    string(REPLACE "|" ";" files "${FILES}")
    foreach(file IN LISTS files)
        if(BASE)
            file(RELATIVE_PATH label "${BASE}" "${file}")
        else()
            get_filename_component(label "${file}" NAME)
        endif()
        if(label MATCHES "[\"\\\\]")
            message(FATAL_ERROR "a file with this name cannot be embedded: ${label}")
        endif()
        file(SIZE "${file}" length)
        embed_bytes("${file}" bytes)
        string(APPEND arrays
               "static const unsigned char file_${count}[] = {\n    ${bytes}\n};\n\n")
        string(APPEND table "    {\"${label}\", file_${count}, ${length}},\n")
        math(EXPR count "${count} + 1")
    endforeach()
    file(WRITE "${OUTPUT}/${NAME}.c" "/* Made by cmake/EmbedFiles.cmake. */
#include \"${NAME}.h\"

${arrays}const struct embedded_file ${NAME}[] = {
${table}};

const size_t ${NAME}_count = ${count};
")
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
    embed_write_header()
    embed_write_source()
endif()
