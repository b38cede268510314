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

# Warnings for our own code only. g++ 12 sees overlaps and overruns in the standard library's strings that are not
# there (GCC bugs 105329, 105651); later compilers do not.
function(natlens_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict;-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread>
    $<$<BOOL:${NATLENS_WERROR}>:-Werror>)
endfunction()

# The standard library and fmt, parsed once and used by all Qt-free libraries.
find_package(fmt REQUIRED)
file(WRITE "${CMAKE_BINARY_DIR}/precompiled.cpp.new" "// Only here so that the precompiled header has a target.\n")
file(COPY_FILE "${CMAKE_BINARY_DIR}/precompiled.cpp.new" "${CMAKE_BINARY_DIR}/precompiled.cpp" ONLY_IF_DIFFERENT)
add_library(natlens_precompiled OBJECT "${CMAKE_BINARY_DIR}/precompiled.cpp")
target_link_libraries(natlens_precompiled PRIVATE fmt::fmt)
target_precompile_headers(natlens_precompiled PRIVATE "${CMAKE_SOURCE_DIR}/cmake/precompiled.h")
natlens_warnings(natlens_precompiled)

# natlens_library(name [QT] [DEPS target...] [PRIVATE_DEPS target...])
# The library of the current folder: every *.cpp in it, with the project's root as include path.
function(natlens_library name)
  cmake_parse_arguments(ARG "QT" "" "DEPS;PRIVATE_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp" "${CMAKE_CURRENT_SOURCE_DIR}/*.h")
  list(FILTER sources EXCLUDE REGEX "main\\.cpp$")
  set(compiled ${sources})
  list(FILTER compiled INCLUDE REGEX "\\.cpp$")
  if(compiled)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} PUBLIC ${ARG_DEPS} fmt::fmt PRIVATE ${ARG_PRIVATE_DEPS})
    natlens_warnings(${name})
    if(NOT ARG_QT) # Qt's definitions would not fit the precompiled header
      target_precompile_headers(${name} REUSE_FROM natlens_precompiled)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} INTERFACE ${ARG_DEPS} fmt::fmt)
  endif()
endfunction()
