// Real sockets on loopback, two nodes' transports in one process.

#include "messages/requests.hpp"
#include "runtime/adapters/peer_links.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/relay.hpp"
#include "tests/support/temporary_folder.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace gemel;
using std::chrono::seconds;

// Waits for what must come; how long it takes is not asserted.
template <class F>
bool eventually(F holds) {
  auto end = std::chrono::steady_clock::now() + seconds{30};
  while (!holds())
    if (std::chrono::steady_clock::now() > end)
      return false;
    else
      std::this_thread::sleep_for(std::chrono::milliseconds{2});
  return true;
}

// One side with one peer, and what its transport told.
struct side {
  side() {
    wanted.cluster = "plant";
    wanted.key = "a key that both nodes have";
    wanted.fresh_ns = 0;
  }
  side(const side&) = delete;

  void start() {
    peer_transport::listener events;
    events.connected = [this](std::uint32_t) { ++connects; };
    events.disconnected = [this](std::uint32_t, const error& why) {
      std::lock_guard guard{mutex};
      troubles.push_back(why);
      ++disconnects;
    };
    events.arrived = [this](std::uint32_t, frame arrived) {
      std::lock_guard guard{mutex};
      received.push_back(std::move(arrived));
      ++frames;
    };
    links = std::make_unique<peer_links>(wanted, clock);
    if (auto begun = links->start(events); !begun)
      FAIL(begun.error().context);
    wanted.listen_port = links->port(); // The same again after a restart.
  }
  bool open() const { return links->way(0).open; }
  std::string last_trouble() {
    std::lock_guard guard{mutex};
    return troubles.empty() ? std::string{} : troubles.back().context;
  }
  // Tries as long as there is no way.
  bool reach() {
    return eventually([&] {
      auto before = disconnects.load();
      if (open())
        return true;
      links->reach(0);
      return eventually([&] { return open() || disconnects.load() != before; }) && open();
    });
  }

  system_clock_port clock;
  peer_links::options wanted;
  std::atomic<int> connects{0};
  std::atomic<int> disconnects{0};
  std::atomic<int> frames{0};
  std::mutex mutex;
  std::vector<error> troubles;
  std::vector<frame> received;
  std::unique_ptr<peer_links> links; // Last, since its thread uses the rest.
};

struct pair_of_nodes {
  side edge;
  side cloud;

  pair_of_nodes() {
    edge.wanted.node = "edge";
    cloud.wanted.node = "cloud";
    cloud.wanted.listen_address = "127.0.0.1";
    cloud.wanted.peers = {{"edge", "", 0}};
  }
  void start_cloud() {
    cloud.start();
    edge.wanted.peers = {{"cloud", "127.0.0.1", cloud.links->port()}};
  }
  void start() {
    start_cloud();
    edge.start();
  }
};

frame some_frame(const std::string& id) {
  return make_update(id, std::vector<property_ref>{{"temperature", value{21.5}}});
}

void check_refused(pair_of_nodes& two, const std::string& reason) {
  two.edge.links->reach(0);
  REQUIRE(eventually([&] { return two.edge.disconnects > 0; }));
  INFO(two.edge.last_trouble());
  CHECK(two.edge.last_trouble().find(reason) != std::string::npos);
  CHECK_FALSE(two.edge.open());
  CHECK(eventually([&] { return two.cloud.links->strangers_refused() > 0; }));
  CHECK(two.cloud.connects == 0);
}

// Talks to a port without being a node. @returns what it answered until it hung up.
std::string talk(std::uint16_t port, const std::string& bytes) {
  int number = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(number, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  static_cast<void>(::send(number, bytes.data(), bytes.size(), MSG_NOSIGNAL));
  ::shutdown(number, SHUT_WR);
  std::string answer;
  char block[4'096];
  for (auto count = ::recv(number, block, sizeof block, 0); count > 0;
       count = ::recv(number, block, sizeof block, 0))
    answer.append(block, static_cast<std::size_t>(count));
  ::close(number);
  return answer;
}

} // namespace

TEST_CASE("linked nodes exchange frames in order", "[integration][runtime]") {
  pair_of_nodes two;
  std::optional<test::temporary_folder> folder;
  std::optional<test::certificate_maker> authority;
  auto is_encrypted = GENERATE(false, true);
  if (is_encrypted) {
    folder.emplace();
    authority.emplace(folder->path());
    two.edge.wanted.tls = authority->make("edge");
    two.cloud.wanted.tls = authority->make("cloud");
  }
  two.start();
  REQUIRE(two.edge.reach());
  REQUIRE(eventually([&] { return two.cloud.open(); }));
  constexpr int count = 2'000;
  for (int i = 0; i < count; ++i) {
    two.edge.links->send(0, some_frame("twin-" + std::to_string(i)));
    two.cloud.links->send(0, some_frame("twin-" + std::to_string(i)));
  }
  for (auto* each : {&two.edge, &two.cloud}) {
    REQUIRE(eventually([&] { return each->frames == count; }));
    std::lock_guard guard{each->mutex};
    for (int i = 0; i < count; ++i) {
      // Checking a frame lays it out anew.
      auto wanted = *frame::check(some_frame("twin-" + std::to_string(i)).bytes());
      REQUIRE(
          std::ranges::equal(each->received[static_cast<std::size_t>(i)].bytes(), wanted.bytes()));
    }
  }
  auto way = two.edge.links->way(0);
  CHECK(way.encrypted == is_encrypted);
  CHECK(way.ours);
  CHECK(way.trouble.empty());
  CHECK(eventually(
      [&] { return two.edge.links->way(0).sent_bytes == two.cloud.links->way(0).received_bytes; }));
}

TEST_CASE("nodes find each other in either order, and after either starts again",
          "[integration][runtime]") {
  pair_of_nodes two;
  two.start_cloud(); // Only to have a port.
  two.cloud.links.reset();
  two.edge.start();
  two.edge.links->reach(0);
  REQUIRE(eventually([&] { return two.edge.disconnects == 1; }));
  CHECK(two.edge.last_trouble() == "Connection refused");
  two.cloud.start();
  REQUIRE(two.edge.reach());
  REQUIRE(eventually([&] { return two.cloud.open(); }));

  two.cloud.links.reset();
  REQUIRE(eventually([&] { return !two.edge.open(); }));
  two.cloud.start();
  REQUIRE(two.edge.reach());

  two.edge.links.reset();
  REQUIRE(eventually([&] { return !two.cloud.open(); }));
  two.edge.start();
  REQUIRE(two.edge.reach());
  REQUIRE(eventually([&] { return two.cloud.open(); }));
  CHECK(two.cloud.connects == 3);
}

TEST_CASE("nodes that call each other at once keep one way", "[integration][runtime]") {
  pair_of_nodes two;
  two.start();
  two.edge.links.reset();
  two.edge.wanted.listen_address = "127.0.0.1";
  two.edge.start();
  two.cloud.links.reset();
  two.cloud.wanted.peers = {{"edge", "127.0.0.1", two.edge.links->port()}};
  two.cloud.start();
  // No way counts as old enough to be given up.
  two.edge.links.reset();
  two.cloud.links.reset();
  two.edge.wanted.fresh_ns = two.cloud.wanted.fresh_ns = INT64_MAX;
  for (int i = 0; i < 20; ++i) {
    two.edge.start();
    two.cloud.start();
    two.edge.links->reach(0);
    two.cloud.links->reach(0);
    REQUIRE(eventually([&] { return two.edge.open() && two.cloud.open(); }));
    // Both mean the same way in the end: what one says the other hears.
    auto is_joined = [](side& from, side& to) {
      return eventually([&] {
        auto before = to.frames.load();
        from.links->send(0, some_frame("hello"));
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
        return to.frames > before;
      });
    };
    CHECK(is_joined(two.edge, two.cloud));
    CHECK(is_joined(two.cloud, two.edge));
    CHECK(eventually([&] { return two.edge.links->way(0).ours != two.cloud.links->way(0).ours; }));
    two.edge.links.reset();
    two.cloud.links.reset();
  }
}

TEST_CASE("a peer that is not the one is refused with a reason", "[integration][runtime]") {
  pair_of_nodes two;
  SECTION("another key") {
    two.edge.wanted.key = "some other key of some length";
    two.start();
    check_refused(two, "key: the two nodes do not have the same key");
  }
  SECTION("another cluster") {
    two.edge.wanted.cluster = "office";
    two.start();
    check_refused(two, "cluster");
  }
  SECTION("a node that is not among the peers") {
    two.edge.wanted.node = "stranger";
    two.start();
    check_refused(two, "unknown_node");
  }
  SECTION("certificates on one side alone") {
    test::temporary_folder folder;
    test::certificate_maker authority{folder.path()};
    two.cloud.wanted.tls = authority.make("cloud");
    two.start();
    check_refused(two, "certificates");
  }
  SECTION("a certificate of another authority") {
    test::temporary_folder folder;
    test::temporary_folder other_folder;
    test::certificate_maker authority{folder.path()};
    test::certificate_maker other{other_folder.path()};
    two.cloud.wanted.tls = authority.make("cloud");
    two.edge.wanted.tls = other.make("edge");
    two.edge.wanted.tls.authority = two.cloud.wanted.tls.authority;
    two.start();
    check_refused(two, "TLS");
  }
  SECTION("the certificate of another node") {
    test::temporary_folder folder;
    test::certificate_maker authority{folder.path()};
    two.cloud.wanted.tls = authority.make("cloud");
    two.edge.wanted.tls = authority.make("pump");
    two.start();
    check_refused(two, "certificate");
  }
}

TEST_CASE("garbage at the peers' port is refused and disturbs nobody", "[integration][runtime]") {
  pair_of_nodes two;
  two.start();
  REQUIRE(two.edge.reach());
  auto port = two.cloud.links->port();
  talk(port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  talk(port, std::string(100'000, '\xff'));
  talk(port, std::string("\x05\0\0\0\1gem", 8));
  talk(port, "");
  CHECK(eventually([&] { return two.cloud.links->strangers_refused() >= 4; }));
  two.edge.links->send(0, some_frame("one"));
  CHECK(eventually([&] { return two.cloud.frames == 1; }));
  CHECK(two.cloud.connects == 1);
  CHECK(two.cloud.disconnects == 0);
}

TEST_CASE("a way that breaks is told to both and opened again", "[integration][runtime]") {
  pair_of_nodes two;
  two.start_cloud();
  test::relay between{two.cloud.links->port()};
  auto at = between.endpoint();
  two.edge.wanted.peers = {
      {"cloud", "127.0.0.1", static_cast<std::uint16_t>(std::stoi(at.substr(at.find(':') + 1)))}};
  two.edge.start();
  REQUIRE(two.edge.reach());
  REQUIRE(eventually([&] { return two.cloud.open(); }));
  between.cut();
  CHECK(eventually([&] { return !two.edge.open() && !two.cloud.open(); }));
  auto before = two.edge.links->way(0).dropped;
  two.edge.links->send(0, some_frame("lost"));
  CHECK(two.edge.links->way(0).dropped == before + 1);
  between.open();
  CHECK(two.edge.reach());
  CHECK(eventually([&] { return two.cloud.open(); }));
}

TEST_CASE("what a peer does not read is bounded", "[integration][runtime]") {
  // A peer that stands still: its way takes no more than the bound and the system's buffers.
  pair_of_nodes two;
  two.edge.wanted.waiting_bytes_max = 100'000;
  two.start();
  REQUIRE(two.edge.reach());
  REQUIRE(eventually([&] { return two.cloud.open(); }));
  std::unique_lock stand_still{two.cloud.mutex};
  auto what = some_frame(std::string(200, 'x'));
  auto refused = eventually([&] {
    for (int i = 0; i < 1'000; ++i)
      two.edge.links->send(0, what);
    return two.edge.links->way(0).dropped > 0;
  });
  stand_still.unlock();
  CHECK(refused);
}

TEST_CASE("a certificate that cannot be used is named with the reason", "[integration][runtime]") {
  test::temporary_folder folder;
  test::certificate_maker authority{folder.path()};
  auto files = authority.make("edge");
  auto why = [](const tls_files& wanted) { return tls_identity::load(wanted).error().context; };
  REQUIRE(tls_identity::load(files));
  auto other = authority.make("cloud");
  CHECK(why({files.certificate, other.private_key, files.authority})
        == other.private_key + ": key values mismatch");
  CHECK(why({folder.file("none.pem"), files.private_key, files.authority})
        == folder.file("none.pem") + ": No such file or directory");
  CHECK(why({files.private_key, files.private_key, files.authority})
        == files.private_key + ": no start line");
}
