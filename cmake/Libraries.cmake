# The outside libraries, each an imported target, so that a folder must name what it uses.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.37)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls>=3.6.3)
pkg_check_modules(NETTLE REQUIRED IMPORTED_TARGET nettle)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.5)
if(BUILD_TESTING)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

# The pthread build of OpenBLAS: parallelism is over the batch, each slice calls a
# single-threaded product (see docs/ARCHITECTURE.md).
find_library(OPENBLAS_LIBRARY NAMES openblas
             HINTS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-pthread REQUIRED)
find_path(OPENBLAS_INCLUDE_DIR NAMES cblas.h
          HINTS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-pthread
                /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} REQUIRED)
add_library(openblas INTERFACE IMPORTED)
target_link_libraries(openblas INTERFACE "${OPENBLAS_LIBRARY}")
target_include_directories(openblas SYSTEM INTERFACE "${OPENBLAS_INCLUDE_DIR}")
