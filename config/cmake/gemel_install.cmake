# Headers keep their paths below include/gemel, so that <registry/...> reads the same in both trees.

include(CMakePackageConfigHelpers)

get_property(folders GLOBAL PROPERTY gemel_folders)
if(TARGET gemel_runtime)
  add_library(gemel_gemel INTERFACE)
  add_library(gemel::gemel ALIAS gemel_gemel)
  set_target_properties(gemel_gemel PROPERTIES EXPORT_NAME gemel)
  target_link_libraries(gemel_gemel INTERFACE gemel_runtime)
  install(TARGETS gemel_gemel EXPORT gemel-targets)
endif()

foreach(folder IN LISTS folders)
  install(TARGETS gemel_${folder} EXPORT gemel-targets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}/"
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gemel/${folder}
          FILES_MATCHING
          PATTERN "*.hpp" PATTERN "*.capnp"
          PATTERN "detail" EXCLUDE PATTERN "adapters" EXCLUDE PATTERN "program" EXCLUDE)
endforeach()
install(DIRECTORY "${GEMEL_GENERATED_DIR}/"
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gemel
        FILES_MATCHING PATTERN "*.capnp.h"
        PATTERN "detail" EXCLUDE)

# For editors, which complete and check documents by them.
install(FILES "${PROJECT_SOURCE_DIR}/workflows/rule.schema.json"
              "${PROJECT_SOURCE_DIR}/workflows/workflow.schema.json"
        DESTINATION ${CMAKE_INSTALL_DATADIR}/gemel/schemas)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gemel)
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/config/cmake/gemel-config.cmake.in"
  "${PROJECT_BINARY_DIR}/gemel-config.cmake"
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/gemel-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/gemel-config.cmake"
  "${PROJECT_BINARY_DIR}/gemel-config-version.cmake"
  "${PROJECT_SOURCE_DIR}/config/cmake/FindCAF.cmake"
  "${PROJECT_SOURCE_DIR}/config/cmake/FindLua54.cmake"
  "${PROJECT_SOURCE_DIR}/config/cmake/FindxxHash.cmake"
  "${PROJECT_SOURCE_DIR}/config/cmake/Findzstd.cmake"
  DESTINATION ${package_dir})
if(folders)
  install(EXPORT gemel-targets NAMESPACE gemel:: DESTINATION ${package_dir})
endif()
