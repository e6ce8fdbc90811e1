// Twins leave memory whenever somebody else is used, and the process ends at any moment; nobody may
// see a difference to a node that keeps all of them in memory.

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <set>

using namespace gemel;
using namespace std::chrono_literals;
using namespace gemel::test;

namespace {

constexpr std::size_t ids = 30;

std::string id_of(std::size_t i) {
  return "twin-" + std::to_string(i);
}

// Writes when it is written to, told or asked; counts in ticks.
class counter final : public behavior {
public:
  void on_start(twin_context& twin) override { twin.tick_every(700ms); }
  void on_update(twin_context& twin, std::span<const change_view> changes) override {
    for (const auto& one : changes)
      if (one.key == "n" && one.new_value.is_integer() && one.new_value.as_integer() % 7 == 0)
        twin.emit("seven", {{"n", one.new_value.as_integer()}});
      else if (one.key == "n" && one.new_value.is_integer() && one.new_value.as_integer() % 11 == 0)
        throw std::runtime_error{"eleven"};
  }
  void on_event(twin_context& twin, const emitted_event&) override { raise(twin, "heard"); }
  void on_tick(twin_context& twin) override { raise(twin, "ticks"); }
  result<value> ask(twin_context& twin, const named_values&) { return raise(twin, "asked"); }

private:
  static value raise(twin_context& twin, const char* key) {
    const auto* before = twin.get(key);
    value after{before != nullptr ? before->as_integer() + 1 : 1};
    twin.set(key, after);
    return after;
  }
};

std::unique_ptr<simulated_node> start(simulated_store& store, std::uint64_t seed,
                                      std::uint32_t cells, std::uint64_t active_max,
                                      std::int64_t idle_us = 0,
                                      std::uint64_t snapshot_pass_bytes = 1 << 10) {
  simulated_node::options wanted;
  wanted.seed = seed;
  wanted.cells = cells;
  wanted.store = &store;
  wanted.snapshot_pass_bytes = snapshot_pass_bytes;
  wanted.active_max = active_max;
  type_model hall;
  hall.name = "hall";
  hall.rollups = {"n"};
  hall.stale_after_us = 5'000'000;
  type_model machine;
  machine.name = "machine";
  property_model number;
  number.key = "n";
  number.indexed = true;
  property_model serial;
  serial.key = "serial";
  serial.kind = property_kind::text;
  serial.unique = true;
  machine.properties = {number, serial};
  machine.passive_after_us = idle_us;
  hall.passive_after_us = idle_us;
  wanted.models = {hall, machine};
  wanted.behaviors["counter"] = behavior_type{[] { return std::make_unique<counter>(); },
                                              {command("ask", "Counts", &counter::ask)}};
  return std::make_unique<simulated_node>(std::move(wanted));
}

// Makes the requests, so that two nodes are asked the same.
class script {
public:
  explicit script(std::uint64_t seed) : random_{seed} {}
  std::size_t below(std::size_t n) { return random_() % n; }
  std::string some_id() { return id_of(below(ids)); }

  // Of atomic batches: which cell finds its fault first is a matter of turns.
  bool is_atomic = false;

  frame next() {
    auto what = below(24);
    is_atomic = what >= 14 && what < 17;
    if (what < 6)
      return make_create(twins());
    if (what < 14)
      return make_update(updates(), {});
    if (is_atomic) {
      update_options how;
      how.atomic = true;
      return make_update(updates(), how);
    }
    if (what < 19)
      return make_remove(std::vector<std::string>{some_id()}, static_cast<child_policy>(below(3)));
    if (what < 21)
      return make_move(std::vector<std::string>{some_id()},
                       below(4) == 0 ? std::string{} : some_id());
    constexpr lifecycle_trigger triggers[] = {lifecycle_trigger::suspend, lifecycle_trigger::resume,
                                              lifecycle_trigger::retire};
    return make_lifecycle(std::vector<std::string>{some_id()},
                          static_cast<std::uint8_t>(triggers[below(3)]),
                          static_cast<child_policy>(below(3)));
  }

private:
  std::vector<new_twin> twins() {
    new_twin made;
    made.id = some_id();
    constexpr const char* types[] = {"hall", "hall", "machine", "machine", "thing", "counter"};
    made.type = types[below(6)];
    if (below(3) > 0)
      made.parent = some_id();
    else if (below(4) == 0)
      made.placement = "place-" + std::to_string(below(3));
    if (below(4) > 0)
      made.properties = {{"n", value{std::int64_t{1}}}, {"name", value{"some text"}}};
    if (below(4) == 0)
      made.properties.push_back({"serial", value{std::to_string(below(6))}});
    return {made};
  }
  std::vector<twin_update> updates() {
    std::vector<twin_update> made;
    std::set<std::string> used;
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      twin_update one;
      one.id = some_id();
      auto number = static_cast<std::int64_t>(below(1'000));
      // Whether the entry that crashes its twin is tried before another one's fault ends the batch
      // is a matter of turns, too.
      if (is_atomic && number % 11 == 0)
        ++number;
      one.set = {{"n", value{number}}};
      if (below(3) == 0)
        one.set.push_back({"key-" + std::to_string(below(5)), value{0.5}});
      if (below(5) == 0)
        one.unset = {"name"};
      if (below(4) == 0)
        one.condition = "n < 500";
      if (below(3) == 0)
        one.source_time_us = static_cast<std::int64_t>(below(1'000'000));
      if (used.insert(one.id).second)
        made.push_back(one);
    }
    return made;
  }

  std::mt19937_64 random_;
};

std::string words_of(const twin_record& twin) {
  auto sorted = twin.properties;
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  auto line = twin.id + " " + twin.type + " " + twin.path + " v" + std::to_string(twin.version)
              + " " + std::string{to_string(twin.lifecycle)};
  for (const auto& one : sorted)
    line += " " + one.key + "=" + to_json(one.content);
  for (const auto& one : twin.rollups)
    line += " sum " + std::to_string(one.count) + "/" + std::to_string(one.sum);
  return line;
}

std::vector<std::string> words_of(std::vector<twin_record> twins) {
  std::vector<std::string> made;
  for (const auto& one : twins)
    made.push_back(words_of(one));
  std::sort(made.begin(), made.end());
  return made;
}

std::vector<std::string> found_by(simulated_node& node, const std::string& where,
                                  const std::string& type = {}) {
  query_request asked;
  asked.where = where;
  asked.type = type;
  return words_of(node.query_all(asked));
}

std::string words_of(const pending& answer, bool is_atomic) {
  REQUIRE(answer->has_value());
  auto done = expect_outcome(**answer);
  if (!done)
    return std::string{to_string(done.error().code)};
  auto line = "applied " + std::to_string(done->applied);
  for (const auto& one : done->failures)
    line += " " + std::to_string(one.index)
            + (is_atomic ? std::string{} : ":" + std::string{to_string(one.why.code)});
  return line;
}

// What came since the last time, by twin.
std::vector<std::string> events_of(simulated_node& of, subscriber& who) {
  std::vector<std::string> made;
  if (!who.events.empty())
    of.grant(who, static_cast<std::uint32_t>(who.events.size()));
  for (const auto& one : who.events) {
    auto line =
        one.id + " " + std::string{to_string(one.kind)} + " v" + std::to_string(one.version);
    for (const auto& change : one.changes)
      line += " " + change.key + "=" + to_json(change.old_value) + ">" + to_json(change.new_value);
    made.push_back(line);
  }
  who.events.clear();
  std::sort(made.begin(), made.end());
  return made;
}

struct side {
  simulated_store store{};
  std::unique_ptr<simulated_node> node{};
  subscriber_ptr all{};
  subscriber_ptr some{};

  void begin(std::uint64_t seed, std::uint32_t cells, std::uint64_t active_max,
             std::int64_t idle_us) {
    node = start(store, seed, cells, active_max, idle_us);
    node->run();
    subscription_request asked;
    all = node->subscribe(asked);
    asked.where = "n > 300";
    some = node->subscribe(asked);
    REQUIRE(all);
    REQUIRE(some);
  }
};

// Asks both the same that is not a request of the script.
void ask(simulated_node& a, simulated_node& b, script& what) {
  twin_command asked;
  asked.id = what.some_id();
  asked.name = "ask";
  auto one = a.command(asked);
  auto other = b.command(asked);
  REQUIRE(one.has_value() == other.has_value());
  if (one)
    REQUIRE(*one == *other);
  twin_emit told;
  told.id = what.some_id();
  told.name = "told";
  REQUIRE(codes(a.emit({told}), 1) == codes(b.emit({told}), 1));
  std::vector<std::string> some;
  for (auto count = 1 + what.below(4); count > 0; --count)
    some.push_back(what.some_id());
  auto found = a.get(some);
  auto same = b.get(some);
  REQUIRE(found.has_value() == same.has_value());
  if (found)
    REQUIRE(words_of(found->twins) == words_of(same->twins));
  query_request sorted;
  sorted.order_by = "n";
  sorted.limit = 5;
  REQUIRE(words_of(a.query_all(sorted)) == words_of(b.query_all(sorted)));
}

void live(side& a, side& b, script& what) {
  for (int i = 0; i < 120; ++i) {
    auto request = what.next();
    auto one = a.node->submit(request);
    a.node->run();
    auto other = b.node->submit(request);
    b.node->run();
    REQUIRE(words_of(one, what.is_atomic) == words_of(other, what.is_atomic));
    if (what.below(4) == 0)
      ask(*a.node, *b.node, what);
    if (what.below(10) == 0) {
      a.node->run_for(std::chrono::seconds{2});
      b.node->run_for(std::chrono::seconds{2});
    }
    REQUIRE(events_of(*a.node, *a.all) == events_of(*b.node, *b.all));
    REQUIRE(events_of(*a.node, *a.some) == events_of(*b.node, *b.some));
    if (what.below(5) == 0) {
      REQUIRE(found_by(*a.node, "n < 400", "machine") == found_by(*b.node, "n < 400", "machine"));
      REQUIRE(found_by(*a.node, "name == 'some text'") == found_by(*b.node, "name == 'some text'"));
    }
    if (what.below(10) == 0) {
      a.node->trim();
      b.node->trim();
    }
  }
}

} // namespace

namespace {

query_request of_type(const std::string& type) {
  query_request made;
  made.type = type;
  return made;
}

} // namespace

TEST_CASE("a node whose twins leave memory answers and tells what one with all of them does",
          "[fault][actors][store]") {
  auto seed = test::seed();
  std::uint64_t returned = 0;
  for (std::uint64_t round = 0; round < 20; ++round, ++seed) {
    INFO(repeat_command(seed));
    side few;
    side all;
    script what{seed};
    for (std::uint64_t life = 0; life < 4; ++life) {
      auto cells = 1 + static_cast<std::uint32_t>((seed + life) % 4);
      // Few because there is room for few, because they are idle soon, or for both.
      bool is_bounded = seed % 3 != 0;
      few.begin(seed + life, cells, is_bounded ? 3 * cells : 0, seed % 3 != 1 ? 1'500'000 : 0);
      all.begin(seed + life, cells, 0, 0);
      REQUIRE(words_of(few.node->all()) == words_of(all.node->all()));
      live(few, all, what);
      REQUIRE(words_of(few.node->all()) == words_of(all.node->all()));
      CHECK(few.node->broken_invariants() == std::vector<std::string>{});
      auto behaving = few.node->query_all(of_type("counter")).size();
      for (std::uint32_t cell = 0; cell < cells && is_bounded; ++cell)
        CHECK(few.node->runner(cell).core().residents().active() <= 3 + behaving);
      CHECK(all.node->counters().passivations == 0);
      returned += few.node->counters().activations;
      few.node.reset();
      all.node.reset();
    }
  }
  CHECK(returned > 100);
}

namespace {

std::vector<new_twin> machines(std::size_t count) {
  std::vector<new_twin> made;
  for (std::size_t i = 0; i < count; ++i) {
    new_twin one;
    one.id = id_of(i);
    one.type = i % 2 == 0 ? "thing" : "machine";
    one.properties = {{"n", value{static_cast<std::int64_t>(i)}}};
    made.push_back(one);
  }
  return made;
}

std::uint64_t active(simulated_node& node, std::uint32_t cells) {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < cells; ++i)
    sum += node.runner(i).core().residents().active();
  return sum;
}

} // namespace

TEST_CASE("a query reads twins out of memory and leaves them there", "[fault][actors][store]") {
  simulated_store store;
  auto node = start(store, 1, 2, 10);
  REQUIRE(node->create(machines(1'500)).applied == 1'500);
  node->run();
  CHECK(active(*node, 2) <= 10);
  auto before = node->counters().activations;
  CHECK(found_by(*node, "n >= 1000").size() == 500);
  CHECK(found_by(*node, "n == 77", "machine").size() == 1);
  CHECK(node->all().size() == 1'500);
  query_request asked;
  asked.order_by = "n";
  asked.limit = 3;
  auto page = node->query(asked);
  REQUIRE(page);
  REQUIRE(page->twins.size() == 3);
  CHECK(page->twins[2].find("n")->as_integer() == 2);
  CHECK(node->counters().activations == before);
  CHECK(active(*node, 2) <= 10);
  // A message brings it back.
  CHECK(node->set(id_of(7), "n", value{std::int64_t{-1}}) == errc::none);
  CHECK(node->counters().activations == before + 1);
}

TEST_CASE("twins that nobody uses for the time of their type leave memory",
          "[fault][actors][store]") {
  simulated_store store;
  auto node = start(store, 1, 2, 0, 60'000'000);
  REQUIRE(node->create(machines(100)).applied == 100);
  node->run();
  CHECK(active(*node, 2) == 100);
  for (int i = 0; i < 30; ++i) {
    CHECK(node->set(id_of(1), "n", value{std::int64_t{i}}) == errc::none);
    node->run_for(10s);
    if (i == 4)
      CHECK(active(*node, 2) == 100);
  }
  // Of the machines only the one that is used stays, and the others' type has no such time.
  CHECK(active(*node, 2) == 51);
  CHECK(found_by(*node, "n >= 0", "machine").size() == 50);
  CHECK(active(*node, 2) == 51);
  CHECK(node->set(id_of(3), "n", value{std::int64_t{7}}) == errc::none);
  CHECK(active(*node, 2) == 52);
  node->run_for(200s);
  CHECK(active(*node, 2) == 50);
  CHECK(node->counters().activations == 1);
  CHECK(node->find(id_of(3))->find("n")->as_integer() == 7);
  CHECK(node->broken_invariants() == std::vector<std::string>{});
}

TEST_CASE("a node with many twins starts with few in memory", "[fault][actors][store]") {
  simulated_store store;
  {
    auto node = start(store, 1, 2, 0);
    REQUIRE(node->create(machines(1'000)).applied == 1'000);
    for (int i = 0; i < 20'000; ++i)
      static_cast<void>(node->set(id_of(0), "n", value{std::int64_t{i}}));
    node->run();
  }
  auto node = start(store, 2, 2, 20);
  node->run();
  CHECK(active(*node, 2) <= 20);
  CHECK(node->all().size() == 1'000);
  CHECK(found_by(*node, "n == 501").size() == 1);
}

TEST_CASE("a node whose twins are in the log alone starts with few in memory",
          "[fault][actors][store]") {
  simulated_store store;
  {
    auto node = start(store, 1, 2, 0, 0, 1 << 20);
    REQUIRE(node->create(machines(1'000)).applied == 1'000);
    for (std::size_t i = 0; i < 1'000; i += 10)
      REQUIRE(node->set(id_of(i), "n", value{static_cast<std::int64_t>(2'000 + i)}) == errc::none);
  }
  std::uint64_t in_snapshots = 0;
  for (const auto& [shard, known] : store.snapshots())
    in_snapshots += known.twins;
  REQUIRE(in_snapshots < 500);
  auto node = start(store, 2, 2, 20);
  CHECK(active(*node, 2) <= 20); // Before the first turn.
  CHECK(node->all().size() == 1'000);
  CHECK(node->find(id_of(500))->find("n")->as_integer() == 2'500);
  CHECK(node->find(id_of(501))->find("n")->as_integer() == 501);
  CHECK(found_by(*node, "n >= 2000").size() == 100);
  CHECK(node->broken_invariants() == std::vector<std::string>{});
}

TEST_CASE("a twin whose values cannot be read answers with the error and stays",
          "[fault][actors][store]") {
  simulated_store store;
  auto node = start(store, 1, 1, 2);
  REQUIRE(node->create(machines(20)).applied == 20);
  node->run();
  store.reads_fail = true;
  std::size_t failed = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    auto code = node->set(id_of(i), "x", value{true});
    CHECK((code == errc::none || code == errc::io_failed));
    failed += code == errc::io_failed;
  }
  CHECK(failed >= 17);
  query_request asked;
  asked.where = "n > 0";
  auto page = node->query(asked);
  REQUIRE_FALSE(page);
  CHECK(page.error().code == errc::io_failed);
  store.reads_fail = false;
  for (std::size_t i = 0; i < 20; ++i)
    CHECK(node->set(id_of(i), "x", value{false}) == errc::none);
  CHECK(found_by(*node, "x == false").size() == 20);
  CHECK(node->broken_invariants() == std::vector<std::string>{});
}

TEST_CASE("twins that are made and deleted again and again leave nothing behind",
          "[fault][actors][store]") {
  simulated_store store;
  auto node = start(store, 1, 2, 10);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < 200; ++i)
    names.push_back(id_of(i));
  std::size_t records = 0;
  for (int round = 0; round < 60; ++round) {
    REQUIRE(node->create(machines(200)).applied == 200);
    node->run();
    REQUIRE(node->remove(names, child_policy::cascade).applied == 200);
    node->run();
    node->trim();
    if (round == 29)
      records = store.records();
  }
  CHECK(store.records() <= 2 * records);
  CHECK(store.passive_count() <= 400);
  CHECK(node->directory().size() == 0);
  CHECK(node->all().empty());
  CHECK(active(*node, 2) == 0);
  CHECK(node->broken_invariants() == std::vector<std::string>{});
  for (auto& one : {0, 1})
    CHECK(node->runner(static_cast<std::size_t>(one)).core().twins() == 0);
}
