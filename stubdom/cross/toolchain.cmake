# CMake: `cmake -DCMAKE_TOOLCHAIN_FILE=/sysroot/share/toolchain.cmake`. Finds the tools from its own place.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)

get_filename_component(STUBDOM_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(STUBDOM_TOOL "${STUBDOM_SYSROOT}/bin/x86_64-stubdom-linux-musl-")
set(CMAKE_C_COMPILER "${STUBDOM_TOOL}gcc")
# Says that there is none, where a project does not say that it is written in C alone.
set(CMAKE_CXX_COMPILER "${STUBDOM_TOOL}g++")
set(CMAKE_AR "${STUBDOM_TOOL}ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${STUBDOM_TOOL}ranlib" CACHE FILEPATH "")
set(CMAKE_STRIP "${STUBDOM_TOOL}strip" CACHE FILEPATH "")
set(PKG_CONFIG_EXECUTABLE "${STUBDOM_TOOL}pkg-config" CACHE FILEPATH "")

# Programs are the machine's, all else the sysroot's.
set(CMAKE_FIND_ROOT_PATH "${STUBDOM_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# A library of which a project does not say what it is becomes an archive; one that is to be shared is refused by the compiler.
set(BUILD_SHARED_LIBS OFF CACHE BOOL "")
set(CMAKE_POSITION_INDEPENDENT_CODE OFF CACHE BOOL "")
