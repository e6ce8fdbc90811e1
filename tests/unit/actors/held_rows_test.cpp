#include "actors/cell.hpp"
#include "actors/held_rows.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/simulated_node.hpp"

using namespace gemel;
using gemel::test::simulated_node;

namespace {

// A claim that is decided when the test says so.
class test_claim final : public row_claim {
public:
  bool decided() const noexcept override { return decided_; }
  void carry_out(cell&, std::uint32_t, const moment&) override { ++carried_out; }
  bool yield() noexcept override { return decided_ = decided_ || yields; }

  void decide() { decided_ = true; }

  bool yields = true;
  int carried_out = 0;

private:
  bool decided_ = false;
};

work job(int& runs) {
  return cell_job{[&runs](cell&, const moment&) { ++runs; }};
}

// The cell and row of a twin.
struct place {
  cell_runner& runner;
  std::uint32_t row;
};

place where(simulated_node& node, const std::string& id) {
  auto at = node.directory().find(id).value();
  return {node.runner(static_cast<std::size_t>(at.cell)), at.row};
}

std::shared_ptr<test_claim> hold(simulated_node& node, const std::string& id) {
  auto by = std::make_shared<test_claim>();
  auto at = where(node, id);
  at.runner.core().hold(at.row, by);
  return by;
}

// Lets the cells look whether claims are decided.
void look(simulated_node& node) {
  REQUIRE(node.query({}));
}

} // namespace

TEST_CASE("work for a held row comes back in its order once the claim is settled",
          "[unit][actors]") {
  held_rows held{3};
  int runs = 0;
  auto by = std::make_shared<test_claim>();
  held.hold(7, by);
  CHECK(held.claim_on(7) == by);
  CHECK(held.claim_on(8) == nullptr);
  CHECK_THROWS_AS(held.hold(7, by), broken_invariant);
  CHECK_THROWS_AS(held.defer(8, job(runs)), broken_invariant);
  for (std::uint32_t row : {1U, 2U})
    REQUIRE(held.defer(7, exit_signal{row}));
  std::vector<work> back;
  CHECK(held.take_settled(back) == twin_row::none);
  CHECK(held.claimed() == std::vector<std::uint32_t>{7});
  held.settle(7);
  CHECK(held.claimed().empty());
  CHECK(held.claim_on(7) == nullptr);
  // Still held: what comes now must not overtake what waits.
  REQUIRE(held.defer(7, exit_signal{3}));
  CHECK(held.take_settled(back) == 7);
  REQUIRE(back.size() == 3);
  for (std::uint32_t i = 0; i < 3; ++i)
    CHECK(std::get<exit_signal>(back[i]).row == i + 1);
  CHECK(held.empty());
  CHECK(held.waiting() == 0);
}

TEST_CASE("no more work waits for held rows than is allowed", "[unit][actors]") {
  held_rows held{2};
  held.hold(1, std::make_shared<test_claim>());
  held.hold(2, std::make_shared<test_claim>());
  REQUIRE(held.defer(1, exit_signal{1}));
  REQUIRE(held.defer(2, exit_signal{2}));
  work third = exit_signal{3};
  CHECK_FALSE(held.defer(2, std::move(third)));
  CHECK(std::get<exit_signal>(third).row == 3);
  CHECK(held.release(1).size() == 1);
  CHECK(held.defer(2, std::move(third)));
}

TEST_CASE("writes to a held twin wait, reads see it as it was", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({{"m", "Machine", "", {{"a", 1}}, ""}}).applied == 1);
  auto by = hold(node, "m");
  auto first = node.send_update({{"m", {{"a", 2}}, {}, 0, 0}});
  auto second = node.send_update({{"m", {{"b", 3}}, {}, 2, 0}});
  auto removal = node.send_remove({"m"}, child_policy::refuse);
  node.run();
  CHECK_FALSE(first->has_value());
  CHECK(node.find("m")->find("a")->as_integer() == 1);
  by->decide();
  node.run();
  CHECK_FALSE(first->has_value()); // Nobody looked yet.
  look(node);
  CHECK(by->carried_out == 1);
  REQUIRE(first->has_value());
  CHECK(expect_outcome(**first)->applied == 1);
  // It saw the version that the first one made.
  CHECK(expect_outcome(**second)->applied == 1);
  CHECK(expect_outcome(**removal)->applied == 1);
  CHECK_FALSE(node.find("m"));
  CHECK(node.broken_invariants().empty());
}

TEST_CASE("who deletes the parent does not wait for a claim on the child", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({{"p", "Machine", "", {}, ""}, {"c", "Machine", "p", {}, ""}}).applied == 2);
  auto by = hold(node, "c");
  auto waits = node.send_update({{"c", {{"a", 2}}, {}, 0, 0}});
  node.run();
  CHECK(node.remove({"p"}, child_policy::cascade).applied == 1);
  CHECK(by->carried_out == 1);
  REQUIRE(waits->has_value());
  CHECK(expect_outcome(**waits)->failures.at(0).why.code == errc::twin_not_found);
  CHECK(node.broken_invariants().empty());
}
