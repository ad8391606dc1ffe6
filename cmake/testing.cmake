# SPDX-License-Identifier: MIT
# downhaul_test(<name> <file>...)
#
# One GoogleTest program test_<name>, linked with the library and tests/support, which may include private headers of
# src/ ("wait/waiter.hpp"). It is one entry of ctest: a process per single test would take longer than the tests.

# Leaks are failures. Fake stack frames (stack-use-after-return) would be allocated for every goroutine, and a million
# goroutines do not fit; the hooks of the stack switch stay exercised without them.
set(downhaul_test_environment
  "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

# A test that hangs is killed after this many seconds.
set(downhaul_test_timeout 120)

function(downhaul_test name)
  add_executable(test_${name} ${ARGN})
  target_link_libraries(test_${name} PRIVATE downhaul::downhaul downhaul_test_support)
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  downhaul_warnings(test_${name})
  downhaul_instrument(test_${name})
  if(DOWNHAUL_PCH)
    target_precompile_headers(test_${name} REUSE_FROM downhaul_test_support)
  endif()
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${downhaul_test_timeout}
    LABELS unit
    ENVIRONMENT "${downhaul_test_environment}")
endfunction()
