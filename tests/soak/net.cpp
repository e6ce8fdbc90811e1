// gemel-net-soak --seconds S --nodes N --seed X: real nodes in network namespaces of their own, a
// writer at each, and faults: ways cut in one or both directions, slow ways, paused, killed and
// restarted nodes. Then all is healed, and the nodes must agree, show every acknowledged write or
// one that replaced it, and nothing that was deleted. Ends with one line of counts, and with 1 on a
// violation. Needs root, since it makes namespaces.

#include "runtime/client.hpp"
#include "tests/support/temporary_folder.hpp"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace gemel::test {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using words = std::vector<std::string>;

struct options {
  double seconds = 60;
  std::uint32_t nodes = 3;
  std::uint64_t seed = 1;
};

// ---- processes and namespaces -------------------------------------------------------------------

// Starts `all[0]`. @param log where its output goes; empty: nowhere.
pid_t start(const words& all, const std::string& log = {}) {
  std::vector<char*> arguments;
  for (const auto& each : all)
    arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  const auto* path = log.empty() ? "/dev/null" : log.c_str();
  auto child = ::fork();
  if (child != 0)
    return child;
  constexpr mode_t mode = 0644;
  auto to = ::open(path, O_WRONLY | O_CREAT | O_APPEND, mode);
  ::dup2(to, STDOUT_FILENO);
  ::dup2(to, STDERR_FILENO);
  ::execvp(arguments[0], arguments.data());
  constexpr int not_found = 127;
  ::_exit(not_found);
}

bool run(const words& all) {
  int how = 0;
  auto child = start(all);
  return child > 0 && ::waitpid(child, &how, 0) == child && how == 0;
}

bool ip(words arguments) {
  arguments.insert(arguments.begin(), "ip");
  return run(arguments);
}

// A bridge in a namespace that this process lives in, and one namespace for each node.
class network {
public:
  explicit network(std::uint32_t nodes) : nodes_{nodes} {}
  ~network() {
    for (std::uint32_t i = 0; i < nodes_; ++i)
      ip({"netns", "del", space(i)});
    ip({"netns", "del", hub()});
  }
  network(const network&) = delete;
  network& operator=(const network&) = delete;

  // False: the machine does not allow it.
  bool make() {
    if (!ip({"netns", "add", hub()}) || !enter_hub() || !ip({"link", "set", "lo", "up"})
        || !ip({"link", "add", "br0", "type", "bridge"}) || !ip({"link", "set", "br0", "up"})
        || !ip({"addr", "add", "10.77.0.254/24", "dev", "br0"}))
      return false;
    for (std::uint32_t i = 0; i < nodes_; ++i)
      if (!make_node(i))
        return false;
    return true;
  }

  std::string space(std::uint32_t node) const {
    return fmt::format("gemel-{}-{}", ::getpid(), node);
  }
  static std::string address(std::uint32_t node) { return fmt::format("10.77.0.{}", node + 1); }

  // What `from` sends to `to` is lost.
  void drop(std::uint32_t from, std::uint32_t to, bool is) const {
    ip({"-n", space(from), "route", is ? "add" : "del", "blackhole", address(to) + "/32"});
  }
  void slow(std::uint32_t node, bool is) const {
    words all{"tc", "-n", space(node), "qdisc", is ? "add" : "del", "dev", "eth0", "root"};
    if (is)
      all.insert(all.end(), {"tbf", "rate", "400kbit", "burst", "4kb", "latency", "300ms"});
    run(all);
  }

private:
  static std::string hub() { return fmt::format("gemel-{}-hub", ::getpid()); }

  static bool enter_hub() {
    auto at = ::open(("/run/netns/" + hub()).c_str(), O_RDONLY | O_CLOEXEC);
    return at >= 0 && ::setns(at, CLONE_NEWNET) == 0;
  }

  bool make_node(std::uint32_t i) const {
    auto port = fmt::format("node{}", i);
    return ip({"netns", "add", space(i)})
           && ip({"link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space(i)})
           && ip({"link", "set", port, "master", "br0"}) && ip({"link", "set", port, "up"})
           && ip({"-n", space(i), "link", "set", "lo", "up"})
           && ip({"-n", space(i), "addr", "add", address(i) + "/24", "dev", "eth0"})
           && ip({"-n", space(i), "link", "set", "eth0", "up"});
  }

  std::uint32_t nodes_;
};

class node_process {
public:
  node_process(const network& in, const temporary_folder& folder, std::uint32_t number,
               std::uint32_t nodes)
      : log_{folder.file(fmt::format("node-{}.log", number))} {
    auto program = std::filesystem::canonical("/proc/self/exe").parent_path() / "gemel";
    std::string peers;
    for (std::uint32_t i = 0; i < nodes; ++i)
      if (i != number)
        peers += fmt::format("{}\"n{}={}:7434\"", peers.empty() ? "" : ",", i, network::address(i));
    command_ = {"ip", "netns", "exec", in.space(number), program.string(), "node"};
    for (const auto& each :
         words{fmt::format("node.id=n{}", number), "node.workers=1", "listen.address=0.0.0.0",
               "listen.allow_insecure=true", "cluster.listen_address=0.0.0.0",
               "cluster.insecure=true", "cluster.key_file=" + folder.file("key"),
               "store.path=" + folder.file(fmt::format("store-{}", number)),
               "store.reserve_bytes=1048576", "cluster.peers=[" + peers + "]"})
      command_.insert(command_.end(), {"--set", each});
    begin();
  }
  ~node_process() { end(SIGKILL); }
  node_process(const node_process&) = delete;
  node_process& operator=(const node_process&) = delete;

  void begin() { id_ = start(command_, log_); }
  void end(int how) {
    if (id_ > 0) {
      ::kill(id_, how);
      ::waitpid(id_, nullptr, 0);
    }
    id_ = -1;
  }
  void signal(int what) const { ::kill(id_, what); }
  const std::string& log() const { return log_; }
  // Ended by itself: nobody asked it to.
  bool is_gone() const { return id_ > 0 && ::waitpid(id_, nullptr, WNOHANG) != 0; }

private:
  words command_;
  std::string log_;
  pid_t id_ = -1;
};

// ---- what was written ---------------------------------------------------------------------------

// One property that one writer alone counts up.
struct counted {
  std::uint64_t sent = 0;
  std::uint64_t acknowledged = 0;
};

using place = std::pair<std::string, std::string>; // twin and property

// What one writer knows; read by others only after its end.
struct history {
  std::map<place, counted> own;
  // Of properties that all write: the last number that this writer had acknowledged, and sent.
  std::map<place, counted> contested;
  std::set<std::string> deleted; // acknowledged
  std::set<std::string> lost;    // twins that were acknowledged and are gone
  std::uint64_t acknowledged = 0;
  std::uint64_t failed = 0;
};

constexpr std::uint32_t own_twins = 20;
constexpr std::uint32_t shared_twins = 20;

std::unique_ptr<client> reach(std::uint32_t node) {
  client::options wanted;
  wanted.patience = std::chrono::seconds{1};
  auto made = client::connect(network::address(node) + ":7433", wanted);
  return made ? std::move(*made) : nullptr;
}

// Writes to one node alone, whatever becomes of it.
class writer {
public:
  writer(std::uint32_t node, std::uint32_t nodes, std::uint64_t seed,
         std::vector<std::atomic<std::uint64_t>>& coming)
      : node_{node}, nodes_{nodes}, random_{seed}, coming_{coming} {}

  void run(const std::atomic<bool>& stop) {
    while (!stop) {
      if (link_ == nullptr) {
        link_ = reach(node_);
        std::this_thread::sleep_for(milliseconds{20});
        continue;
      }
      write_something();
      std::this_thread::sleep_for(std::chrono::microseconds{below(2'000)});
    }
    link_.reset();
  }

  const history& known() const { return history_; }

private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  void write_something() {
    switch (below(10)) {
    case 0:
      return come();
    case 1:
      return go();
    case 2:
      return touch_what_others_delete();
    case 3:
    case 4:
      return contest();
    case 5:
    case 6:
      return count(fmt::format("shared-{}", below(shared_twins)), fmt::format("from_{}", node_));
    default:
      return count(fmt::format("own-{}-{}", node_, below(own_twins)), "number");
    }
  }

  // @returns whether the node said yes.
  bool answered(const result<void>& done) {
    if (done) {
      ++history_.acknowledged;
      return true;
    }
    ++history_.failed;
    if (done.error().code == errc::unreachable)
      link_.reset();
    return false;
  }
  bool create(const std::string& id) {
    auto made = link_->create({.id = id, .type = "machine"});
    if (!made && made.error().code == errc::twin_exists)
      return true;
    return answered(made ? result<void>{} : tl::unexpected<error>{made.error()});
  }
  // A twin that was acknowledged once must be there.
  bool need(const std::string& id) {
    if (made_.contains(id))
      return true;
    if (!create(id))
      return false;
    made_.insert(id);
    return true;
  }
  bool set(const std::string& id, const std::string& key, value content) {
    auto done = link_->update(id, {{key, std::move(content)}});
    if (!done && done.error().code == errc::twin_not_found)
      history_.lost.insert(id);
    return answered(done);
  }

  void count(const std::string& id, const std::string& key) {
    if (!need(id))
      return;
    auto& known = history_.own[{id, key}];
    auto number = ++known.sent;
    if (set(id, key, value{static_cast<std::int64_t>(number)}))
      known.acknowledged = number;
  }
  void contest() {
    auto id = fmt::format("shared-{}", below(shared_twins));
    if (!need(id))
      return;
    auto& known = history_.contested[{id, "mode"}];
    auto number = ++known.sent;
    if (set(id, "mode", value{fmt::format("{}:{}", node_, number)}))
      known.acknowledged = number;
  }
  void come() {
    auto id = fmt::format("coming-{}-{}", node_, coming_[node_].load());
    if (create(id)) {
      ++coming_[node_];
      here_.push_back(id);
    }
  }
  void go() {
    if (here_.empty())
      return;
    auto at = here_.begin() + static_cast<std::ptrdiff_t>(below(here_.size()));
    auto done = link_->remove(*at);
    if (answered(done)) {
      history_.deleted.insert(*at);
      here_.erase(at);
    }
  }
  // It may be deleted at the same time, so nothing is promised.
  void touch_what_others_delete() {
    auto other = static_cast<std::uint32_t>(below(nodes_));
    auto last = coming_[other].load();
    if (last == 0)
      return;
    auto id =
        fmt::format("coming-{}-{}", other, last - 1 - below(std::min<std::uint64_t>(last, 8)));
    auto done = link_->update(id, {{fmt::format("touched_{}", node_), value{true}}});
    if (!done && done.error().code == errc::unreachable)
      link_.reset();
  }

  std::uint32_t node_;
  std::uint32_t nodes_;
  std::mt19937_64 random_;
  std::vector<std::atomic<std::uint64_t>>& coming_;
  std::unique_ptr<client> link_;
  std::set<std::string> made_;
  std::vector<std::string> here_;
  history history_;
};

// ---- faults -------------------------------------------------------------------------------------

class faults {
public:
  faults(network& in, std::vector<std::unique_ptr<node_process>>& nodes, std::uint64_t seed)
      : in_{in}, nodes_{nodes}, random_{seed} {}

  // One fault, for a while; with a second one now and then.
  void run_one() {
    auto undo = begin_one();
    if (below(4) == 0) {
      auto second = begin_one();
      hold();
      second();
    }
    hold();
    undo();
    std::this_thread::sleep_for(milliseconds{below(1'500)});
  }

  std::string counts() const {
    std::string made;
    for (const auto& [name, count] : counts_)
      made += fmt::format(" {}={}", name, count);
    return made;
  }

private:
  using task = std::function<void()>;

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  // Mostly short; now and then so long that links are given up.
  void hold() { std::this_thread::sleep_for(milliseconds{below(10) == 0 ? 11'000 : below(2'500)}); }

  task begin_one() {
    auto node = static_cast<std::uint32_t>(below(nodes_.size()));
    auto other = static_cast<std::uint32_t>((node + 1 + below(nodes_.size() - 1)) % nodes_.size());
    switch (below(6)) {
    case 0:
      return drop("partition", {{node, other}, {other, node}});
    case 1:
      return drop("one_way", {{node, other}});
    case 2: {
      std::set<std::pair<std::uint32_t, std::uint32_t>> all;
      for (std::uint32_t i = 0; i < nodes_.size(); ++i)
        if (i != node)
          all.insert({{node, i}, {i, node}});
      return drop("isolated", all);
    }
    case 3:
      return alone(node, [this, node] {
        ++counts_["slow"];
        in_.slow(node, true);
        return [this, node] { in_.slow(node, false); };
      });
    case 4:
      return alone(node, [this, node] {
        ++counts_["pause"];
        nodes_[node]->signal(SIGSTOP);
        return [this, node] { nodes_[node]->signal(SIGCONT); };
      });
    default:
      return alone(node, [this, node] {
        auto is_killed = below(4) != 0;
        ++counts_[is_killed ? "kill" : "restart"];
        nodes_[node]->end(is_killed ? SIGKILL : SIGTERM);
        return [this, node] { nodes_[node]->begin(); };
      });
    }
  }

  // A node has one fault of its own at a time.
  task alone(std::uint32_t node, const std::function<task()>& begin) {
    if (!busy_.insert(node).second)
      return [] {};
    return [this, node, undo = begin()] {
      undo();
      busy_.erase(node);
    };
  }

  task drop(const char* name, const std::set<std::pair<std::uint32_t, std::uint32_t>>& ways) {
    ++counts_[name];
    for (auto [from, to] : ways)
      if (++dropped_[{from, to}] == 1)
        in_.drop(from, to, true);
    return [this, ways] {
      for (auto [from, to] : ways)
        if (--dropped_[{from, to}] == 0)
          in_.drop(from, to, false);
    };
  }

  network& in_;
  std::vector<std::unique_ptr<node_process>>& nodes_;
  std::mt19937_64 random_;
  std::map<std::string, std::uint64_t> counts_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, int> dropped_;
  std::set<std::uint32_t> busy_;
};

// ---- the check ----------------------------------------------------------------------------------

using shown = std::map<std::string, twin_record>;

std::optional<shown> all_of(std::uint32_t node) {
  auto link = reach(node);
  if (link == nullptr)
    return std::nullopt;
  auto twins = link->query_all({});
  if (!twins)
    return std::nullopt;
  shown made;
  for (auto& twin : *twins)
    made.emplace(twin.id, std::move(twin));
  return made;
}

// All properties in their order, so that equal texts are equal twins.
std::string text_of(const twin_record& twin) {
  std::map<std::string, std::string> sorted;
  for (const auto& [key, content] : twin.properties)
    sorted.emplace(key, to_string(content));
  std::string made = twin.type + " below '" + twin.parent + "'";
  for (const auto& [key, content] : sorted)
    made.append(" ").append(key).append("=").append(content);
  return made;
}

std::vector<std::string> differences(const shown& left, const shown& right) {
  std::vector<std::string> made;
  for (const auto& [id, twin] : left)
    if (auto at = right.find(id); at == right.end())
      made.push_back(id + ": only on one side");
    else if (text_of(twin) != text_of(at->second))
      made.push_back(id + ": " + text_of(twin) + " | " + text_of(at->second));
  for (const auto& [id, twin] : right)
    if (!left.contains(id))
      made.push_back(id + ": only on one side");
  return made;
}

class checker {
public:
  checker(const std::vector<std::unique_ptr<writer>>& writers, const shown& holds)
      : writers_{writers}, holds_{holds} {}

  std::vector<std::string> violations() {
    for (const auto& one : writers_) {
      const auto& known = one->known();
      for (const auto& id : known.lost)
        wrong_.push_back(id + " was acknowledged, and then its node did not know it");
      for (const auto& id : known.deleted)
        if (holds_.contains(id))
          wrong_.push_back(id + " was deleted and is back");
      for (const auto& [where, numbers] : known.own)
        check_own(where, numbers);
    }
    for (std::uint32_t i = 0; i < shared_twins; ++i)
      check_contested({fmt::format("shared-{}", i), "mode"});
    return std::move(wrong_);
  }

private:
  const value* find(const place& where) const {
    auto at = holds_.find(where.first);
    return at != holds_.end() ? at->second.find(where.second) : nullptr;
  }

  void check_own(const place& where, const counted& numbers) {
    const auto* held = find(where);
    auto number =
        held != nullptr && held->is_integer() ? static_cast<std::uint64_t>(held->as_integer()) : 0;
    if (number < numbers.acknowledged || number > numbers.sent)
      wrong_.push_back(fmt::format("{} {} shows {}, {} was acknowledged and {} sent", where.first,
                                   where.second, number, numbers.acknowledged, numbers.sent));
  }

  // Whoever's value is there, it is none that its own writer replaced.
  void check_contested(const place& where) {
    const auto* held = find(where);
    bool was_acknowledged = false;
    for (std::uint32_t i = 0; i < writers_.size(); ++i) {
      const auto& all = writers_[i]->known().contested;
      auto at = all.find(where);
      if (at == all.end())
        continue;
      was_acknowledged |= at->second.acknowledged != 0;
      auto head = fmt::format("{}:", i);
      if (held == nullptr || !held->is_text() || !held->as_text().starts_with(head))
        continue;
      auto number = std::stoull(std::string{held->as_text().substr(head.size())});
      if (number < at->second.acknowledged || number > at->second.sent)
        wrong_.push_back(fmt::format("{} {} shows {}, {} was acknowledged and {} sent", where.first,
                                     where.second, std::string{held->as_text()},
                                     at->second.acknowledged, at->second.sent));
    }
    if (was_acknowledged && held == nullptr)
      wrong_.push_back(where.first + " " + where.second + " is gone");
  }

  const std::vector<std::unique_ptr<writer>>& writers_;
  const shown& holds_;
  std::vector<std::string> wrong_;
};

// Waits until all nodes show the same. @returns it, or nothing with what differs in `wrong`.
std::optional<shown> settle(std::uint32_t nodes, std::vector<std::string>& wrong) {
  constexpr std::chrono::seconds patience{120};
  for (auto until = clock::now() + patience; clock::now() < until;) {
    wrong.clear();
    auto first = all_of(0);
    if (!first)
      wrong.emplace_back("node 0 does not answer");
    for (std::uint32_t i = 1; i < nodes && first; ++i)
      if (auto other = all_of(i); !other)
        wrong.push_back(fmt::format("node {} does not answer", i));
      else
        for (auto& each : differences(*first, *other))
          wrong.push_back(fmt::format("nodes 0 and {}: {}", i, each));
    if (wrong.empty())
      return first;
    std::this_thread::sleep_for(milliseconds{200});
  }
  return std::nullopt;
}

int judge(const options& asked, const std::vector<std::unique_ptr<writer>>& writers,
          const std::string& counts) {
  std::vector<std::string> wrong;
  auto healed = clock::now();
  auto same = settle(asked.nodes, wrong);
  std::chrono::duration<double> took = clock::now() - healed;
  if (same)
    wrong = checker{writers, *same}.violations();
  constexpr std::size_t shown_max = 20;
  for (std::size_t i = 0; i < std::min(wrong.size(), shown_max); ++i)
    fmt::print("violation: {}\n", wrong[i]);
  std::uint64_t acknowledged = 0;
  std::uint64_t failed = 0;
  std::uint64_t deleted = 0;
  for (const auto& one : writers) {
    acknowledged += one->known().acknowledged;
    failed += one->known().failed;
    deleted += one->known().deleted.size();
  }
  fmt::print("net: {} nodes in network namespaces, seed {}, {} writes acknowledged, {} not, {} "
             "deletes;{}; agreed {:.1f} s after healing, {} violations\n",
             asked.nodes, asked.seed, acknowledged, failed, deleted, counts, took.count(),
             wrong.size());
  return wrong.empty() ? 0 : 1;
}

// The last lines that a node wrote.
void print_end(const std::string& log, std::uint32_t node) {
  constexpr std::size_t most = 2'000;
  std::ifstream in{log};
  std::string all{std::istreambuf_iterator<char>{in}, {}};
  fmt::print("violation: node {} ended by itself:\n{}\n", node,
             all.substr(all.size() - std::min(all.size(), most)));
}

int soak(const options& asked) {
  network in{asked.nodes};
  if (!in.make()) {
    fmt::print("net: skipped, this machine or user may not make network namespaces (ip netns)\n");
    return 0;
  }
  fmt::print("net: seed {}; again: ./dev soak net --seed {} --nodes {} --seconds {}\n", asked.seed,
             asked.seed, asked.nodes, asked.seconds);
  std::fflush(stdout);
  temporary_folder folder;
  std::ofstream{folder.file("key")} << "only of this check, 16 bytes or more\n";
  std::vector<std::unique_ptr<node_process>> nodes;
  for (std::uint32_t i = 0; i < asked.nodes; ++i)
    nodes.push_back(std::make_unique<node_process>(in, folder, i, asked.nodes));
  std::vector<std::atomic<std::uint64_t>> coming(asked.nodes);
  std::vector<std::unique_ptr<writer>> writers;
  for (std::uint32_t i = 0; i < asked.nodes; ++i)
    writers.push_back(std::make_unique<writer>(i, asked.nodes, asked.seed * 1'000 + i, coming));
  std::atomic<bool> stop{false};
  std::vector<std::jthread> threads;
  for (auto& one : writers)
    threads.emplace_back([&] { one->run(stop); });
  faults some{in, nodes, asked.seed};
  auto until = clock::now() + std::chrono::duration<double>{asked.seconds};
  std::this_thread::sleep_for(std::chrono::seconds{1});
  bool is_whole = true;
  while (clock::now() < until && is_whole) {
    some.run_one();
    for (std::uint32_t i = 0; i < asked.nodes; ++i)
      if (nodes[i]->is_gone()) {
        print_end(nodes[i]->log(), i);
        is_whole = false;
      }
  }
  stop = true;
  threads.clear();
  return is_whole ? judge(asked, writers, some.counts()) : 1;
}

} // namespace

} // namespace gemel::test

int main(int argc, char** argv) {
  gemel::test::options asked;
  CLI::App app{"Real nodes in network namespaces, with faults of ways and nodes; all must agree in "
               "the end, and show what was acknowledged."};
  app.name("gemel-net-soak");
  app.add_option("--seconds", asked.seconds, "length of the load")
      ->check(CLI::Range(1.0, 86'400.0))
      ->capture_default_str();
  app.add_option("--nodes", asked.nodes, "nodes, each linked with all others")
      ->check(CLI::Range(2, 7))
      ->capture_default_str();
  app.add_option("--seed", asked.seed, "of all random choices")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : 2;
  }
  return gemel::test::soak(asked);
}
