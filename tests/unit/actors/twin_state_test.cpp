#include "actors/twin_state.hpp"
#include "tests/support/random_records.hpp"
#include "tests/support/seed.hpp"

using namespace gemel;

TEST_CASE("a stored twin comes back as it was", "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_records random{seed};
  for (int round = 0; round < 2'000; ++round) {
    auto twin = random.twin();
    auto back = unpack_twin(pack_twin(twin));
    if (!back)
      FAIL(to_string(back.error()));
    REQUIRE(*back == twin);
  }
}

TEST_CASE("a damaged stored twin is refused by name", "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_records random{seed};
  std::size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = pack_twin(random.twin());
    auto damaged = test::mutated(bytes, random.random);
    auto read = unpack_twin(round % 2 == 0 ? damaged : test::sealed(damaged));
    if (round % 2 == 0)
      CHECK(read.has_value() == (damaged == bytes));
    if (read)
      continue;
    ++refused;
    CHECK((read.error().code == errc::store_corrupt || read.error().code == errc::incompatible));
    CHECK_FALSE(read.error().context.empty());
  }
  CHECK(refused > 10'000);
}

TEST_CASE("a stored twin of a newer format is refused by name", "[unit][actors]") {
  auto bytes = pack_twin({.type = "machine"});
  bytes[0] = 9;
  auto read = unpack_twin(test::sealed(bytes));
  REQUIRE_FALSE(read);
  CHECK(read.error().code == errc::incompatible);
}
