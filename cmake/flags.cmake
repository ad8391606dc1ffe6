# SPDX-License-Identifier: MIT
# Warnings and sanitizers: private to our own targets, a consumer inherits neither.

# downhaul_warnings(<target> [LIBRARY])  the library itself is held to -Wshadow as well, and by Clang to
#                                         its annotations of what a lock guards
function(downhaul_warnings target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "LIBRARY" "" "")
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wconversion
    $<$<BOOL:${arg_LIBRARY}>:-Wshadow>
    $<$<AND:$<BOOL:${arg_LIBRARY}>,$<CXX_COMPILER_ID:Clang>>:-Wthread-safety>
    $<$<BOOL:${DOWNHAUL_WERROR}>:-Werror>)
endfunction()

# downhaul_instrument(<target> [TESTS])  the sanitizer of this build; every target of one program needs the same.
#                                        In tests three checks of UBSan are left to the library's own code: with
#                                        them a test takes g++ twice as long to compile
function(downhaul_instrument target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TESTS" "" "")
  if(DOWNHAUL_SANITIZE STREQUAL "address")
    set(flags -fsanitize=address,undefined -fno-sanitize-recover=undefined)
    if(arg_TESTS)
      # With less in its way GCC inlines more, and then suspects the optionals of the standard library.
      list(APPEND flags -fno-sanitize=vptr,null,alignment -Wno-maybe-uninitialized)
    endif()
  elseif(DOWNHAUL_SANITIZE STREQUAL "thread")
    set(flags -fsanitize=thread)
  else()
    if(DOWNHAUL_CHECKED AND arg_TESTS)
      # At -Og GCC suspects the constructor of std::stop_source of using what it makes.
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
    return()
  endif()
  target_compile_options(${target} PRIVATE ${flags} -fno-omit-frame-pointer)
  target_link_options(${target} PRIVATE ${flags})
endfunction()
