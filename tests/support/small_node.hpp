#pragma once

#include "runtime/node.hpp"
#include "tests/support/catch.hpp"

namespace gemel {

/// A real node with two workers that does not listen.
inline std::unique_ptr<node> start_small_node() {
  node_options wanted;
  wanted.config.node.workers = 2;
  auto started = node::start(std::move(wanted));
  REQUIRE(started);
  return std::move(*started);
}

} // namespace gemel
