# How everything of ours is compiled. Included once, by the root.

include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endif()

get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(NOT CMAKE_BUILD_TYPE AND NOT multi_config)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

if(NOT CMAKE_CXX_COMPILER_LAUNCHER AND PROJECT_IS_TOP_LEVEL)
  find_program(GEMEL_CCACHE ccache)
  mark_as_advanced(GEMEL_CCACHE)
  if(GEMEL_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${GEMEL_CCACHE}")
  endif()
endif()

# Warnings, sanitizers, processor: what our own targets are built with. Never exported, so that
# nobody who uses the installed libraries gets any of it.
add_library(gemel_build INTERFACE)
target_compile_options(gemel_build INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns of overlaps in std::string that cannot be (its bug 105651), at -O3.
  target_compile_options(gemel_build INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(GEMEL_WERROR)
  target_compile_options(gemel_build INTERFACE -Werror)
endif()
if(GEMEL_NATIVE)
  target_compile_options(gemel_build INTERFACE -march=native)
endif()
if(GEMEL_SANITIZE)
  set(sanitize -fsanitize=${GEMEL_SANITIZE} -fno-sanitize-recover=all)
  target_compile_options(gemel_build INTERFACE ${sanitize} -fno-omit-frame-pointer)
  # GCC sees uninitialised variables where there are none once it has instrumented the code.
  target_compile_options(gemel_build INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(gemel_build INTERFACE ${sanitize})
endif()
