#include "tests/support/catch.hpp"
#include "workflows/output_gate.hpp"

namespace gemel {

namespace {

found_match match(const char* key, std::int64_t at) {
  return {value{key}, event_chain{{}, 0, 0, std::make_shared<const rule_event>()}, at, {}};
}

// What comes out, as `key@time`.
struct gate_run {
  output_gate gate;
  std::vector<found_match> out{};

  void at(const char* key, std::int64_t time) {
    gate.advance(time, out);
    auto known = out.size();
    out.push_back(match(key, time));
    gate.filter(out, known);
  }
  std::string text() {
    std::string made;
    for (const auto& one : out)
      made += std::string{made.empty() ? "" : " "} + std::string{one.key.as_text()} + "@"
              + std::to_string(one.at);
    out.clear();
    return made;
  }
};

} // namespace

TEST_CASE("the last match of a time is told when the time ends", "[unit][workflows]") {
  gate_run run{output_gate{{output_kind::last, std::chrono::milliseconds{10}, 0, true}, 100}};
  run.at("a", 1);
  run.at("a", 5);
  run.at("b", 6);
  CHECK(run.text().empty());
  run.gate.advance(10, run.out);
  CHECK(run.text().empty());
  run.gate.advance(11, run.out);
  CHECK(run.text() == "a@5");
  CHECK(run.gate.left_out() == 1);
  run.gate.advance(50, run.out);
  CHECK(run.text() == "b@6");
  run.at("a", 60);
  run.gate.finish(run.out);
  CHECK(run.text() == "a@60");
}

TEST_CASE("a snapshot tells the last match of every key again and again", "[unit][workflows]") {
  gate_run run{output_gate{{output_kind::snapshot, std::chrono::milliseconds{10}, 0, false}, 100}};
  run.at("a", 0);
  run.at("b", 3);
  run.at("a", 7);
  CHECK(run.text().empty());
  run.gate.advance(10, run.out);
  CHECK(run.text() == "a@10 b@10");
  run.gate.advance(20, run.out);
  CHECK(run.text() == "a@20 b@20");
  run.gate.advance(55, run.out);
  CHECK(run.text() == "a@30 b@30 a@40 b@40 a@50 b@50");
}

TEST_CASE("a snapshot of so many events counts them", "[unit][workflows]") {
  gate_run run{output_gate{{output_kind::snapshot, {}, 3, false}, 100}};
  run.at("a", 0);
  run.at("b", 1);
  CHECK(run.text().empty());
  run.at("a", 2);
  CHECK(run.text() == "a@2 b@2");
}

} // namespace gemel
