#include "runtime/detail/fast_twin.hpp"
#include "runtime/twin_document.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <array>
#include <optional>
#include <random>

using namespace gemel;

namespace {

// What the careful reader makes of it; nothing for a fault.
std::optional<new_twin> careful(std::string_view text) {
  std::optional<new_twin> made;
  auto faults = read_twin_line(text, 1, "f", [&](new_twin twin, text_place) { made = twin; });
  return faults.empty() ? made : std::nullopt;
}

void check_same(detail::fast_twin_reader& fast, const std::string& text) {
  new_twin made;
  if (!fast.read(text, made))
    return;
  INFO(text);
  auto wanted = careful(text);
  REQUIRE(wanted);
  CHECK(made.id == wanted->id);
  CHECK(made.type == wanted->type);
  CHECK(made.parent == wanted->parent);
  CHECK(made.placement == wanted->placement);
  CHECK(made.properties == wanted->properties);
}

} // namespace

TEST_CASE("the fast reader takes common twins and leaves the rest", "[unit][runtime]") {
  detail::fast_twin_reader fast;
  new_twin made;
  CHECK(
      fast.read(R"({"id":"m1","type":"t","parent":"h","properties":{"b":1,"a":-2.5e3,"c":"\u00e4",)"
                R"("d":true}})",
                made));
  CHECK(made.properties
        == properties{
            {"a", value{-2500.0}}, {"b", value{1}}, {"c", value{"\xc3\xa4"}}, {"d", value{true}}});
  for (const auto* text :
       {"", "7", "[]", "{}", R"({"type":"t"} x)", R"({"type":"t","type":"u"})", R"({"id":"a"})",
        R"({"type":"t","properties":{},"properties":{}})", R"({"type":"t","x":1})",
        R"({"type":"t","properties":{"a":1,"a":2}})", R"({"type":"t","properties":{"":1}})",
        R"({"type":"t","properties":{"a":{"$double":"nan"}}})", R"({"type":"t","id":"a/b"})",
        R"({"type":"t","properties":{"a":18446744073709551615}})", R"({"type":"t")",
        R"({"type":"t","id":"a","parent":"a"})", R"({"type":"t","parent":null,"parent":null})",
        R"({"type":"t","parent":nul})", "{\"type\":\"\xff\"}"}) {
    INFO(text);
    CHECK(!fast.read(text, made));
  }
}

TEST_CASE("what the fast reader takes is what the careful one makes", "[unit][runtime][random]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  detail::fast_twin_reader fast;
  const std::array<std::string, 4> right{
      R"({"id":"m1","type":"t","parent":"h","properties":{"a":1.5,"b":true,"c":"x","d":-0}})",
      R"( { "type" : "t", "properties" : { "a" : 9223372036854775807, "e" : 1e-400, "z":0.1 } } )",
      R"({"type":"t\n\u00e4\ud83d\ude00","properties":{"key":"\"\\","f":false,"n":null}})",
      R"({"properties":{},"id":"x","type":"y","parent":null})"};
  for (int round = 0; round < 30'000; ++round) {
    auto text = right[random() % right.size()];
    for (auto count = random() % 4; count > 0; --count) {
      auto letter = "{}[]\":,\\\n 019.eE-+tfnux\xc3\xff"[random() % 26];
      if (random() % 2 == 0)
        text[random() % text.size()] = letter;
      else
        text.insert(random() % text.size(), 1, letter);
    }
    check_same(fast, text);
  }
}
