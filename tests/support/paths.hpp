#pragma once

#include <string>

namespace gemel::test {

/// Where the sources lie, and what was built of them; without a slash at the end.
const std::string& source_dir();
const std::string& binary_dir();

} // namespace gemel::test
