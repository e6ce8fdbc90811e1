#include "runtime/adapters/files.hpp"
#include "runtime/adapters/peer_links.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "runtime/detail/cluster_check.hpp"
#include "runtime/peer_handshake.hpp"
#include "runtime/peers.hpp"

namespace gemel {

namespace {

// Without the line feed that editors and tools put behind it.
result<std::string> read_key(const std::string& path) {
  auto text = read_file(path, peer_key_bytes_max + 2);
  if (!text)
    return text;
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r'))
    text->pop_back();
  if (text->size() < peer_key_bytes_min || text->size() > peer_key_bytes_max)
    return fail(errc::bad_value, path + ": the key has " + std::to_string(text->size()) + " bytes; "
                                     + std::to_string(peer_key_bytes_min) + " to "
                                     + std::to_string(peer_key_bytes_max) + " are needed");
  return text;
}

std::vector<peer_address> peers_of(const node_config& config) {
  std::vector<peer_address> made;
  for (const auto& text : config.cluster.peers)
    if (auto peer = detail::read_peer(text)) // A config that was parsed has no other.
      made.push_back(std::move(*peer));
  return made;
}

} // namespace

result<std::shared_ptr<peer_transport>> make_peer_links(const node_config& config) {
  const auto& cluster = config.cluster;
  if (cluster.key_file.empty())
    return std::shared_ptr<peer_transport>{};
  auto key = read_key(cluster.key_file);
  if (!key)
    return tl::unexpected{key.error()};
  peer_links::options wanted;
  wanted.cluster = cluster.name;
  wanted.node = config.node.id;
  wanted.key = std::move(*key);
  wanted.listen_address = cluster.listen_address;
  wanted.listen_port = cluster.listen_port;
  wanted.tls = {cluster.certificate, cluster.private_key, cluster.authority};
  wanted.peers = peers_of(config);
  struct links_with_clock {
    explicit links_with_clock(peer_links::options of) : links{std::move(of), clock} {}
    system_clock_port clock;
    peer_links links;
  };
  auto made = std::make_shared<links_with_clock>(std::move(wanted));
  return std::shared_ptr<peer_transport>{made, &made->links};
}

std::vector<std::string> peer_names(const node_config& config) {
  std::vector<std::string> made;
  for (auto& peer : peers_of(config))
    made.push_back(std::move(peer.node));
  return made;
}

} // namespace gemel
