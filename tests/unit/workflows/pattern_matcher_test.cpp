#include "tests/support/catch.hpp"
#include "tests/support/reference_matcher.hpp"
#include "tests/support/seed.hpp"
#include "workflows/rule.hpp"

#include <algorithm>
#include <random>
#include <sstream>

namespace gemel {

namespace {

rule rule_of(const std::string& text) {
  auto document = json_document::parse(text, "rule.json");
  REQUIRE(document);
  auto made = rule::read(*document);
  if (!made)
    for (const auto& one : made.error())
      UNSCOPED_INFO(to_string(one));
  REQUIRE(made);
  return *made;
}

// One event per letter, a second apart; `k` is the letter and `n` its number.
std::vector<rule_event_ptr> events_of(std::string_view letters) {
  std::vector<rule_event_ptr> made;
  for (auto letter : letters) {
    auto event = std::make_shared<rule_event>();
    event->time = value{static_cast<std::int64_t>(made.size()) * 1'000};
    event->properties = value{value_map{{"k", value{std::string{letter}}},
                                        {"n", value{static_cast<std::int64_t>(made.size())}}}};
    made.push_back(std::move(event));
  }
  return made;
}

// The numbers of the events, such as `0 1 3`; sorted matches apart by `|`.
std::string numbers(const std::vector<found_match>& found) {
  std::vector<std::string> texts;
  for (const auto& one : found) {
    std::string text;
    for (const auto* at = one.bound.last(); at != nullptr; at = at->before)
      text = std::to_string(at->event->properties.find("n")->as_integer())
             + (text.empty() ? "" : " ") + text;
    texts.push_back(text);
  }
  std::sort(texts.begin(), texts.end());
  std::string all;
  for (const auto& text : texts)
    all += (all.empty() ? "" : "|") + text;
  return all;
}

struct outcome {
  match_output output;
  match_counters counters;
  std::size_t open = 0;
};

outcome run(const rule& what, std::string_view letters, bool finish = true) {
  outcome made;
  pattern_matcher matcher{what.pattern(), what.limits()};
  for (const auto& event : events_of(letters))
    matcher.take({}, event, made.output);
  if (finish)
    matcher.finish(made.output);
  made.counters = matcher.counters();
  made.open = matcher.runs_open();
  return made;
}

std::string step(const std::string& name, const std::string& where, const std::string& more = {}) {
  return "{\"name\":\"" + name + "\",\"where\":\"" + where + "\"" + more + "}";
}

std::string document(const std::string& steps, const std::string& more = {},
                     const std::string& of_pattern = {}) {
  return "{\"rule\":\"r\",\"pattern\":{\"steps\":[" + steps + "]" + of_pattern + "}" + more + "}";
}

std::string matches(const std::string& steps, std::string_view letters,
                    const std::string& more = {}, const std::string& of_pattern = {}) {
  return numbers(run(rule_of(document(steps, more, of_pattern)), letters).output.matches);
}

const std::string a = step("a", "k = 'a'");

} // namespace

TEST_CASE("contiguity decides what may lie between two events", "[unit][workflows]") {
  CHECK(matches(a + "," + step("b", "k = 'b'", R"(,"link":"next")"), "abxacb") == "0 1");
  CHECK(matches(a + "," + step("b", "k = 'b'"), "acbb") == "0 2");
  CHECK(matches(a + "," + step("b", "k = 'b'", R"(,"link":"followed_by_any")"), "acbb")
        == "0 2|0 3");
}

// The examples of the page "Event Processing (CEP)" of Apache Flink's documentation.
TEST_CASE("loops find what Flink's documentation says", "[unit][workflows]") {
  auto loop = [](const std::string& inner) {
    return a + "," + step("b", "k = 'b'", R"(,"times":[1,null],"inner":")" + inner + "\"") + ","
           + step("c", "k = 'c'");
  };
  // c d a a a d a b, as: start a x x x d x end.
  CHECK(matches(loop("consecutive"), "axbbbdbc") == "0 2 3 4 7|0 2 3 7|0 2 7");
  CHECK(matches(loop("relaxed"), "axbbbdbc") == "0 2 3 4 6 7|0 2 3 4 7|0 2 3 7|0 2 7");
  CHECK(matches(loop("combinations"), "axbbbdbc")
        == "0 2 3 4 6 7|0 2 3 4 7|0 2 3 6 7|0 2 3 7|0 2 4 6 7|0 2 4 7|0 2 6 7|0 2 7");
}

TEST_CASE("skip strategies keep what Flink's documentation says", "[unit][workflows]") {
  auto steps = step("b", "k = 'b'", R"(,"times":[1,null],"inner":"consecutive")") + ","
               + step("c", "k = 'c'", R"(,"link":"next")");
  auto skip = [](const std::string& how) { return R"(,"after_match":{"skip":)" + how + "}"; };
  CHECK(matches(steps, "bbbc", skip(R"("none")")) == "0 1 2 3|1 2 3|2 3");
  CHECK(matches(steps, "bbbc", skip(R"("to_next")")) == "0 1 2 3|1 2 3|2 3");
  CHECK(matches(steps, "bbbc", skip(R"("past_last")")) == "0 1 2 3");
  CHECK(matches(steps, "bbbc", skip(R"({"to_first":"b"})")) == "0 1 2 3|1 2 3|2 3");
  CHECK(matches(steps, "bbbc", skip(R"({"to_last":"b"})")) == "0 1 2 3|2 3");
}

TEST_CASE("an absence ends a run, and at the end is a match in its time", "[unit][workflows]") {
  auto none = std::string{R"({"absent":"x","where":"k = 'x'"})"};
  CHECK(matches(a + "," + none + "," + step("b", "k = 'b'"), "aybaxb") == "0 2");
  auto end = std::string{R"({"absent":"x","where":"k = 'x'","for":"3s"})"};
  auto found = run(rule_of(document(a + "," + end)), "ayxaycy", false);
  CHECK(numbers(found.output.matches) == "3");
  REQUIRE(found.output.matches.size() == 1);
  CHECK(found.output.matches[0].at == 6'000);
  auto next = std::string{R"({"absent":"x","link":"not_next","where":"k = 'x'"})"};
  CHECK(matches(a + "," + next, "axay") == "2");
}

TEST_CASE("conditions read what earlier steps bound", "[unit][workflows]") {
  auto rising = step("r", "n > last(r.n, a.n) and count(r) < 2", R"(,"times":2)");
  CHECK(matches(a + "," + rising, "axyz") == "0 1 2");
  CHECK(matches(a + "," + step("b", "n = a.n + 2"), "axyz") == "0 2");
  CHECK(matches(a + "," + step("s", "k = 'b'", R"(,"times":2)") + ","
                    + step("e", "sum(s.n) = 3 and avg(s.n) = 1.5 and min(s.n) = 1 and max(s.n) = 2"
                                " and first(s.n) = 1 and prev(s.n) = 1"),
                "abbe")
        == "0 1 2 3");
}

TEST_CASE("a run is out of time when within has passed, and is told", "[unit][workflows]") {
  auto what = rule_of(document(a + "," + step("b", "k = 'b'"), "", R"(,"within":"2s")"));
  CHECK(numbers(run(what, "axb").output.matches).empty());
  auto late = run(what, "axb");
  CHECK(numbers(late.output.timeouts) == "0");
  CHECK(late.output.timeouts[0].at == 2'000);
  CHECK(numbers(run(what, "ab").output.matches) == "0 1");
  auto pause = rule_of(document(a + "," + step("b", "k = 'b'", R"(,"within_prev":"2s")")));
  CHECK(numbers(run(pause, "axb").output.timeouts) == "0");
}

TEST_CASE("a key never has more runs than its limit", "[unit][workflows]") {
  auto steps = a + "," + step("b", "k = 'b'");
  auto oldest = run(rule_of(document(steps, R"(,"limits":{"runs_per_key":2})")), "aaaab");
  CHECK(numbers(oldest.output.matches) == "2 4|3 4");
  CHECK(oldest.counters.runs_dropped == 2);
  auto newest =
      run(rule_of(document(steps, R"(,"limits":{"runs_per_key":2,"when_full":"drop_newest"})")),
          "aaaab");
  CHECK(numbers(newest.output.matches) == "0 4|1 4");
}

TEST_CASE("keys are bounded, and idle ones are given up", "[unit][workflows]") {
  auto what =
      rule_of(document(a + "," + step("b", "k = 'b'"), R"(,"limits":{"keys":2,"key_idle":"10s"})"));
  pattern_matcher matcher{what.pattern(), what.limits()};
  match_output output;
  auto events = events_of("aaa");
  for (int i = 0; i < 3; ++i)
    matcher.take(value{i}, events[static_cast<std::size_t>(i)], output);
  CHECK(matcher.keys() == 2);
  CHECK(matcher.counters().keys_dropped == 1);
  matcher.advance(11'999, output);
  CHECK(matcher.keys() == 1);
  matcher.advance(12'000, output);
  CHECK(matcher.keys() == 0);
  CHECK(matcher.runs_open() == 0);
  CHECK(matcher.counters().runs_dropped == 3);
}

TEST_CASE("groups repeat as a whole, and parts stand for each other", "[unit][workflows]") {
  auto b = step("b", "k = 'b'");
  auto c = step("c", "k = 'c'");
  auto group = R"({"group":"g","steps":[)" + b + "," + c + R"(],"times":[1,2]})";
  CHECK(matches(a + "," + group, "abcbc") == "0 1 2|0 1 2 3 4");
  auto either = R"({"or":"e","parts":[)" + b + "," + c + "]}";
  CHECK(matches(a + "," + either, "axc") == "0 2");
  CHECK(matches(a + "," + either, "acb") == "0 1|0 2");
  auto both = R"({"and":"e","parts":[)" + b + "," + c + "]}";
  CHECK(matches(a + "," + both, "axcxb") == "0 2 4");
  CHECK(matches(a + "," + both, "abb").empty());
}

TEST_CASE("an absence between two steps counts for its time", "[unit][workflows]") {
  auto quiet = std::string{R"({"absent":"x","where":"k = 'x'","for":"2s"})"};
  auto steps = a + "," + quiet + "," + step("b", "k = 'b'");
  CHECK(matches(steps, "abb") == "0 2");
  CHECK(matches(steps, "axbb").empty());
  CHECK(matches(steps, "aycxb") == "0 4");
}

TEST_CASE("an absence at the start counts from the key's first event", "[unit][workflows]") {
  auto quiet = std::string{R"({"absent":"x","where":"k = 'x'","for":"2s"})"};
  CHECK(matches(quiet + "," + a, "aaa") == "2");
  CHECK(matches(quiet + "," + a, "yyxaaa") == "4|5");
}

// The example of the page "Patterns" of Siddhi's documentation, in its three forms.
TEST_CASE("runs begin again as the rule says", "[unit][workflows]") {
  auto steps = a + "," + step("b", "k = 'b'");
  auto with = [](const char* how) {
    return R"(,"loops":"longest","restart":")" + std::string{how} + "\"";
  };
  CHECK(matches(steps, "aabab", with("each")) == "0 2|1 2|3 4");
  CHECK(matches(steps, "aabab", with("after_match")) == "0 2|3 4");
  CHECK(matches(steps, "aabab", with("once")) == "0 2");
  CHECK(matches(step("a", "k = 'a'", R"(,"every":true)") + "," + step("b", "k = 'b'"), "aabab",
                with("once"))
        == "0 2|1 2|3 4");
}

TEST_CASE("the longest loop is the match", "[unit][workflows]") {
  auto loop = step("a", "k = 'a'", R"(,"times":[2,5])");
  auto end = step("b", "k = 'b'");
  auto longest = std::string{R"(,"loops":"longest","restart":"after_match")"};
  CHECK(matches(loop + "," + end, "aaxabaab", longest) == "0 1 3 4|5 6 7");
  auto alone = step("a", "k = 'a'", R"(,"times":[2,null],"inner":"consecutive")");
  CHECK(matches(alone, "aaaxaa", longest) == "0 1 2");
  CHECK(matches(alone, "aaaxaax", longest) == "0 1 2|4 5");
}

TEST_CASE("runs that wait for a value are found by it", "[unit][workflows]") {
  auto what = rule_of(
      document(step("a", "k = 'a'") + "," + step("b", "k = 'b' AND of = a.n AND n > a.n + 1"), "",
               R"(,"within":"1h")"));
  pattern_matcher matcher{what.pattern(), what.limits()};
  match_output output;
  auto add = [&](const char* kind, std::int64_t n, value of) {
    auto event = std::make_shared<rule_event>();
    event->time = value{n};
    event->properties =
        value{value_map{{"k", value{kind}}, {"n", value{n}}, {"of", std::move(of)}}};
    matcher.take({}, event, output);
  };
  for (std::int64_t i = 0; i < 100; ++i)
    add("a", i, value{});
  add("b", 100, value{99.0});
  add("b", 101, value{7});
  add("b", 102, value{"7"});
  add("b", 103, value{100});
  CHECK(numbers(output.matches) == "7 101");
  CHECK(matcher.runs_open() == 99);
  add("b", 104, value{99});
  CHECK(matcher.runs_open() == 98);
}

TEST_CASE("a step asks for the model of a twin", "[unit][workflows]") {
  auto what = rule_of(document(step("a", "is_of_model('machine')")));
  pattern_matcher matcher{what.pattern(), what.limits()};
  match_output output;
  auto add = [&](const char* type, std::vector<std::string> models) {
    auto event = std::make_shared<rule_event>();
    event->twin_type = value{type};
    event->properties = value{value_map{{"n", value{0}}}};
    if (!models.empty())
      event->models = std::make_shared<const std::vector<std::string>>(std::move(models));
    matcher.take({}, event, output);
  };
  add("machine", {});
  add("press", {});
  CHECK(output.matches.size() == 1);
  add("press", {"press", "machine"});
  CHECK(output.matches.size() == 2);
}

namespace {

struct random_rule {
  std::mt19937_64& random;
  std::uint32_t stages = 0;

  std::uint64_t below(std::uint64_t bound) { return random() % bound; }

  std::string condition(std::uint32_t index) {
    constexpr const char* conditions[] = {"k = 'a'",  "k = 'b'",         "k = 'c'",
                                          "k != 'a'", "k in ('a', 'b')", "n % 2 = 0"};
    std::string made = conditions[below(6)];
    if (index > 0 && below(4) == 0)
      made += " and n > count(s0) + " + std::to_string(below(3));
    return made;
  }

  std::string times_and_inner(bool loops_too) {
    constexpr const char* inners[] = {"consecutive", "relaxed", "combinations"};
    auto least = 1 + below(2);
    auto most = below(2) == 0 && loops_too ? "null" : std::to_string(least + 1 + below(2));
    return ",\"times\":[" + std::to_string(least) + "," + most + R"(],"inner":")"
           + std::string{inners[below(3)]} + "\"";
  }

  std::string link() {
    constexpr const char* links[] = {R"(,"link":"next")", R"(,"link":"followed_by")",
                                     R"(,"link":"followed_by_any")", R"(,"every":true)"};
    return links[below(4)];
  }

  std::string stage(bool is_first, bool may_be_optional, bool may_be_greedy) {
    auto index = stages++;
    auto more = is_first ? std::string{} : link();
    if (below(2) == 0) {
      more += times_and_inner(true);
      if (more.find("null") != std::string::npos && below(4) == 0)
        more += R"(,"until":"k = 'd'")";
      else if (may_be_greedy && below(3) == 0)
        more += R"(,"greedy":true)";
    }
    if (!is_first && below(6) == 0)
      more += R"(,"within_prev":)" + std::to_string(1'000 * (1 + below(3)));
    if (may_be_optional && below(3) == 0)
      more += R"(,"optional":true)";
    return step("s" + std::to_string(index), condition(index), more);
  }

  std::string absence(const std::string& more) {
    return R"({"absent":"s)" + std::to_string(stages++) + "\"" + more + R"(,"where":")"
           + condition(0) + "\"}";
  }
  std::string duration() { return R"(,"for":)" + std::to_string(1'000 * (1 + below(3))); }

  std::string group(bool is_first, bool may_be_optional) {
    auto kind = below(3);
    constexpr const char* kinds[] = {"group", "or", "and"};
    std::string parts;
    auto count = kind == 0 ? 1 + below(3) : 2;
    for (std::uint64_t i = 0; i < count; ++i) {
      auto is_absence = kind == 0 && i > 0 && i + 1 < count && below(2) == 0;
      auto text = is_absence ? absence(below(2) == 0 ? duration() : "")
                             : stage(kind != 0 || i == 0, false, false);
      parts += (parts.empty() ? "" : ",") + text;
    }
    auto more = is_first ? std::string{} : link();
    if (below(2) == 0)
      more += times_and_inner(below(2) == 0);
    if (may_be_optional && below(3) == 0)
      more += R"(,"optional":true)";
    return std::string{R"({")"} + kinds[kind] + R"(":"g)" + std::to_string(stages)
           + (kind == 0 ? R"(","steps":[)" : R"(","parts":[)") + parts + "]" + more + "}";
  }

  // At most one thing in the middle is an absence, or optional.
  std::string pattern() {
    stages = 0;
    std::string steps;
    auto add = [&](const std::string& one) { steps += (steps.empty() ? "" : ",") + one; };
    if (below(6) == 0)
      add(R"({"absent":"lead")" + duration() + R"(,"where":")" + condition(0) + "\"}");
    auto count = static_cast<std::uint32_t>(1 + below(4));
    auto was_absent = false;
    auto next_is_firm = false;
    auto was_greedy = false;
    auto groups = 0;
    auto is_first = true;
    for (std::uint32_t i = 0; i < count; ++i) {
      auto can_be_absent = !is_first && i + 1 < count && !was_absent && next_is_firm;
      if (can_be_absent && below(2) == 0) {
        constexpr const char* links[] = {R"(,"link":"not_next")", R"(,"link":"not_followed_by")"};
        auto kind = below(3);
        add(absence(kind < 2 ? links[kind] : duration()));
        if (kind == 1 && below(4) == 0)
          add(absence(links[1]));
        was_absent = true;
        next_is_firm = false;
        continue;
      }
      auto may = below(3) == 0 && !was_absent && !was_greedy;
      auto is_group = groups == 0 && below(4) == 0;
      groups += is_group ? 1 : 0;
      auto text = is_group ? group(is_first, may) : stage(is_first, may, true);
      was_greedy = text.find("greedy") != std::string::npos;
      next_is_firm = !was_greedy && text.find("optional") == std::string::npos;
      add(text);
      was_absent = false;
      is_first = false;
    }
    auto has_end = next_is_firm && !was_greedy && below(5) == 0;
    auto is_timed = below(2) == 0;
    if (has_end)
      add(absence(is_timed ? duration() : ""));
    auto needs_within = has_end && !is_timed;
    auto within = (needs_within || (!has_end && below(3) == 0))
                      ? R"(,"within":)" + std::to_string(1'000 * (2 + below(4)))
                      : "";
    return document(steps, R"(,"limits":{"runs_per_key":1000000})", within);
  }

  // Of runs that do not branch.
  std::string lonely_pattern() {
    stages = 0;
    std::string steps;
    auto count = static_cast<std::uint32_t>(1 + below(4));
    auto was_absent = true;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (i > 0 && i + 1 < count && !was_absent && below(4) == 0) {
        steps += "," + absence(below(2) == 0 ? R"(,"link":"not_next")" : "");
        was_absent = true;
        continue;
      }
      auto text = stage(i == 0, !was_absent && i + 1 < count, false);
      while (text.find("within_prev") != std::string::npos) {
        --stages;
        text = stage(i == 0, !was_absent && i + 1 < count, false);
      }
      steps += (steps.empty() ? "" : ",") + text;
      was_absent = text.find("optional") != std::string::npos;
    }
    constexpr const char* restarts[] = {"each", "once", "after_match"};
    return document(steps,
                    R"(,"loops":"longest","restart":")" + std::string{restarts[below(3)]} + "\"",
                    R"(,"within":)" + std::to_string(1'000 * (2 + below(5))));
  }

  std::string letters() {
    std::string made;
    for (auto left = 1 + below(8); left > 0; --left)
      made += static_cast<char>('a' + below(4));
    return made;
  }
};

std::vector<test::assignment> assignments(const std::vector<found_match>& found) {
  std::vector<test::assignment> made;
  for (const auto& one : found) {
    test::assignment taken;
    for (const auto* at = one.bound.last(); at != nullptr; at = at->before)
      taken.emplace_back(at->stage, at->number);
    std::reverse(taken.begin(), taken.end());
    made.push_back(std::move(taken));
  }
  std::sort(made.begin(), made.end());
  return made;
}

} // namespace

namespace {

// Runs random patterns over random letters, ten times each.
void compare_with_definition(std::string (random_rule::*pattern)()) {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  random_rule draw{random};
  const auto* wanted = std::getenv("GEMEL_RULE_CASES");
  auto cases = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 20'000;
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < cases; i += 10) {
    auto text = (draw.*pattern)();
    INFO(text);
    auto what = rule_of(text);
    for (int j = 0; j < 10; ++j) {
      auto letters = draw.letters();
      auto got = assignments(run(what, letters).output.matches);
      auto events = events_of(letters);
      auto right = test::reference_matcher{what.pattern(), events}.matches();
      found += right.size();
      if (got != right) {
        INFO(letters << ": " << got.size() << " found, " << right.size() << " are right");
        REQUIRE(got == right);
      }
    }
  }
  CHECK(found > cases / 4);
}

} // namespace

TEST_CASE("random patterns find what the definition says", "[unit][workflows]") {
  compare_with_definition(&random_rule::pattern);
}

TEST_CASE("random patterns of runs that do not branch find what the definition says",
          "[unit][workflows]") {
  compare_with_definition(&random_rule::lonely_pattern);
}

} // namespace gemel
