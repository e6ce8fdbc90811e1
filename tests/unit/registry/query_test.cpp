#include "messages/limits.hpp"
#include "registry/query.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace gemel;

namespace {

constexpr auto infinity = std::numeric_limits<double>::infinity();

value bytes_of(std::string_view chars) {
  return value::of_bytes(std::as_bytes(std::span{chars.data(), chars.size()}));
}

query_plan plan_of(query_spec spec) {
  auto plan = query_plan::make(std::move(spec));
  INFO((plan ? std::string{} : to_string(plan.error())));
  REQUIRE(plan.has_value());
  return std::move(*plan);
}

std::string fault_of(query_spec spec) {
  auto plan = query_plan::make(std::move(spec));
  return plan ? "no fault" : to_string(plan.error());
}

query_spec ordered(std::size_t limit, bool descending = false) {
  query_spec spec;
  spec.type = "machine";
  spec.order_by = "temperature";
  spec.limit = limit;
  spec.descending = descending;
  return spec;
}

struct row {
  std::string id;
  value key;
};

// One query over the rows of several cells, as a node would run it.
query_page ask(const query_plan& plan, const std::vector<std::vector<row>>& cells) {
  std::vector<query_page> parts;
  for (const auto& cell : cells) {
    query_collector collector{plan};
    for (std::size_t i = 0; i < cell.size(); ++i)
      collector.add(cell[i].id, cell[i].key.is_null() ? nullptr : &cell[i].key, i);
    parts.push_back(collector.take());
  }
  return merge(plan, std::move(parts));
}

std::vector<std::string> ids_of(const query_page& page) {
  std::vector<std::string> ids;
  for (const auto& each : page.rows)
    ids.push_back(each.place.id);
  return ids;
}

// All pages, one after the other, with random sizes up to `limit_max`.
std::vector<std::string> ask_all(query_spec spec, const std::vector<std::vector<row>>& cells,
                                 std::mt19937_64& random, std::size_t limit_max) {
  std::vector<std::string> ids;
  for (;;) {
    spec.limit = 1 + random() % limit_max;
    auto page = ask(plan_of(spec), cells);
    REQUIRE(page.rows.size() <= spec.limit);
    REQUIRE(page.more == !page.next.empty());
    for (const auto& each : page.rows) {
      REQUIRE(cells[each.part][each.payload].id == each.place.id);
      ids.push_back(each.place.id);
    }
    if (!page.more)
      return ids;
    spec.page_token = page.next;
  }
}

} // namespace

TEST_CASE("sort keys have one order across all kinds", "[unit][registry]") {
  // From first to last; those of one line are equivalent.
  std::vector<value_list> lines{
      {value{}},
      {value{false}},
      {value{true}},
      {value{std::nan("")}},
      {value{-infinity}},
      {value{std::numeric_limits<std::int64_t>::min()}, value{-9223372036854775808.0}},
      {value{-1.5}},
      {value{0}, value{0.0}, value{-0.0}},
      {value{1}, value{1.0}},
      {value{9007199254740992}, value{9007199254740992.0}},
      {value{9007199254740993}},
      {value{std::numeric_limits<std::int64_t>::max()}},
      {value{9223372036854775808.0}},
      {value{infinity}},
      {value{""}},
      {value{"Z"}},
      {value{"a"}},
      {value{"a text longer than fourteen bytes"}},
      {value{"\xc3\xa4"}},
      {value{"\xf0\x9f\x98\x80"}},
      {bytes_of("")},
      {bytes_of("a")},
      {bytes_of("\xff")},
      {value{value_list{}}, value{value_list{value{1}}}},
      {value{value_map{}}, value{value_map{{"a", value{1}}}}},
  };
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (std::size_t j = 0; j < lines.size(); ++j)
      for (const auto& left : lines[i])
        for (const auto& right : lines[j]) {
          INFO(to_json(left) << " and " << to_json(right));
          CHECK(compare_sort_keys(left, right) == (i <=> j));
        }
}

TEST_CASE("a sort key is short and never ends in half a character", "[unit][registry]") {
  CHECK(sort_key(nullptr) == value{});
  value number{1.5};
  CHECK(sort_key(&number) == number);
  value whole{std::string(sort_key_bytes_max, 'x')};
  CHECK(sort_key(&whole) == whole);
  value longer{std::string(sort_key_bytes_max + 1, 'x')};
  CHECK(sort_key(&longer) == whole);
  value split{std::string(sort_key_bytes_max - 1, 'x') + "\xc3\xa4"};
  CHECK(sort_key(&split) == value{std::string(sort_key_bytes_max - 1, 'x')});
  auto bytes = bytes_of(std::string(1'000, 'x'));
  CHECK(sort_key(&bytes) == bytes_of(std::string(sort_key_bytes_max, 'x')));
  value list{value_list{value{1}}};
  CHECK(sort_key(&list) == value{value_list{}});
  value map{value_map{{"a", value{1}}}};
  CHECK(sort_key(&map) == value{value_map{}});
}

TEST_CASE("query_plan compiles what is asked", "[unit][registry]") {
  query_spec spec;
  CHECK(plan_of(spec).limit() == limits::page_rows_max);
  CHECK_FALSE(plan_of(spec).where().has_value());
  CHECK_FALSE(plan_of(spec).order_by().has_value());
  spec = ordered(7);
  spec.where = "temperature>85 && is_of_model('machine')";
  spec.select = {"temperature", "vibration_level * 2"};
  auto plan = plan_of(spec);
  CHECK(plan.limit() == 7);
  CHECK(plan.spec() == spec);
  CHECK(plan.where()->to_string() == "temperature > 85 AND is_of_model('machine')");
  CHECK(plan.order_by()->to_string() == "temperature");
  REQUIRE(plan.select().size() == 2);
  CHECK(plan.select()[1].to_string() == "vibration_level * 2");
}

TEST_CASE("query_plan refuses a bad spec and names the field", "[unit][registry]") {
  auto with = [](auto change) {
    query_spec spec;
    change(spec);
    return fault_of(std::move(spec));
  };
  CHECK(with([](auto& s) { s.where = "a >"; })
        == "bad_syntax: where, line 1, column 4: expected a value, a name or '(', found the end");
  CHECK(with([](auto& s) { s.order_by = "max(a)"; }).starts_with("bad_syntax: order_by, line 1"));
  CHECK(with([](auto& s) {
          s.select = {"a", "b c"};
        })
        == "bad_syntax: select[1], line 1, column 3: expected an operator or the end, found 'c'");
  CHECK(with([](auto& s) { s.select = {""}; }).starts_with("bad_syntax: select[0], line 1"));
  CHECK(with([](auto& s) { s.type = std::string(1'000, 'x'); }).starts_with("bad_name"));
  CHECK(with([](auto& s) { s.parent = "a/b"; }).starts_with("bad_name"));
  CHECK(with([](auto& s) { s.limit = limits::page_rows_max; }) == "no fault");
  CHECK(with([](auto& s) { s.limit = limits::page_rows_max + 1; })
        == "limit_reached: limit is 10001, at most 10000 rows make a page");
  CHECK(with([](auto& s) {
          s.select.assign(limits::properties_max + 1, "a");
        }).starts_with("limit_reached: select has 1025"));
}

TEST_CASE("a page token belongs to its query alone", "[unit][registry]") {
  auto token = plan_of(ordered(5)).token_behind({value{1.5}, "m1"});
  CHECK(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        == std::string::npos);
  auto with = [&](auto change) {
    auto spec = ordered(5);
    spec.page_token = token;
    change(spec);
    return fault_of(std::move(spec));
  };
  const auto* other = "bad_value: page_token belongs to another query";
  CHECK(with([](auto&) {}) == "no fault");
  CHECK(with([](auto& s) { s.limit = 9; }) == "no fault");
  CHECK(with([](auto& s) { s.order_by = " ( temperature ) "; }) == "no fault");
  CHECK(with([](auto& s) { s.type = "robot"; }) == other);
  CHECK(with([](auto& s) { s.parent = "hall"; }) == other);
  CHECK(with([](auto& s) { s.where = "a > 1"; }) == other);
  CHECK(with([](auto& s) { s.order_by = "vibration"; }) == other);
  CHECK(with([](auto& s) { s.descending = true; }) == other);
  CHECK(with([](auto& s) { s.select = {"a"}; }) == other);
  CHECK(with([](auto& s) { s.count_only = true; }) == other);
  CHECK(with([](auto& s) { std::swap(s.type, s.parent); }) == other);
}

TEST_CASE("a damaged page token is refused", "[unit][registry]") {
  auto token = plan_of(ordered(5)).token_behind({value{"key"}, "m1"});
  auto with = [](std::string changed) {
    auto spec = ordered(5);
    spec.page_token = std::move(changed);
    return fault_of(std::move(spec));
  };
  for (const auto& bad : {std::string{"x"}, std::string{"bnVsbA"}, std::string{"W10"}, token + "=",
                          token.substr(1), token.substr(0, token.size() - 3), token + token,
                          std::string(1'000'000, 'A'), std::string{"\xff\xff\xff\xff"}})
    CHECK(with(bad) == "bad_value: page_token is damaged");
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int i = 0; i < 5'000; ++i) {
    auto changed = token;
    for (auto n = 1 + random() % 3; n > 0; --n)
      changed[random() % changed.size()] = static_cast<char>(random());
    auto fault = with(changed);
    REQUIRE((fault == "no fault" || fault.starts_with("bad_value: page_token ")));
  }
}

TEST_CASE("a token holds a key and an id of any kind and greatest size", "[unit][registry]") {
  value keys[] = {value{},
                  value{true},
                  value{std::numeric_limits<std::int64_t>::max()},
                  value{0.1},
                  value{std::nan("")},
                  value{-infinity},
                  value{std::string(2'000, '\x01')},
                  bytes_of(std::string(2'000, '\xff')),
                  value{value_list{value{1}}},
                  value{value_map{{"a", value{1}}}}};
  for (const auto& key : keys) {
    std::string id(limits::id_bytes_max, '\x7f');
    auto spec = ordered(5);
    spec.page_token = plan_of(spec).token_behind({key, id});
    auto plan = plan_of(spec);
    auto held = sort_key(&key);
    INFO(to_json(held));
    CHECK_FALSE(plan.behind_token(held, id));
    CHECK(plan.behind_token(held, id + "a"));
    CHECK_FALSE(plan.behind_token(held, id.substr(1, 10)));
  }
}

TEST_CASE("query_collector keeps the first rows and counts all", "[unit][registry]") {
  auto plan = plan_of(ordered(2));
  query_collector collector{plan};
  value hot{95};
  value warm{70.5};
  value cold{10};
  collector.add("c", &hot, 1);
  collector.add("b", &cold, 2);
  collector.add("a", &cold, 3);
  collector.add("d", &warm, 4);
  auto page = collector.take();
  CHECK(page.matches == 4);
  CHECK(page.more);
  REQUIRE(ids_of(page) == std::vector<std::string>{"a", "b"});
  CHECK(page.rows[0].payload == 3);
  CHECK(page.rows[0].place.key == cold);
  auto empty = collector.take();
  CHECK(empty.matches == 0);
  CHECK(empty.rows.empty());
  CHECK_FALSE(empty.more);
}

TEST_CASE("a query that only counts keeps no rows", "[unit][registry]") {
  auto spec = ordered(2);
  spec.count_only = true;
  std::vector<std::vector<row>> cells{{{"a", value{1}}, {"b", value{2}}, {"c", value{}}},
                                      {{"d", value{1}}}};
  auto page = ask(plan_of(spec), cells);
  CHECK(page.matches == 4);
  CHECK(page.rows.empty());
  CHECK_FALSE(page.more);
  CHECK(page.next.empty());
}

TEST_CASE("merge ends where a cell that was cut short ends", "[unit][registry]") {
  auto plan = plan_of(ordered(10));
  query_page cut{{{{value{1}, "a"}, 0, 0}, {{value{3}, "c"}, 1, 0}}, 9, true, {}};
  query_page whole{{{{value{2}, "b"}, 0, 0}, {{value{4}, "d"}, 1, 0}}, 2, false, {}};
  auto page = merge(plan, {whole, cut});
  CHECK(ids_of(page) == std::vector<std::string>{"a", "b", "c"});
  CHECK(page.rows[0].part == 1);
  CHECK(page.matches == 11);
  CHECK(page.more);
  CHECK(page.next == plan.token_behind({value{3}, "c"}));
  cut.rows.clear();
  CHECK_THROWS_AS(merge(plan, {cut}), broken_invariant);
  CHECK(merge(plan, {}).rows.empty());
}

TEST_CASE("a full last page has no token", "[unit][registry]") {
  std::vector<std::vector<row>> cells{{{"a", value{1}}}, {{"b", value{2}}}, {}};
  CHECK(ask(plan_of(ordered(2)), cells).next.empty());
  auto page = ask(plan_of(ordered(1)), cells);
  CHECK(ids_of(page) == std::vector<std::string>{"a"});
  auto spec = ordered(1);
  spec.page_token = page.next;
  page = ask(plan_of(spec), cells);
  CHECK(ids_of(page) == std::vector<std::string>{"b"});
  CHECK(page.next.empty());
  CHECK(page.matches == 2);
}

TEST_CASE("pages give every row once, in the order of a plain sort", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  value keys[] = {value{},
                  value{1},
                  value{1.0},
                  value{2.5},
                  value{-7},
                  value{std::nan("")},
                  value{"hot"},
                  value{"a text longer than fourteen bytes"},
                  value{true},
                  bytes_of("raw"),
                  value{value_list{value{1}}},
                  value{value_map{}}};
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<row>> cells(1 + random() % 5);
    std::vector<row> all;
    for (auto n = random() % 80; n > 0; --n) {
      row made{"m" + std::to_string(n), keys[random() % std::size(keys)]};
      cells[random() % cells.size()].push_back(made);
      all.push_back(made);
    }
    auto spec = ordered(0, random() % 2 == 0);
    std::sort(all.begin(), all.end(), [&](const row& left, const row& right) {
      auto order = compare_sort_keys(left.key, right.key);
      if (order == 0)
        order = left.id <=> right.id;
      return spec.descending ? order > 0 : order < 0;
    });
    std::vector<std::string> wanted;
    for (const auto& each : all)
      wanted.push_back(each.id);
    REQUIRE(ask_all(spec, cells, random, 1 + random() % 20) == wanted);
  }
}

TEST_CASE("rows ahead of a token come once although others change", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  std::vector<std::vector<row>> cells(3);
  std::vector<std::string> steady;
  for (int i = 100; i < 200; ++i) {
    cells[static_cast<std::size_t>(i) % 3].push_back({"steady" + std::to_string(i), value{i}});
    steady.push_back("steady" + std::to_string(i));
  }
  auto spec = ordered(7);
  std::vector<std::string> seen;
  for (int i = 0;; ++i) {
    auto page = ask(plan_of(spec), cells);
    for (const auto& id : ids_of(page))
      if (id.starts_with("steady"))
        seen.push_back(id);
    if (!page.more)
      break;
    spec.page_token = page.next;
    cells[random() % 3].push_back({"new" + std::to_string(i), value{random() % 300}});
  }
  CHECK(seen == steady);
}
