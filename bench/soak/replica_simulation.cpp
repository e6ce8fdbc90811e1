#include "bench/soak/replica_simulation.hpp"

#include "actors/sync/replica_keeper.hpp"
#include "bench/soak/replica_oracle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <vector>

namespace gemel::soak {

namespace {

constexpr std::int64_t ms = 1'000'000; // in nanoseconds
constexpr std::int64_t second = 1'000 * ms;
constexpr std::int64_t epoch_us = 1'700'000'000'000'000;
constexpr std::array<std::uint16_t, 2> shard_numbers = {5, 60};
constexpr std::array<const char*, 3> twin_names = {"pump-1", "pump-2", "hall"};
constexpr std::array<const char*, 4> key_names = {"temperature", "count", "mode",
                                                  replica_keys::parent};
constexpr std::int64_t settle_seconds = 240;
constexpr std::uint64_t deliveries_max = 60'000;
constexpr std::uint64_t happenings_max = 400'000;
constexpr std::size_t nobody = SIZE_MAX;

class simulation;

// What one step wrote: all of it is there after a crash, or nothing.
struct disk_write {
  struct change {
    std::string key;
    std::string end; // of a range that is erased; empty: the bytes are put
    std::string bytes{};
  };
  std::vector<change> changes{};
  replica_head head{};
  bool torn = false;
};

// One node: its disk outlives it, its replicas do not.
struct sim_node final : replica_journal, replica_pages {
  std::uint64_t append(const replica_head& head, std::span<const changed_entry> changes,
                       const shard_replica& of) override;
  void put(std::string_view key, std::string_view bytes) override;
  void erase(std::string_view begin, std::string_view end) override;

  simulation* world = nullptr;
  std::size_t number = 0;
  std::string name;
  std::vector<std::size_t> peers; // node numbers, by the link's number; `nobody`: unlinked
  std::set<std::size_t> unlinked; // node numbers
  replica_identity identity;
  std::uint32_t lives = 0;

  std::vector<disk_write> durable;
  std::uint64_t disk_incarnation = 0; // of the records' change numbers
  std::vector<disk_write> unsynced;
  std::uint64_t appended = 0; // since the start of this process
  bool syncing = false;
  std::uint32_t process = 0; // what belongs to an older one is ignored
  std::unique_ptr<replica_keeper> keeper;
  std::unique_ptr<replicator> replicas;
  std::int64_t tick_at = -1;

  bool paused = false;
  std::vector<std::pair<std::size_t, std::vector<std::byte>>> waiting; // while paused
  std::int64_t clock_offset_us = 0;
  std::int64_t drift_ppm = 0;
  std::int64_t drift_since = 0;
  bool disk_is_slow = false;

  std::vector<disk_write> backup;
  std::uint64_t backup_incarnation = 0;
  // What the disk says of positions in peers' changes, for the check of cursors.
  std::map<std::tuple<site_id, std::uint64_t, std::uint16_t>, change_number> safe_positions;
  std::map<std::uint16_t, change_number> last_change; // as the oracle was told
};

class simulation {
public:
  simulation(std::uint64_t seed, planted_bug planted);
  simulation_result run();

  void need_sync(sim_node& node);

private:
  friend struct sim_node;
  struct happening {
    std::int64_t at;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const happening& other) const {
      return std::pair{at, order} > std::pair{other.at, other.order};
    }
  };

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool chance(std::uint32_t percent) { return below(100) < percent; }
  void later(std::int64_t in, std::function<void()> what) {
    queue_.push({now_ + in, order_++, std::move(what)});
  }
  void count(fault_kind kind) { ++result_.faults[static_cast<std::size_t>(kind)]; }
  bool drawn(fault_kind kind) const { return drawn_.count(kind) != 0; }
  void wrong(const std::string& what) {
    if (result_.violation.empty() && !what.empty())
      result_.violation = fmt::format("at {:.3f} s: {}", static_cast<double>(now_) / second, what);
  }

  moment time_of(const sim_node& node) const;
  void make_nodes();
  void start(sim_node& node, bool fresh_identity);
  void load(sim_node& node);
  void note_position(sim_node& node, const replica_head& head);
  void stop(sim_node& node);
  void crash(sim_node& node);
  void sync_disk(sim_node& node);
  void after(sim_node& node);
  void check_links(sim_node& node);
  void schedule_tick(sim_node& node);
  void tick(sim_node& node);
  void note_write(sim_node& node, const own_write& what);

  void transmit(sim_node& from, std::uint32_t peer, const frame& made);
  void deliver(std::size_t to, std::size_t from, std::vector<std::byte> bytes);
  void hand_over(sim_node& node, std::size_t from, const std::vector<std::byte>& bytes);
  bool blocked(std::size_t from, std::size_t to);

  void write_something();
  void write_at(sim_node& node);
  void begin_fault();
  void partition(fault_kind kind);
  void flap(std::size_t a, std::size_t b, int left);
  void lose_data(sim_node& node, bool restore);
  void pause(sim_node& node);
  void unlink(sim_node& node);
  void link_again(sim_node& node);
  void heal();
  bool settled();
  void check_all();

  std::mt19937_64 random_;
  planted_bug planted_;
  sync_rules rules_;
  std::size_t keeper_cycle_bytes_ = 0;
  std::vector<std::unique_ptr<sim_node>> nodes_;
  replica_oracle oracle_{0};
  std::priority_queue<happening> queue_;
  std::int64_t now_ = 0;
  std::uint64_t order_ = 0;
  std::set<fault_kind> drawn_;
  std::map<std::pair<std::size_t, std::size_t>, fault_kind> blocked_;
  bool healing_ = false;
  std::uint64_t values_ = 0;
  simulation_result result_;
};

void sim_node::put(std::string_view key, std::string_view bytes) {
  unsynced.back().changes.push_back({std::string{key}, {}, std::string{bytes}});
}

void sim_node::erase(std::string_view begin, std::string_view end) {
  unsynced.back().changes.push_back({std::string{begin}, std::string{end}});
}

std::uint64_t sim_node::append(const replica_head& head, std::span<const changed_entry> changes,
                               const shard_replica& of) {
  disk_write made;
  made.head = head;
  unsynced.push_back(std::move(made));
  keeper->append(head, changes, of);
  ++appended;
  world->need_sync(*this);
  return appended;
}

// ---- making it ----------------------------------------------------------------------------------

simulation::simulation(std::uint64_t seed, planted_bug planted) : random_{seed}, planted_{planted} {
  rules_.planted = planted;
  rules_.flush_interval = milliseconds{below(2) * 50};
  rules_.digest_interval = milliseconds{1'000 + below(3'000)};
  keeper_cycle_bytes_ = 100 + below(3'000);
  if (chance(50)) {
    rules_.part_bytes = 150 + below(400);
    rules_.part_entries = 2 + below(4);
  }
  if (chance(30))
    rules_.credit_bytes = 600 + below(3'000);
  if (chance(30))
    rules_.delete_marks_max = 1 + below(4);
  for (std::size_t i = 0; i < fault_kinds; ++i)
    if (chance(40))
      drawn_.insert(static_cast<fault_kind>(i));
  while (drawn_.size() < 5)
    drawn_.insert(static_cast<fault_kind>(below(fault_kinds)));
  make_nodes();
}

void simulation::make_nodes() {
  constexpr std::array<std::size_t, 10> sizes = {2, 2, 3, 3, 3, 4, 4, 5, 6, 7};
  auto size = sizes[below(sizes.size())];
  auto shape = size > 4 ? 1 + below(2) : below(3); // mesh, star, line
  oracle_ = replica_oracle{size};
  for (std::size_t i = 0; i < size; ++i) {
    auto node = std::make_unique<sim_node>();
    node->world = this;
    node->number = i;
    node->name = "node-" + std::to_string(i);
    nodes_.push_back(std::move(node));
  }
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (shape == 0 || (shape == 1 && j == 0) || (shape == 2 && i == j + 1)) {
        nodes_[i]->peers.push_back(j);
        nodes_[j]->peers.push_back(i);
      }
  for (auto& node : nodes_) {
    node->identity.cluster = "sim";
    node->identity.node = node->name;
    node->identity.writer = make_writer(site_of_name(node->name), ++node->lives);
    node->identity.incarnation = 100 + node->number;
    node->disk_incarnation = node->identity.incarnation;
    start(*node, false);
  }
}

moment simulation::time_of(const sim_node& node) const {
  auto drift = (now_ - node.drift_since) / 1'000 * node.drift_ppm / 1'000'000;
  return {epoch_us + now_ / 1'000 + node.clock_offset_us + drift, now_ + second};
}

// ---- life of a node -----------------------------------------------------------------------------

void simulation::start(sim_node& node, bool fresh_identity) {
  auto from = node.disk_incarnation;
  if (fresh_identity) {
    if (planted_ != planted_bug::reuse_writer)
      node.identity.writer = make_writer(site_of_name(node.name), ++node.lives);
    if (planted_ != planted_bug::keep_incarnation)
      ++node.identity.incarnation += 1'000;
    node.disk_incarnation = node.identity.incarnation;
  }
  replicator_options options;
  options.identity = node.identity;
  options.rules = rules_;
  options.policies.set_property("", "count", {conflict_strategy::merge_counter, {}, {}});
  options.policies.set_property("", "mode", {conflict_strategy::manual, {}, {}});
  options.random = [this] { return random_(); };
  options.send = [this, &node](std::uint32_t peer, const frame& made) {
    transmit(node, peer, made);
  };
  options.wrote = [this, &node](const own_write& what) { note_write(node, what); };
  ++node.process;
  node.appended = 0;
  node.syncing = false;
  node.tick_at = -1;
  node.replicas = std::make_unique<replicator>(std::move(options), node);
  load(node);
  node.last_change.clear();
  node.safe_positions.clear();
  std::map<std::uint16_t, change_number> held;
  for (const auto& write : node.durable) {
    held[write.head.shard] = write.head.last_change;
    note_position(node, write.head);
  }
  node.last_change = held;
  oracle_.restarted(node.number, from, node.identity.incarnation, node.identity.writer, held);
  std::erase(node.peers, nobody);
  for (auto peer : node.peers)
    node.replicas->add_peer(nodes_[peer]->name);
  after(node);
  for (auto shard : shard_numbers)
    if (const auto* replica = node.replicas->replica(shard))
      wrong(oracle_.check(node.number, shard, *replica));
}

void simulation::load(sim_node& node) {
  auto is_torn = [](const disk_write& write) { return write.torn; };
  // Everything after it was never acknowledged.
  node.durable.erase(std::find_if(node.durable.begin(), node.durable.end(), is_torn),
                     node.durable.end());
  std::map<std::string, std::string> kept;
  for (const auto& write : node.durable)
    for (const auto& change : write.changes)
      if (change.end.empty())
        kept[change.key] = change.bytes;
      else
        kept.erase(kept.lower_bound(change.key), kept.lower_bound(change.end));
  node.keeper = std::make_unique<replica_keeper>(node, keeper_cycle_bytes_);
  replica_loader loader{*node.keeper, *node.replicas};
  for (const auto& [key, bytes] : kept)
    if (auto taken = loader.take(key, bytes); !taken)
      return wrong(node.name + ": " + to_string(taken.error()));
  if (auto done = loader.finish(); !done)
    wrong(node.name + ": " + to_string(done.error()));
}

void simulation::note_position(sim_node& node, const replica_head& head) {
  if (const auto& p = head.position; p.received != 0)
    node.safe_positions[{p.site, p.incarnation, head.shard}] = p.received;
}

void simulation::stop(sim_node& node) {
  node.replicas.reset();
  ++node.process;
  node.paused = false;
  node.waiting.clear();
}

// What was not synced is lost but for some of its beginning; the last of that may be torn.
void simulation::crash(sim_node& node) {
  if (node.replicas == nullptr)
    return;
  count(fault_kind::crash);
  stop(node);
  auto kept = node.unsynced.empty() ? 0 : below(node.unsynced.size() + 1);
  if (!drawn(fault_kind::lost_write))
    kept = node.unsynced.size();
  if (kept < node.unsynced.size())
    count(fault_kind::lost_write);
  for (std::size_t i = 0; i < kept; ++i)
    node.durable.push_back(node.unsynced[i]);
  if (kept < node.unsynced.size() && drawn(fault_kind::torn_write) && chance(50)) {
    count(fault_kind::torn_write);
    node.durable.push_back(node.unsynced[kept]);
    node.durable.back().torn = true;
  }
  node.unsynced.clear();
}

void simulation::need_sync(sim_node& node) {
  if (node.syncing)
    return;
  node.syncing = true;
  auto wait = static_cast<std::int64_t>(1 + below(node.disk_is_slow ? 2'000 : 15)) * ms;
  if (node.disk_is_slow)
    count(fault_kind::slow_disk);
  later(wait, [this, &node, process = node.process] {
    if (process == node.process && node.replicas != nullptr)
      sync_disk(node);
  });
}

void simulation::sync_disk(sim_node& node) {
  for (auto& write : node.unsynced) {
    note_position(node, write.head);
    node.durable.push_back(std::move(write));
  }
  node.unsynced.clear();
  node.syncing = false;
  node.replicas->safe(node.appended, time_of(node));
  after(node);
}

void simulation::schedule_tick(sim_node& node) {
  auto due = std::max(node.replicas->next_due() - second, now_ + 5 * ms);
  if (node.tick_at >= 0 && node.tick_at <= due)
    return;
  node.tick_at = due;
  later(due - now_, [this, &node, due, process = node.process] {
    if (process != node.process || node.tick_at != due)
      return;
    node.tick_at = -1;
    if (node.paused)
      return;
    tick(node);
  });
}

void simulation::tick(sim_node& node) {
  auto now = time_of(node);
  for (std::uint32_t peer = 0; peer < node.peers.size(); ++peer)
    if (node.replicas->take_attempt(peer, now))
      node.replicas->connected(peer, now);
  node.replicas->tick(now);
  after(node);
}

// After every step of a node: new change numbers, and everything it holds.
void simulation::after(sim_node& node) {
  for (auto shard : shard_numbers) {
    const auto* replica = node.replicas->replica(shard);
    if (replica == nullptr)
      continue;
    auto& last = node.last_change[shard];
    if (replica->last_change() < last)
      wrong("a change number went back");
    if (replica->last_change() == last)
      continue;
    last = replica->last_change();
    oracle_.changed(node.number, node.identity.incarnation, shard, last);
    ++result_.checks;
    wrong(oracle_.check(node.number, shard, *replica));
  }
  check_links(node);
  schedule_tick(node);
}

void simulation::check_links(sim_node& node) {
  for (std::uint32_t i = 0; i < node.peers.size(); ++i) {
    if (node.peers[i] == nobody)
      continue;
    const auto& link = node.replicas->link(i);
    const auto& peer = *nodes_[node.peers[i]];
    auto status = link.status(time_of(node));
    if (status.parts_under_way > 1 && status.bytes_under_way > status.credit)
      wrong(fmt::format("{} has {} bytes under way, {} were granted", node.name,
                        status.bytes_under_way, status.credit));
    if (status.digest_alarms != 0)
      wrong(node.name + ": equal clocks, different digests");
    if (link.peer_incarnation() != peer.identity.incarnation)
      continue;
    for (auto shard : shard_numbers) {
      auto at = peer.safe_positions.find({node.identity.site(), node.identity.incarnation, shard});
      if (link.cursor(shard) > (at != peer.safe_positions.end() ? at->second : 0))
        wrong(
            fmt::format("{} believes that {} has more than is on its disk", node.name, peer.name));
    }
  }
}

void simulation::note_write(sim_node& node, const own_write& what) {
  ++result_.writes;
  const auto& replica = *node.replicas->replica(what.shard);
  wrong(oracle_.wrote(node.number, what, replica));
  oracle_.changed(node.number, node.identity.incarnation, what.shard, replica.last_change());
}

// ---- network ------------------------------------------------------------------------------------

bool simulation::blocked(std::size_t from, std::size_t to) {
  auto at = blocked_.find({from, to});
  if (at == blocked_.end())
    return false;
  count(at->second);
  return true;
}

void simulation::transmit(sim_node& from, std::uint32_t peer, const frame& made) {
  auto to = from.peers[peer];
  if (blocked(from.number, to))
    return;
  if (drawn(fault_kind::loss) && !healing_ && chance(8))
    return count(fault_kind::loss);
  std::vector<std::byte> bytes{made.bytes().begin(), made.bytes().end()};
  auto wait = static_cast<std::int64_t>(1 + below(4)) * ms;
  if (drawn(fault_kind::reorder) && !healing_ && chance(15)) {
    count(fault_kind::reorder);
    wait += static_cast<std::int64_t>(below(chance(20) ? 8'000 : 60)) * ms;
  }
  if (drawn(fault_kind::corrupt) && !healing_ && chance(4)) {
    count(fault_kind::corrupt);
    for (auto n = 1 + below(3); n > 0; --n)
      bytes[below(bytes.size())] ^= static_cast<std::byte>(1u << below(8));
  }
  if (drawn(fault_kind::duplicate) && !healing_ && chance(8)) {
    count(fault_kind::duplicate);
    auto again = wait + static_cast<std::int64_t>(below(chance(30) ? 5'000 : 40)) * ms;
    later(again, [this, to, source = from.number, bytes] { deliver(to, source, bytes); });
  }
  later(wait,
        [this, to, source = from.number, bytes = std::move(bytes)] { deliver(to, source, bytes); });
}

void simulation::deliver(std::size_t to, std::size_t from, std::vector<std::byte> bytes) {
  auto& node = *nodes_[to];
  if (node.replicas == nullptr || blocked(from, to))
    return;
  if (node.paused)
    return void(node.waiting.emplace_back(from, std::move(bytes)));
  hand_over(node, from, bytes);
}

void simulation::hand_over(sim_node& node, std::size_t from, const std::vector<std::byte>& bytes) {
  auto arrived = frame::check(bytes);
  if (!arrived || node.unlinked.contains(from))
    return; // refused at the door
  ++result_.deliveries;
  result_.trace =
      result_.trace * 31 + hash_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  auto peer = static_cast<std::uint32_t>(std::find(node.peers.begin(), node.peers.end(), from)
                                         - node.peers.begin());
  auto site = nodes_[from]->identity.site();
  std::map<std::pair<std::uint64_t, std::uint16_t>, change_number> before;
  auto lives = [&](auto&& each) {
    for (std::uint64_t life = 100 + from; life <= nodes_[from]->identity.incarnation; life += 1'001)
      for (auto shard : shard_numbers)
        each(life, shard, node.replicas->position(site, life, shard));
  };
  lives([&](auto life, auto shard, auto at) { before[{life, shard}] = at; });
  std::map<std::uint16_t, version_vector> knew;
  for (auto shard : shard_numbers)
    knew[shard] = oracle_.seen(node.number, shard);
  node.replicas->receive(peer, *arrived, time_of(node));
  lives([&](auto life, auto shard, auto at) {
    auto was = before[{life, shard}];
    if (at < was)
      wrong(node.name + ": its position in a peer's changes went back");
    if (at > was)
      oracle_.received(node.number, shard, from, life, at);
  });
  auto most = time_of(node).unix_us / 1'000 + rules_.clock_bound.count() + 1;
  for (auto shard : shard_numbers) {
    const auto* replica = node.replicas->replica(shard);
    if (replica == nullptr || knew[shard] == oracle_.seen(node.number, shard))
      continue;
    replica->each_twin([&](std::string_view twin) {
      replica->each_property(twin, [&](std::string_view key, const sibling_set& siblings) {
        for (const auto& s : siblings)
          if (key != replica_keys::life && !knew[shard].covers(s.write) && unix_ms(s.time) > most)
            wrong(node.name + ": took a time from the future");
      });
    });
  }
  // Not before the oracle knows what came: stamps of the future may be written again here.
  node.replicas->tick(time_of(node));
  after(node);
}

// ---- what nodes do ------------------------------------------------------------------------------

void simulation::write_something() {
  auto& node = *nodes_[below(nodes_.size())];
  if (node.replicas != nullptr && !node.paused)
    write_at(node);
}

void simulation::write_at(sim_node& node) {
  auto shard = shard_numbers[below(shard_numbers.size())];
  const auto* twin = twin_names[below(twin_names.size())];
  const auto* key = key_names[below(key_names.size())];
  auto now = time_of(node);
  auto dice = below(100);
  const auto* held = node.replicas->replica(shard);
  auto done = [&]() -> result<void> {
    if (held == nullptr || !held->alive(twin))
      return node.replicas->create(shard, twin, value{value_map{{"type", value{"pump"}}}}, now);
    if (dice < 8)
      return node.replicas->remove(shard, twin, now);
    if (dice < 20)
      return node.replicas->set(shard, twin, key, std::nullopt, now);
    if (dice < 30 && !node.replicas->conflicts().empty()) {
      auto open = node.replicas->conflicts();
      const auto& c = open[below(open.size())];
      return node.replicas->decide(c.shard, c.twin, c.key, c.id, value{"decided"}, now);
    }
    return node.replicas->set(shard, twin, key, value{++values_}, now);
  }();
  if (!done)
    wrong("a write was refused: " + to_string(done.error()));
  node.replicas->tick(now); // What it can send at once: the greatest haste is the most dangerous.
  after(node);
}

// ---- faults -------------------------------------------------------------------------------------

void simulation::flap(std::size_t a, std::size_t b, int left) {
  if (left == 0 || healing_) {
    blocked_.erase({a, b});
    blocked_.erase({b, a});
    return;
  }
  if (left % 2 == 0) {
    blocked_[{a, b}] = blocked_[{b, a}] = fault_kind::flapping;
  } else {
    blocked_.erase({a, b});
    blocked_.erase({b, a});
  }
  later(static_cast<std::int64_t>(100 + below(1'500)) * ms,
        [this, a, b, left] { flap(a, b, left - 1); });
}

void simulation::partition(fault_kind kind) {
  auto size = nodes_.size();
  auto a = below(size);
  if (kind == fault_kind::one_way && !nodes_[a]->peers.empty()) {
    blocked_[{a, nodes_[a]->peers[below(nodes_[a]->peers.size())]}] = kind;
    return;
  }
  // Two halves; of a bridge one node sees both.
  std::vector<bool> left(size);
  for (std::size_t i = 0; i < size; ++i)
    left[i] = chance(50);
  left[a] = true;
  left[(a + 1) % size] = false;
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j < size; ++j)
      if (left[i] != left[j] && (kind != fault_kind::bridge || size == 2 || (i != a && j != a)))
        blocked_[{i, j}] = kind;
}

void simulation::lose_data(sim_node& node, bool restore) {
  if (node.replicas == nullptr || (restore && node.backup.empty()))
    return;
  count(restore ? fault_kind::restored : fault_kind::wiped);
  stop(node);
  node.unsynced.clear();
  node.durable = restore ? node.backup : std::vector<disk_write>{};
  if (restore)
    node.disk_incarnation = node.backup_incarnation;
  later(static_cast<std::int64_t>(below(4'000)) * ms, [this, &node] { start(node, true); });
}

void simulation::pause(sim_node& node) {
  if (node.replicas == nullptr || node.paused)
    return;
  count(fault_kind::pause);
  node.paused = true;
  later(static_cast<std::int64_t>(500 + below(15'000)) * ms, [this, &node, process = node.process] {
    if (process != node.process || !node.paused)
      return;
    node.paused = false;
    for (auto& [from, bytes] : std::exchange(node.waiting, {}))
      if (node.replicas != nullptr)
        hand_over(node, from, bytes);
    tick(node);
  });
}

// What was on its way from before may still arrive after the peer was taken again.
void simulation::unlink(sim_node& node) {
  auto peer = static_cast<std::uint32_t>(below(node.peers.size()));
  if (node.replicas == nullptr || node.peers[peer] == nobody)
    return;
  count(fault_kind::unlinked);
  node.replicas->remove_peer(peer);
  node.unlinked.insert(std::exchange(node.peers[peer], nobody));
  after(node);
  later(static_cast<std::int64_t>(below(20'000)) * ms, [this, &node] { link_again(node); });
}

void simulation::link_again(sim_node& node) {
  for (auto peer : std::exchange(node.unlinked, {})) {
    node.peers.push_back(peer);
    if (node.replicas != nullptr)
      node.replicas->add_peer(nodes_[peer]->name);
  }
  if (node.replicas != nullptr)
    after(node);
}

void simulation::begin_fault() {
  auto at = drawn_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(below(drawn_.size())));
  auto& node = *nodes_[below(nodes_.size())];
  auto kind = *at;
  switch (kind) {
  case fault_kind::partition:
  case fault_kind::one_way:
  case fault_kind::bridge:
    blocked_.clear();
    partition(kind);
    later(static_cast<std::int64_t>(below(20'000)) * ms, [this] { blocked_.clear(); });
    break;
  case fault_kind::flapping:
    if (!node.peers.empty())
      flap(node.number, node.peers[below(node.peers.size())], 8);
    break;
  case fault_kind::crash:
  case fault_kind::torn_write:
  case fault_kind::lost_write:
    if (node.replicas != nullptr) {
      // Mostly while something is on its way to the disk.
      if (!node.paused && chance(70))
        write_at(node);
      crash(node);
      later(static_cast<std::int64_t>(below(5'000)) * ms, [this, &node] {
        if (node.replicas == nullptr)
          start(node, false);
      });
    }
    break;
  case fault_kind::slow_disk:
    node.disk_is_slow = true;
    later(5 * second, [&node] { node.disk_is_slow = false; });
    break;
  case fault_kind::disconnect:
    if (node.replicas != nullptr && !node.peers.empty()) {
      count(kind);
      node.replicas->disconnected(static_cast<std::uint32_t>(below(node.peers.size())),
                                  time_of(node));
      after(node);
    }
    break;
  case fault_kind::pause:
    pause(node);
    break;
  case fault_kind::clock_jump: {
    count(kind);
    constexpr std::array<std::int64_t, 6> jumps = {-86'400, -600, -2, 2, 600, 86'400};
    node.clock_offset_us = jumps[below(jumps.size())] * 1'000'000;
    later(static_cast<std::int64_t>(below(10'000)) * ms, [&node] { node.clock_offset_us = 0; });
    break;
  }
  case fault_kind::clock_drift:
    count(kind);
    node.drift_ppm = static_cast<std::int64_t>(below(1'001)) - 500;
    node.drift_since = now_;
    break;
  case fault_kind::wiped:
    lose_data(node, false);
    break;
  case fault_kind::restored:
    lose_data(node, true);
    break;
  case fault_kind::unlinked:
    if (!node.peers.empty())
      unlink(node);
    break;
  default: // those of the network happen all the time
    break;
  }
}

// ---- the run ------------------------------------------------------------------------------------

void simulation::heal() {
  healing_ = true;
  blocked_.clear();
  for (auto& node : nodes_) {
    node->clock_offset_us = 0;
    node->drift_ppm = 0;
    node->disk_is_slow = false;
    link_again(*node);
  }
}

bool simulation::settled() {
  for (const auto& node : nodes_) {
    if (node->replicas == nullptr || node->paused || !node->unsynced.empty())
      return false;
    for (std::uint32_t i = 0; i < node->peers.size(); ++i)
      if (node->replicas->has_peer(i) && !node->replicas->link(i).idle())
        return false;
    for (auto shard : shard_numbers)
      if (!(oracle_.seen(node->number, shard) == oracle_.seen(0, shard)))
        return false;
  }
  return true;
}

void simulation::check_all() {
  for (const auto& node : nodes_)
    for (auto shard : shard_numbers) {
      const auto* replica = node->replicas->replica(shard);
      const auto* first = nodes_[0]->replicas->replica(shard);
      if (replica == nullptr || first == nullptr) {
        if (replica != first && !oracle_.seen(0, shard).empty())
          wrong(node->name + " has no such shard");
        continue;
      }
      wrong(oracle_.check(node->number, shard, *replica));
      if (replica->digest().buckets() != first->digest().buckets())
        wrong(node->name + " ends with another digest than node-0");
    }
}

simulation_result simulation::run() {
  auto busy = static_cast<std::int64_t>(15 + below(25)) * second;
  for (auto n = 40 + below(100); n > 0; --n)
    later(static_cast<std::int64_t>(below(static_cast<std::uint64_t>(busy))),
          [this] { write_something(); });
  for (auto n = 4 + below(12); n > 0; --n)
    later(static_cast<std::int64_t>(below(static_cast<std::uint64_t>(busy))),
          [this] { begin_fault(); });
  for (auto n = below(4); n > 0; --n)
    later(static_cast<std::int64_t>(below(static_cast<std::uint64_t>(busy))), [this] {
      auto& node = *nodes_[below(nodes_.size())];
      node.backup = node.durable;
      node.backup_incarnation = node.disk_incarnation;
    });
  later(busy + second / 2, [this] { heal(); });
  auto next_look = busy + 2 * second;
  auto done = false;
  while (!queue_.empty() && result_.violation.empty() && !done) {
    auto next = queue_.top();
    queue_.pop();
    now_ = next.at;
    try {
      next.what();
    } catch (const broken_invariant& broken) {
      wrong(broken.what());
    }
    if (result_.deliveries > deliveries_max || order_ > happenings_max)
      wrong("messages without end");
    if (now_ < next_look || !healing_)
      continue;
    next_look = now_ + second / 2;
    done = settled();
    if (!done && now_ > busy + settle_seconds * second)
      wrong("the nodes do not come to agree");
  }
  if (result_.violation.empty())
    check_all();
  result_.nodes = nodes_.size();
  result_.seconds = static_cast<double>(now_) / second;
  return result_;
}

} // namespace

std::string_view to_string(fault_kind kind) noexcept {
  constexpr std::array<std::string_view, fault_kinds> names = {
      "partition",  "one_way",     "bridge", "flapping",   "loss",       "duplicate", "reorder",
      "corrupt",    "disconnect",  "crash",  "torn_write", "lost_write", "slow_disk", "pause",
      "clock_jump", "clock_drift", "wiped",  "restored",   "unlinked"};
  auto index = static_cast<std::size_t>(kind);
  return index < names.size() ? names[index] : "unknown";
}

void simulation_result::add(const simulation_result& other) {
  for (std::size_t i = 0; i < fault_kinds; ++i)
    faults[i] += other.faults[i];
  writes += other.writes;
  deliveries += other.deliveries;
  checks += other.checks;
  nodes += other.nodes;
  seconds += other.seconds;
  trace ^= other.trace;
  if (violation.empty())
    violation = other.violation;
}

simulation_result simulate_replicas(std::uint64_t seed, planted_bug planted) {
  return simulation{seed, planted}.run();
}

} // namespace gemel::soak
