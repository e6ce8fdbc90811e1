# One folder, one target.

# Where code generated from Cap'n Proto schemas goes: messages/x.capnp -> messages/x.capnp.h, .c++
set(GEMEL_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")

# gemel_generate_capnp(<out-variable> <schema>...)
#
# Compiles schemas of the current folder. The generated sources are put into <out-variable>; they
# are the only code of this project that is compiled without warnings.
function(gemel_generate_capnp out)
  set(sources "")
  foreach(schema IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH schema OUTPUT_VARIABLE path)
    cmake_path(RELATIVE_PATH path BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE name)
    set(base "${GEMEL_GENERATED_DIR}/${name}")
    # A schema may import its neighbours: a changed one rebuilds them all.
    file(GLOB neighbours CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.capnp")
    add_custom_command(
      OUTPUT "${base}.c++" "${base}.h"
      COMMAND "${CMAKE_COMMAND}" -E make_directory "${GEMEL_GENERATED_DIR}"
      COMMAND "${CAPNP_EXECUTABLE}" compile
              "-o${CAPNPC_CXX_EXECUTABLE}:${GEMEL_GENERATED_DIR}"
              "--src-prefix=${PROJECT_SOURCE_DIR}" "-I${PROJECT_SOURCE_DIR}" "${path}"
      DEPENDS ${neighbours}
      COMMENT "Compiling schema ${name}"
      VERBATIM)
    set_source_files_properties("${base}.c++" PROPERTIES COMPILE_OPTIONS "-w")
    list(APPEND sources "${base}.c++" "${base}.h")
  endforeach()
  set(${out} "${sources}" PARENT_SCOPE)
endfunction()

# gemel_add_library(<folder> SOURCES <file>... [SCHEMAS <file.capnp>...]
#                   [USES <folder>...] [LINKS <target>...])
#
# Makes the static library gemel_<folder> with the alias gemel::<folder>. USES names folders left of
# this one in the line, LINKS any other targets; both are public. A folder of headers only has no
# SOURCES.
function(gemel_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;SCHEMAS;USES;LINKS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "gemel_add_library(${name}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  set(target gemel_${name})
  if(arg_SOURCES OR arg_SCHEMAS)
    set(scope PUBLIC)
    gemel_generate_capnp(generated ${arg_SCHEMAS})
    add_library(${target} STATIC ${arg_SOURCES} ${generated})
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:gemel_build>)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  else()
    set(scope INTERFACE)
    add_library(${target} INTERFACE)
  endif()
  add_library(gemel::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(${target} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/gemel>)
  target_include_directories(${target} SYSTEM ${scope}
    $<BUILD_INTERFACE:${GEMEL_GENERATED_DIR}>)
  foreach(used IN LISTS arg_USES)
    target_link_libraries(${target} ${scope} gemel::${used})
  endforeach()
  target_link_libraries(${target} ${scope} ${arg_LINKS})
  set_property(GLOBAL APPEND PROPERTY gemel_folders ${name})
endfunction()

# gemel_add_program(<name> SOURCES <file>... [USES <folder>...] [LINKS <target>...] [INSTALL])
#
# A program with mimalloc as its allocator; INSTALL puts it into bin/.
function(gemel_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "INSTALL" "" "SOURCES;USES;LINKS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "gemel_add_program(${name}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${name} ${arg_SOURCES})
  if(TARGET mimalloc)
    # First in the line and needed in any case: its malloc is found before the C library's.
    target_link_options(${name} PRIVATE -Wl,--no-as-needed)
    target_link_libraries(${name} PRIVATE mimalloc)
    target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/runtime/program/huge_pages.cpp")
  endif()
  target_link_libraries(${name} PRIVATE gemel_build)
  foreach(used IN LISTS arg_USES)
    target_link_libraries(${name} PRIVATE gemel::${used})
  endforeach()
  target_link_libraries(${name} PRIVATE ${arg_LINKS})
  if(arg_INSTALL)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()
