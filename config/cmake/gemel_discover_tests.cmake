# gemel_discover_tests(<program> LABEL <label> TIMEOUT <seconds>)
#
# Gives CTest one test per test case of a Catch2 program, named "<label>: <test case>". The program
# is asked after it was linked, so that the list is never older than the program. Catch2's own
# catch_discover_tests differs between 2 and 3 and stumbles over 256 tests and semicolons.

if(CMAKE_SCRIPT_MODE_FILE)
  # Called after the link with PROGRAM, LABEL, TIMEOUT, LIST_ARGUMENTS, RUN_ARGUMENTS and OUTPUT.
  separate_arguments(LIST_ARGUMENTS)
  # The exit code of Catch2 2 is the number of tests: only what is printed says how it went.
  execute_process(COMMAND "${PROGRAM}" ${LIST_ARGUMENTS}
                  OUTPUT_VARIABLE names ERROR_VARIABLE errors)
  if(NOT names)
    message(FATAL_ERROR "${PROGRAM} lists no tests: ${errors}")
  endif()
  set(script "")
  while(NOT names STREQUAL "")
    string(FIND "${names}" "\n" end)
    string(SUBSTRING "${names}" 0 ${end} name)
    if(end LESS 0)
      set(names "")
    else()
      math(EXPR next "${end} + 1")
      string(SUBSTRING "${names}" ${next} -1 names)
    endif()
    if(NOT name STREQUAL "")
      # What has a meaning in Catch2's test specs.
      string(REGEX REPLACE "([],\\\\\"[])" "\\\\\\1" spec "${name}")
      string(APPEND script
        "add_test([==[${LABEL}: ${name}]==] [==[${PROGRAM}]==] [==[${spec}]==] ${RUN_ARGUMENTS})\n"
        "set_tests_properties([==[${LABEL}: ${name}]==] PROPERTIES"
        " LABELS ${LABEL} TIMEOUT ${TIMEOUT})\n")
    endif()
  endwhile()
  file(WRITE "${OUTPUT}" "${script}")
  return()
endif()

set(GEMEL_DISCOVER_TESTS "${CMAKE_CURRENT_LIST_FILE}")

function(gemel_discover_tests program)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "")
  if(Catch2_VERSION VERSION_LESS 3)
    set(list_arguments "--list-test-names-only")
    set(run_arguments "--warn NoTests") # a name that matches no test fails; in 3 always
  else()
    set(list_arguments "--list-tests --verbosity quiet")
    set(run_arguments "")
  endif()
  set(tests "${CMAKE_CURRENT_BINARY_DIR}/${program}.tests.cmake")
  add_custom_command(TARGET ${program} POST_BUILD
    COMMAND "${CMAKE_COMMAND}"
            "-DPROGRAM=$<TARGET_FILE:${program}>" "-DLABEL=${arg_LABEL}"
            "-DTIMEOUT=${arg_TIMEOUT}" "-DLIST_ARGUMENTS=${list_arguments}"
            "-DRUN_ARGUMENTS=${run_arguments}" "-DOUTPUT=${tests}" -P "${GEMEL_DISCOVER_TESTS}"
    BYPRODUCTS "${tests}"
    VERBATIM)
  file(WRITE "${tests}.in"
    "if(EXISTS [==[${tests}]==])\n"
    "  include([==[${tests}]==])\n"
    "else()\n"
    "  add_test([==[${program} was not built]==] false)\n"
    "endif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${tests}.in")
endfunction()
