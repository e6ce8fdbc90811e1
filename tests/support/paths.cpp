#include "tests/support/paths.hpp"

namespace gemel::test {

const std::string& source_dir() {
  static const std::string path = GEMEL_SOURCE_DIR;
  return path;
}

const std::string& binary_dir() {
  static const std::string path = GEMEL_BINARY_DIR;
  return path;
}

} // namespace gemel::test
