# Compiler settings and the two functions that every folder uses: one library per folder, one test
# program per tests/**/tst_*.cpp.

option(NATLENS_TESTS "Build the tests" ON)
option(NATLENS_GUI "Build natlens-gui (needs Qt 6 Widgets)" ON)
option(NATLENS_WERROR "Treat warnings as errors" OFF)
option(NATLENS_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
set(NATLENS_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined or thread")

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(NATLENS_CCACHE ccache)
  if(NATLENS_CCACHE)
    # A precompiled header carries its own time stamp: without this setting ccache would never hit.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;${NATLENS_CCACHE}")
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
endif()

if(NATLENS_SANITIZE)
  add_compile_options(-fsanitize=${NATLENS_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NATLENS_SANITIZE})
  if(NATLENS_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
if(NATLENS_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

# Warnings for our own code only.
function(natlens_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                         $<$<BOOL:${NATLENS_WERROR}>:-Werror>)
endfunction()

# One precompiled header of the standard library and fmt for all Qt-free code.
function(natlens_precompile target)
  target_precompile_headers(${target} PRIVATE "${CMAKE_SOURCE_DIR}/cmake/precompiled.h")
endfunction()

# natlens_library(name [DEPS target...] [PRIVATE_DEPS target...])
# The library of the current folder: every *.cpp in it, with the project's root as include path.
function(natlens_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;PRIVATE_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp" "${CMAKE_CURRENT_SOURCE_DIR}/*.h")
  list(FILTER sources EXCLUDE REGEX "main\\.cpp$")
  set(compiled ${sources})
  list(FILTER compiled INCLUDE REGEX "\\.cpp$")
  if(compiled)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} PUBLIC ${ARG_DEPS} fmt::fmt PRIVATE ${ARG_PRIVATE_DEPS})
    natlens_warnings(${name})
    natlens_precompile(${name})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} INTERFACE ${ARG_DEPS} fmt::fmt)
  endif()
endfunction()
