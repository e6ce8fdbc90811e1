#include "runtime/bulk_progress.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>

using namespace gemel;

TEST_CASE("a record of progress survives the round trip", "[unit][runtime][random]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 200; ++round) {
    bulk_progress made{static_cast<bulk_action>(random() % 4), random() >> 1, random(),
                       random() >> 1, random() >> 1};
    auto text = to_text(made);
    auto read = bulk_progress_from_text(text);
    REQUIRE(read);
    CHECK(*read == made);
    CHECK(!bulk_progress_from_text(text.substr(0, random() % (text.size() - 2))));
  }
}

TEST_CASE("what is no record of progress is refused", "[unit][runtime]") {
  for (const auto* text : {"", "{}", "[]", "7", "{\"gemel_bulk_progress\": 2}",
                           "{\"gemel_bulk_progress\": 1, \"action\": \"create\"}"}) {
    auto read = bulk_progress_from_text(text);
    REQUIRE(!read);
    CHECK(read.error().code == errc::bad_syntax);
  }
}

TEST_CASE("a record is of one input and one action", "[unit][runtime]") {
  bulk_progress one{bulk_action::create, 100, fingerprint_of("abc"), 10, 1};
  auto later = one;
  later.offset = 90;
  CHECK(one.is_same_run(later));
  auto other = one;
  other.fingerprint = fingerprint_of("abd");
  CHECK(!one.is_same_run(other));
  other = one;
  other.action = bulk_action::update;
  CHECK(!one.is_same_run(other));
  // Source: test vectors of the FNV draft, 64 bits FNV-1a.
  CHECK(fingerprint_of("") == 0xcbf29ce484222325U);
  CHECK(fingerprint_of("foobar") == 0x85944171f73967e8U);
}
