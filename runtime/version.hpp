#pragma once

#include <string_view>

namespace gemel {

/// Of this build; equal to the version of the CMake project, which CMake checks.
inline constexpr std::string_view version = "0.1.0";

} // namespace gemel
