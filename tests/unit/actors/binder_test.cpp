#include "actors/binder.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

// A row outside of any cell.
struct loose_row {
  symbols names;
  symbol_cache keys{names.keys};
  shape_table shapes;
  std::vector<property_slot> slots;
  twin_row row;

  loose_row() {
    row.id = compact_id{"m-1"};
    row.layout = shapes.empty(type_id{0});
    row.version = 7;
    row.updated = make_hybrid_time(1'500, 0);
    row.lifecycle = lifecycle_state::stale;
  }

  void set(std::string_view key, value content) {
    row.layout = shapes.with(row.layout, key_id{keys.intern(key).value()});
    slots.push_back({std::move(content), {}});
    row.slots = slots.data();
  }
};

value evaluate(loose_row& of, std::string_view text, twin_metadata about = {"Machine", "hall"}) {
  auto compiled = expression::compile(text).value();
  twin_binder binder{compiled, of.keys};
  return compiled.evaluate(binder.bind(of.row, about));
}

} // namespace

TEST_CASE("twin_binder binds properties and what else is known of a twin", "[unit][actors]") {
  loose_row of;
  of.set("temperature", 81.5);
  CHECK(evaluate(of, "temperature") == value{81.5});
  CHECK(evaluate(of, "twin_id") == value{"m-1"});
  CHECK(evaluate(of, "twin_type") == value{"Machine"});
  CHECK(evaluate(of, "parent_id") == value{"hall"});
  CHECK(evaluate(of, "parent_id", {"Machine", ""}).is_null());
  CHECK(evaluate(of, "twin_version") == value{7});
  CHECK(evaluate(of, "twin_lifecycle") == value{"stale"});
  CHECK(evaluate(of, "updated_at") == value{1'500'000});
  CHECK(evaluate(of, "is_of_model('Machine')") == value{true});
  CHECK(evaluate(of, "is_of_model('Pump')") == value{false});
  CHECK(evaluate(of, "nothing_like_it").is_null());
}

TEST_CASE("what is known of a twin wins over a property of the same name", "[unit][actors]") {
  loose_row of;
  of.set("twin_id", "fake");
  CHECK(evaluate(of, "twin_id") == value{"m-1"});
}

TEST_CASE("twin_binder follows rows of other shapes and keys that come later", "[unit][actors]") {
  loose_row of;
  auto compiled = expression::compile("speed > 10").value();
  twin_binder binder{compiled, of.keys};
  CHECK_FALSE(compiled.test(binder.bind(of.row, {})));
  of.set("other", 1);
  CHECK_FALSE(compiled.test(binder.bind(of.row, {})));
  of.set("speed", 11);
  CHECK(compiled.test(binder.bind(of.row, {})));
  of.slots[1].content = value{9};
  CHECK_FALSE(compiled.test(binder.bind(of.row, {})));
  // A shape with the key in another slot.
  loose_row swapped;
  swapped.row.layout =
      of.shapes.with(of.shapes.empty(type_id{0}), key_id{of.keys.find("speed").value()});
  swapped.slots.push_back({value{12}, {}});
  swapped.row.slots = swapped.slots.data();
  CHECK(compiled.test(binder.bind(swapped.row, {})));
}

TEST_CASE("twin_binder leads into maps and lists", "[unit][actors]") {
  loose_row of;
  of.set("pose", value{value_map{{"x", value{3}}}});
  CHECK(evaluate(of, "pose.x") == value{3});
  CHECK(evaluate(of, "pose.y").is_null());
}
