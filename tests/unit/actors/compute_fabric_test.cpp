#include "actors/compute_fabric.hpp"
#include "messages/requests.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <tuple>

using namespace gemel;

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

/// Some nodes in simulated time, each linked to all others by ways that lose, repeat and reorder.
class small_cluster {
public:
  struct fault_options {
    int lost_percent = 0;
    int twice_percent = 0;
    int delay_ms_max = 20;
  };

  small_cluster(std::size_t nodes, std::uint64_t seed, fault_options faults)
      : faults_{faults}, random_{seed}, nodes_(nodes) {
    about_ = std::make_shared<function_info>();
    for (std::size_t i = 0; i < nodes; ++i)
      start(i);
  }

  void label(std::size_t node, std::vector<std::string> labels) {
    nodes_[node].labels = std::move(labels);
    start(node);
  }

  /// @returns the number of the call.
  std::size_t submit(std::size_t node, compute_place place = {}) {
    auto index = calls_.size();
    calls_.push_back({nodes_[node].incarnation, node});
    compute_job job;
    job.function = "f";
    job.about = about_;
    job.place = std::move(place);
    job.input.parameters = value{value_map{{"call", value{static_cast<std::int64_t>(index)}}}};
    job.input.stop = std::make_shared<std::atomic<bool>>(false);
    calls_.back().stop = job.input.stop;
    job.done = [this, index](const result<value>& answer) {
      auto& one = calls_[index];
      ++one.answers;
      if (answer)
        one.answer = answer->as_integer();
      else
        one.why = answer.error();
    };
    nodes_[node].fabric->submit(std::move(job));
    return index;
  }

  void run(std::int64_t ms) {
    for (auto end = now_ + ms; now_ < end; now_ += 5)
      turn();
  }

  /// What the node had in memory is gone.
  void crash(std::size_t node) {
    auto& of = nodes_[node];
    of.fabric.reset();
    of.running.clear();
    of.posted.clear();
  }
  void start(std::size_t node) {
    auto& of = nodes_[node];
    of.fabric.reset();
    of.running.clear();
    of.posted.clear();
    of.incarnation = ++incarnations_;
    compute_fabric::options wanted;
    wanted.labels = of.labels;
    wanted.incarnation = of.incarnation;
    compute_fabric::ports world;
    world.send = [this, node](std::uint32_t peer, service_call content) {
      send(node, other(node, peer), std::move(content));
    };
    world.run_here = [this, node](compute_job job) { begin(node, std::move(job)); };
    world.post = [&of](std::function<void()> task) { of.posted.push_back(std::move(task)); };
    world.load_here = [&of] { return compute_fabric::load{workers, of.running.size()}; };
    world.function = [this, &of](std::string_view) { return of.has_function ? about_ : nullptr; };
    world.random = [this] { return random_(); };
    world.now = [this] { return moment{now_ * 1'000, now_ * ns_per_ms}; };
    of.fabric = std::make_unique<compute_fabric>(wanted, world, nodes_.size() - 1);
  }

  void cut(std::size_t a, std::size_t b, bool is_cut) {
    if (is_cut)
      cuts_.insert({a, b});
    else
      cuts_.erase({a, b});
  }
  void heal() { cuts_.clear(); }

  struct call_state {
    std::uint64_t incarnation = 0;
    std::size_t node = 0;
    stop_flag stop{};
    int answers = 0;
    int runs = 0;
    int stopped = 0;
    std::set<std::size_t> ran_on{};
    std::int64_t answer = -1;
    error why{};
  };
  const call_state& call(std::size_t index) const { return calls_[index]; }
  std::size_t calls() const { return calls_.size(); }
  bool lives(const call_state& of) const {
    return nodes_[of.node].fabric != nullptr && nodes_[of.node].incarnation == of.incarnation;
  }
  bool is_up(std::size_t node) const { return nodes_[node].fabric != nullptr; }
  compute_fabric& fabric(std::size_t node) { return *nodes_[node].fabric; }
  void take_function(std::size_t node) { nodes_[node].has_function = false; }
  void stop_call(std::size_t index) { calls_[index].stop->store(true); }
  void make_slow(std::int64_t ms) { took_max_ = ms; }
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

private:
  static constexpr std::size_t workers = 4;
  struct work {
    compute_job job;
    std::int64_t ends_ms;
    std::size_t index;
  };
  struct node_state {
    std::unique_ptr<compute_fabric> fabric{};
    std::vector<std::string> labels{};
    std::uint64_t incarnation = 0;
    std::vector<work> running{};
    std::deque<std::function<void()>> posted{};
    bool has_function = true;
  };
  struct message {
    std::int64_t at_ms;
    std::uint64_t order;
    std::size_t from;
    std::size_t to;
    frame content;
    bool operator<(const message& that) const {
      return std::tie(at_ms, order) < std::tie(that.at_ms, that.order);
    }
  };

  static std::size_t other(std::size_t node, std::uint32_t peer) {
    return peer < node ? peer : peer + 1;
  }

  void send(std::size_t from, std::size_t to, service_call content) {
    if (cuts_.contains({from, to}) || below(100) < static_cast<std::uint64_t>(faults_.lost_percent))
      return;
    auto packed = make_service_call(content);
    int copies = below(100) < static_cast<std::uint64_t>(faults_.twice_percent) ? 2 : 1;
    for (; copies > 0; --copies)
      way_.insert(
          {now_ + 1
               + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(faults_.delay_ms_max))),
           random_(), from, to, packed});
  }

  void begin(std::size_t node, compute_job job) {
    auto index = static_cast<std::size_t>(job.input.parameters.find("call")->as_integer());
    ++calls_[index].runs;
    calls_[index].ran_on.insert(node);
    auto took = 1 + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(took_max_)));
    auto& running = nodes_[node].running;
    auto waits = running.size() < workers ? 0 : running[running.size() - workers].ends_ms - now_;
    running.push_back({std::move(job), now_ + took + std::max<std::int64_t>(0, waits), index});
  }

  void finish(node_state& of) {
    std::vector<work> ended;
    std::erase_if(of.running, [&](work& one) {
      if (one.ends_ms > now_ && !one.job.input.is_stopped())
        return false;
      ended.push_back(std::move(one));
      return true;
    });
    for (auto& one : ended) {
      calls_[one.index].stopped += one.job.input.is_stopped();
      if (one.job.input.is_stopped())
        one.job.refuse({errc::timed_out, "stopped"});
      else
        one.job.done(value{static_cast<std::int64_t>(one.index) * 2});
    }
  }

  void turn() {
    while (!way_.empty() && way_.begin()->at_ms <= now_) {
      auto next = *way_.begin();
      way_.erase(way_.begin());
      auto& to = nodes_[next.to];
      if (to.fabric == nullptr)
        continue;
      auto peer = static_cast<std::uint32_t>(next.from < next.to ? next.from : next.from - 1);
      to.fabric->receive(peer, read_service_call(next.content.message().getService()));
    }
    for (auto& one : nodes_) {
      if (one.fabric == nullptr)
        continue;
      finish(one);
      while (!one.posted.empty()) {
        auto task = std::move(one.posted.front());
        one.posted.pop_front();
        task();
      }
      if (now_ % 50 == 0)
        one.fabric->tick();
    }
  }

  fault_options faults_;
  std::mt19937_64 random_;
  std::int64_t now_ = 1'000'000;
  std::uint64_t incarnations_ = 0;
  std::int64_t took_max_ = 50;
  std::shared_ptr<function_info> about_;
  std::deque<call_state> calls_;
  std::vector<node_state> nodes_;
  std::multiset<message> way_;
  std::set<std::pair<std::size_t, std::size_t>> cuts_;
};

void check_answer(const small_cluster& in, std::size_t index) {
  const auto& one = in.call(index);
  INFO("call " << index << ": " << to_string(one.why));
  CHECK(one.answers == 1);
  if (one.why.code == errc::none)
    CHECK(one.answer == static_cast<std::int64_t>(index) * 2);
}

} // namespace

TEST_CASE("a call runs where its labels are", "[unit][actors]") {
  small_cluster aut{3, 1, {}};
  aut.label(0, {"edge"});
  aut.label(1, {"cloud", "gpu"});
  aut.label(2, {"cloud"});
  aut.run(1'000);
  auto stays = aut.submit(0);
  auto needs = aut.submit(0, {{"gpu"}, {}});
  auto likes = aut.submit(0, {{"cloud"}, {"gpu"}});
  auto nowhere = aut.submit(0, {{"tpu"}, {}});
  aut.run(1'000);
  CHECK(aut.call(nowhere).answers == 0); // One might come.
  aut.run(12'000);
  CHECK(aut.call(stays).ran_on == std::set<std::size_t>{0});
  CHECK(aut.call(needs).ran_on == std::set<std::size_t>{1});
  CHECK(aut.call(likes).ran_on == std::set<std::size_t>{1});
  CHECK(aut.call(nowhere).answers == 1);
  CHECK(aut.call(nowhere).why.code == errc::unreachable);
}

TEST_CASE("a node with much to do lets others help", "[unit][actors]") {
  small_cluster aut{3, 2, {}};
  aut.run(1'000);
  for (int i = 0; i < 300; ++i)
    aut.submit(0);
  aut.run(5'000);
  std::map<std::size_t, int> ran;
  for (std::size_t i = 0; i < aut.calls(); ++i) {
    check_answer(aut, i);
    CHECK(aut.call(i).runs == 1);
    ++ran[*aut.call(i).ran_on.begin()];
  }
  CHECK(ran[0] > 50);
  CHECK(ran[1] > 50);
  CHECK(ran[2] > 50);
}

TEST_CASE("a node that has not the function is passed over", "[unit][actors]") {
  small_cluster aut{3, 3, {}};
  aut.label(1, {"cloud"});
  aut.label(2, {"cloud"});
  aut.take_function(1);
  aut.run(1'000);
  for (int i = 0; i < 20; ++i)
    aut.submit(0, {{"cloud"}, {}});
  aut.run(5'000);
  for (std::size_t i = 0; i < aut.calls(); ++i) {
    check_answer(aut, i);
    CHECK(aut.call(i).ran_on == std::set<std::size_t>{2});
  }
}

TEST_CASE("a call that is stopped is stopped on the other node", "[unit][actors]") {
  small_cluster aut{2, 4, {}};
  aut.label(1, {"cloud"});
  aut.make_slow(100'000);
  aut.run(1'000);
  auto index = aut.submit(0, {{"cloud"}, {}});
  aut.run(500);
  CHECK(aut.call(index).runs == 1);
  aut.stop_call(index);
  aut.run(500);
  CHECK(aut.call(index).answers == 1);
  CHECK(aut.call(index).stopped == 1);
}

TEST_CASE("on ways that lose, repeat and reorder, each call runs once and has one answer",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  small_cluster aut{3, seed, {20, 20, 400}};
  aut.run(2'000);
  for (int i = 0; i < 400; ++i) {
    aut.submit(aut.below(3));
    if (aut.below(4) == 0)
      aut.run(5 * static_cast<std::int64_t>(aut.below(20)));
  }
  aut.run(30'000);
  for (std::size_t i = 0; i < aut.calls(); ++i) {
    check_answer(aut, i);
    CHECK(aut.call(i).why.code == errc::none);
    CHECK(aut.call(i).runs == 1);
  }
}

TEST_CASE("whatever nodes die and ways are cut, each call has exactly one answer",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  small_cluster aut{4, seed, {5, 5, 100}};
  aut.make_slow(400);
  aut.run(2'000);
  for (int i = 0; i < 600; ++i) {
    auto node = aut.below(4);
    if (aut.is_up(node))
      aut.submit(node);
    if (node != 0 && aut.below(40) == 0) {
      if (aut.is_up(node))
        aut.crash(node);
      else
        aut.start(node);
    }
    if (aut.below(40) == 0)
      aut.cut(aut.below(4), aut.below(4), true); // One way only, or a way of nobody.
    if (aut.below(60) == 0)
      aut.heal();
    if (aut.below(3) == 0)
      aut.run(5 * static_cast<std::int64_t>(aut.below(60)));
  }
  aut.heal();
  for (std::size_t node = 1; node < 4; ++node)
    if (!aut.is_up(node))
      aut.start(node);
  aut.run(120'000);
  std::size_t failed = 0;
  for (std::size_t i = 0; i < aut.calls(); ++i) {
    const auto& one = aut.call(i);
    if (aut.lives(one))
      check_answer(aut, i);
    else
      CHECK(one.answers <= 1);
    failed += one.why.code != errc::none;
  }
  CHECK(failed <= aut.calls() / 10); // Those under which node after node was lost.
}
