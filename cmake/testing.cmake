# SPDX-License-Identifier: MIT
# How tests are made and run.
#
# downhaul_ctest(<name> <command>...)  an entry of ctest that is killed when it hangs and has the sanitizers' options
# downhaul_test(<name> <file>...)      a GoogleTest program test_<name>, linked with the library and tests/support; it
#                                      may include private headers of src/ ("wait/waiter.hpp"). It is one entry of
#                                      ctest, labelled with its folder: a process per single test would take
#                                      longer than the tests.

# Leaks are failures. Fake stack frames (stack-use-after-return) would be allocated for every goroutine, and a million
# goroutines do not fit; the hooks of the stack switch stay exercised without them.
set(downhaul_test_environment
  "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=atexit_sleep_ms=0:halt_on_error=1:second_deadlock_stack=1")

set(downhaul_test_timeout 120)  # seconds
set(downhaul_under "")
if(DOWNHAUL_VALGRIND)
  set(downhaul_test_timeout 1200)
  # Threads in turn, or one that spins keeps the others out. What is left at the end is checked by the tests.
  set(downhaul_under valgrind --quiet --error-exitcode=97 --fair-sched=yes --leak-check=full
    --errors-for-leak-kinds=definite --run-libc-freeres=no)
endif()

function(downhaul_ctest name)
  list(POP_FRONT ARGN program)
  if(TARGET ${program} AND downhaul_under)
    set(program $<TARGET_FILE:${program}>)  # add_test looks for a target in the first word alone
  endif()
  add_test(NAME ${name} COMMAND ${downhaul_under} ${program} ${ARGN})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${downhaul_test_timeout}
    ENVIRONMENT "${downhaul_test_environment}")
endfunction()

function(downhaul_test name)
  add_executable(test_${name} ${ARGN})
  target_link_libraries(test_${name} PRIVATE downhaul::downhaul downhaul_test_support)
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  downhaul_warnings(test_${name})
  downhaul_instrument(test_${name} TESTS)
  downhaul_precompiled(test_${name} REUSE_FROM downhaul_test_support)
  downhaul_ctest(${name} test_${name})
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set_tests_properties(${name} PROPERTIES LABELS ${folder})
endfunction()

# downhaul_precompiled(<target> ...)  target_precompile_headers, in a way that ccache can follow
function(downhaul_precompiled target)
  if(DOWNHAUL_PCH)
    target_precompile_headers(${target} ${ARGN})
    target_compile_options(${target} PRIVATE
      $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
      "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
  endif()
endfunction()
