#define GEMEL_CATCH_MAIN
#include "tests/support/catch.hpp"

int main(int argc, char* argv[]) {
  return Catch::Session().run(argc, argv);
}
