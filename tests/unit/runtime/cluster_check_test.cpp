#include "runtime/detail/cluster_check.hpp"
#include "tests/support/catch.hpp"

namespace {

using namespace gemel;
using detail::read_peer;

std::string wrong(std::string_view text) {
  auto peer = read_peer(text);
  REQUIRE_FALSE(peer);
  return peer.error().context;
}

// What a config's faults say, one behind the other.
std::string faults_of(const std::string& text) {
  auto read = parse_config("[node]\nid = \"edge\"\n[cluster]\n" + text, "node.toml");
  std::string all;
  if (!read)
    for (const auto& each : read.error())
      all += to_string(each) + '\n';
  return all;
}

bool has(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a peer is a name with or without an address", "[unit][runtime]") {
  CHECK(*read_peer("cloud") == peer_address{"cloud", "", 0});
  CHECK(*read_peer("cloud=10.0.0.7:7434") == peer_address{"cloud", "10.0.0.7", 7434});
  CHECK(*read_peer("cloud=[::1]:1") == peer_address{"cloud", "::1", 1});
  CHECK(*read_peer("hall 2=gemel.example.org:65535")
        == peer_address{"hall 2", "gemel.example.org", 65535});
  CHECK(wrong("cloud=") == "it has no port");
  CHECK(wrong("cloud=host") == "it has no port");
  CHECK(wrong("cloud=host:0") == "its port is no number from 1 to 65535");
  CHECK(wrong("cloud=host:65536") == "its port is no number from 1 to 65535");
  CHECK(wrong("cloud=host:7434x") == "its port is no number from 1 to 65535");
  CHECK(wrong("cloud=:7434") == "it has no host");
  CHECK(wrong("cloud=::1:7434") == "an IPv6 address stands in brackets");
  CHECK_FALSE(read_peer("=host:7434"));
  CHECK_FALSE(read_peer(""));
}

TEST_CASE("a cluster's config must fit together", "[unit][runtime]") {
  CHECK(faults_of("") == "");
  CHECK(faults_of("peers = [\"cloud=127.0.0.1:7434\"]\nkey_file = \"k\"") == "");
  CHECK(has(faults_of("peers = [\"cloud=127.0.0.1:7434\"]"), "there are peers, but no"));
  CHECK(has(faults_of("peers = [\"edge\"]\nkey_file = \"k\""), "which is this node itself"));
  CHECK(has(faults_of("peers = [\"a\", \"a=127.0.0.1:1\"]\nkey_file = \"k\""), "twice"));
  CHECK(has(faults_of("certificate = \"a.pem\""), "some are missing"));
  CHECK(has(faults_of("peers = [\"a=127.0.0.1\"]"), "node.toml:4:"));
  CHECK(has(faults_of("peers = [\"a=some_host:1\"]"), "it is no address"));
}

TEST_CASE("without certificates links stay on the machine, unless told otherwise",
          "[unit][runtime]") {
  const std::string peer = "peers = [\"cloud=10.0.0.7:7434\"]\nkey_file = \"k\"\n";
  const std::string caller =
      "peers = [\"cloud\"]\nkey_file = \"k\"\nlisten_address = \"0.0.0.0\"\n";
  const std::string files =
      "certificate = \"a.pem\"\nprivate_key = \"a.key\"\nauthority = \"ca.pem\"\n";
  CHECK(has(faults_of(peer), "on another machine, and there are no certificates"));
  CHECK(has(faults_of(caller), "which other machines can reach, and there are no certificates"));
  for (const auto& each : {peer, caller}) {
    CHECK(faults_of(each + "insecure = true") == "");
    CHECK(faults_of(each + files) == "");
  }
}

TEST_CASE("only peers can be taken from without giving", "[unit][runtime]") {
  const std::string linked = "peers = [\"cloud\"]\nkey_file = \"k\"\n[sync]\nreceive_only = ";
  CHECK(faults_of(linked + "[\"cloud\"]\n").empty());
  CHECK(has(faults_of(linked + "[\"clod\"]\n"),
            "'sync.receive_only' has \"clod\", which is not among 'cluster.peers'"));
}
