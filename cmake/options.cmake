# SPDX-License-Identifier: MIT
# What can be switched. Inside another project only the library itself is built.

option(DOWNHAUL_TESTS "Build the tests (GoogleTest and GoogleMock are needed)" ${PROJECT_IS_TOP_LEVEL})
option(DOWNHAUL_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(DOWNHAUL_BENCH "Build the benchmarks (Google Benchmark is needed)" OFF)
option(DOWNHAUL_WERROR "Treat warnings as errors" OFF)
option(DOWNHAUL_CHECKED "Check lock order and further misuse while the program runs; slower" OFF)
option(DOWNHAUL_ASIO "downhaul::asio, where Boost.Asio is found" ON)
option(DOWNHAUL_PCH "Precompile GoogleTest for the tests; builds faster" ON)
option(DOWNHAUL_VALGRIND "Tell Valgrind of the stacks, and run the tests under it" OFF)
set(DOWNHAUL_SANITIZE "" CACHE STRING "address (with UBSan), thread, or empty for none")
set_property(CACHE DOWNHAUL_SANITIZE PROPERTY STRINGS "" address thread)

if(NOT DOWNHAUL_SANITIZE MATCHES "^(address|thread)?$")
  message(FATAL_ERROR "DOWNHAUL_SANITIZE is '${DOWNHAUL_SANITIZE}'; it may be address, thread or empty")
endif()
# Both put themselves before the functions that lock a mutex, and both keep freed memory.
if(DOWNHAUL_CHECKED AND DOWNHAUL_SANITIZE)
  message(FATAL_ERROR
    "DOWNHAUL_CHECKED and DOWNHAUL_SANITIZE=${DOWNHAUL_SANITIZE} do not go together: choose one")
endif()

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  message(STATUS "CMAKE_BUILD_TYPE is not set; building RelWithDebInfo")
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
