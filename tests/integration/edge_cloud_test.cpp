// What examples/edge_cloud promises, as its reader runs it.

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"

using namespace gemel;

TEST_CASE("two linked nodes agree after their link was cut", "[integration][sync]") {
  auto done = test::run({test::binary_dir() + "/bin/gemel-edge-cloud"});
  INFO(done.out << done.err);
  CHECK(done.exit_code == 0);
  auto has = [&](const char* part) { return done.out.find(part) != std::string::npos; };
  CHECK(has("temperature  last_write_wins  24.5              19.0              19.0"));
  CHECK(has("strokes      counter          140               103               143"));
  CHECK(has("setpoint     authority:cloud  30.0              21.0              21.0"));
  CHECK(has("peak         max              31.5              27.0              31.5"));
  CHECK(has("the cloud decided: the edge shows off"));
}
