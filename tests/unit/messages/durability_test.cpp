#include "messages/durability.hpp"
#include "messages/requests.hpp"
#include "messages/wire.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

TEST_CASE("durability classes are read by their names", "[unit][messages]") {
  for (auto level : {durability::memory, durability::process, durability::disk})
    CHECK(parse_durability(to_string(level)) == level);
  CHECK_FALSE(parse_durability("disc"));
  CHECK_FALSE(parse_durability(""));
}

TEST_CASE("requests carry what must be true before their answer", "[unit][messages]") {
  for (auto wanted : {std::optional<durability>{}, std::optional{durability::memory},
                      std::optional{durability::process}, std::optional{durability::disk}}) {
    CHECK(durability_of(to_wire(wanted)) == wanted);
    update_options how;
    how.wanted = wanted;
    auto update = make_update(std::vector<twin_update>{}, how);
    CHECK(durability_of(update.message().getUpdate().getDurability()) == wanted);
    auto create = make_create(std::vector<new_twin>{}, wanted);
    CHECK(durability_of(create.message().getCreate().getDurability()) == wanted);
    auto remove = make_remove(std::vector<std::string>{}, child_policy::refuse, wanted);
    CHECK(durability_of(remove.message().getRemove().getDurability()) == wanted);
  }
}

TEST_CASE("a durability that is none is refused at the door", "[unit][messages]") {
  frame_builder builder{64};
  auto batch = builder.message().initUpdate();
  batch.setDurability(4);
  auto checked = frame::check(builder.finish().bytes());
  REQUIRE_FALSE(checked);
  CHECK(checked.error().code == errc::bad_frame);
  CHECK(checked.error().context.find("durability") != std::string::npos);
}
