#include "actors/cell_inbox.hpp"
#include "messages/requests.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;
using pushed = cell_inbox::pushed;

namespace {

work signal(std::uint32_t row) {
  return exit_signal{row};
}

std::uint32_t row_of(const work& item) {
  return std::get<exit_signal>(item).row;
}

work part_of(const frame& message) {
  return batch_part{batch_ptr{new batch{message, 0, {}}}, 0, 1};
}

frame frame_of(std::size_t text_bytes) {
  property_ref one{"note", std::string(text_bytes, 'x')};
  return make_update("a", std::span{&one, 1});
}

} // namespace

TEST_CASE("cell_inbox wakes its cell once until it was found empty", "[unit][actors]") {
  cell_inbox inbox{{10, 1'000}};
  std::vector<work> taken;
  CHECK(inbox.push_data(signal(1)) == pushed::wake);
  CHECK(inbox.push_data(signal(2)) == pushed::queued);
  CHECK(inbox.push_control(signal(3)) == pushed::queued);
  CHECK(inbox.push_ordered(signal(4)) == pushed::queued);
  CHECK(inbox.size() == 4);
  std::vector<work> control;
  inbox.take(control, nullptr);
  REQUIRE(control.size() == 1);
  CHECK(row_of(control[0]) == 3);
  // Data still waits: not idle.
  CHECK_FALSE(inbox.rest());
  control.clear();
  inbox.take(control, &taken);
  CHECK(control.empty());
  REQUIRE(taken.size() == 3);
  CHECK(row_of(taken[0]) == 1);
  CHECK(row_of(taken[1]) == 2);
  CHECK(row_of(taken[2]) == 4);
  // Taken, but its cell has not rested yet.
  CHECK(inbox.push_data(signal(6)) == pushed::queued);
  CHECK_FALSE(inbox.rest());
  taken.clear();
  inbox.take(control, &taken);
  CHECK(inbox.rest());
  CHECK(inbox.push_control(signal(5)) == pushed::wake);
}

TEST_CASE("cell_inbox refuses data beyond its items and nothing else", "[unit][actors]") {
  cell_inbox inbox{{2, 1'000}};
  CHECK(inbox.push_data(signal(1)) == pushed::wake);
  CHECK(inbox.push_data(signal(2)) == pushed::queued);
  CHECK(inbox.push_data(signal(3)) == pushed::refused);
  CHECK(inbox.push_ordered(signal(4)) == pushed::queued);
  CHECK(inbox.push_control(signal(5)) == pushed::queued);
  CHECK(inbox.size() == 4);
  std::vector<work> taken;
  std::vector<work> control;
  inbox.take(control, &taken);
  CHECK(taken.size() == 3);
  CHECK(control.size() == 1);
  CHECK(inbox.push_data(signal(6)) == pushed::queued);
}

TEST_CASE("a full idle inbox of no items refuses without claiming to be awake", "[unit][actors]") {
  cell_inbox inbox{{0, 1'000}};
  CHECK(inbox.push_data(signal(1)) == pushed::refused);
  CHECK(inbox.push_control(signal(2)) == pushed::wake);
}

TEST_CASE("cell_inbox refuses data beyond its bytes, but takes one large item alone",
          "[unit][actors]") {
  auto small = frame_of(100);
  auto large = frame_of(5'000);
  cell_inbox inbox{{100, 1'000}};
  CHECK(inbox.push_data(part_of(large)) == pushed::wake);
  CHECK(inbox.push_data(part_of(small)) == pushed::refused);
  std::vector<work> taken;
  std::vector<work> control;
  inbox.take(control, &taken);
  std::size_t fit = 0;
  while (inbox.push_data(addressed_message{1, small, {}}) != pushed::refused)
    ++fit;
  CHECK(fit == 1'000 / small.size());
  CHECK(inbox.push_data(part_of(large)) == pushed::refused);
}
