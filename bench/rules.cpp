// How fast event rules are: the core on one thread, and from an event to its action in a node.

#include "actors/rule_coordinator.hpp"
#include "bench/workload.hpp"
#include "messages/histogram.hpp"
#include "runtime/adapters/machine.hpp"
#include "runtime/adapters/system_clock.hpp"

#include <atomic>
#include <filesystem>
#include <thread>

namespace gemel::bench {

namespace {

std::shared_ptr<const rule> rule_of(const std::string& text) {
  auto document = json_document::parse(text, "bench");
  GEMEL_CHECK(document.has_value());
  auto made = rule::read(*document);
  GEMEL_CHECK(made.has_value());
  return std::make_shared<const rule>(std::move(*made));
}

std::string three_steps(const std::string& name, const std::string& event) {
  return R"({"rule":")" + name + R"(","from":{"events":[")" + event
         + R"("]},"pattern":{"within":"10m","steps":[{"name":"a","where":"temperature > 84.7"},)"
           R"({"name":"b","where":"temperature > 84"},{"name":"c","where":"vibration > 0.9"}]},)"
           R"("after_match":{"skip":"past_last"}})";
}

// Readings of `keys` machines in turn, a millisecond apart; 2 % begin a run.
std::vector<rule_event_ptr> make_events(std::uint64_t keys, std::size_t count,
                                        random_source& random, const std::string& name) {
  std::vector<rule_event_ptr> made;
  made.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto one = std::make_shared<rule_event>();
    one->time = value{static_cast<std::int64_t>(i)};
    one->twin_id = value{machine_id(i % keys)};
    one->twin_type = value{"machine"};
    one->event = value{name};
    one->properties = value{value_map{{"temperature", value{60 + 25.25 * random.unit()}},
                                      {"vibration", value{random.unit()}}}};
    made.push_back(std::move(one));
  }
  return made;
}

double rate_of_pattern(const options& asked, std::uint64_t keys) {
  random_source random{asked.seed};
  constexpr std::size_t count = 1'000'000;
  auto events = make_events(keys, count, random, "updated");
  auto what = rule_of(three_steps("pattern", "updated"));
  rule_state state{what};
  match_output output;
  auto begin = now_seconds();
  for (const auto& one : events) {
    state.take(what->key_of(*one), one, output);
    output.matches.clear();
    output.timeouts.clear();
  }
  return static_cast<double>(count) / (now_seconds() - begin);
}

// Ten rules concern the events; so many others do not.
double rate_among(const options& asked, std::size_t others) {
  rule_coordinator rules{{.partitions = 1}};
  for (std::size_t i = 0; i < 10; ++i)
    GEMEL_CHECK(rules.add(rule_of(three_steps("in-" + std::to_string(i), "updated"))).has_value());
  for (std::size_t i = 0; i < others; ++i) {
    auto name = "other-" + std::to_string(i);
    GEMEL_CHECK(rules.add(rule_of(three_steps(name, name))).has_value());
  }
  random_source random{asked.seed};
  auto events = make_events(1'000, 100'000, random, "updated");
  rule_partition partition;
  std::uint64_t found = 0;
  auto run = [&] {
    for (const auto& task : rules.take_tasks(0))
      partition.run(task, [&](const rule_finding&) { ++found; });
  };
  run();
  auto begin = now_seconds();
  for (std::size_t i = 0; i < events.size(); ++i) {
    rules.take({events[i], 0}, static_cast<std::int64_t>(i));
    if (i % 100 == 99)
      run();
  }
  return static_cast<double>(events.size()) / (now_seconds() - begin);
}

struct open_runs {
  double bytes_each = 0;
  double rate = 0;
};

// A million runs that wait for what does not come, a thousand for each key.
open_runs with_open_runs(const options& asked) {
  constexpr std::size_t count = 1'000'000;
  constexpr std::uint64_t keys = 1'000;
  auto what =
      rule_of(R"({"rule":"open","pattern":{"steps":[{"name":"a","where":"temperature > 0"},)"
              R"({"name":"b","where":"temperature < -1"}]}})");
  random_source random{asked.seed};
  open_runs found;
  rule_state state{what};
  match_output output;
  auto before = resident_bytes();
  {
    auto events = make_events(keys, count, random, "updated");
    auto with_events = resident_bytes();
    for (const auto& one : events)
      state.take(what->key_of(*one), one, output);
    GEMEL_CHECK(state.open() == count);
    found.bytes_each = static_cast<double>(resident_bytes() - before) / count;
    report(asked, "rules", "run_bytes_without_event",
           static_cast<double>(resident_bytes() - with_events) / count, "B");
  }
  std::vector<rule_event_ptr> idle;
  for (std::size_t i = 0; i < count; ++i) {
    auto one = std::make_shared<rule_event>();
    one->time = value{static_cast<std::int64_t>(count + i)};
    one->twin_id = value{machine_id(i % keys)};
    one->properties = value{value_map{{"temperature", value{-0.5}}}};
    idle.push_back(std::move(one));
  }
  auto begin = now_seconds();
  for (const auto& one : idle)
    state.take(what->key_of(*one), one, output);
  found.rate = static_cast<double>(count) / (now_seconds() - begin);
  GEMEL_CHECK(state.open() == count);
  return found;
}

// A million runs of one key, each of which waits for another twin; events of which one in ten ends
// a run.
double rate_by_value(const options& asked) {
  constexpr std::size_t count = 1'000'000;
  auto what = rule_of(
      R"({"rule":"open","partition_by":null,"limits":{"runs_per_key":1000000},"pattern":{"steps":[)"
      R"({"name":"a","where":"event = 'asked'"},)"
      R"({"name":"b","where":"event = 'answered' AND of = a.twin_id"}]},"loops":"longest"})");
  random_source random{asked.seed};
  rule_state state{what};
  match_output output;
  for (const auto& one : make_events(count, count, random, "asked"))
    state.take({}, one, output);
  GEMEL_CHECK(state.open() == count);
  std::vector<rule_event_ptr> answers;
  for (std::size_t i = 0; i < count; ++i) {
    auto one = std::make_shared<rule_event>();
    one->time = value{static_cast<std::int64_t>(count + i)};
    one->event = value{"answered"};
    auto is_known = i % 10 == 0;
    one->properties =
        value{value_map{{"of", value{is_known ? machine_id(i) : "no-" + std::to_string(i)}}}};
    answers.push_back(std::move(one));
  }
  auto begin = now_seconds();
  for (const auto& one : answers)
    state.take({}, one, output);
  auto rate = static_cast<double>(count) / (now_seconds() - begin);
  GEMEL_CHECK(output.matches.size() == count / 10);
  return rate;
}

// From an update's write in its cell to the call of a C++ sink. `prefix` stands before the metrics.
// @param folder of the node's store; empty: it has none, and what rules have does not outlive it.
void report_actions(const options& asked, const std::string& prefix, const std::string& folder) {
  node_options wanted;
  wanted.config.store.path = folder;
  std::atomic<std::uint64_t> called{0};
  wanted.sinks["bench"] = [&](const value&) { ++called; };
  wanted.config.node.workers = 1;
  wanted.config.rules.workers = 1;
  auto in = node::start(std::move(wanted));
  GEMEL_CHECK(in.has_value());
  constexpr std::uint64_t twins = 1'000;
  for (std::uint64_t i = 0; i < twins; ++i)
    GEMEL_CHECK((*in)->create(new_twin{.id = machine_id(i), .type = "machine"}).has_value());
  auto added = (*in)->call(
      {"rules", "add",
       value{value_map{{"document", value{R"({"rule":"act","pattern":{"steps":[{"name":"a",)"
                                          R"("where":"temperature > 84"}]},"actions":)"
                                          R"([{"publish":"bench"}]})"}}}}});
  GEMEL_CHECK(added.has_value());
  random_source random{asked.seed};
  auto end = now_seconds() + asked.seconds;
  std::uint64_t sent = 0;
  while (now_seconds() < end) {
    for (int i = 0; i < 20; ++i, ++sent)
      (*in)->request(
          make_update(machine_id(random.below(twins)),
                      std::array{property_ref{"temperature", value{60 + 25.25 * random.unit()}}}),
          [](const frame&) {});
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  auto stats = (*in)->call({"rules", "stats", value{value_map{{"rule", value{"act"}}}}});
  GEMEL_CHECK(stats.has_value());
  const auto& numbers = stats->find("rules")->as_list()[0];
  report(asked, "rules", prefix + "action_event_rate", static_cast<double>(sent) / asked.seconds,
         "1/s");
  report(asked, "rules", prefix + "action_p50", *numbers.find("latency_p50_us")->number(), "us");
  report(asked, "rules", prefix + "action_p99", *numbers.find("latency_p99_us")->number(), "us");
  report(asked, "rules", prefix + "actions", static_cast<double>(called.load()), "");
}

} // namespace

int run_rules(const options& asked) {
  // First, so that nothing is measured in memory that others gave back.
  auto open = with_open_runs(asked);
  report(asked, "rules", "run_bytes_with_event", open.bytes_each, "B");
  report(asked, "rules", "million_runs_event_rate", open.rate, "1/s");
  report(asked, "rules", "million_runs_by_value_event_rate", rate_by_value(asked), "1/s");
  report(asked, "rules", "pattern_event_rate", rate_of_pattern(asked, 1'000), "1/s");
  auto alone = rate_among(asked, 0);
  auto among = rate_among(asked, 10'000 - 10);
  report(asked, "rules", "ten_rules_event_rate", alone, "1/s");
  report(asked, "rules", "ten_of_10000_rules_event_rate", among, "1/s");
  report_actions(asked, "", "");
  auto folder = store_folder(asked);
  std::filesystem::remove_all(folder);
  report_actions(asked, "durable_", folder);
  std::filesystem::remove_all(folder);
  return 0;
}

} // namespace gemel::bench
