#pragma once

#include "runtime/config.hpp"
#include "runtime/peer_transport.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gemel::detail {

/// Reads `NODE` or `NODE=HOST:PORT`; an IPv6 address stands in brackets.
/// @returns errc::bad_value or bad_name with what is wrong.
result<peer_address> read_peer(std::string_view text);

/// What of a config's cluster does not fit together.
struct cluster_fault {
  std::string_view key{};
  std::string message{};
  std::string hint{};
};

/// Every fault: peers without a key, the same peer twice, this node as its own peer, some of the
/// three files of a certificate, links that leave the machine without certificates.
std::vector<cluster_fault> check_cluster(const node_config& config);

} // namespace gemel::detail
