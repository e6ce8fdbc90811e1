#include "actors/supervision.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace gemel;

namespace {

constexpr std::array<restart_strategy, 3> strategies{
    restart_strategy::one_for_one, restart_strategy::one_for_all, restart_strategy::rest_for_one};
constexpr std::array<restart_kind, 3> kinds{restart_kind::permanent, restart_kind::transient,
                                            restart_kind::temporary};
constexpr std::array<exit_kind, 3> exits{exit_kind::normal, exit_kind::shutdown, exit_kind::crash};

std::uint64_t seed() {
  const char* given = std::getenv("GEMEL_SEED");
  auto value = given != nullptr ? std::strtoull(given, nullptr, 10) : 7u;
  std::cout << "GEMEL_SEED=" << value << "\n";
  return value;
}

supervision_policy policy_of(restart_strategy strategy, std::uint32_t intensity = 1'000,
                             std::int64_t period_us = 1'000'000) {
  supervision_policy policy;
  policy.strategy = strategy;
  policy.intensity = intensity;
  policy.period_us = period_us;
  return policy;
}

/// Children as a doubly linked list over a vector, the way a cell keeps them; counts its reads.
class family {
public:
  using child = int;

  explicit family(const std::vector<restart_kind>& members) {
    for (auto kind : members) {
      int id = static_cast<int>(all_.size());
      all_.push_back({kind, true, id - 1, -1});
      if (id > 0)
        all_[index(id - 1)].next = id;
    }
    first_ = members.empty() ? -1 : 0;
    last_ = static_cast<int>(members.size()) - 1;
  }

  std::optional<int> first() const { return some(first_); }
  std::optional<int> last() const { return some(last_); }
  std::optional<int> before(int who) const { return some(at(who).previous); }
  std::optional<int> after(int who) const { return some(at(who).next); }
  restart_kind kind(int who) const { return at(who).kind; }
  bool running(int who) const { return at(who).running; }
  std::size_t reads() const { return reads_; }

  void set_running(int who, bool value) { all_[index(who)].running = value; }

  void forget(int who) {
    auto& gone = all_[index(who)];
    REQUIRE(gone.member);
    (gone.previous < 0 ? first_ : all_[index(gone.previous)].next) = gone.next;
    (gone.next < 0 ? last_ : all_[index(gone.next)].previous) = gone.previous;
    gone.member = false;
  }

  std::vector<int> members() const {
    std::vector<int> result;
    for (int who = first_; who >= 0; who = all_[index(who)].next)
      result.push_back(who);
    return result;
  }

private:
  struct node {
    restart_kind kind;
    bool running;
    int previous;
    int next;
    bool member = true;
  };

  static std::size_t index(int who) { return static_cast<std::size_t>(who); }

  std::optional<int> some(int who) const {
    ++reads_;
    return who < 0 ? std::nullopt : std::optional{who};
  }

  const node& at(int who) const {
    ++reads_;
    REQUIRE(all_[index(who)].member); // nobody may ask about a forgotten child
    return all_[index(who)];
  }

  std::vector<node> all_;
  int first_ = -1;
  int last_ = -1;
  mutable std::size_t reads_ = 0;
};

/// The code under test with its children: does what it is told and writes it down.
struct supervisor {
  supervision_policy policy;
  family children;
  restart_budget budget = {};
  std::vector<int> refusing = {}; // children whose next start fails, each once
  std::vector<std::string> log = {};
  bool gave_up = false;
  bool keep_forgotten = false; // in the list, as one that does not run

  auto actor() {
    return [this](supervision_action what, int who) {
      log.push_back(std::string{to_string(what)} + " " + std::to_string(who));
      REQUIRE(children.running(who) == (what == supervision_action::stop));
      if (what == supervision_action::forget) {
        if (!keep_forgotten)
          children.forget(who);
        return true;
      }
      if (auto found = std::find(refusing.begin(), refusing.end(), who);
          what == supervision_action::restart && found != refusing.end()) {
        refusing.erase(found);
        return false;
      }
      children.set_running(who, what == supervision_action::restart);
      return true;
    };
  }

  verdict::kind end(int who, exit_kind how, std::int64_t now_us) {
    children.set_running(who, false);
    auto decided = decide(policy, budget, children.kind(who), how, now_us);
    gave_up = gave_up || decided.what == verdict::kind::escalate;
    auto failed = carry_out(decided, children, who, actor());
    if (failed)
      end(*failed, exit_kind::crash, now_us);
    return decided.what;
  }

  std::string state() const {
    std::string text = gave_up ? "gave up:" : "";
    for (int who : children.members())
      text += " " + std::to_string(who) + (children.running(who) ? "+" : "-");
    return text;
  }
};

/// OTP's rules once more, slowly: whole lists are copied and filtered, every restart ever made is
/// kept. Written from the documentation ("Supervisor Behaviour", OTP design principles).
struct slow_model {
  struct member {
    int id;
    restart_kind kind;
    bool running;
  };

  supervision_policy policy;
  std::vector<member> members;
  std::vector<std::int64_t> restarts = {};
  std::vector<int> refusing = {};
  std::vector<std::string> log = {};
  bool gave_up = false;

  void note(const char* what, int id) { log.push_back(what + (" " + std::to_string(id))); }

  member& find(int id) {
    return *std::find_if(members.begin(), members.end(), [&](auto& m) { return m.id == id; });
  }

  bool start(int id) {
    note("restart", id);
    auto found = std::find(refusing.begin(), refusing.end(), id);
    if (found == refusing.end())
      return find(id).running = true;
    refusing.erase(found);
    return false;
  }

  void stop(int id) {
    if (!find(id).running)
      return;
    note("stop", id);
    find(id).running = false;
  }

  void drop(int id) {
    note("forget", id);
    std::erase_if(members, [&](auto& m) { return m.id == id; });
  }

  // Whom the end of `id` concerns, in start order.
  std::vector<member> concerned(int id) {
    std::vector<member> result;
    bool later = false;
    for (const auto& m : members) {
      later = later || m.id == id;
      if (policy.strategy == restart_strategy::one_for_all
          || (policy.strategy == restart_strategy::rest_for_one && later) || m.id == id)
        result.push_back(m);
    }
    return result;
  }

  bool too_many(std::int64_t now_us) {
    restarts.push_back(now_us);
    auto recent = std::count_if(restarts.begin(), restarts.end(),
                                [&](auto then) { return then >= now_us - policy.period_us; });
    return recent > static_cast<std::ptrdiff_t>(policy.intensity);
  }

  void give_up() {
    gave_up = true;
    auto all = members;
    for (auto m = all.rbegin(); m != all.rend(); ++m)
      stop(m->id);
  }

  void restart_concerned(int id, std::int64_t now_us) {
    auto group = concerned(id);
    for (auto m = group.rbegin(); m != group.rend(); ++m) {
      stop(m->id);
      if (m->kind == restart_kind::temporary)
        drop(m->id);
    }
    std::erase_if(group, [](auto& m) { return m.kind == restart_kind::temporary; });
    for (auto& m : group)
      if (!start(m.id))
        return end(m.id, exit_kind::crash, now_us);
  }

  void end(int id, exit_kind how, std::int64_t now_us) {
    find(id).running = false;
    bool again = false;
    switch (find(id).kind) {
    case restart_kind::permanent:
      again = true;
      break;
    case restart_kind::transient:
      again = how == exit_kind::crash;
      break;
    case restart_kind::temporary:
      return drop(id);
    }
    if (!again)
      return;
    if (too_many(now_us))
      return give_up();
    restart_concerned(id, now_us);
  }

  std::string state() const {
    std::string text = gave_up ? "gave up:" : "";
    for (const auto& m : members)
      text += " " + std::to_string(m.id) + (m.running ? "+" : "-");
    return text;
  }
};

slow_model model_of(const supervision_policy& policy, const std::vector<restart_kind>& members) {
  slow_model model{policy, {}};
  for (std::size_t i = 0; i < members.size(); ++i)
    model.members.push_back({static_cast<int>(i), members[i], true});
  return model;
}

using words = std::vector<std::string>;

} // namespace

TEST_CASE("each kind of child that ends in each way under each strategy is handled as OTP does",
          "[unit][actors]") {
  // Every list of four kinds, every child that ends, every end, every strategy.
  for (auto strategy : strategies)
    for (auto how : exits)
      for (std::size_t code = 0; code < 81; ++code)
        for (int who = 0; who < 4; ++who) {
          std::vector<restart_kind> members;
          for (std::size_t rest = code, i = 0; i < 4; ++i, rest /= 3)
            members.push_back(kinds[rest % 3]);
          supervisor aut{policy_of(strategy), family{members}};
          auto model = model_of(aut.policy, members);
          aut.end(who, how, 1);
          model.end(who, how, 1);
          INFO(to_string(strategy)
               << ", child " << who << " ends by " << to_string(how) << ", kinds " << code);
          REQUIRE(aut.log == model.log);
          REQUIRE(aut.state() == model.state());
        }
}

TEST_CASE("the verdict on one child depends on its kind and its end", "[unit][actors]") {
  using enum verdict::kind;
  const std::array<std::array<verdict::kind, 3>, 3> expected{
      {{restart, restart, restart}, {retain, retain, restart}, {forget, forget, forget}}};
  for (auto strategy : strategies)
    for (std::size_t k = 0; k < 3; ++k)
      for (std::size_t e = 0; e < 3; ++e) {
        restart_budget budget;
        auto decided = decide(policy_of(strategy), budget, kinds[k], exits[e], 5);
        INFO(to_string(kinds[k]) << " ends by " << to_string(exits[e]));
        CHECK(to_string(decided.what) == to_string(expected[k][e]));
        CHECK(budget.size() == (expected[k][e] == restart ? 1u : 0u));
        if (decided.what == restart)
          CHECK(decided.scope == strategy);
      }
}

TEST_CASE("one_for_all stops right to left, forgets temporary ones and restarts left to right",
          "[unit][actors]") {
  using enum restart_kind;
  supervisor aut{policy_of(restart_strategy::one_for_all),
                 family{{permanent, temporary, transient, permanent}}};
  aut.end(2, exit_kind::crash, 0);
  CHECK(aut.log
        == words{"stop 3", "stop 1", "forget 1", "stop 0", "restart 0", "restart 2", "restart 3"});
}

TEST_CASE("rest_for_one leaves those started before alone", "[unit][actors]") {
  using enum restart_kind;
  supervisor aut{policy_of(restart_strategy::rest_for_one),
                 family{{permanent, permanent, temporary, transient}}};
  aut.end(1, exit_kind::crash, 0);
  CHECK(aut.log == words{"stop 3", "stop 2", "forget 2", "restart 1", "restart 3"});
}

TEST_CASE("a transient child that ended normally runs again when a sibling's crash restarts all",
          "[unit][actors]") {
  using enum restart_kind;
  supervisor aut{policy_of(restart_strategy::one_for_all), family{{transient, permanent}}};
  CHECK(aut.end(0, exit_kind::normal, 0) == verdict::kind::retain);
  CHECK(aut.log.empty());
  aut.end(1, exit_kind::crash, 1);
  CHECK(aut.log == words{"restart 0", "restart 1"});
}

TEST_CASE("a forgotten child that is left in the list is neither forgotten again nor restarted",
          "[unit][actors]") {
  using enum restart_kind;
  for (auto strategy : {restart_strategy::one_for_all, restart_strategy::rest_for_one}) {
    supervisor aut{policy_of(strategy), family{{permanent, temporary, transient}}};
    aut.keep_forgotten = true;
    aut.end(0, exit_kind::crash, 0);
    CHECK(aut.log == words{"stop 2", "stop 1", "forget 1", "restart 0", "restart 2"});
    aut.log.clear();
    aut.end(0, exit_kind::crash, 1);
    CHECK(aut.log == words{"stop 2", "restart 0", "restart 2"});
    CHECK(aut.state() == " 0+ 1- 2+");
  }
}

TEST_CASE("one restart too many stops all children right to left and escalates", "[unit][actors]") {
  using enum restart_kind;
  for (auto strategy : strategies) {
    supervisor aut{policy_of(strategy, 2, 1'000), family{{permanent, temporary, transient}}};
    CHECK(aut.end(2, exit_kind::crash, 0) == verdict::kind::restart);
    aut.children = family{{permanent, temporary, transient}};
    CHECK(aut.end(2, exit_kind::crash, 1'000) == verdict::kind::restart);
    aut.children = family{{permanent, temporary, transient}};
    aut.log.clear();
    CHECK(aut.end(0, exit_kind::crash, 1'000) == verdict::kind::escalate);
    CHECK(aut.log == words{"stop 2", "stop 1"});
    CHECK(aut.state() == "gave up: 0- 1- 2-");
  }
}

TEST_CASE("escalation climbs level by level to the root", "[unit][actors]") {
  // Three supervisors in a chain; each one's only child is the next one. The last child crashes.
  using enum restart_kind;
  std::vector<supervisor> chain;
  for (int level = 0; level < 3; ++level)
    chain.push_back({policy_of(restart_strategy::one_for_one, 1, 1'000), family{{permanent}}});
  int crashes = 0;
  std::int64_t now = 0;
  while (!chain[0].gave_up) {
    ++crashes;
    for (std::size_t level = chain.size(); level-- > 0;) {
      if (chain[level].end(0, exit_kind::crash, now) != verdict::kind::escalate)
        break;
      if (level == 0)
        continue;
      // Its parent restarts it, if it does not give up itself: with a fresh budget and its child.
      chain[level].budget.reset();
      chain[level].gave_up = false;
      CHECK_FALSE(start_all(chain[level].children, chain[level].actor()));
    }
    REQUIRE(crashes < 100);
    ++now;
  }
  CHECK(crashes == 8); // (intensity + 1) to the power of levels
}

TEST_CASE("a supervisor that starts anew starts children of every kind, and stops them in reverse",
          "[unit][actors]") {
  using enum restart_kind;
  supervisor aut{policy_of(restart_strategy::one_for_one, 0),
                 family{{permanent, temporary, transient}}};
  stop_all(aut.children, aut.actor());
  CHECK(aut.log == words{"stop 2", "stop 1", "stop 0"});
  aut.log.clear();
  aut.refusing = {1};
  CHECK(start_all(aut.children, aut.actor()) == 1);
  CHECK(aut.state() == " 0+ 1- 2-");
  CHECK_FALSE(start_all(aut.children, aut.actor()));
  CHECK(aut.log == words{"restart 0", "restart 1", "restart 1", "restart 2"});
}

TEST_CASE("a start that fails costs another restart until supervision gives up", "[unit][actors]") {
  using enum restart_kind;
  supervisor aut{policy_of(restart_strategy::rest_for_one, 3), family{{permanent, permanent}}};
  aut.refusing = {0, 1};
  aut.end(0, exit_kind::crash, 0);
  CHECK(aut.log == words{"stop 1", "restart 0", "restart 0", "restart 1", "restart 1"});
  CHECK(aut.budget.size() == 3);
  aut.log.clear();
  CHECK(aut.end(1, exit_kind::crash, 0) == verdict::kind::escalate);
  CHECK(aut.log == words{"stop 0"});
}

TEST_CASE("supervision agrees with a slow model of OTP over random lives", "[unit][actors]") {
  std::mt19937_64 random{seed()};
  auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t gave_up = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::vector<restart_kind> members;
    for (std::size_t i = 0, n = 1 + below(7); i < n; ++i)
      members.push_back(kinds[below(3)]);
    auto policy = policy_of(strategies[below(3)], static_cast<std::uint32_t>(below(6)),
                            static_cast<std::int64_t>(1 + below(40)));
    supervisor aut{policy, family{members}};
    auto model = model_of(policy, members);
    std::int64_t now = 0;
    for (int step = 0; step < 30 && !aut.gave_up; ++step) {
      now += static_cast<std::int64_t>(below(15));
      std::vector<int> alive;
      for (int who : aut.children.members())
        if (aut.children.running(who))
          alive.push_back(who);
      if (alive.empty())
        break;
      int who = alive[below(alive.size())];
      auto how = exits[below(3)];
      if (below(4) == 0)
        aut.refusing = model.refusing = {static_cast<int>(below(members.size()))};
      aut.end(who, how, now);
      model.end(who, how, now);
      REQUIRE(aut.log == model.log);
      REQUIRE(aut.state() == model.state());
    }
    gave_up += aut.gave_up ? 1u : 0u;
  }
  CHECK(gave_up > 300); // both outcomes were seen
  CHECK(gave_up < 2'700);
}

TEST_CASE("one_for_one looks at one of 10,000 children, the others at those concerned",
          "[unit][actors]") {
  const int count = 10'000;
  const std::vector<restart_kind> members(count, restart_kind::permanent);
  supervisor one{policy_of(restart_strategy::one_for_one), family{members}};
  one.end(5'000, exit_kind::crash, 0);
  CHECK(one.log == words{"restart 5000"});
  CHECK(one.children.reads() < 20);

  supervisor rest{policy_of(restart_strategy::rest_for_one), family{members}};
  rest.end(count - 10, exit_kind::crash, 0);
  CHECK(rest.log.size() == 9 + 10);
  CHECK(rest.children.reads() < 10 * 20);

  supervisor all{policy_of(restart_strategy::one_for_all), family{members}};
  all.end(0, exit_kind::crash, 0);
  CHECK(all.log.size() == 9'999 + 10'000);
  CHECK(all.log[0] == "stop 9999");
  CHECK(all.log[9'998] == "stop 1");
  CHECK(all.log[9'999] == "restart 0");
  CHECK(all.log.back() == "restart 9999");
  CHECK(all.children.reads() < 10'000 * 20);
}

TEST_CASE("10,000 children that crash one after the other restart without one looking at another",
          "[unit][actors]") {
  const int count = 10'000;
  auto policy = policy_of(restart_strategy::one_for_one, 10, 9);
  supervisor aut{policy, family{std::vector<restart_kind>(count, restart_kind::permanent)}};
  for (int who = 0; who < count; ++who)
    REQUIRE(aut.end(who, exit_kind::crash, who) == verdict::kind::restart);
  CHECK(aut.budget.size() == 10);
  CHECK(aut.children.reads() < static_cast<std::size_t>(count) * 20);
}

TEST_CASE("judging a child that still runs is a bug", "[unit][actors]") {
  supervisor aut{policy_of(restart_strategy::one_for_one), family{{restart_kind::permanent}}};
  CHECK_THROWS_AS(carry_out({}, aut.children, 0, aut.actor()), broken_invariant);
}
