#include "runtime/detail/cluster_check.hpp"

#include "messages/names.hpp"
#include "runtime/detail/config_table.hpp"

#include <charconv>
#include <set>

namespace gemel::detail {

namespace {

std::string in_quotes(std::string_view text) {
  return '"' + std::string{text} + '"';
}

result<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t made = 0;
  auto end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, made);
  if (read.ec != std::errc{} || read.ptr != end || made == 0)
    return fail(errc::bad_value, "its port is no number from 1 to 65535");
  return made;
}

void check_peers(const node_config& config, std::vector<cluster_fault>& found) {
  std::set<std::string> seen;
  for (const auto& text : config.cluster.peers) {
    auto peer = read_peer(text);
    if (!peer)
      continue; // told already
    if (peer->node == config.node.id)
      found.push_back({"cluster.peers",
                       "'cluster.peers' has " + in_quotes(text) + ", which is this node itself",
                       "give each node a node.id of its own"});
    if (!seen.insert(peer->node).second)
      found.push_back({"cluster.peers",
                       "'cluster.peers' has the node " + in_quotes(peer->node) + " twice",
                       "keep one of them"});
  }
  for (const auto& node : config.sync.receive_only)
    if (!seen.contains(node))
      found.push_back(
          {"sync.receive_only",
           "'sync.receive_only' has " + in_quotes(node) + ", which is not among 'cluster.peers'",
           "give the name of a peer, without its address"});
  if (!config.cluster.peers.empty() && config.cluster.key_file.empty())
    found.push_back({"cluster.peers", "there are peers, but no 'cluster.key_file'",
                     "make a key with `openssl rand -hex 32 >cluster.key` and give it to all nodes "
                     "of the cluster"});
}

void check_files(const cluster_section& cluster, std::vector<cluster_fault>& found) {
  auto given =
      !cluster.certificate.empty() + !cluster.private_key.empty() + !cluster.authority.empty();
  if (given == 1 || given == 2)
    found.push_back({"cluster.certificate",
                     "of 'cluster.certificate', 'cluster.private_key' and 'cluster.authority' some "
                     "are missing",
                     "give all three, or none"});
}

// Where links of this node would leave the machine: its own address and those of its peers.
void check_reach(const cluster_section& cluster, std::vector<cluster_fault>& found) {
  auto is_linked = !cluster.peers.empty() || !cluster.key_file.empty();
  if (cluster.insecure || !cluster.certificate.empty() || !is_linked)
    return;
  constexpr std::string_view hint =
      "set certificate, private_key and authority, or cluster.insecure = true where everyone on "
      "the network is trusted";
  if (!cluster.listen_address.empty() && !is_loopback(cluster.listen_address))
    found.push_back({"cluster.listen_address",
                     "'cluster.listen_address' is " + in_quotes(cluster.listen_address)
                         + ", which other machines can reach, and there are no certificates",
                     std::string{hint}});
  for (const auto& text : cluster.peers)
    if (auto peer = read_peer(text); peer && !peer->host.empty() && !is_loopback(peer->host))
      found.push_back({"cluster.peers",
                       "'cluster.peers' has " + in_quotes(text)
                           + ", on another machine, and there are no certificates",
                       std::string{hint}});
}

} // namespace

result<peer_address> read_peer(std::string_view text) {
  peer_address made;
  auto equals = text.find('=');
  made.node = text.substr(0, equals);
  if (auto valid = check_id(made.node); !valid)
    return tl::unexpected{valid.error()};
  if (equals == std::string_view::npos)
    return made;
  auto where = text.substr(equals + 1);
  auto colon = where.rfind(':');
  if (colon == std::string_view::npos)
    return fail(errc::bad_value, "it has no port");
  auto host = where.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return fail(errc::bad_value, "an IPv6 address stands in brackets");
  if (host.empty())
    return fail(errc::bad_value, "it has no host");
  auto port = read_port(where.substr(colon + 1));
  if (!port)
    return tl::unexpected{port.error()};
  made.host = host;
  made.port = *port;
  return made;
}

std::vector<cluster_fault> check_cluster(const node_config& config) {
  std::vector<cluster_fault> found;
  check_peers(config, found);
  check_files(config.cluster, found);
  check_reach(config.cluster, found);
  return found;
}

} // namespace gemel::detail
