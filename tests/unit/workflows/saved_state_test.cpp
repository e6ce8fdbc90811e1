#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "workflows/rule_state.hpp"

#include <random>
#include <set>

namespace gemel {

namespace {

using state_list = std::vector<std::unique_ptr<rule_state>>;

std::shared_ptr<const rule> rule_of(const std::string& rest) {
  auto document =
      json_document::parse(R"({"rule":"r","partition_by":"twin_id",)" + rest + "}", "rule.json");
  REQUIRE(document);
  auto made = rule::read(*document);
  REQUIRE(made);
  return std::make_shared<const rule>(std::move(*made));
}

rule_event_ptr random_event(std::mt19937_64& random, std::int64_t time, std::uint64_t number) {
  auto made = std::make_shared<rule_event>();
  made->time = value{time};
  made->twin_id = value{"m" + std::to_string(random() % 6)};
  made->event = value{std::string(1, static_cast<char>('a' + random() % 4))};
  made->id = value{"e" + std::to_string(number)};
  made->properties = value{value_map{{"x", value{static_cast<double>(random() % 1'000) / 7}},
                                     {"line", value{static_cast<std::int64_t>(random() % 2)}}}};
  return made;
}

std::size_t home_of(const std::string& key, std::size_t parts) {
  return std::hash<std::string>{}(key) % parts;
}

// The states of all partitions, through bytes, in as many as wanted.
state_list passed_on(const state_list& from, const std::shared_ptr<const rule>& of,
                     std::size_t parts) {
  std::vector<std::string> saved;
  for (const auto& one : from) {
    state_writer bytes;
    one->save(bytes);
    saved.push_back(bytes.take());
  }
  state_list made;
  for (std::size_t i = 0; i < parts; ++i) {
    made.push_back(std::make_unique<rule_state>(of));
    for (const auto& one : saved) {
      state_reader bytes{one};
      made.back()->restore(
          bytes, {[&](const std::string& key) { return home_of(key, parts) == i; }, i == 0});
      INFO(bytes.why("state").context);
      REQUIRE(bytes.ok());
      REQUIRE(bytes.at_end());
    }
  }
  return made;
}

std::string text_of(const rule& of, const found_match& one) {
  return to_json(one.key) + "@" + std::to_string(one.at) + " " + to_json(of.selected(one));
}

void note(const rule& of, const match_output& output, std::multiset<std::string>& into) {
  for (const auto& one : output.matches)
    into.insert(text_of(of, one));
  for (const auto& one : output.timeouts)
    into.insert("timeout " + text_of(of, one));
}

// What the rule finds in one stream, handed from state to state `changes` times or so.
std::multiset<std::string> found_in(const std::shared_ptr<const rule>& of, std::uint64_t seed,
                                    std::size_t parts_max, unsigned changes) {
  std::mt19937_64 random{seed};
  std::mt19937_64 choice{seed + 1};
  state_list states;
  states.push_back(std::make_unique<rule_state>(of));
  std::multiset<std::string> found;
  constexpr unsigned events = 400;
  std::int64_t time = 1'000;
  for (unsigned i = 0; i < events; ++i) {
    if (changes > 0 && choice() % events < changes)
      states = passed_on(states, of, 1 + choice() % parts_max);
    time += static_cast<std::int64_t>(random() % 40);
    match_output output;
    auto event = random_event(random, time, i);
    auto key = of->key_of(*event);
    for (auto& one : states)
      one->advance(time, output);
    states[home_of(to_json(key), states.size())]->take(key, event, output);
    note(*of, output, found);
  }
  match_output output;
  for (auto& one : states)
    one->finish(output);
  note(*of, output, found);
  return found;
}

const std::vector<std::string>& kinds_of_rules() {
  static const std::vector<std::string> all{
      R"j("pattern":{"steps":[{"name":"a","where":"event = 'a'"},
         {"name":"b","where":"event = 'b' and x > a.x","times":[1,3]},
         {"name":"c","where":"event = 'c'"}],"within":"500ms"},"on_timeout":"report")j",
      R"j("pattern":{"steps":[{"name":"a","where":"event = 'a'"},
         {"name":"b","link":"followed_by_any","where":"event = 'b'"},
         {"absent":"c","where":"event = 'c'","for":"120ms"}]})j",
      R"j("pattern":{"steps":[{"name":"a","where":"event = 'a'"},{"name":"b","where":"event = 'b'",
         "times":[1,null],"until":"event = 'd'"},
         {"name":"c","where":"event = 'c'"}],"within":"900ms"},"loops":"longest",
         "restart":"after_match")j",
      R"j("pattern":{"steps":[{"name":"a","where":"event = 'a'"},
         {"name":"b","where":"event != 'a' and line = a.line"}],"within":"300ms"},
         "after_match":{"skip":"past_last"})j",
      R"j("pattern":{"steps":[{"absent":"c","where":"event = 'c'","for":"90ms"},
         {"name":"a","where":"event = 'a'"}]})j",
      R"j("window":{"kind":"tumbling","size":"200ms"},
         "aggregate":{"avg":"avg(x)","sd":"stddev(x)","n":"count()"},"group_by":["line"])j",
      R"j("window":{"kind":"hopping","size":"300ms","slide":"70ms","align":"first"},
         "aggregate":{"p":"percentile(x, 90)","d":"distinct(event)","f":"first(x)"})j",
      R"j("window":{"kind":"sliding","size":"250ms"},"aggregate":{"m":"max(x)","s":"slope(x)"})j",
      R"j("window":{"kind":"session","gap":"60ms"},"aggregate":{"l":"last(x)","s":"sum(x)"})j",
      R"j("window":{"kind":"count","size":5},"aggregate":{"m":"min(x)","n":"count()"})j",
      R"j("window":{"kind":"count_sliding","size":6,"slide":2},"aggregate":{"a":"avg(x)"})j",
      R"j("pattern":{"steps":[{"name":"a","where":"event = 'a'"}]},
         "output":{"emit":"last","every":"150ms"})j",
      R"j("pattern":{"steps":[{"name":"a","where":"event = 'a'"}]},
         "output":{"emit":"first","every":3})j"};
  return all;
}

} // namespace

TEST_CASE("a rule that is saved and read back at any time finds the same", "[unit][workflows]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  for (const auto& text : kinds_of_rules()) {
    INFO(text);
    auto of = rule_of(text);
    auto unbroken = found_in(of, seed, 1, 0);
    REQUIRE_FALSE(unbroken.empty());
    CHECK(found_in(of, seed, 1, 20) == unbroken);
    CHECK(found_in(of, seed, 4, 20) == unbroken);
  }
}

TEST_CASE("damaged bytes of a rule's state are refused, not believed", "[unit][workflows]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (const auto& text : kinds_of_rules()) {
    auto of = rule_of(text);
    rule_state whole{of};
    match_output output;
    for (unsigned i = 0; i < 60; ++i) {
      auto event = random_event(random, i * 10, i);
      whole.take(of->key_of(*event), event, output);
    }
    state_writer bytes;
    whole.save(bytes);
    auto saved = bytes.take();
    for (std::size_t cut = 0; cut < saved.size(); cut += 1 + random() % 7) {
      state_reader short_one{std::string_view{saved}.substr(0, cut)};
      rule_state to{of};
      to.restore(short_one, {[](const std::string&) { return true; }, true});
      CHECK_FALSE(short_one.ok());
    }
    for (int i = 0; i < 200; ++i) {
      auto bad = saved;
      bad[random() % bad.size()] = static_cast<char>(random());
      state_reader bytes_of_bad{bad};
      rule_state to{of};
      to.restore(bytes_of_bad, {[](const std::string&) { return true; }, true});
    }
  }
}

} // namespace gemel
