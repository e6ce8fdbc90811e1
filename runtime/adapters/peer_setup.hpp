#pragma once

#include "runtime/adapters/peer_links.hpp"
#include "runtime/config.hpp"

namespace gemel {

/// The ways to the peers of a config, not started yet; null: it has no peers.
/// @param clock must outlive them.
/// @returns errc::io_failed if the key file cannot be read; bad_value for a key that is too short
///          or too long.
result<std::shared_ptr<peer_links>> make_peer_links(const node_config& config,
                                                    const clock_port& clock);

/// `node.id` of each peer, in the order of their numbers.
std::vector<std::string> peer_names(const node_config& config);

} // namespace gemel
