#include "tests/support/catch.hpp"
#include "tests/support/write_ledger.hpp"

using gemel::test::write_ledger;

namespace {

std::optional<write_ledger::seen> shows(std::uint64_t number) {
  return write_ledger::seen{number, write_ledger::twin_of(number)};
}

} // namespace

// The checker itself: a lost, an invented and a half update must each be found.
TEST_CASE("the ledger finds what was lost, invented, or done by half", "[fault][tests]") {
  write_ledger ledger;
  for (int i = 0; i < 5; ++i)
    static_cast<void>(ledger.send("a"));
  ledger.acknowledged("a", 3);
  auto compare = [&](std::optional<write_ledger::seen> what) {
    auto wrong = ledger.compare([&](const std::string&) { return what; });
    return wrong.empty() ? std::string{} : wrong.front();
  };
  CHECK(compare(std::nullopt) == "a: lost: 3 was acknowledged, it shows nothing");
  CHECK(compare(shows(3)).empty());
  CHECK(compare(shows(4)).empty());
  CHECK(compare(shows(3)) == "a: lost: 4 was acknowledged, it shows 3");
  CHECK(compare(shows(6)) == "a: invented: it shows 6, the last sent was 5");
  CHECK(compare(write_ledger::seen{5, 5}).find("a: lost") == 0); // 6 was seen
}

TEST_CASE("the ledger finds half an update", "[fault][tests]") {
  write_ledger ledger;
  auto number = ledger.send("a");
  auto wrong = ledger.compare([&](const std::string&) { return write_ledger::seen{number, 0}; });
  REQUIRE(wrong.size() == 1);
  CHECK(wrong.front().find("a: half an update") == 0);
}
