#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "workflows/rule_runner.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace gemel {

namespace {

rule rule_of(const std::string& text) {
  auto document = json_document::parse(text, "rule.json");
  REQUIRE(document);
  auto made = rule::read(*document);
  std::string faults;
  if (!made)
    for (const auto& one : made.error())
      faults += to_string(one) + "\n";
  INFO(faults);
  REQUIRE(made);
  return std::move(*made);
}

std::string faults_of(const std::string& text) {
  auto document = json_document::parse(text, "");
  REQUIRE(document);
  auto made = rule::read(*document);
  REQUIRE_FALSE(made);
  std::string faults;
  for (const auto& one : made.error())
    faults += one.at + ": " + one.message + (one.hint.empty() ? "" : " (" + one.hint + ")") + "\n";
  return faults;
}

struct reading {
  std::int64_t time = 0;
  double x = 0;
  std::string twin = "m";
};

recorded_event event_of(const reading& from) {
  auto made = std::make_shared<rule_event>();
  made->time = value{from.time};
  made->twin_id = value{from.twin};
  made->event = value{"updated"};
  made->properties = value{value_map{{"x", value{from.x}}}};
  recorded_event read;
  read.event = std::move(made);
  return read;
}

std::vector<found_match> run(const rule& what, const std::vector<reading>& readings) {
  rule_runner runner{what};
  match_output output;
  for (const auto& one : readings)
    runner.add(event_of(one), output);
  runner.finish(output);
  return std::move(output.matches);
}

std::string window(const std::string& shape, const std::string& aggregates,
                   const std::string& more = "") {
  return R"({"rule":"w","window":)" + shape + R"(,"aggregate":)" + aggregates + more + "}";
}

// `[start,end) name=value` of each window told, with blanks between them.
std::string told(const std::vector<found_match>& found, const char* name) {
  std::string text;
  for (const auto& one : found)
    text += (text.empty() ? "" : " ") + to_json(*one.content.find("start")) + "-"
            + to_json(*one.content.find("end")) + "=" + to_json(*one.content.find(name))
            + (one.content.find("correction") != nullptr ? "!" : "");
  return text;
}

std::string sums(const std::string& shape, const std::vector<reading>& readings,
                 const std::string& more = "") {
  return told(run(rule_of(window(shape, R"j({"n":"sum(x)"})j", more)), readings), "n");
}

} // namespace

TEST_CASE("windows begin and end where their kind says", "[unit][workflows]") {
  std::vector<reading> three = {{1, 1}, {9, 2}, {10, 4}, {25, 8}};
  CHECK(sums(R"({"kind":"tumbling","size":10})", three) == "0-10=3.0 10-20=4.0 20-30=8.0");
  CHECK(sums(R"({"kind":"tumbling","size":10,"align":"first"})", three) == "1-11=7.0 21-31=8.0");
  CHECK(sums(R"({"kind":"hopping","size":10,"slide":5})", three)
        == "-5-5=1.0 0-10=3.0 5-15=6.0 10-20=4.0 20-30=8.0 25-35=8.0");
  CHECK(sums(R"({"kind":"sliding","size":10})", three) == "-8-2=1.0 0-10=3.0 1-11=7.0 16-26=8.0");
  CHECK(sums(R"({"kind":"session","gap":10})", three) == "1-20=7.0 25-35=8.0");
  CHECK(sums(R"({"kind":"session","gap":15})", three) == "1-25=7.0 25-40=8.0");
  CHECK(sums(R"({"kind":"count","size":2})", three) == "1-10=3.0 10-26=12.0");
  CHECK(sums(R"({"kind":"count_sliding","size":2})", three) == "1-10=3.0 9-11=6.0 10-26=12.0");
}

TEST_CASE("a late event corrects a window for as long as it may", "[unit][workflows]") {
  auto shape = R"({"kind":"tumbling","size":10,"allowed_lateness":20})";
  std::vector<reading> readings = {{1, 1}, {15, 2}, {5, 4}, {40, 8}, {6, 16}};
  CHECK(sums(shape, readings) == "0-10=1.0 0-10=5.0! 10-20=2.0 40-50=8.0");
  CHECK(sums(R"({"kind":"tumbling","size":10})", readings) == "0-10=1.0 10-20=2.0 40-50=8.0");
}

TEST_CASE("a late event makes a session longer, or one of two", "[unit][workflows]") {
  auto shape = R"({"kind":"session","gap":10,"allowed_lateness":50})";
  CHECK(sums(shape, {{1, 1}, {30, 2}, {5, 4}, {60, 8}})
        == "1-11=1.0 1-15=5.0! 30-40=2.0 60-70=8.0");
  CHECK(sums(shape, {{1, 1}, {17, 2}, {40, 4}, {9, 8}})
        == "1-11=1.0 17-27=2.0 1-27=11.0! 40-50=4.0");
  // What goes on is told when it ends.
  CHECK(sums(shape, {{1, 1}, {15, 2}, {10, 4}}) == "1-11=1.0 1-25=7.0!");
  CHECK(sums(shape, {{20, 1}, {40, 2}, {12, 4}, {90, 8}})
        == "20-30=1.0 12-30=5.0! 40-50=2.0 90-100=8.0");
  // Of its own, or too late.
  CHECK(sums(shape, {{50, 1}, {70, 2}, {20, 4}, {5, 8}}) == "50-60=1.0 20-30=4.0 70-80=2.0");
  auto all =
      R"j({"a":"avg(x)","d":"stddev(x)","s":"slope(x)","p":"percentile(x, 50)","l":"last(x)"})j";
  auto together = run(rule_of(window(shape, all)), {{1, 1}, {9, 3}, {17, 7}});
  auto late = run(rule_of(window(shape, all)), {{1, 1}, {17, 7}, {50, 0}, {9, 3}});
  REQUIRE(late.size() == 4);
  for (const char* name : {"a", "d", "s", "p", "l"})
    CHECK(*late[2].content.find(name)->number()
          == Approx(*together[0].content.find(name)->number()));
}

TEST_CASE("having and group_by decide which windows are told", "[unit][workflows]") {
  std::vector<reading> readings = {{1, 1, "a"}, {2, 5, "b"}, {3, 7, "a"}};
  auto shape = R"({"kind":"tumbling","size":10})";
  CHECK(sums(shape, readings) == "0-10=8.0 0-10=5.0");
  CHECK(sums(shape, readings, R"(,"having":"n > 5")") == "0-10=8.0");
  CHECK(sums(shape, readings, R"(,"group_by":"x > 4")") == "0-10=1.0 0-10=12.0");
  CHECK(sums(shape, readings, R"(,"partition_by":null)") == "0-10=13.0");
}

TEST_CASE("a window's document is refused with all its faults", "[unit][workflows]") {
  CHECK(faults_of(R"j({"rule":"w","window":{"kind":"tumbling","size":"1m","sise":"1m"},)j"
                  R"j("aggregate":{"a":"awg(x)","p":"percentile(x, 101)"},"having":"aa > 1"})j")
        == "/window/sise: unknown field 'sise' in a window (did you mean 'size'?)\n"
           "/aggregate/a: 'a': no aggregate 'awg' (did you mean 'avg'?)\n"
           "/aggregate/p: 'p': 'percentile' takes a value and a number from 0 to 100, such as "
           "percentile(vibration, 95)\n"
           "/having: 'aa' is nothing that the window has (did you mean 'a'?)\n");
  CHECK(faults_of(R"({"rule":"w","window":{"kind":"session"},"aggregate":{}})").find("'gap'")
        != std::string::npos);
  CHECK(faults_of(R"({"rule":"w","window":{"kind":"count","size":0},"pattern":{},"aggregate":{}})")
            .find("not both")
        != std::string::npos);
}

TEST_CASE("an output that is limited tells the first match and counts", "[unit][workflows]") {
  std::vector<reading> readings;
  for (int i = 0; i < 10; ++i)
    readings.push_back({i * 10, 1, i % 2 == 0 ? "a" : "b"});
  auto count = [&](const std::string& output) {
    return run(rule_of(window(R"({"kind":"count","size":1})", R"j({"n":"sum(x)"})j", output)),
               readings)
        .size();
  };
  CHECK(count("") == 10);
  CHECK(count(R"(,"output":{"emit":"first","every":40})") == 6);
  CHECK(count(R"(,"output":{"emit":"first","every":40,"per":"rule"})") == 3);
  CHECK(count(R"(,"output":{"emit":"first","every":"2 events"})") == 6);
  CHECK(count(R"(,"output":{"emit":"last","every":"2 events"})") == 4);
}

namespace {

// What the aggregates must be, by their definitions, of the values in a window.
struct plain {
  std::vector<reading> in;

  double of(const std::string& name) const {
    auto n = static_cast<double>(in.size());
    double sum = 0;
    for (const auto& one : in)
      sum += one.x;
    auto mean = sum / n;
    auto sorted = in;
    std::sort(sorted.begin(), sorted.end(),
              [](const reading& a, const reading& b) { return a.x < b.x; });
    if (name == "avg")
      return mean;
    if (name == "min")
      return sorted.front().x;
    if (name == "max")
      return sorted.back().x;
    if (name == "first")
      return in.front().x;
    if (name == "last")
      return in.back().x;
    if (name == "p")
      return rank(sorted, 0.9 * (n - 1));
    return name == "sd" ? deviation(mean) : slope(mean);
  }

  static double rank(const std::vector<reading>& sorted, double place) {
    auto low = static_cast<std::size_t>(place);
    auto high = std::min(low + 1, sorted.size() - 1);
    return sorted[low].x + (sorted[high].x - sorted[low].x) * (place - static_cast<double>(low));
  }
  double deviation(double mean) const {
    double squares = 0;
    for (const auto& one : in)
      squares += (one.x - mean) * (one.x - mean);
    return std::sqrt(squares / static_cast<double>(in.size() - 1));
  }
  double slope(double mean) const {
    double middle = 0;
    for (const auto& one : in)
      middle += static_cast<double>(one.time) / 1'000 / static_cast<double>(in.size());
    double above = 0;
    double below = 0;
    for (const auto& one : in) {
      auto t = static_cast<double>(one.time) / 1'000 - middle;
      above += t * (one.x - mean);
      below += t * t;
    }
    return above / below;
  }
};

// The windows of a kind by definition: which readings lie in each.
std::vector<plain> windows_of(const std::string& kind, const std::vector<reading>& all) {
  std::vector<plain> made;
  auto within = [&](std::int64_t from, std::int64_t to) {
    plain one;
    for (const auto& reading : all)
      if (reading.time >= from && reading.time < to)
        one.in.push_back(reading);
    if (!one.in.empty())
      made.push_back(std::move(one));
  };
  if (kind == "sliding")
    for (std::size_t i = 0; i < all.size(); ++i)
      within(all[i].time - 49, all[i].time + 1);
  else
    for (std::int64_t start = -40; start <= all.back().time; start += 10)
      within(start, start + 50);
  return made;
}

bool is_near(double a, double b) {
  return std::abs(a - b) <= 1e-6 * (1 + std::abs(a) + std::abs(b));
}

} // namespace

TEST_CASE("random windows hold what their definition says", "[unit][workflows]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  const auto* aggregates = R"j({"avg":"avg(x)","min":"min(x)","max":"max(x)",)j"
                           R"j("first":"first(x)","last":"last(x)","sd":"stddev(x)",)j"
                           R"j("p":"percentile(x, 90)","slope":"slope(x)"})j";
  auto sliding = rule_of(window(R"({"kind":"sliding","size":50})", aggregates));
  auto hopping = rule_of(window(R"({"kind":"hopping","size":50,"slide":10})", aggregates));
  for (int i = 0; i < 1'000; ++i) {
    std::vector<reading> all;
    std::int64_t time = 0;
    auto level = i % 3 == 0 ? 1e6 : 0.0;
    for (auto left = 1 + random() % 60; left > 0; --left) {
      time += static_cast<std::int64_t>(1 + random() % 20);
      all.push_back({time, level + static_cast<double>(random() % 1'000) / 10});
    }
    for (const auto* kind : {"sliding", "hopping"}) {
      auto got = run(std::string{kind} == "sliding" ? sliding : hopping, all);
      auto right = windows_of(kind, all);
      REQUIRE(got.size() == right.size());
      for (std::size_t j = 0; j < got.size(); ++j)
        for (const auto* name : {"avg", "min", "max", "first", "last", "sd", "p", "slope"}) {
          const auto* found = got[j].content.find(name);
          INFO(kind << " " << name << " of " << right[j].in.size());
          if (right[j].in.size() < 2 && (std::string{name} == "sd" || std::string{name} == "slope"))
            REQUIRE(found->is_null());
          else
            REQUIRE(is_near(*found->number(), right[j].of(name)));
        }
    }
  }
}

TEST_CASE("streams are joined by key and window", "[unit][workflows]") {
  auto joined = [](const std::string& more = {}) {
    return rule_of(
        R"({"rule":"r","time":{},"window":{"kind":"tumbling","size":"10s"},"join":[)"
        R"x({"name":"low","where":"x < 10","aggregate":{"low":"max(x)","n":"count(x)"}},)x"
        R"x({"name":"high","where":"x >= 10","aggregate":{"high":"min(x)"})x"
        + more + R"(}],"having":"n > 1"})");
  };
  const std::vector<reading> readings = {
      {0, 1},      {1'000, 2},       {2'000, 50}, {3'000, 40},       // both
      {10'000, 3}, {11'000, 4},                                      // one
      {20'000, 5}, {21'000, 60},                                     // too few
      {30'000, 7}, {31'000, 8, "k"}, {32'000, 9}, {33'000, 70, "k"}, // of two keys
  };
  auto found = run(joined(), readings);
  REQUIRE(found.size() == 1);
  CHECK(to_json(found[0].content)
        == R"({"count":4,"end":10000,"high":40.0,"low":2.0,"n":2,"start":0})");
  auto outer = run(joined(R"(,"optional":true)"), readings);
  REQUIRE(outer.size() == 3);
  CHECK(outer[1].content.find("high")->is_null());
  CHECK(*outer[2].content.find("low") == value{9.0});
}

TEST_CASE("a join is refused with the place of what is wrong", "[unit][workflows]") {
  auto text = [](const std::string& kind, const std::string& sides, const std::string& more = {}) {
    return R"({"rule":"r","window":{"kind":")" + kind + R"(","size":10},"join":[)" + sides + "]"
           + more + "}";
  };
  auto side = [](const std::string& name, const std::string& aggregate) {
    return R"({"name":")" + name + R"(","aggregate":{")" + aggregate + R"x(":"count()"}})x";
  };
  CHECK(faults_of(text("tumbling", side("a", "n"))) == "/join: 1 streams are joined (2 to 8)\n");
  CHECK(faults_of(text("tumbling", side("a", "n") + "," + side("a", "n")))
        == "/join/1/name: there is a stream 'a' already\n"
           "/join/1/aggregate/n: 'n': the window has this name already\n");
  CHECK(faults_of(text("count", side("a", "n") + "," + side("b", "m")))
        == "/window: such windows cannot be joined (tumbling, hopping or session)\n");
  CHECK(faults_of(text("tumbling", side("a", "n") + "," + side("b", "m"),
                       R"x(,"aggregate":{"k":"count()"})x"))
        == "/aggregate: each stream of a 'join' has its own 'aggregate'\n");
}

} // namespace gemel
