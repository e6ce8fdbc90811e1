# Finds Lua 5.4, which the distribution installs beside other versions. Gives Lua::lua.

find_path(Lua54_INCLUDE_DIR NAMES lua.hpp PATH_SUFFIXES lua5.4)
find_library(Lua54_LIBRARY NAMES lua5.4)
mark_as_advanced(Lua54_INCLUDE_DIR Lua54_LIBRARY)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Lua54 REQUIRED_VARS Lua54_INCLUDE_DIR Lua54_LIBRARY)

if(Lua54_FOUND AND NOT TARGET Lua::lua)
  add_library(Lua::lua UNKNOWN IMPORTED)
  set_target_properties(Lua::lua PROPERTIES
    IMPORTED_LOCATION "${Lua54_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Lua54_INCLUDE_DIR}")
endif()
