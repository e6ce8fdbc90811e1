#include "messages/names.hpp"
#include "registry/compact_id.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>
#include <set>
#include <unordered_set>

using namespace gemel;

namespace {

const std::string uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";

std::vector<std::string> interesting_texts() {
  std::vector<std::string> texts{"", "a", std::string(1, '\0'), std::string("a\0b", 3), uuid};
  for (std::size_t size = 20; size < 48; ++size)
    texts.push_back(std::string(size, 'x'));
  // Almost UUIDs: they must come back as they were, letter by letter.
  auto upper = uuid;
  upper[1] = 'F';
  auto dash = uuid;
  dash[8] = '0';
  auto letter = uuid;
  letter[35] = 'g';
  texts.insert(texts.end(), {upper, dash, letter, uuid + "0", uuid.substr(1)});
  texts.push_back(std::string(256, 'y'));
  return texts;
}

} // namespace

TEST_CASE("compact_id gives every text back as it was", "[unit][registry]") {
  for (const auto& text : interesting_texts()) {
    compact_id id{text};
    CHECK(id.str() == text);
    CHECK(id == std::string_view{text});
    CHECK(id.empty() == text.empty());
  }
}

TEST_CASE("compact_id equals its own text and no other", "[unit][registry]") {
  auto texts = interesting_texts();
  for (std::size_t i = 0; i < texts.size(); ++i)
    for (std::size_t j = 0; j < texts.size(); ++j)
      CHECK((compact_id{texts[i]} == std::string_view{texts[j]}) == (i == j));
}

TEST_CASE("compact_id uses the heap only for long texts that are no UUIDs", "[unit][registry]") {
  CHECK(compact_id{std::string(23, 'x')}.heap_bytes() == 0);
  CHECK(compact_id{uuid}.heap_bytes() == 0);
  CHECK(compact_id{std::string(24, 'x')}.heap_bytes() == 24);
  CHECK(compact_id{std::string(36, 'x')}.heap_bytes() == 36);
}

TEST_CASE("compact_id is copied, moved and assigned without sharing", "[unit][registry]") {
  for (const auto& text : interesting_texts()) {
    compact_id first{text};
    compact_id copy{first};
    CHECK(copy.str() == text);
    compact_id moved{std::move(first)};
    CHECK(moved.str() == text);
    CHECK(first.empty());
    copy = compact_id{"other"};
    CHECK(copy.str() == "other");
    CHECK(moved.str() == text);
    copy = moved;
    moved = compact_id{};
    CHECK(copy.str() == text);
    CHECK(moved.empty());
  }
}

TEST_CASE("make_uuid makes canonical version 4 UUIDs of its bits", "[unit][registry]") {
  CHECK(make_uuid(0, 0) == "00000000-0000-4000-8000-000000000000");
  CHECK(make_uuid(~0ull, ~0ull) == "ffffffff-ffff-4fff-bfff-ffffffffffff");
  CHECK(make_uuid(0x0123456789abcdef, 0x0123456789abcdef)
        == "01234567-89ab-4def-8123-456789abcdef");
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  std::unordered_set<std::string> made;
  for (int i = 0; i < 10'000; ++i) {
    auto text = make_uuid(random(), random());
    CHECK(check_id(text).has_value());
    CHECK(compact_id{text}.heap_bytes() == 0);
    CHECK(compact_id{text}.str() == text);
    made.insert(text);
  }
  CHECK(made.size() == 10'000);
}
