// What examples/predictive_maintenance promises, as its reader runs it.

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"

#include <cstdlib>
#include <random>

using namespace gemel;

namespace {

const std::string program = test::binary_dir() + "/bin/gemel-maintenance";

// Two engines that wear the same way; 26 numbers a line.
std::string small_fleet() {
  std::mt19937_64 random{7};
  std::string lines;
  for (int engine = 1; engine <= 2; ++engine)
    for (int flight = 1; flight <= 150; ++flight) {
      lines += std::to_string(engine) + " " + std::to_string(flight) + " 0 0 100";
      for (int sensor = 0; sensor < 21; ++sensor) {
        auto noise = static_cast<double>(random() % 1'000) / 10'000;
        lines += " " + std::to_string(sensor + (sensor % 2 == 0 ? 0.1 : 0) * flight + noise);
      }
      lines += "\n";
    }
  return lines;
}

double number_after(const std::string& text, const std::string& words) {
  auto at = text.find(words);
  REQUIRE(at != std::string::npos);
  return std::atof(text.c_str() + at + words.size());
}

} // namespace

TEST_CASE("engines from a file are maintained shortly before they fail", "[integration]") {
  test::temporary_file fleet{"fleet.txt", small_fleet()};
  auto done = test::run({program, fleet.path()});
  INFO(done.out << done.err);
  CHECK(done.exit_code == 0);
  CHECK(done.out.find("engines: 1 to learn from, 1 others flown") != std::string::npos);
  CHECK(number_after(done.out, "(RMSE): ") < 15);
  CHECK(done.out.find("maintained before they failed: 1 of 1, ") != std::string::npos);
  auto ahead = number_after(done.out, "failed: 1 of 1, ");
  CHECK(ahead > 5);
  CHECK(ahead < 50);
}

TEST_CASE("data in another format is refused with its place", "[integration]") {
  test::temporary_file fleet{"fleet.txt", "1 1 0 0 100\n"};
  auto done = test::run({program, fleet.path()});
  CHECK(done.exit_code == 2);
  CHECK(done.err.find(fleet.path() + ":1: 26 numbers are expected") != std::string::npos);
  CHECK(test::run({program, "/no/such/file"}).exit_code == 2);
}
