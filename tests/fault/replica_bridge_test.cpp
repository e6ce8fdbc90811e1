// Nodes in simulated time whose cells and replicas are joined: everybody writes anywhere, links are
// cut and healed, and pushes to the cells race with writes of others. In the end all nodes show the
// same twins.

#include "actors/sync/replica_bridge.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <random>

using namespace gemel;
using namespace gemel::test;

namespace {

constexpr std::size_t pushes_at_once = 4;

// One node with a replicator, whose records are safe at once.
class bridged_node final : public replica_journal {
public:
  bridged_node(const std::string& name, std::uint64_t seed, std::size_t peers)
      : cells_{options_of(seed)}, random_{seed} {
    replicator_options wanted;
    wanted.identity = {"plant", name, make_writer(site_of_name(name), 1), 1};
    wanted.random = [this] { return static_cast<std::uint64_t>(random_()); };
    wanted.send = [this](std::uint32_t to, frame made) { sent.emplace_back(to, std::move(made)); };
    wanted.merged = [this](const auto& entries) { bridge_->merged(entries); };
    wanted.rules.flush_interval = milliseconds{0};
    replicas_ = std::make_unique<replicator>(std::move(wanted), *this);
    bridge_.emplace(*replicas_, std::set<std::string, std::less<>>{"press", "hall"});
    for (std::size_t i = 0; i < peers; ++i)
      replicas_->add_peer({});
  }

  std::uint64_t append(const replica_head&, std::span<const changed_entry>,
                       const shard_replica&) override {
    return ++appended_;
  }

  simulated_node& cells() noexcept { return cells_; }
  const replica_bridge& bridge() const noexcept { return *bridge_; }

  void take_log() {
    auto read = store_.read_log(
        taken_, [this](log_position at, log_stream stream, std::string_view record) {
          taken_ = at;
          if (stream != log_stream::twins)
            return result<void>{};
          auto events = log_record_reader::open(record);
          REQUIRE(events);
          for (stored_event event; *events->next(event);)
            bridge_->take({&event, 1}, now());
          return result<void>{};
        });
    REQUIRE(read);
  }

  void link(const moment&) {
    for (std::uint32_t i = 0; i < replicas_->peers(); ++i)
      if (replicas_->take_attempt(i, now()))
        replicas_->connected(i, now());
    replicas_->safe(appended_, now());
    replicas_->tick(now());
  }
  void receive(std::uint32_t from, const frame& message) {
    replicas_->receive(from, message, now());
    replicas_->tick(now());
  }

  // @param race runs between looking and pushing, and before the log shows all of it: peers may
  // be heard meanwhile.
  template <class Race>
  void push(Race race) {
    auto twins = bridge_->news(pushes_at_once);
    std::vector<twin_record> shown;
    for (const auto& twin : bridge_->to_look_at(twins))
      if (auto found = cells_.find(twin))
        shown.push_back(*found);
    auto wanted = bridge_->next(twins, shown);
    auto pending = bridge_->pending_bytes();
    race();
    carry_out(wanted);
    race();
    take_log();
    bridge_->pushed();
    REQUIRE(!pending.empty());
  }
  void push() {
    push([] {});
  }

  void advance(std::chrono::milliseconds by) { cells_.run_for(by); }

  // Of twins that are not there it is refused.
  void set_policy(const std::string& twin, std::size_t which) {
    constexpr std::array<const char*, 3> strategies{"max", "min", "authority:node-1"};
    auto wanted =
        which < strategies.size() ? std::optional<std::string>{strategies[which]} : std::nullopt;
    auto set = bridge_->set_policy(twin, wanted, now());
    if (!set)
      REQUIRE(set.error().code == errc::twin_not_found);
  }

  // What the replicas hold of a twin.
  std::string held(const std::string& twin) {
    auto what = replicas_->read(replica_shard_of(twin), twin);
    auto made = twin + (what.alive ? " alive" : " gone");
    for (const auto& [key, content] : what.properties)
      if (content.present)
        made += " " + key + "=" + to_string(content.content);
    return made;
  }
  // Every twin as a line.
  std::string shown() {
    std::map<std::string, std::string> lines;
    for (const auto& twin : cells_.all()) {
      std::map<std::string, std::string> properties;
      for (const auto& [key, content] : twin.properties)
        properties[key] = to_string(content);
      auto& text = lines[twin.id];
      text = twin.id + " " + twin.type + " below '" + twin.parent + "'";
      for (const auto& [key, content] : properties)
        text += " " + key + "=" + content;
      if (twin.lifecycle == lifecycle_state::suspended
          || twin.lifecycle == lifecycle_state::retired)
        text += " " + std::string{to_string(twin.lifecycle)};
    }
    std::string made;
    for (const auto& [id, text] : lines)
      made += text + "\n";
    return made;
  }

  std::deque<std::pair<std::uint32_t, frame>> sent;

private:
  simulated_node::options options_of(std::uint64_t seed) {
    simulated_node::options made;
    made.seed = seed;
    made.store = &store_;
    return made;
  }
  moment now() { return cells_.clock().now(); }

  void carry_out(const replica_pushes& wanted) {
    auto retry = [this](const outcome& done, const auto& id_of) {
      for (const auto& failed : done.failures)
        if (failed.why.code != errc::illegal_state)
          bridge_->failed(id_of(failed.index));
    };
    if (!wanted.creates.empty())
      retry(cells_.create(wanted.creates), [&](auto i) { return wanted.creates[i].id; });
    if (!wanted.updates.empty())
      retry(*expect_outcome(ask(make_update(wanted.updates, {.replica = true}))),
            [&](auto i) { return wanted.updates[i].id; });
    for (const auto& [twin, parent] : wanted.moves) {
      auto done = expect_outcome(ask(make_move(std::vector{twin}, parent)));
      if (!done || !done->failures.empty())
        bridge_->failed(twin);
    }
    for (const auto& [twin, step] : wanted.steps)
      if (step == lifecycle_trigger::retire)
        retry(cells_.retire({twin}, child_policy::orphan), [&id = twin](auto) { return id; });
      else
        retry(cells_.lifecycle({twin}, step), [&id = twin](auto) { return id; });
    for (const auto& twin : wanted.removes)
      retry(cells_.remove({twin}, child_policy::orphan), [&](auto) { return twin; });
  }
  frame ask(const frame& request) {
    auto answer = cells_.submit(request);
    cells_.run();
    REQUIRE(answer->has_value());
    return **answer;
  }

  simulated_store store_;
  simulated_node cells_;
  std::mt19937_64 random_;
  std::unique_ptr<replicator> replicas_;
  std::optional<replica_bridge> bridge_;
  log_position taken_{};
  std::uint64_t appended_ = 0;
};

// Nodes in a row, each linked with the next.
class row_of_nodes {
public:
  row_of_nodes(std::uint64_t seed, std::size_t count) : random_{seed} {
    for (std::size_t i = 0; i < count; ++i) {
      bool at_end = i == 0 || i + 1 == count;
      nodes_.push_back(
          std::make_unique<bridged_node>("node-" + std::to_string(i), seed + i, at_end ? 1 : 2));
    }
    cut_.resize(count - 1);
  }

  std::size_t below(std::size_t n) { return random_() % n; }
  bridged_node& at(std::size_t i) { return *nodes_[i]; }
  std::size_t size() const { return nodes_.size(); }
  void cut(std::size_t link, bool is) { cut_[link] = is; }
  void heal() { cut_.assign(cut_.size(), false); }

  // Peer 0 of a node is the one before it, if there is one.
  void exchange() {
    for (std::size_t i = 0; i < size(); ++i) {
      at(i).take_log();
      at(i).link({});
      auto out = std::exchange(at(i).sent, {});
      for (auto& [peer, message] : out) {
        auto to = i == 0 ? 1 : i + 1 == size() ? i - 1 : peer == 0 ? i - 1 : i + 1;
        if (cut_[std::min(i, to)])
          continue;
        auto from = to > i ? 0u : to == 0 ? 0u : 1u;
        at(to).receive(from, message);
      }
    }
  }
  void advance(std::chrono::milliseconds by) {
    for (auto& one : nodes_)
      one->advance(by);
  }
  void settle() {
    for (int i = 0; i < 400; ++i) {
      exchange();
      for (auto& one : nodes_)
        one->push();
      advance(std::chrono::milliseconds{100});
    }
  }

private:
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<bridged_node>> nodes_;
  std::vector<bool> cut_;
};

new_twin press(const std::string& id, const std::string& parent = {}) {
  new_twin made;
  made.id = id;
  made.type = "press";
  made.parent = parent;
  return made;
}

void write_something(row_of_nodes& all) {
  auto& cells = all.at(all.below(all.size())).cells();
  auto id = "p" + std::to_string(all.below(6));
  auto other = "p" + std::to_string(all.below(6));
  switch (all.below(11)) {
  case 0:
    cells.submit(make_create(std::vector{press(id, all.below(2) == 0 ? other : "")}));
    break;
  case 1:
    cells.submit(make_remove(std::vector{id}, child_policy::orphan));
    break;
  case 2:
    cells.submit(make_move(std::vector{id}, all.below(3) == 0 ? "" : other));
    break;
  case 3:
    cells.submit(make_lifecycle(
        std::vector{id}, static_cast<std::uint8_t>(all.below(2) == 0 ? lifecycle_trigger::suspend
                                                                     : lifecycle_trigger::resume)));
    break;
  case 4:
    all.at(all.below(all.size())).set_policy(id, all.below(4));
    break;
  default: {
    twin_update made;
    made.id = id;
    auto key = "k" + std::to_string(all.below(3));
    if (all.below(5) == 0)
      made.unset = {key};
    else
      made.set = {{key, value{static_cast<std::int64_t>(all.below(1'000))}}};
    cells.submit(make_update(std::vector{made}));
  }
  }
  cells.step(all.below(8));
}

} // namespace

TEST_CASE("what one node writes, the cells of the other show", "[fault][sync]") {
  row_of_nodes both{7, 2};
  auto& left = both.at(0).cells();
  REQUIRE(left.create({press("p1"), press("p2", "p1")}).applied == 2);
  REQUIRE(left.set("p2", "k", 5) == errc::none);
  new_twin other;
  other.id = "secret";
  other.type = "elsewhere";
  REQUIRE(left.create({other}).applied == 1);
  both.settle();
  auto found = both.at(1).cells().find("p2");
  REQUIRE(found);
  CHECK(found->parent == "p1");
  CHECK(*found->find("k") == value{5});
  CHECK_FALSE(both.at(1).cells().find("secret"));
  CHECK(both.at(1).bridge().writes() == 0); // what is pushed is no write of this node
  REQUIRE(both.at(1).cells().set("p2", "k", 6) == errc::none);
  REQUIRE(both.at(1).cells().remove({"p1"}, child_policy::orphan).applied == 1);
  both.settle();
  CHECK(*left.find("p2")->find("k") == value{6});
  CHECK(left.find("p2")->parent.empty());
  CHECK_FALSE(left.find("p1"));
}

// Concurrent writes of a few properties while strategies come and go: whatever arrives first, the
// cells of all nodes must show the same in the end.
TEST_CASE("a twin's strategy decides at every node alike, whenever it comes", "[fault][sync]") {
  auto seed = test::seed();
  INFO(repeat_command(seed));
  for (std::uint64_t round = 0; round < 20; ++round) {
    row_of_nodes all{seed + 1'000 * round, 2 + round % 2};
    REQUIRE(all.at(0).cells().create({press("p0"), press("p1")}).applied == 2);
    all.settle();
    all.cut(0, true);
    for (int i = 0; i < 20; ++i) {
      twin_update made;
      made.id = "p" + std::to_string(all.below(2));
      made.set = {{"k", value{static_cast<std::int64_t>(all.below(1'000))}}};
      all.at(all.below(all.size())).cells().submit(make_update(std::vector{made}));
      all.exchange();
    }
    all.heal();
    if (all.below(2) == 0) // The conflict is known everywhere before.
      all.settle();
    for (auto left = all.below(4); left > 0; --left) {
      all.at(all.below(all.size())).set_policy("p" + std::to_string(all.below(2)), all.below(4));
      all.exchange();
      all.at(all.below(all.size())).push();
    }
    all.settle();
    INFO(all.at(0).held("p0") << "\n" << all.at(0).held("p1"));
    for (std::size_t i = 1; i < all.size(); ++i)
      REQUIRE(all.at(i).shown() == all.at(0).shown());
  }
}

TEST_CASE("cells of linked nodes agree in the end, whoever wrote what and when", "[fault][sync]") {
  auto seed = test::seed();
  INFO(repeat_command(seed));
  for (std::uint64_t round = 0; round < 12; ++round) {
    row_of_nodes all{seed + 1'000 * round, 2 + round % 2};
    for (int i = 0; i < 120; ++i) {
      write_something(all);
      if (all.below(3) == 0)
        all.exchange();
      auto& one = all.at(all.below(all.size()));
      if (all.below(3) == 0)
        one.push([&] {
          write_something(all);
          if (all.below(2) == 0)
            all.exchange();
        });
      if (all.below(12) == 0)
        all.cut(all.below(all.size() - 1), all.below(2) == 0);
      if (all.below(4) == 0)
        all.advance(std::chrono::milliseconds{all.below(300)});
    }
    all.heal();
    all.settle();
    std::string held;
    for (int p = 0; p < 6; ++p)
      for (std::size_t i = 0; i < all.size(); ++i)
        held += all.at(i).held("p" + std::to_string(p)) + "\n";
    INFO("the replicas of each twin, node by node:\n" << held);
    for (std::size_t i = 1; i < all.size(); ++i)
      REQUIRE(all.at(i).shown() == all.at(0).shown());
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK_FALSE(all.at(i).bridge().has_news());
      CHECK(all.at(i).cells().broken_invariants() == std::vector<std::string>{});
    }
  }
}
