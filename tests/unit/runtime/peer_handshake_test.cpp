#include "runtime/peer_handshake.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <cstring>
#include <random>
#include <vector>

namespace {

using namespace gemel;

const std::string key = "a key that both nodes have";

peer_greeting caller() {
  peer_greeting made;
  made.cluster = "plant";
  made.node = "edge";
  made.key = key;
  made.life = 11;
  made.nonce = std::string(32, 'e');
  made.calls = true;
  made.wanted = "cloud";
  return made;
}

peer_greeting called() {
  peer_greeting made;
  made.cluster = "plant";
  made.node = "cloud";
  made.key = key;
  made.life = 22;
  made.nonce = std::string(32, 'c');
  return made;
}

std::vector<std::string> messages_of(std::string bytes) {
  std::vector<std::string> made;
  while (!bytes.empty()) {
    std::uint32_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    made.push_back(bytes.substr(sizeof size, size));
    bytes.erase(0, sizeof size + size);
  }
  return made;
}

struct meeting {
  peer_handshake a;
  peer_handshake b;
  result<void> a_said{};
  result<void> b_said{};

  meeting(peer_greeting first, peer_greeting second) : a{std::move(first)}, b{std::move(second)} {}

  // Carries messages until nobody says anything; `change` may damage what the caller says.
  template <class F>
  void run(F change) {
    for (int turns = 0; turns < 10; ++turns) {
      auto from_a = messages_of(a.take_output());
      for (auto& each : from_a) {
        change(each);
        if (b_said)
          b_said = b.take(each);
      }
      auto from_b = messages_of(b.take_output());
      for (const auto& each : from_b)
        if (a_said)
          a_said = a.take(each);
      if (from_a.empty() && from_b.empty())
        return;
    }
  }
  void run() {
    run([](std::string&) {});
  }
};

void check_refused(const result<void>& said, const std::string& reason) {
  REQUIRE_FALSE(said);
  CHECK(said.error().code == errc::incompatible);
  INFO(said.error().context);
  CHECK(said.error().context.find(reason) != std::string::npos);
}

} // namespace

TEST_CASE("two nodes with one key learn who the other one is", "[unit][runtime]") {
  meeting two{caller(), called()};
  two.run();
  REQUIRE(two.a.done());
  REQUIRE(two.b.done());
  CHECK(two.a.peer() == "cloud");
  CHECK(two.a.peer_life() == 22);
  CHECK(two.b.peer() == "edge");
  CHECK(two.b.peer_life() == 11);
}

TEST_CASE("a handshake never holds the key", "[unit][runtime]") {
  meeting two{caller(), called()};
  std::string all;
  two.run([&](const std::string& message) { all += message; });
  REQUIRE(two.b.done());
  CHECK(all.find(key) == std::string::npos);
  CHECK(all.find(key.substr(0, 8)) == std::string::npos);
}

TEST_CASE("a handshake names why it refuses, on both sides", "[unit][runtime]") {
  auto first = caller();
  auto second = called();
  std::string reason;
  SECTION("another cluster") {
    second.cluster = "office";
    reason = "cluster: \"cloud\" belongs to cluster \"office\", \"edge\" to \"plant\"";
  }
  SECTION("another key") {
    second.key = "some other key of some length";
    reason = "key: the two nodes do not have the same key";
  }
  SECTION("another node at the address") {
    first.wanted = "archive";
    reason = "other_node: the node at the address of \"archive\" is \"cloud\"";
  }
  SECTION("the same name") {
    first.node = "cloud";
    reason = "same_name";
  }
  SECTION("a node that is not configured") {
    second.admit = [](std::string_view, std::uint64_t) {
      return tl::expected<void, peer_refusal>{tl::unexpected{peer_refusal::unknown_node}};
    };
    reason = "unknown_node: \"edge\" is not among the peers of \"cloud\"";
  }
  SECTION("another channel: somebody stands between the two") {
    first.channel = "one";
    second.channel = "two";
    reason = "key";
  }
  meeting two{first, second};
  two.run();
  CHECK_FALSE(two.a.done());
  CHECK_FALSE(two.b.done());
  // Whoever refuses says so; the other side hears it.
  if (!two.b_said)
    check_refused(two.b_said, reason);
  if (!two.a_said)
    check_refused(two.a_said, reason);
  CHECK((!two.a_said || !two.b_said));
}

TEST_CASE("a handshake refuses another protocol version by its name", "[unit][runtime]") {
  meeting two{caller(), called()};
  two.run([](std::string& message) {
    if (message[0] == 1)
      message[11] = message[12] = 9; // behind the kind and "gemel-link"
  });
  check_refused(two.b_said, "protocol: one side speaks version 1, the other 9");
  check_refused(two.a_said, "protocol");
}

TEST_CASE("a second way is refused without being a fault", "[unit][runtime]") {
  auto second = called();
  second.admit = [](std::string_view, std::uint64_t) {
    return tl::expected<void, peer_refusal>{tl::unexpected{peer_refusal::duplicate}};
  };
  meeting two{caller(), second};
  two.run();
  CHECK(two.a.duplicate());
  CHECK(two.b.duplicate());
}

TEST_CASE("a proof cannot be used again, nor be sent back", "[unit][runtime]") {
  std::vector<std::string> heard;
  meeting first{caller(), called()};
  first.run([&](const std::string& message) { heard.push_back(message); });
  REQUIRE(first.b.done());
  auto later = called();
  later.nonce = std::string(32, 'x');
  peer_handshake again{later};
  REQUIRE(again.take(heard[0]));
  check_refused(again.take(heard[1]), "key");
  // The node's own hello comes back as somebody else's.
  peer_handshake calling{caller()};
  auto own = messages_of(calling.take_output())[0];
  check_refused(calling.take(own), "malformed");
}

TEST_CASE("the side that was called proves nothing to a stranger", "[unit][runtime]") {
  auto stranger = caller();
  stranger.key = "a guess of some twenty bytes";
  meeting two{stranger, called()};
  two.run();
  check_refused(two.b_said, "key");
  check_refused(two.a_said, "refused by the peer, key");
}

TEST_CASE("every damaged byte of a caller's words ends the handshake", "[unit][runtime]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int i = 0; i < 2'000; ++i) {
    meeting two{caller(), called()};
    auto which = random() % 2;
    two.run([&, count = std::uint64_t{0}](std::string& message) mutable {
      if (count++ != which)
        return;
      if (random() % 4 == 0)
        message.resize(random() % message.size());
      else
        message[random() % message.size()] ^= static_cast<char>(1 + random() % 255);
    });
    CHECK_FALSE(two.b.done());
    CHECK_FALSE(two.a.done());
  }
}

TEST_CASE("a handshake that takes too long is over", "[unit][runtime]") {
  auto first = caller();
  first.began.steady_ns = 1'000;
  peer_handshake calling{first};
  CHECK_FALSE(calling.expired({0, 5'000'000'000}));
  CHECK(calling.expired({0, 5'000'002'000}));
}

TEST_CASE("of two ways both nodes keep the same one", "[unit][runtime]") {
  for (auto edge_calls : {true, false}) {
    auto at_edge = new_way_stays(edge_calls, !edge_calls, true, "edge", "cloud");
    auto at_cloud = new_way_stays(!edge_calls, edge_calls, true, "cloud", "edge");
    CHECK(at_edge == at_cloud);
    CHECK(at_edge == !edge_calls); // "cloud" is the lower name
  }
  CHECK(new_way_stays(true, true, true, "edge", "cloud"));
  CHECK(new_way_stays(false, true, false, "cloud", "edge")); // the peer started again
}
