#include "actors/sync/conflict_policy.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <random>

using namespace gemel;

namespace {

constexpr site_id edge{1};
constexpr site_id cloud{2};
constexpr writer_id at_edge = make_writer(edge, 7);
constexpr writer_id at_cloud = make_writer(cloud, 9);

sibling made(writer_id writer, std::uint64_t number, std::int64_t ms, value content,
             std::uint32_t depth = 1) {
  return {{writer, number}, make_hybrid_time(ms, 0), {at_edge, 1}, depth, std::move(content)};
}

conflict_policy policy(conflict_strategy strategy) {
  return {strategy, cloud, "f", nullptr};
}

value shown(conflict_strategy strategy, const sibling_set& siblings) {
  return resolve(policy(strategy), siblings).content;
}

// What a writer that saw `seen` leaves when it writes `wanted`.
sibling written(conflict_strategy strategy, const sibling_set& seen, writer_id writer,
                std::uint64_t number, std::int64_t ms, const value& wanted) {
  auto kept =
      content_to_keep(policy(strategy), seen, {writer, number}, make_hybrid_time(ms, 0), wanted);
  REQUIRE(kept);
  return made(writer, number, ms, *kept);
}

value list(std::initializer_list<const char*> elements) {
  value_list all;
  for (const auto* e : elements)
    all.emplace_back(e);
  return value{std::move(all)};
}

} // namespace

TEST_CASE("a property without values is not there", "[unit][sync]") {
  CHECK_FALSE(resolve(policy(conflict_strategy::last_write_wins), {}).present);
}

TEST_CASE("last write wins by hybrid time, then by writer", "[unit][sync]") {
  CHECK(
      shown(conflict_strategy::last_write_wins, {made(at_edge, 1, 20, 1), made(at_cloud, 1, 10, 2)})
      == value{1});
  CHECK(
      shown(conflict_strategy::last_write_wins, {made(at_edge, 1, 10, 1), made(at_cloud, 1, 10, 2)})
      == value{2});
}

TEST_CASE("version based prefers the value that stands on more writes", "[unit][sync]") {
  CHECK(shown(conflict_strategy::version_based,
              {made(at_edge, 1, 20, 1, 2), made(at_cloud, 1, 10, 2, 5)})
        == value{2});
}

TEST_CASE("authority prefers its site, and falls back to the latest", "[unit][sync]") {
  CHECK(shown(conflict_strategy::authority, {made(at_edge, 1, 20, 1), made(at_cloud, 1, 10, 2)})
        == value{2});
  CHECK(shown(conflict_strategy::authority, {made(at_edge, 1, 20, 1)}) == value{1});
}

TEST_CASE("maximum and minimum look at numbers", "[unit][sync]") {
  sibling_set both{made(at_edge, 1, 20, 1.5), made(at_cloud, 1, 10, 7)};
  CHECK(shown(conflict_strategy::merge_max, both) == value{7});
  CHECK(shown(conflict_strategy::merge_min, both) == value{1.5});
  both[1].content = value{"none"};
  CHECK(shown(conflict_strategy::merge_max, both) == value{1.5});
}

TEST_CASE("a counter counts what each side added", "[unit][sync]") {
  auto how = conflict_strategy::merge_counter;
  auto base = written(how, {}, at_edge, 1, 1, 10);
  auto left = written(how, {base}, at_edge, 2, 2, 13);  // 3 more
  auto right = written(how, {base}, at_cloud, 1, 2, 8); // 2 fewer
  CHECK(shown(how, {left, right}) == value{11});
  auto next = written(how, {left, right}, at_cloud, 2, 3, 12);
  CHECK(shown(how, {next}) == value{12});
  CHECK(shown(how, {left, next}) == value{12});
}

TEST_CASE("a counter goes on as a real when integers overflow", "[unit][sync]") {
  auto how = conflict_strategy::merge_counter;
  auto most = std::numeric_limits<std::int64_t>::max();
  auto left = written(how, {}, at_edge, 1, 1, most);
  auto right = written(how, {}, at_cloud, 1, 1, most);
  CHECK(shown(how, {left, right}) == value{2 * static_cast<double>(most)});
}

TEST_CASE("a sum adds the share of each site, a site's new life takes its share over",
          "[unit][sync]") {
  auto how = conflict_strategy::merge_sum;
  auto first = written(how, {}, at_edge, 1, 1, 10);
  auto both = written(how, {first}, at_cloud, 1, 2, 5);
  CHECK(shown(how, {both}) == value{15});
  auto reborn = written(how, {both}, make_writer(edge, 8), 1, 3, 11);
  CHECK(shown(how, {reborn}) == value{16});
}

TEST_CASE("a set keeps concurrent additions and removes what was seen", "[unit][sync]") {
  auto how = conflict_strategy::merge_set;
  auto base = written(how, {}, at_edge, 1, 1, list({"a", "b"}));
  auto left = written(how, {base}, at_edge, 2, 2, list({"b", "c"}));
  auto right = written(how, {base}, at_cloud, 1, 2, list({"a", "b", "d"}));
  CHECK(shown(how, {left, right}) == list({"b", "c", "d"}));
  // "a" removed here and at the same time added anew there stays.
  auto without = written(how, {base}, at_cloud, 2, 3, list({"b"}));
  auto again = written(how, {without}, at_cloud, 3, 4, list({"a", "b"}));
  CHECK(shown(how, {left, again}) == list({"a", "b", "c"}));
}

TEST_CASE("a map decides each member for itself", "[unit][sync]") {
  auto how = conflict_strategy::merge_map;
  auto map = [](std::initializer_list<map_member> members) { return value{value_map{members}}; };
  auto base = written(how, {}, at_edge, 1, 1, map({{"x", 1}, {"y", 1}}));
  auto left = written(how, {base}, at_edge, 2, 5, map({{"x", 2}, {"y", 1}}));
  auto right = written(how, {base}, at_cloud, 1, 9, map({{"x", 3}, {"z", 4}}));
  CHECK(shown(how, {left, right}) == map({{"x", 3}, {"z", 4}}));
}

TEST_CASE("manual conflicts are undecided while the values differ", "[unit][sync]") {
  sibling_set both{made(at_edge, 1, 20, 1), made(at_cloud, 1, 10, 2)};
  auto seen = resolve(policy(conflict_strategy::manual), both);
  CHECK(seen.undecided);
  CHECK(seen.content == value{1});
  both[1].content = value{1};
  CHECK_FALSE(resolve(policy(conflict_strategy::manual), both).undecided);
}

TEST_CASE("strategies that need a kind of value refuse others", "[unit][sync]") {
  auto refused = [](conflict_strategy how, const value& wanted) {
    auto kept = content_to_keep(policy(how), {}, {at_edge, 1}, {}, wanted);
    return !kept && kept.error().code == errc::bad_value;
  };
  CHECK(refused(conflict_strategy::merge_counter, "five"));
  CHECK(refused(conflict_strategy::merge_sum, nullptr));
  CHECK(refused(conflict_strategy::merge_set, 5));
  CHECK(refused(conflict_strategy::merge_map, list({"a"})));
}

TEST_CASE("merging strategies show the same whatever the order and repetition", "[unit][sync]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  auto wanted = [&](conflict_strategy how) {
    auto n = static_cast<std::int64_t>(random() % 10);
    if (how == conflict_strategy::merge_set)
      return list({n % 2 != 0 ? "a" : "b", n % 3 != 0 ? "c" : "d"});
    if (how == conflict_strategy::merge_map)
      return value{value_map{{n % 2 != 0 ? "x" : "y", value{n}}, {"z", value{n}}}};
    return value{n};
  };
  for (auto how : {conflict_strategy::merge_sum, conflict_strategy::merge_counter,
                   conflict_strategy::merge_set, conflict_strategy::merge_map,
                   conflict_strategy::merge_max, conflict_strategy::version_based}) {
    for (int i = 0; i < 200; ++i) {
      auto base = written(how, {}, at_edge, 1, 1, wanted(how));
      sibling_set all;
      for (std::uint32_t s = 1; s <= 4; ++s)
        all.push_back(written(how, {base}, make_writer(site_id{s}, 3), 2 + random() % 9,
                              static_cast<std::int64_t>(random() % 3), wanted(how)));
      auto first = shown(how, all);
      std::shuffle(all.begin(), all.end(), random);
      REQUIRE(shown(how, all) == first);
    }
  }
}

TEST_CASE("the nearest policy decides", "[unit][sync]") {
  conflict_policies all;
  auto set = [](conflict_strategy s) { return conflict_policy{s, {}, {}}; };
  auto of = [&](const char* twin, const char* type, const char* key) {
    return all.of(twin, type, key).strategy;
  };
  CHECK(of("m1", "machine", "speed") == conflict_strategy::last_write_wins);
  all.set_default(set(conflict_strategy::manual));
  CHECK(of("m1", "machine", "speed") == conflict_strategy::manual);
  CHECK(of("m1", "machine", replica_keys::life) == conflict_strategy::last_write_wins);
  all.set_property("", "speed", set(conflict_strategy::merge_max));
  CHECK(of("m1", "machine", "speed") == conflict_strategy::merge_max);
  all.set_type("machine", set(conflict_strategy::version_based));
  CHECK(of("m1", "machine", "speed") == conflict_strategy::version_based);
  all.set_property("machine", "speed", set(conflict_strategy::merge_min));
  CHECK(of("m1", "machine", "speed") == conflict_strategy::merge_min);
  all.set_twin("m1", set(conflict_strategy::authority));
  CHECK(of("m1", "machine", "speed") == conflict_strategy::authority);
  all.set_twin_property("m1", "speed", set(conflict_strategy::merge_sum));
  CHECK(of("m1", "machine", "speed") == conflict_strategy::merge_sum);
  CHECK(of("m2", "machine", "speed") == conflict_strategy::merge_min);
}

TEST_CASE("strategies are named, and a wrong name is answered with those there are",
          "[unit][sync]") {
  for (int i = 0; i <= 10; ++i) {
    auto strategy = static_cast<conflict_strategy>(i);
    CHECK(strategy_from_string(to_string(strategy)) == strategy);
  }
  auto wrong = strategy_from_string("newest");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == errc::bad_value);
  CHECK(wrong.error().context.find("last_write_wins") != std::string::npos);
}

TEST_CASE("a merge function must keep the laws", "[unit][sync]") {
  std::mt19937_64 random{test::seed()};
  auto draw = [&] { return static_cast<std::uint64_t>(random()); };
  auto greatest = [](const std::vector<value>& all) -> result<value> {
    auto best = *all.front().number();
    for (const auto& v : all)
      best = std::max(best, *v.number());
    return value{best};
  };
  CHECK_FALSE(check_merge_laws(
      [](const std::vector<value>& all) -> result<value> { return all.front(); }, draw));
  auto mean = check_merge_laws(
      [](const std::vector<value>& all) -> result<value> {
        double sum = 0;
        for (const auto& v : all)
          sum += *v.number();
        return value{sum / static_cast<double>(all.size())};
      },
      draw);
  REQUIRE_FALSE(mean);
  CHECK(mean.error().context.find("law") != std::string::npos);
  CHECK(check_merge_laws(greatest, draw));
}

TEST_CASE("a twin's own strategy decides but for what keeps more than it shows", "[unit][sync]") {
  conflict_policies all;
  conflict_policy latest;
  conflict_policy counter{conflict_strategy::merge_counter, {}, {}};
  auto under = [&](const conflict_policy& configured, const char* key, value text) {
    return all.with_own(configured, key, text).strategy;
  };
  CHECK(under(latest, "speed", value{"max"}) == conflict_strategy::merge_max);
  CHECK(under(counter, "strokes", value{"max"}) == conflict_strategy::merge_counter);
  CHECK(under(latest, replica_keys::parent, value{"max"}) == conflict_strategy::last_write_wins);
  // Of a newer node, or no strategy at all.
  CHECK(under(latest, "speed", value{"median"}) == conflict_strategy::last_write_wins);
  CHECK(under(latest, "speed", value{5}) == conflict_strategy::last_write_wins);
  auto why = [&](const std::string& text) {
    auto made = all.own(text);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == errc::bad_value);
    return made.error().context;
  };
  CHECK(why("counter").find("property") != std::string::npos);
  CHECK(why("set").find("property") != std::string::npos);
  CHECK(why("latest").find("last_write_wins") != std::string::npos);
  CHECK(why("authority").find("authority:NODE") != std::string::npos);
  CHECK(why("function").find("function:NAME") != std::string::npos);
  CHECK(why("function:mean").find("this program has none") != std::string::npos);
  CHECK(why("max:5").find("followed by a name") != std::string::npos);
  CHECK(why("authority:" + std::string(300, 'x')).find("256") != std::string::npos);
  CHECK(all.own("authority:cloud")->site == site_of_name("cloud"));
}

TEST_CASE("a function of the program merges what it can, the rest waits for a decision",
          "[unit][sync]") {
  std::vector<value> asked;
  conflict_policies all;
  all.set_functions({{"longest",
                      [&](const std::vector<value>& each) -> result<value> {
                        asked = each;
                        auto best = std::string{};
                        for (const auto& one : each) {
                          if (!one.is_text())
                            return fail(errc::bad_value, "no text");
                          best = std::max(best, std::string{one.as_text()},
                                          [](const auto& l, const auto& r) {
                                            return std::pair{l.size(), l} < std::pair{r.size(), r};
                                          });
                        }
                        return value{best};
                      }},
                     {"other", [](const auto& each) -> result<value> { return each.front(); }}});
  auto longest = all.own("function:longest");
  REQUIRE(longest);
  sibling_set both{made(at_edge, 1, 20, "high"), made(at_cloud, 1, 10, "middle")};
  auto seen = resolve(*longest, both);
  CHECK(seen.content == value{"middle"});
  CHECK_FALSE(seen.undecided);
  CHECK(asked == std::vector<value>{"middle", "high"}); // oldest first
  asked.clear();
  CHECK(resolve(*longest, {made(at_edge, 1, 20, "high")}).content == value{"high"});
  CHECK(resolve(*longest, {both[0], made(at_cloud, 1, 10, "high")}).content == value{"high"});
  CHECK(asked.empty()); // nothing to merge
  auto refused = resolve(*longest, {both[0], made(at_cloud, 1, 10, 5)});
  CHECK(refused.undecided);
  CHECK(refused.content == value{"high"}); // the latest meanwhile
  auto unknown = all.bind(*policy_from_string("function:shortest"));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().context.find("'shortest'; there are longest, other") != std::string::npos);
  // What nobody bound, such as a newer node's.
  CHECK(resolve(*policy_from_string("function:shortest"), both).undecided);
  CHECK(all.bind(*policy_from_string("max"))->strategy == conflict_strategy::merge_max);
}
