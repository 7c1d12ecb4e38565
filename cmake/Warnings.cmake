# The warnings that every translation unit of the project must be free of, with gcc and clang.
add_compile_options(
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wformat=2
    -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wwrite-strings -Wcast-qual
    -Wpointer-arith -Wswitch-enum -Wnull-dereference -Wimplicit-fallthrough -Werror)
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
    # cmocka, Jansson and SQLite headers are clean; clang alone warns of enum tables it can see whole.
    add_compile_options(-Wno-gnu-zero-variadic-macro-arguments)
endif()

add_compile_definitions(_GNU_SOURCE)
set(CMAKE_C_FLAGS_RELEASE "-O3 -g -ffp-contract=fast -fno-math-errno -D_FORTIFY_SOURCE=2 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -ffp-contract=fast -fno-math-errno -fno-omit-frame-pointer")
add_compile_options(-fstack-protector-strong -fvisibility=hidden)
add_link_options(-Wl,-z,relro,-z,now -Wl,--as-needed)
