#include "messages/replies.hpp"
#include "runtime/bulk_core.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace gemel;

namespace {

constexpr std::int64_t ms = 1'000'000;

bulk_item make_item(bulk_content what, std::uint64_t number) {
  return {std::move(what), {number, number * 10, number * 10 + 10, number, 1}};
}

twin_update numbered(std::string id, std::uint64_t number) {
  twin_update made;
  made.id = std::move(id);
  made.if_version = number; // carries the number, nothing more
  return made;
}

// A node that does what batches ask, as far as these tests look.
class small_node {
public:
  frame answer(const frame& asked) {
    auto message = asked.message();
    if (message.isCreate())
      return create(message.getCreate());
    if (message.isUpdate())
      return update(message.getUpdate());
    if (message.isRemove())
      return remove(message.getRemove());
    return get(message.getGet());
  }

  std::map<std::string, std::string> parents; // of each twin
  std::map<std::string, std::uint64_t> numbers;
  std::function<bool()> is_busy = [] { return false; };

private:
  template <class Entry>
  static std::string id_in(Entry entry) {
    return entry.getId().cStr();
  }
  static std::string id_in(capnp::Text::Reader id) { return id.cStr(); }

  template <class Entries, class Do>
  frame each(Entries entries, Do what) {
    outcome made;
    std::map<std::string, bool> busy_twins;
    for (unsigned i = 0; i < entries.size(); ++i) {
      // A queue is full for all of a twin's items in a batch: they travel as one part.
      auto id = id_in(entries[i]);
      auto busy = id.empty() ? busy_twins.end() : busy_twins.emplace(id, is_busy()).first;
      bool has_room = busy == busy_twins.end() || !busy->second;
      auto code = has_room ? what(entries[i]) : errc::overloaded;
      if (code == errc::none)
        ++made.applied;
      else
        made.failures.push_back({i, {code, "said the node", code == errc::overloaded ? 7U : 0U}});
    }
    return make_outcome_reply(made);
  }

  frame create(wire::CreateBatch::Reader batch) {
    return each(batch.getCreates(), [&](wire::Create::Reader one) {
      std::string id{one.getId().cStr()};
      std::string parent{one.getParent().cStr()};
      if (!parent.empty() && !parents.contains(parent))
        return errc::twin_not_found;
      return parents.emplace(id, parent).second ? errc::none : errc::twin_exists;
    });
  }
  frame update(wire::UpdateBatch::Reader batch) {
    return each(batch.getUpdates(), [&](wire::Update::Reader one) {
      numbers[one.getId().cStr()] = one.getIfVersion();
      return errc::none;
    });
  }
  frame remove(wire::Remove::Reader batch) {
    return each(batch.getIds(), [&](capnp::Text::Reader one) {
      std::string id{one.cStr()};
      if (!parents.contains(id))
        return errc::twin_not_found;
      for (const auto& [child, parent] : parents)
        if (parent == id)
          return errc::has_children;
      parents.erase(id);
      return errc::none;
    });
  }
  frame get(wire::Get::Reader asked) const {
    twin_page page;
    for (auto id : asked.getIds())
      if (!parents.contains(id.cStr()))
        page.missing.emplace_back(id.cStr());
    return make_page_reply(page);
  }
};

// Runs a core against a node, one request after the other unless told otherwise.
class bench {
public:
  explicit bench(bulk_rules rules)
      : core{rules, [this](const bulk_outcome& what) {
               outcomes[what.where.item].push_back(what.status);
               codes[what.where.item] = what.why.code;
             }} {}

  void run(std::vector<bulk_item> items) {
    std::size_t next = 0;
    while (!core.done()) {
      while (next < items.size() && core.wants_items())
        core.add(std::move(items[next++]));
      if (next == items.size())
        core.end();
      step();
      REQUIRE(++steps < 100'000);
    }
  }

  void step() {
    while (auto asked = core.next(now)) {
      ++sent;
      deliver(*asked);
    }
    if (core.is_lost())
      core.restore();
    now += 5 * ms;
  }

  std::function<void(const bulk_core::request&)> deliver = [this](const auto& asked) {
    core.answered(asked.number, node.answer(asked.content), now);
  };

  small_node node;
  std::map<std::uint64_t, std::vector<bulk_status>> outcomes;
  std::map<std::uint64_t, errc> codes;
  bulk_core core;
  std::int64_t now = 0;
  int steps = 0;
  int sent = 0;
};

using statuses = std::vector<bulk_status>;

} // namespace

TEST_CASE("items travel in batches of so many, or so many bytes", "[unit][runtime]") {
  bench few{{.batch_items = 10}};
  std::vector<bulk_item> items;
  for (std::uint64_t i = 1; i <= 95; ++i)
    items.push_back(make_item(new_twin{.id = "m" + std::to_string(i), .type = "t"}, i));
  few.run(items);
  CHECK(few.sent == 10);
  CHECK(few.core.totals().applied == 95);
  CHECK(!few.core.first_open());
  bench large{{.batch_items = 10, .batch_bytes = 3 * frame_bytes_of(items[20].what)}};
  large.run(items);
  CHECK(large.sent == 32);
}

TEST_CASE("parents may stand behind their children, at any depth", "[unit][runtime]") {
  bench one{{.batch_items = 4}};
  std::vector<bulk_item> items;
  for (std::uint64_t i = 1; i <= 30; ++i)
    items.push_back(make_item(new_twin{.id = "m" + std::to_string(i),
                                       .type = "t",
                                       .parent = i == 30 ? "" : "m" + std::to_string(i + 1)},
                              i));
  items.push_back(make_item(new_twin{.id = "x", .type = "t", .parent = "nowhere"}, 31));
  one.run(std::move(items));
  CHECK(one.core.totals().applied == 30);
  CHECK(one.outcomes[31] == statuses{bulk_status::failed});
  CHECK(one.codes[31] == errc::twin_not_found);
}

TEST_CASE("children that wait for a parent are bounded", "[unit][runtime]") {
  bench one{{.batch_items = 4, .deferred_items = 8}};
  std::vector<bulk_item> items;
  for (std::uint64_t i = 1; i <= 40; ++i)
    items.push_back(
        make_item(new_twin{.id = "m" + std::to_string(i), .type = "t", .parent = "p"}, i));
  items.push_back(make_item(new_twin{.id = "p", .type = "t"}, 41));
  one.run(std::move(items));
  CHECK(one.core.totals().applied + one.core.totals().failed == 41);
  CHECK(one.core.totals().failed >= 32);
  CHECK(one.outcomes[41] == statuses{bulk_status::applied});
}

TEST_CASE("a parent is deleted once its children are", "[unit][runtime]") {
  bench one{{.action = bulk_action::remove, .batch_items = 2}};
  one.node.parents = {{"a", ""}, {"b", "a"}, {"c", "b"}, {"d", ""}, {"e", "d"}};
  std::vector<bulk_item> items;
  std::uint64_t number = 0;
  for (const auto* id : {"a", "b", "c", "d", "x"})
    items.push_back(make_item(std::string{id}, ++number));
  one.run(std::move(items));
  CHECK(one.node.parents.size() == 2);
  CHECK(one.codes[4] == errc::has_children);
  CHECK(one.codes[5] == errc::twin_not_found);
}

TEST_CASE("a run stops after so many failures and knows where it is", "[unit][runtime]") {
  bench one{{.batch_items = 5, .in_flight = 1, .failures_max = 3}};
  for (int i = 11; i <= 14; ++i)
    one.node.parents["m" + std::to_string(i)] = "";
  std::vector<bulk_item> items;
  for (std::uint64_t i = 1; i <= 100; ++i)
    items.push_back(make_item(new_twin{.id = "m" + std::to_string(i), .type = "t"}, i));
  one.run(std::move(items));
  CHECK(one.core.totals().failed == 4);
  CHECK(one.core.totals().applied == 11);
  REQUIRE(one.core.first_open());
  CHECK(one.core.first_open()->item == 16);
}

TEST_CASE("what is there already is a failure unless it may be of this run", "[unit][runtime]") {
  for (bool repeat : {false, true}) {
    bench one{{.repeat = repeat}};
    one.node.parents["a"] = "";
    one.run({make_item(new_twin{.id = "a", .type = "t"}, 1)});
    CHECK(one.outcomes[1] == statuses{repeat ? bulk_status::present : bulk_status::failed});
  }
  bench lost{{}};
  bool is_first = true;
  lost.deliver = [&](const auto& asked) {
    auto reply = lost.node.answer(asked.content);
    if (std::exchange(is_first, false))
      lost.core.lose();
    else
      lost.core.answered(asked.number, reply, lost.now);
  };
  lost.run({make_item(new_twin{.id = "a", .type = "t"}, 1)});
  CHECK(lost.outcomes[1] == statuses{bulk_status::present});
}

TEST_CASE("a dry run asks and changes nothing", "[unit][runtime]") {
  bench one{{.dry_run = true}};
  one.node.parents["a"] = "";
  one.run({make_item(new_twin{.id = "a", .type = "t"}, 1),
           make_item(new_twin{.id = "b", .type = "t"}, 2), make_item(new_twin{.type = "t"}, 3)});
  CHECK(one.node.parents.size() == 1);
  CHECK(one.codes[1] == errc::twin_exists);
  CHECK(one.core.totals().applied == 2);
}

TEST_CASE("a rate is kept", "[unit][runtime]") {
  bench one{{.rate = 1'000}};
  std::vector<bulk_item> items;
  for (std::uint64_t i = 1; i <= 2'000; ++i)
    items.push_back(make_item(new_twin{.id = "m" + std::to_string(i), .type = "t"}, i));
  one.run(std::move(items));
  // The first 100 go at once, and the clock moves in steps of 5 ms.
  CHECK(one.now >= 1'900 * ms);
  CHECK(one.now <= 2'100 * ms);
}

TEST_CASE("a request that the node finds too large is halved", "[unit][runtime]") {
  bench one{{.batch_items = 64}};
  one.deliver = [&](const auto& asked) {
    bool is_large = asked.content.message().getCreate().getCreates().size() > 5;
    one.core.answered(asked.number,
                      is_large ? make_error_reply({errc::limit_reached, "too large"})
                               : one.node.answer(asked.content),
                      one.now);
  };
  std::vector<bulk_item> items;
  for (std::uint64_t i = 1; i <= 64; ++i)
    items.push_back(make_item(new_twin{.id = "m" + std::to_string(i), .type = "t"}, i));
  one.run(std::move(items));
  CHECK(one.core.totals().applied == 64);
}

// The fault: the node is busy, answers come late, in any order or never, the link breaks with and
// without the request having been done. What must hold: every item has one outcome, the last update
// of each twin is the last of the input, every twin is made, and `first_open` never goes beyond an
// item without an outcome.
TEST_CASE("every item has one outcome, and the last one wins, whatever breaks",
          "[unit][runtime][random]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 60; ++round) {
    bool is_create = round % 2 == 0;
    bench one{{.action = is_create ? bulk_action::create : bulk_action::update,
               .batch_items = 1 + random() % 9,
               .in_flight = 1 + random() % 5}};
    one.node.is_busy = [&] { return random() % 50 == 0; };
    std::vector<bulk_core::request> waiting;
    one.deliver = [&](const auto& asked) { waiting.push_back(asked); };
    std::vector<bulk_item> items;
    std::map<std::string, std::uint64_t> last;
    for (std::uint64_t i = 1; i <= 300; ++i) {
      auto id = "m" + std::to_string(is_create ? i : random() % 40);
      last[id] = i;
      auto parent = is_create && i % 7 != 0 ? "m" + std::to_string(7 * (1 + random() % 42)) : "";
      items.push_back(is_create ? make_item(new_twin{.id = id, .type = "t", .parent = parent}, i)
                                : make_item(numbered(id, i), i));
    }
    std::size_t next = 0;
    for (int steps = 0; !one.core.done(); ++steps) {
      REQUIRE(steps < 50'000);
      while (next < items.size() && one.core.wants_items())
        one.core.add(items[next++]);
      if (next == items.size())
        one.core.end();
      one.step();
      if (random() % 60 == 0) {
        for (const auto& asked : waiting)
          if (random() % 2 == 0)
            one.node.answer(asked.content); // in order, up to where the link broke
          else
            break;
        waiting.clear();
        one.core.lose();
        one.core.restore();
      } else if (!waiting.empty() && random() % 3 != 0) {
        // The node works in order; answers may overtake each other no further than the link lets
        // them, and the core must not mind.
        auto asked = waiting.front();
        waiting.erase(waiting.begin());
        one.core.answered(asked.number, one.node.answer(asked.content), one.now);
        one.core.answered(asked.number, make_done_reply(), one.now); // once more: ignored
      }
      auto open = one.core.first_open();
      for (std::uint64_t i = 1; i < (open ? open->item : next + 1); ++i)
        REQUIRE(one.outcomes[i].size() == 1);
    }
    for (std::uint64_t i = 1; i <= 300; ++i)
      REQUIRE(one.outcomes[i].size() == 1);
    CHECK(one.core.totals().failed == 0);
    if (is_create)
      CHECK(one.node.parents.size() == 300);
    else
      CHECK(one.node.numbers == last);
  }
}

TEST_CASE("a request without an answer is sent again, not for ever", "[unit][runtime]") {
  bench one{{.patience = std::chrono::milliseconds{50}}};
  one.deliver = [](const auto&) {};
  one.run({make_item(new_twin{.id = "a", .type = "t"}, 1)});
  CHECK(one.outcomes[1] == statuses{bulk_status::failed});
  CHECK(one.codes[1] == errc::timed_out);
  CHECK(one.sent > 1);
  CHECK(one.sent < 20);
}
