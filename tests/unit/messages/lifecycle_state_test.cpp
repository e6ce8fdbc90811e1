#include "messages/lifecycle_state.hpp"
#include "tests/support/catch.hpp"

#include <set>

using namespace gemel;

TEST_CASE("every lifecycle state has a text that leads back to it", "[unit][messages]") {
  std::set<std::string_view> texts;
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(lifecycle_state::deleted); ++i) {
    auto state = static_cast<lifecycle_state>(i);
    CHECK(lifecycle_state_from_string(to_string(state)) == state);
    CHECK(texts.insert(to_string(state)).second);
  }
  CHECK(to_string(lifecycle_state::provisioned) == "provisioned");
  CHECK(to_string(lifecycle_state::stale) == "stale");
  CHECK(to_string(lifecycle_state::deleted) == "deleted");
}

TEST_CASE("an unknown lifecycle state is called so and has no number", "[unit][messages]") {
  CHECK(to_string(static_cast<lifecycle_state>(7)) == "unknown");
  CHECK(to_string(static_cast<lifecycle_state>(255)) == "unknown");
  CHECK(lifecycle_state_from_string("unknown") == std::nullopt);
  CHECK(lifecycle_state_from_string("") == std::nullopt);
  CHECK(lifecycle_state_from_string("Active") == std::nullopt);
}
