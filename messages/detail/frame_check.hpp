#pragma once

#include "messages/error.hpp"
#include "messages/message.capnp.h"

namespace gemel::detail {

/// The meaning of a message whose pointers are sound already: kinds, UTF-8, names, indexes, depth
/// and counts. The first fault is returned with its place.
result<void> check_message(wire::Message::Reader message);

} // namespace gemel::detail
