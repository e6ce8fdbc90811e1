#pragma once

#include "runtime/config.hpp"
#include "runtime/peer_transport.hpp"

#include <memory>
#include <string>
#include <vector>

namespace gemel {

/// The ways to the peers of a config, not started yet, for `node_options::peers`; null: it has no
/// key, so it has no peers and can get none. TCP, with TLS 1.3 if the config names certificates.
/// @returns errc::io_failed if the key file cannot be read; bad_value for a key that is too short
///          or too long.
result<std::shared_ptr<peer_transport>> make_peer_links(const node_config& config);

/// `node.id` of each peer, in the order of their numbers.
std::vector<std::string> peer_names(const node_config& config);

} // namespace gemel
