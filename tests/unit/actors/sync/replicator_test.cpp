#include "actors/sync/hold_watch.hpp"
#include "actors/sync/replica_bridge.hpp"
#include "actors/sync/replicator.hpp"
#include "tests/support/catch.hpp"

#include <deque>
#include <memory>
#include <random>

using namespace gemel;

namespace {

constexpr std::uint16_t shard = 3;

// Two nodes and a perfect way between them; every record is safe at once.
struct pair_of_nodes {
  struct node final : replica_journal {
    std::uint64_t append(const replica_head& head, std::span<const changed_entry> changes,
                         const shard_replica&) override {
      log.push_back(pack_record(head, changes));
      return log.size();
    }
    std::vector<std::string> log;
    std::deque<frame> inbox;
    std::unique_ptr<replicator> replicas;
    std::int64_t offset_us = 0;
  };

  explicit pair_of_nodes(std::string left_cluster = "plant", conflict_policies policies = {}) {
    add(left, "edge", std::move(left_cluster), right, policies);
    add(right, "cloud", "plant", left, policies);
  }
  pair_of_nodes(const conflict_policies& at_left, const conflict_policies& at_right) {
    add(left, "edge", "plant", right, at_left);
    add(right, "cloud", "plant", left, at_right);
  }

  void add(node& here, const char* name, std::string cluster, node& there,
           const conflict_policies& policies) {
    replicator_options options;
    options.identity = {std::move(cluster), name, make_writer(site_of_name(name), 1), 1};
    options.policies = policies;
    options.random = [this] { return static_cast<std::uint64_t>(random()); };
    options.send = [&there](std::uint32_t, frame made) { there.inbox.push_back(std::move(made)); };
    here.replicas = std::make_unique<replicator>(std::move(options), here);
    here.replicas->add_peer({});
  }

  moment now(const node& of) const { return {now_us + of.offset_us, now_us * 1'000}; }

  void step(node& of) {
    auto peer = &of == &left ? left_peer : 0;
    if (of.replicas->take_attempt(peer, now(of)))
      of.replicas->connected(peer, now(of));
    while (!of.inbox.empty() && !cut) {
      auto next = std::move(of.inbox.front());
      of.inbox.pop_front();
      of.replicas->receive(peer, next, now(of));
      of.replicas->tick(now(of));
    }
    if (cut)
      of.inbox.clear();
    of.replicas->safe(of.log.size(), now(of));
    of.replicas->tick(now(of));
  }

  void run(int ms) {
    for (auto end = now_us + ms * 1'000; now_us < end; now_us += 10'000) {
      step(left);
      step(right);
    }
  }

  void make(node& at, const char* twin) {
    REQUIRE(at.replicas->create(shard, twin, value{value_map{{"type", value{"pump"}}}}, now(at)));
  }
  void set(node& at, const char* twin, const char* key, value content) {
    REQUIRE(at.replicas->set(shard, twin, key, std::move(content), now(at)));
  }
  value read(node& at, const char* twin, const char* key) const {
    auto made = at.replicas->read(shard, twin);
    auto found = made.properties.find(key);
    return found != made.properties.end() ? found->second.content : value{};
  }

  node left;
  node right;
  std::mt19937_64 random{1};
  std::int64_t now_us = 1'700'000'000'000'000;
  bool cut = false;
  std::uint32_t left_peer = 0; // the number of the right node at the left one
};

conflict_policies policies_of(conflict_strategy strategy) {
  conflict_policies made;
  made.set_default({strategy, {}, {}});
  return made;
}

} // namespace

TEST_CASE("two nodes find each other and hold the same", "[unit][sync]") {
  pair_of_nodes both;
  both.make(both.left, "pump");
  both.set(both.left, "pump", "speed", 5);
  both.run(1'000);
  CHECK(both.read(both.right, "pump", "speed") == value{5});
  CHECK(both.left.replicas->synced(shard) == 1);
  CHECK(both.right.replicas->synced(shard) == 1);
  auto status = both.left.replicas->link(0).status(both.now(both.left));
  CHECK(status.state == link_state::up);
  CHECK(status.peer == "cloud");
  CHECK(status.backlog == 0);
}

TEST_CASE("a cut link holds nothing but marks, and nothing is lost when it heals", "[unit][sync]") {
  pair_of_nodes both{"plant", policies_of(conflict_strategy::merge_counter)};
  both.make(both.left, "pump");
  both.set(both.left, "pump", "count", 10);
  both.run(1'000);
  both.cut = true;
  for (int i = 1; i <= 100; ++i) {
    both.set(both.left, "pump", "count", 10 + i);
    both.set(both.right, "pump", "count", 10 - i);
    both.run(10);
  }
  both.run(15'000);
  CHECK(both.left.replicas->link(0).status(both.now(both.left)).state != link_state::up);
  CHECK(both.left.replicas->link(0).status(both.now(both.left)).backlog == 1);
  both.cut = false;
  both.run(60'000);
  CHECK(both.read(both.left, "pump", "count") == value{10});
  CHECK(both.read(both.right, "pump", "count") == value{10});
}

TEST_CASE("nodes of different clusters refuse each other by name", "[unit][sync]") {
  pair_of_nodes both{"office"};
  both.run(2'000);
  auto status = both.right.replicas->link(0).status(both.now(both.right));
  CHECK(status.state == link_state::refused);
  CHECK(status.trouble.find("other_cluster") != std::string::npos);
  CHECK(status.trouble.find("office") != std::string::npos);
}

TEST_CASE("a manual conflict is listed and decided only by who saw it", "[unit][sync]") {
  pair_of_nodes both{"plant", policies_of(conflict_strategy::manual)};
  both.make(both.left, "pump");
  both.run(1'000);
  both.set(both.left, "pump", "mode", "auto");
  both.set(both.right, "pump", "mode", "hand");
  both.run(1'000);
  auto open = both.left.replicas->conflicts();
  REQUIRE(open.size() == 1);
  REQUIRE(both.right.replicas->conflicts().size() == 1);
  CHECK(open[0].id == both.right.replicas->conflicts()[0].id);
  CHECK(open[0].values.size() == 2);
  auto decide = [&](std::uint64_t id, const char* mode) {
    return both.left.replicas->decide(shard, "pump", "mode", id, value{mode}, both.now(both.left));
  };
  auto stale = decide(open[0].id + 1, "off");
  REQUIRE_FALSE(stale);
  CHECK(stale.error().code == errc::precondition_failed);
  REQUIRE(decide(open[0].id, "hand"));
  CHECK_FALSE(decide(open[0].id, "auto"));
  both.run(1'000);
  CHECK(both.right.replicas->conflicts().empty());
  CHECK(both.read(both.right, "pump", "mode") == value{"hand"});
}

namespace {

conflict_policies merged_by(merge_function function) {
  conflict_policies made;
  made.set_functions({{"merge", std::move(function)}});
  made.set_default(made.bind(*policy_from_string("function:merge")).value());
  return made;
}

result<value> greatest(const std::vector<value>& all) {
  auto best = *all.front().number();
  for (const auto& each : all)
    best = std::max(best, *each.number());
  return value{best};
}

result<value> least(const std::vector<value>& all) {
  auto best = *all.front().number();
  for (const auto& each : all)
    best = std::min(best, *each.number());
  return value{best};
}

// Both write while they hear nothing of each other.
void write_at_once(pair_of_nodes& both) {
  both.make(both.left, "pump");
  both.run(1'000);
  both.cut = true;
  both.set(both.left, "pump", "speed", 8.0);
  both.set(both.right, "pump", "speed", 3.0);
  both.run(10);
  both.cut = false;
}

link_status of_link(const pair_of_nodes& both, const pair_of_nodes::node& at) {
  return at.replicas->link(0).status(both.now(at));
}

} // namespace

TEST_CASE("nodes with one merge function show the same, and no alarm is raised", "[unit][sync]") {
  pair_of_nodes both{merged_by(greatest), merged_by(greatest)};
  write_at_once(both);
  both.run(140'000);
  CHECK(both.read(both.left, "pump", "speed") == value{8.0});
  CHECK(both.read(both.right, "pump", "speed") == value{8.0});
  CHECK(of_link(both, both.left).shown_alarms == 0);
  CHECK(of_link(both, both.right).shown_alarms == 0);
  CHECK(both.left.replicas->conflicts().empty());
}

TEST_CASE("nodes whose merge functions differ notice by their digests", "[unit][sync]") {
  pair_of_nodes both{merged_by(greatest), merged_by(least)};
  write_at_once(both);
  both.run(140'000);
  for (const auto* at : {&both.left, &both.right}) {
    auto status = of_link(both, *at);
    CHECK(status.shown_alarms > 0);
    CHECK(status.digest_alarms == 0); // what they hold is the same
    CHECK(status.trouble.find("merge functions differ") != std::string::npos);
  }
  both.set(both.left, "pump", "speed", 5); // stands on both, so nothing is to be merged
  both.run(140'000);
  CHECK(of_link(both, both.left).trouble.empty());
  CHECK(of_link(both, both.right).trouble.empty());
}

TEST_CASE("a twin's own strategy replicates, decides there too, and goes with the twin",
          "[unit][sync]") {
  pair_of_nodes both;
  both.make(both.left, "pump");
  both.run(1'000);
  both.set(both.left, "pump", "speed", 9);
  both.run(1);
  both.cut = true;
  both.set(both.left, "pump", "speed", 8);
  both.run(10);
  both.set(both.right, "pump", "speed", 3); // later
  both.cut = false;
  both.run(15'000);
  CHECK(both.read(both.left, "pump", "speed") == value{3});
  auto set_policy = [&](std::optional<std::string> strategy) {
    return both.left.replicas->set_policy(shard, "pump", std::move(strategy), both.now(both.left));
  };
  CHECK(set_policy("counter").error().code == errc::bad_value);
  REQUIRE(set_policy("max"));
  CHECK(both.read(both.left, "pump", "speed") == value{8});
  both.run(1'000);
  CHECK(both.read(both.right, "pump", "speed") == value{8});
  CHECK(both.right.replicas->own_policy(shard, "pump") == "max");
  REQUIRE(set_policy("manual"));
  both.run(1'000);
  CHECK(both.right.replicas->conflicts().size() == 1);
  REQUIRE(set_policy(std::nullopt));
  both.run(1'000);
  CHECK(both.right.replicas->own_policy(shard, "pump").empty());
  CHECK(both.read(both.right, "pump", "speed") == value{3});
  REQUIRE(set_policy("min"));
  REQUIRE(both.left.replicas->remove(shard, "pump", both.now(both.left)));
  both.make(both.left, "pump");
  both.run(1'000);
  CHECK(both.left.replicas->own_policy(shard, "pump").empty());
  CHECK(both.right.replicas->own_policy(shard, "pump").empty());
  REQUIRE(both.left.replicas->remove(shard, "pump", both.now(both.left)));
  CHECK(set_policy("max").error().code == errc::twin_not_found);
}

TEST_CASE("a peer whose clock is ahead is named, and wins no later write", "[unit][sync]") {
  pair_of_nodes both;
  both.make(both.left, "pump");
  both.set(both.left, "pump", "speed", 1);
  both.run(1'000);
  both.left.offset_us = 3'600'000'000; // an hour ahead
  both.set(both.left, "pump", "speed", 2);
  both.run(3'000);
  CHECK(both.read(both.right, "pump", "speed") == value{1});
  auto told = both.right.replicas->link(0).status(both.now(both.right)).trouble;
  CHECK(told.find("clock") != std::string::npos);
  CHECK(told.find("edge") != std::string::npos);
  both.left.offset_us = 0; // set right again: what bears wrong times is written anew
  both.run(3'000);
  CHECK(both.left.replicas->rewritten() == 1);
  CHECK(both.read(both.right, "pump", "speed") == value{2});
  both.set(both.right, "pump", "speed", 3);
  both.run(1'000);
  CHECK(both.read(both.left, "pump", "speed") == value{3});
}

TEST_CASE("writes to what is not there, or of a wrong kind, are refused", "[unit][sync]") {
  pair_of_nodes both{"plant", policies_of(conflict_strategy::merge_counter)};
  auto& left = *both.left.replicas;
  auto now = both.now(both.left);
  CHECK(left.set(shard, "pump", "speed", value{1}, now).error().code == errc::twin_not_found);
  CHECK(left.remove(shard, "pump", now).error().code == errc::twin_not_found);
  both.make(both.left, "pump");
  CHECK(left.create(shard, "pump", {}, now).error().code == errc::twin_exists);
  CHECK(left.set(shard, "pump", "speed", value{"fast"}, now).error().code == errc::bad_value);
  CHECK(left.set(shard, "pump", "speed", std::nullopt, now));
}

namespace {

void make_pump(pair_of_nodes& both) {
  REQUIRE(both.left.replicas->create(replica_shard_of("pump"), "pump", value{value_map{}},
                                     both.now(both.left)));
}

void set_speed(pair_of_nodes& both) {
  REQUIRE(both.left.replicas->set(replica_shard_of("pump"), "pump", "speed", value{7},
                                  both.now(both.left)));
}

// What somebody who waits was told, once.
struct told {
  std::optional<value> answer{};

  hold_watch::request wait(std::vector<std::string> twins, std::size_t peers,
                           std::int64_t until_ns) {
    return {std::move(twins), peers, log_position{5}, until_ns, [this](value what) {
              REQUIRE_FALSE(answer);
              answer = std::move(what);
            }};
  }
};

hold_watch::view view_of(const replicator& replicas) {
  return {[&](std::string_view twin) { return replicas.last_change(replica_shard_of(twin), twin); },
          [&](std::string_view twin, change_number upto) {
            return replicas.holders(replica_shard_of(twin), upto);
          }};
}

value pump_held(std::int64_t by) {
  return value{value_map{{"pump", value{by}}}};
}

constexpr std::int64_t ns_per_s = 1'000'000'000;

} // namespace

TEST_CASE("who only receives sends nothing, and keeps what is written there", "[unit][sync]") {
  pair_of_nodes both{"plant"};
  both.right.replicas->receive_only(0);
  both.make(both.left, "pump");
  both.set(both.left, "pump", "speed", 5);
  both.run(1'000);
  CHECK(both.read(both.right, "pump", "speed") == value{5});
  both.set(both.right, "pump", "note", "seen");
  both.set(both.right, "pump", "speed", 6);
  both.make(both.right, "valve");
  both.run(30'000);
  CHECK(both.read(both.right, "pump", "speed") == value{6});
  CHECK(both.read(both.left, "pump", "speed") == value{5});
  CHECK(both.read(both.left, "pump", "note") == value{});
  CHECK_FALSE(both.left.replicas->read(shard, "valve").alive);
  CHECK(both.right.replicas->receivers() == 0);
  CHECK(both.right.replicas->synced(shard) == 0);
  CHECK(both.right.replicas->link(0).status(both.now(both.right)).backlog == 0);
  CHECK(both.left.replicas->synced(shard) == 1);
  // Later writes of the other side still come, and a delete of it is one here, too.
  both.set(both.left, "pump", "speed", 7);
  both.run(1'000);
  CHECK(both.read(both.right, "pump", "speed") == value{7});
  REQUIRE(both.left.replicas->remove(shard, "pump", both.now(both.left)));
  both.run(1'000);
  CHECK_FALSE(both.right.replicas->read(shard, "pump").alive);
  // Nobody waits for marks that the peer will never ask for.
  REQUIRE(both.right.replicas->remove(shard, "valve", both.now(both.right)));
  both.run(5'000);
  CHECK(both.right.replicas->replica(shard)->delete_marks() == 0);
}

TEST_CASE("a wait ends when the peer has the change, and not before the log was taken in",
          "[unit][sync]") {
  pair_of_nodes both{"plant"};
  make_pump(both);
  both.run(1'000);
  both.cut = true;
  set_speed(both);
  hold_watch waits{1};
  told one;
  told other;
  auto now = [&] { return both.now(both.left).steady_ns; };
  auto view = view_of(*both.left.replicas);
  REQUIRE(waits.add(one.wait({"pump"}, 1, now() + 1'000 * ns_per_s)));
  CHECK_FALSE(waits.add(other.wait({"pump"}, 1, now() + 1'000 * ns_per_s)));
  waits.look(view, log_position{4}, now());
  both.run(1'000);
  waits.look(view, log_position{5}, now());
  CHECK_FALSE(one.answer);
  both.cut = false;
  both.run(60'000);
  waits.look(view, log_position{5}, now());
  REQUIRE(one.answer);
  CHECK(*one.answer == pump_held(1));
  CHECK(waits.open() == 0);
  CHECK_FALSE(other.answer);
}

TEST_CASE("a wait that takes too long, or can never end, says so", "[unit][sync]") {
  pair_of_nodes both{"plant"};
  make_pump(both);
  both.run(1'000);
  both.cut = true;
  set_speed(both);
  hold_watch waits{10};
  told late;
  told unknown;
  told stopped;
  auto now = [&] { return both.now(both.left).steady_ns; };
  auto view = view_of(*both.left.replicas);
  REQUIRE(waits.add(late.wait({"pump"}, 1, now() + ns_per_s)));
  REQUIRE(waits.add(unknown.wait({"no such twin"}, 1, now() + ns_per_s)));
  REQUIRE(waits.add(stopped.wait({"pump"}, 1, now() + 1'000 * ns_per_s)));
  waits.look(view, log_position{5}, now());
  REQUIRE(unknown.answer);
  CHECK(unknown.answer->find("no such twin")->is_null());
  both.run(2'000);
  waits.look(view, log_position{5}, now());
  REQUIRE(late.answer);
  CHECK(*late.answer == pump_held(0));
  CHECK_FALSE(stopped.answer);
  waits.look(view, log_position{5}, std::numeric_limits<std::int64_t>::max());
  REQUIRE(stopped.answer);
  CHECK(*stopped.answer == pump_held(0));
  // A delete is waited for like any other write.
  told deleted;
  both.cut = false;
  both.run(30'000);
  REQUIRE(both.left.replicas->remove(replica_shard_of("pump"), "pump", both.now(both.left)));
  REQUIRE(waits.add(deleted.wait({"pump"}, 1, now() + 1'000 * ns_per_s)));
  waits.look(view, log_position{5}, now());
  both.run(500);
  waits.look(view, log_position{5}, now());
  REQUIRE(deleted.answer);
  CHECK(*deleted.answer == pump_held(1));
  // Its mark is forgotten once all peers have it, which is no reason to doubt them.
  told forgotten;
  both.run(5'000);
  REQUIRE(both.left.replicas->replica(replica_shard_of("pump"))->delete_marks() == 0);
  REQUIRE(waits.add(forgotten.wait({"pump"}, 1, now() + 1'000 * ns_per_s)));
  waits.look(view, log_position{5}, now());
  REQUIRE(forgotten.answer);
  CHECK(*forgotten.answer == pump_held(1));
}

TEST_CASE("nobody waits for a peer that was removed", "[unit][sync]") {
  pair_of_nodes both{"plant"};
  make_pump(both);
  both.run(1'000);
  both.cut = true;
  set_speed(both);
  hold_watch waits{10};
  told one;
  auto now = [&] { return both.now(both.left).steady_ns; };
  auto view = view_of(*both.left.replicas);
  REQUIRE(waits.add(one.wait({"pump"}, 1, now() + 1'000 * ns_per_s)));
  waits.give_up_beyond(1);
  waits.look(view, log_position{5}, now());
  CHECK_FALSE(one.answer);
  both.left.replicas->remove_peer(0);
  CHECK(both.left.replicas->receivers() == 0);
  CHECK_FALSE(both.left.replicas->has_peer(0));
  waits.give_up_beyond(both.left.replicas->receivers());
  waits.look(view, log_position{5}, now());
  REQUIRE(one.answer);
  CHECK(*one.answer == pump_held(0));
}

TEST_CASE("a removed peer holds no marks of deletes, and hears of them when it is added again",
          "[unit][sync]") {
  pair_of_nodes both;
  both.make(both.left, "pump");
  both.make(both.left, "valve");
  both.run(1'000);
  both.left.replicas->remove_peer(0);
  REQUIRE(both.left.replicas->remove(shard, "pump", both.now(both.left)));
  both.set(both.right, "valve", "open", true); // while it has no way to tell it
  both.run(5'000);
  CHECK(both.left.replicas->replica(shard)->delete_marks() == 0);
  CHECK(both.right.replicas->read(shard, "pump").alive);
  auto again = both.left.replicas->add_peer("cloud");
  CHECK(again == 1);
  both.left_peer = again;
  both.run(30'000);
  CHECK_FALSE(both.right.replicas->read(shard, "pump").alive);
  CHECK_FALSE(both.left.replicas->read(shard, "pump").alive);
  CHECK(both.read(both.left, "valve", "open") == value{true});
  CHECK(both.left.replicas->synced(shard) == 1);
}
