# Installs the build at BUILD, builds the consumer at CONSUMER against nothing but that, runs it.
# Called with BUILD, CONSUMER, FOLDER (to work in), GENERATOR, COMPILER, LAUNCHER and SANITIZE.

set(prefix "${FOLDER}/prefix")
file(REMOVE_RECURSE "${prefix}" "${FOLDER}/build")
set(ENV{DESTDIR} "")

function(run step)
  message(STATUS "${step}")
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${step}: failed (${result})")
  endif()
endfunction()

run("install" "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")

set(include "${prefix}/include/gemel")
file(GLOB_RECURSE private "${include}/*/detail/*" "${include}/*/adapters/*")
if(private)
  message(FATAL_ERROR "installed, but private: ${private}")
endif()
foreach(needed IN ITEMS messages/error.hpp messages/message.capnp messages/message.capnp.h)
  if(NOT EXISTS "${include}/${needed}")
    message(FATAL_ERROR "not installed: ${needed}")
  endif()
endforeach()
foreach(language IN ITEMS rule workflow)
  if(NOT EXISTS "${prefix}/share/gemel/schemas/${language}.schema.json")
    message(FATAL_ERROR "not installed: the schema of ${language}s")
  endif()
endforeach()

set(flags "")
if(SANITIZE)
  set(flags "-DCMAKE_CXX_FLAGS=-fsanitize=${SANITIZE}")
endif()
run("configure" "${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${FOLDER}/build" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_CXX_COMPILER=${COMPILER}"
    "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}" -DCMAKE_BUILD_TYPE=RelWithDebInfo ${flags})
run("build" "${CMAKE_COMMAND}" --build "${FOLDER}/build")
run("run" "${FOLDER}/build/gemel-embedded")
