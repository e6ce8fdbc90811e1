#include "actors/sync/hold_watch.hpp"
#include "tests/support/catch.hpp"

#include <limits>
#include <map>

using namespace gemel;

namespace {

// Twins of one shard each, and two peers.
struct stage {
  stage() {
    view.last_change = [this](std::string_view twin) -> std::optional<change_number> {
      auto found = changes.find(twin);
      return found != changes.end() ? std::optional{found->second} : std::nullopt;
    };
    view.holders = [this](std::string_view, change_number upto) {
      return static_cast<std::size_t>(first >= upto) + static_cast<std::size_t>(second >= upto);
    };
  }

  void ask(std::vector<std::string> twins, std::size_t replicas, std::uint64_t written) {
    REQUIRE(aut.add({std::move(twins), replicas, log_position{written}, 100,
                     [this](value made) { told.push_back(std::move(made)); }}));
  }
  void look(std::uint64_t taken, std::int64_t now = 0) { aut.look(view, log_position{taken}, now); }

  std::map<std::string, change_number, std::less<>> changes{{"a", 3}, {"b", 7}};
  change_number first = 0;
  change_number second = 0;
  hold_watch::view view;
  hold_watch aut{3};
  std::vector<value> told;
};

value counts(value_map made) {
  return value{std::move(made)};
}

} // namespace

TEST_CASE("who waits for peers hears when enough hold every twin", "[unit][sync]") {
  stage s;
  s.ask({"a", "b"}, 2, 5);
  s.look(4); // The log is not taken so far.
  s.first = 7;
  s.look(5);
  CHECK(s.told.empty());
  s.second = 6;
  s.look(5);
  CHECK(s.told.empty());
  s.changes["b"] = 9; // Written later: nobody waits for that.
  s.second = 7;
  s.look(6);
  CHECK(s.told == std::vector<value>{counts({{"a", value{2}}, {"b", value{2}}})});
  CHECK(s.aut.open() == 0);
}

TEST_CASE("who waits no longer hears how many there are", "[unit][sync]") {
  stage s;
  s.first = 3;
  s.ask({"a", "b", "local"}, 2, 5);
  s.ask({"a"}, 1, 500);
  s.look(5, 99);
  CHECK(s.told.empty());
  s.look(5, 100);
  CHECK(s.told
        == std::vector<value>{counts({{"a", value{1}}, {"b", value{0}}, {"local", value{}}}),
                              counts({{"a", value{0}}})});
}

TEST_CASE("twins that are not replicated are not waited for", "[unit][sync]") {
  stage s;
  s.ask({"local"}, 1, 0);
  s.look(0);
  CHECK(s.told == std::vector<value>{counts({{"local", value{}}})});
}

TEST_CASE("too many who wait for peers are refused, and the first that gives up is known",
          "[unit][sync]") {
  stage s;
  CHECK(s.aut.next_due() == std::numeric_limits<std::int64_t>::max());
  for (int i = 0; i < 3; ++i)
    s.ask({"a"}, 1, 5);
  CHECK(s.aut.next_due() == 100);
  CHECK_FALSE(s.aut.add({{"a"}, 1, log_position{5}, 50, [](const value&) { FAIL("called"); }}));
  s.look(5, 100);
  CHECK(s.told.size() == 3);
}
