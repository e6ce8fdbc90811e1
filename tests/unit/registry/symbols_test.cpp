#include "registry/symbols.hpp"
#include "tests/support/catch.hpp"

#include <future>
#include <vector>

using namespace gemel;

TEST_CASE("symbol_table gives each text one number for ever", "[unit][registry]") {
  symbol_table table{10};
  auto a = table.intern("temperature").value();
  auto b = table.intern("vibration").value();
  CHECK(a != b);
  CHECK(table.intern("temperature") == a);
  CHECK(table.find("vibration") == b);
  CHECK_FALSE(table.find("speed"));
  CHECK(table.text(a) == "temperature");
  CHECK(table.size() == 2);
  CHECK_THROWS_AS(table.text(2), broken_invariant);
}

TEST_CASE("symbol_table keeps short and long texts in place while it grows", "[unit][registry]") {
  symbol_table table{5'000};
  std::vector<std::string_view> seen;
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    auto text = std::to_string(i) + std::string(i % 40, 'x');
    seen.push_back(table.text(table.intern(text).value()));
  }
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    CHECK(seen[i] == std::to_string(i) + std::string(i % 40, 'x'));
    CHECK(table.text(i).data() == seen[i].data());
  }
}

TEST_CASE("a full symbol_table refuses new texts and still knows the old", "[unit][registry]") {
  symbol_table table{2};
  REQUIRE(table.intern("a"));
  REQUIRE(table.intern("b"));
  auto refused = table.intern("c");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::limit_reached);
  CHECK(table.intern("a") == 0u);
  CHECK_FALSE(table.find("c"));
  CHECK(table.size() == 2);
}

TEST_CASE("symbol_cache answers as the table behind it", "[unit][registry]") {
  symbol_table table{2};
  symbol_cache one{table};
  symbol_cache two{table};
  CHECK_FALSE(two.find("a"));
  {
    std::string passing = "a";
    CHECK(one.intern(passing) == 0u);
  }
  CHECK(two.find("a") == 0u);
  CHECK(two.intern("b") == 1u);
  CHECK(one.find("b") == 1u);
  CHECK(one.intern("a") == 0u);
  CHECK(one.intern("c").error().code == errc::limit_reached);
}

TEST_CASE("symbol_table gives one number to texts that many threads intern at once",
          "[unit][registry]") {
  symbol_table table{1'000};
  auto intern_all = [&] {
    symbol_cache cache{table};
    std::vector<std::uint32_t> numbers;
    for (int i = 0; i < 1'000; ++i)
      numbers.push_back(cache.intern("key" + std::to_string(i)).value());
    return numbers;
  };
  std::vector<std::future<std::vector<std::uint32_t>>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(std::async(std::launch::async, intern_all));
  auto first = all[0].get();
  for (int i = 1; i < 4; ++i)
    CHECK(all[static_cast<std::size_t>(i)].get() == first);
  CHECK(table.size() == 1'000);
}
