// An edge node and a cloud node, each with a store and linked over TCP, in one program. The link is
// cut, both sides write what the other does not know of, and when it heals, each property shows
// what its strategy makes of that.

#include <fmt/format.h>
#include <runtime/gemel.hpp>
#include <runtime/peers.hpp>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

namespace {

using namespace gemel;

// A way to a peer that can be cut: what is on it is lost from then on.
class cuttable_way final : public peer_transport {
public:
  explicit cuttable_way(std::shared_ptr<peer_transport> of) : of_{std::move(of)} {}

  void cut(bool is) { cut_ = is; }

  result<void> start(listener to) override {
    auto arrived = std::move(to.arrived);
    to.arrived = [this, arrived](std::uint32_t peer, frame message) {
      if (!cut_)
        arrived(peer, std::move(message));
    };
    return of_->start(std::move(to));
  }
  void reach(std::uint32_t peer) override { of_->reach(peer); }
  void send(std::uint32_t peer, frame message) override {
    if (!cut_)
      of_->send(peer, std::move(message));
  }
  void stop() override { of_->stop(); }
  std::string endpoint() const override { return of_->endpoint(); }

private:
  std::shared_ptr<peer_transport> of_;
  std::atomic<bool> cut_{false};
};

[[noreturn]] void give_up(const error& why) {
  fmt::print(stderr, "edge_cloud: {}\n", to_string(why));
  std::exit(1);
}

template <class T>
T must(result<T> what) {
  if (!what)
    give_up(what.error());
  return std::move(*what);
}

void must(const result<void>& what) {
  if (!what)
    give_up(what.error());
}

struct strategy {
  const char* property;
  const char* name;
  value before;
  value edge;
  value cloud;
};

value list_of(std::initializer_list<const char*> words) {
  value_list made;
  for (const auto* word : words)
    made.emplace_back(word);
  return value{std::move(made)};
}

const std::vector<strategy>& strategies() {
  static const std::vector<strategy> all{
      {"temperature", "last_write_wins", value{20.0}, value{24.5}, value{19.0}},
      {"setpoint", "authority:cloud", value{22.0}, value{30.0}, value{21.0}},
      {"peak", "max", value{20.0}, value{31.5}, value{27.0}},
      {"strokes", "counter", value{100}, value{140}, value{103}},
      {"alarms", "set", list_of({"dust"}), list_of({"dust", "heat"}), list_of({"dust", "noise"})},
      {"mode", "manual", value{"auto"}, value{"eco"}, value{"fast"}},
  };
  return all;
}

struct side {
  std::shared_ptr<cuttable_way> way;
  std::unique_ptr<node> at;
};

side start(const std::string& name, const std::string& peer, const std::string& folder) {
  side made;
  node_options wanted;
  wanted.config.node.id = name;
  wanted.config.store.path = folder + "/" + name;
  wanted.config.store.reserve_bytes = 0;
  auto& cluster = wanted.config.cluster;
  cluster.name = "plant";
  cluster.key_file = folder + "/key";
  cluster.listen_port = 0;
  cluster.peers = {peer};
  auto& machine = wanted.config.types["machine"].model;
  machine.name = "machine";
  for (const auto& one : strategies()) {
    property_model declared;
    declared.key = one.property;
    declared.conflict = one.name;
    machine.properties.push_back(std::move(declared));
  }
  made.way = std::make_shared<cuttable_way>(must(make_peer_links(wanted.config)));
  wanted.peers = {cluster.name, peer_names(wanted.config), made.way};
  made.at = must(node::start(std::move(wanted)));
  return made;
}

value shown(node& at, const char* property) {
  auto twin = at.get("press-7");
  const auto* held = twin ? twin->find(property) : nullptr;
  return held != nullptr ? *held : value{};
}

std::size_t conflicts(node& at) {
  auto made = must(at.call({"sync", "conflicts", {}}));
  return made.find("conflicts")->as_list().size();
}

template <class Condition>
void wait_until(const char* what, Condition is_so) {
  constexpr std::chrono::seconds patience{60};
  auto until = std::chrono::steady_clock::now() + patience;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > until)
      give_up({errc::timed_out, what});
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
}

void write(node& at, value strategy::*what) {
  for (const auto& one : strategies())
    must(at.update("press-7", {{one.property, one.*what}}));
}

void print_outcome(node& edge, node& cloud) {
  constexpr const char* row = "{:<12} {:<16} {:<17} {:<17} {:<24} {}\n";
  fmt::print(row, "PROPERTY", "STRATEGY", "EDGE WROTE", "CLOUD WROTE", "EDGE SHOWS", "CLOUD SHOWS");
  for (const auto& one : strategies())
    fmt::print(row, one.property, one.name, to_string(one.edge), to_string(one.cloud),
               to_string(shown(edge, one.property)), to_string(shown(cloud, one.property)));
}

void resolve(node& at, const char* property, value content) {
  auto all = must(at.call({"sync", "conflicts", {}}));
  const auto& one = all.find("conflicts")->as_list()[0];
  value_map arguments{{"twin", value{"press-7"}},
                      {"property", value{property}},
                      {"id", *one.find("id")},
                      {"value", std::move(content)}};
  static_cast<void>(must(at.call({"sync", "resolve", value{std::move(arguments)}})));
}

bool agree(node& edge, node& cloud) {
  for (const auto& one : strategies())
    if (shown(edge, one.property) != shown(cloud, one.property))
      return false;
  return true;
}

void run(const std::string& folder) {
  std::ofstream{folder + "/key"} << "only an example, 16 bytes or more\n";
  auto cloud = start("cloud", "edge", folder);
  auto listens = cloud.way->endpoint();
  auto edge = start("edge", "cloud=" + listens, folder);
  fmt::print("an edge node and a cloud node, linked at {}\n", listens);
  must(edge.at->create({.id = "press-7", .type = "machine"}).map([](const auto&) {}));
  write(*edge.at, &strategy::before);
  wait_until("the cloud shows the edge's twin",
             [&] { return shown(*cloud.at, "mode") == value{"auto"}; });
  fmt::print("press-7, made at the edge, is in the cloud\n\nthe link is cut, both sides write\n");
  edge.way->cut(true);
  cloud.way->cut(true);
  write(*edge.at, &strategy::edge);
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  write(*cloud.at, &strategy::cloud);
  std::this_thread::sleep_for(std::chrono::milliseconds{200});
  fmt::print("the link heals\n\n");
  edge.way->cut(false);
  cloud.way->cut(false);
  wait_until("both sides see the conflict",
             [&] { return conflicts(*edge.at) == 1 && conflicts(*cloud.at) == 1; });
  wait_until("both sides agree", [&] { return agree(*edge.at, *cloud.at); });
  print_outcome(*edge.at, *cloud.at);
  resolve(*cloud.at, "mode", value{"off"});
  wait_until("both sides take the decision",
             [&] { return shown(*edge.at, "mode") == value{"off"} && conflicts(*edge.at) == 0; });
  fmt::print("\n'mode' waited for a person; the cloud decided: the edge shows {}\n",
             to_string(shown(*edge.at, "mode")));
  edge.at->stop();
  cloud.at->stop();
}

} // namespace

int main() {
  auto folder =
      std::filesystem::temp_directory_path() / ("gemel-edge-cloud-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  run(folder.string());
  std::filesystem::remove_all(folder);
}
