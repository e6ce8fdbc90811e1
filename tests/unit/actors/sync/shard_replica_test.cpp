#include "actors/sync/shard_replica.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

constexpr writer_id at_a = make_writer(site_id{1}, 1);
constexpr writer_id at_b = make_writer(site_id{2}, 1);
constexpr writer_id at_c = make_writer(site_id{3}, 1);

struct replica : shard_replica {
  explicit replica(writer_id own, const sync_rules& rules = default_rules())
      : shard_replica{own, rules} {}
  static const sync_rules& default_rules() {
    static const sync_rules rules;
    return rules;
  }

  hybrid_time now() { return time.tick(1'000); }
  void create(const char* twin) { write(twin, replica_keys::life, value{"t"}, now()); }
  void set(const char* twin, const char* key, value content) {
    write(twin, key, std::move(content), now());
  }
  void unset(const char* twin, const char* key) { write(twin, key, std::nullopt, now()); }
  void remove(const char* twin) { shard_replica::remove(twin, now()); }

  // All that changed since the last call goes to `other`.
  void tell(replica& other) {
    auto made = cut(told[&other], 0);
    REQUIRE(other.merge(made, 1));
    told[&other] = made.to;
  }

  std::vector<value> values(const char* twin, const char* key) const {
    std::vector<value> made;
    for (const auto& s : of(twin, key))
      made.push_back(s.content);
    return made;
  }

  hybrid_clock time;
  std::map<const replica*, change_number> told;
};

using values = std::vector<value>;

} // namespace

TEST_CASE("a write replaces all values that it saw", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  a.create("m");
  a.tell(b);
  a.set("m", "x", 1);
  b.set("m", "x", 2);
  a.tell(b);
  CHECK(b.values("m", "x") == values{1, 2});
  CHECK(b.contested().size() == 1);
  b.set("m", "x", 3);
  CHECK(b.values("m", "x") == values{3});
  CHECK(b.contested().empty());
  b.tell(a);
  CHECK(a.values("m", "x") == values{3});
}

TEST_CASE("equal clocks have equal digests, whatever the way", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  replica c{at_c};
  a.create("m");
  a.set("m", "x", 1);
  a.tell(b);
  a.tell(c);
  b.set("m", "x", 2);
  c.set("m", "y", 3);
  a.unset("m", "x");
  for (int round = 0; round < 3; ++round) {
    a.tell(b);
    b.tell(c);
    c.tell(a);
  }
  CHECK(a.clock() == b.clock());
  CHECK(a.clock() == c.clock());
  CHECK(a.digest().buckets() == b.digest().buckets());
  CHECK(a.digest().buckets() == c.digest().buckets());
  CHECK(c.values("m", "x") == values{2});
  CHECK(b.values("m", "y") == values{3});
}

TEST_CASE("a deleted property does not come back from a replica that did not hear",
          "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  replica c{at_c};
  a.create("m");
  a.set("m", "x", 1);
  a.tell(b);
  b.tell(c);
  a.unset("m", "x");
  a.tell(b);
  c.tell(b);
  CHECK(b.values("m", "x").empty());
  b.tell(c);
  CHECK(c.values("m", "x").empty());
}

TEST_CASE("a deleted twin takes concurrent writes to its life with it", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  a.create("m");
  a.tell(b);
  a.remove("m");
  b.set("m", "x", 1);
  a.tell(b);
  b.tell(a);
  CHECK_FALSE(a.alive("m"));
  CHECK_FALSE(b.alive("m"));
  CHECK(b.values("m", "x").empty());
  CHECK(a.digest().root() == b.digest().root());
}

TEST_CASE("values of a deleted life do not enter the next one", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  a.create("m");
  a.tell(b);
  b.set("m", "x", 1);
  a.remove("m");
  a.create("m");
  a.set("m", "y", 2);
  b.tell(a);
  a.tell(b);
  CHECK(a.alive("m"));
  CHECK(a.values("m", "x").empty());
  CHECK(b.values("m", "x").empty());
  CHECK(b.values("m", "y") == values{2});
  CHECK(a.digest().root() == b.digest().root());
}

TEST_CASE("a twin made on both sides is one twin", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  a.create("m");
  a.set("m", "x", 1);
  b.create("m");
  b.set("m", "y", 2);
  a.tell(b);
  b.tell(a);
  CHECK(a.values("m", "x") == values{1});
  CHECK(a.values("m", "y") == values{2});
  CHECK(a.digest().root() == b.digest().root());
  // Who saw one life alone deletes that alone.
  replica c{at_c};
  replica late{make_writer(site_id{4}, 1)};
  late.create("n");
  c.create("n");
  c.remove("n");
  c.tell(late);
  CHECK(late.alive("n"));
}

TEST_CASE("a batch taken twice or late changes nothing", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  a.create("m");
  a.set("m", "x", 1);
  auto early = a.cut(0, 0);
  a.set("m", "x", 2);
  a.unset("m", "x");
  a.set("m", "y", 1);
  auto late = a.cut(0, 0);
  REQUIRE(b.merge(late, 1));
  auto before = b.digest().root();
  auto changes = b.last_change();
  REQUIRE(b.merge(late, 1));
  CHECK(b.digest().root() == before);
  CHECK(b.last_change() == changes);
  early.full = false;
  REQUIRE(b.merge(early, 1));
  CHECK(b.digest().root() == before);
  CHECK(b.last_change() == changes);
}

TEST_CASE("what came from a peer is not sent back to it", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  a.create("m");
  REQUIRE(b.merge(a.cut(0, 0), 5));
  b.set("m", "x", 1);
  auto back = b.cut(0, 5);
  CHECK_FALSE(back.full);
  CHECK(back.entries.size() == 1);
  a.set("m", "y", 1);
  auto position = b.last_change();
  REQUIRE(b.merge(a.cut(1, 0), 5));
  CHECK(b.cut(position, 5).entries.empty());
  CHECK(b.cut(position, 6).entries.size() == 1);
}

TEST_CASE("a full copy takes away what it does not hold", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  a.create("m");
  a.set("m", "x", 1);
  a.create("n");
  a.tell(b);
  b.set("m", "mine", 5);
  a.unset("m", "x");
  a.remove("n");
  a.purge(a.last_change());
  CHECK(a.delete_marks() == 0);
  auto made = a.cut(3, 0); // before what was forgotten
  REQUIRE(made.full);
  REQUIRE(b.merge(made, 1));
  CHECK(b.values("m", "x").empty());
  CHECK_FALSE(b.alive("n"));
  CHECK(b.values("m", "mine") == values{5});
}

TEST_CASE("a delete that the peer has not heard of is told although its own values came since",
          "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  b.create("m");
  auto ours = b.cut(0, 0); // before anything of a's arrived
  a.create("m");
  REQUIRE(b.merge(a.cut(0, 0), 1));
  auto told = a.last_change();
  a.remove("m");
  REQUIRE(a.merge(ours, 2, told));
  auto next = a.cut(told, 2);
  REQUIRE(next.entries.size() == 1);
  REQUIRE(b.merge(next, 1));
  CHECK(b.digest().root() == a.digest().root());
}

TEST_CASE("a delete of what was never here is handed on", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  replica c{at_c};
  a.create("m");
  a.tell(b);
  a.tell(c);
  a.set("m", "x", 1);
  a.tell(c);
  a.unset("m", "x");
  auto before = b.last_change();
  a.tell(b); // the write and its delete in one
  REQUIRE(c.merge(b.cut(before, 0), 1));
  CHECK(c.values("m", "x").empty());
}

TEST_CASE("who got a full copy gives full copies to those behind it", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  replica c{at_c};
  a.create("m");
  a.set("m", "x", 1);
  a.tell(c);
  a.unset("m", "x");
  a.purge(a.last_change());
  auto copy = a.cut(0, 0);
  REQUIRE(copy.full);
  REQUIRE(b.merge(copy, 1));
  auto on = b.cut(0, 0);
  CHECK(on.full);
  REQUIRE(c.merge(on, 1));
  CHECK(c.values("m", "x").empty());
}

TEST_CASE("a shard refuses more writers than allowed and changes nothing", "[unit][sync]") {
  sync_rules rules;
  rules.writers_max = 2;
  replica a{at_a, rules};
  a.create("m");
  replica b{at_b};
  b.create("m");
  replica c{at_c};
  c.create("m");
  REQUIRE(a.merge(b.cut(0, 0), 1));
  auto before = a.digest().root();
  auto refused = a.merge(c.cut(0, 0), 2);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::limit_reached);
  CHECK(a.digest().root() == before);
}

TEST_CASE("repair brings differing copies of equal clocks together", "[unit][sync]") {
  replica a{at_a};
  replica b{at_b};
  a.create("m");
  a.set("m", "x", 1);
  a.tell(b);
  REQUIRE(a.clock() == b.clock());
  std::vector<shard_replica::numbered_entry> damaged;
  for (const auto& one : a.page(0)) {
    sibling_set held{one.siblings.begin(), one.siblings.end()};
    if (one.key == "x")
      held[0].content = value{99};
    damaged.push_back({one.number, {std::string{one.twin}, std::string{one.key}, held}});
  }
  replica wrong{at_b};
  wrong.restore_all(damaged, a.clock(), a.last_change(), 0);
  CHECK(wrong.digest().root() != a.digest().root());
  auto ours = a.cut(0, 0).entries;
  auto theirs = wrong.cut(0, 0).entries;
  a.repair(theirs);
  wrong.repair(ours);
  CHECK(wrong.digest().root() == a.digest().root());
}
