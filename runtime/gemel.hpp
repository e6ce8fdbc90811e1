#pragma once

/// The main header for programs that embed gemel or talk to a running node:
///
///     #include <runtime/gemel.hpp>
///
///     auto node = gemel::node::start().value();
///     auto id = node->create({.type = "machine", .properties = {{"temperature", 68.5}}}).value();
///     node->update(id, {{"temperature", 71.0}});
///
/// No type of CAF stands in it.

#include "runtime/client.hpp"
#include "runtime/node.hpp"
#include "runtime/twin_api.hpp"
