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

TEST_CASE("a stored twin of the first format, without source times of properties, is read",
          "[unit][actors]") {
  byte_writer out;
  out.u8(1);
  for (const char* text : {"machine", "hall", ""})
    out.text(text);
  out.varint(static_cast<std::uint64_t>(lifecycle_state::active));
  out.varint(3); // version
  out.fixed(std::uint64_t{1'000});
  out.fixed(std::uint64_t{7});
  out.signed_varint(50);    // updated after it was created
  out.signed_varint(9'000); // source time
  out.varint(1);
  out.text("temperature");
  out.signed_varint(-10);
  out.varint(0);
  out.signed_varint(2);
  pack_value(out, value{71.5});
  out.fixed(checksum_of(out.view()));
  auto twin = unpack_twin(out.view());
  if (!twin)
    FAIL(to_string(twin.error()));
  CHECK(twin->source_time_us == 9'000);
  REQUIRE(twin->properties.size() == 1);
  CHECK(twin->properties[0].content == value{71.5});
  CHECK(twin->properties[0].source_time_us == 0);
  CHECK(twin->properties[0].at == stamp{hybrid_time{1'040}, dot{9}});
}
