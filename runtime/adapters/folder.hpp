#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace gemel {

/// The ordinary files of a folder whose names end in `ending`, by path, each with a number that
/// changes when the file is written. Folders below it are not looked into.
/// @returns errc::io_failed with the system's words.
result<std::map<std::string, std::uint64_t>> files_of(const std::string& folder,
                                                      std::string_view ending);

} // namespace gemel
