#pragma once

#include "messages/error.hpp"
#include "messages/message.capnp.h"

#include <kj/exception.h>

#include <string>

namespace gemel::detail {

/// The meaning of a message whose pointers are sound already: kinds, UTF-8, names, indexes, depth
/// and counts. The first fault is returned with its place.
result<void> check_message(wire::Message::Reader message);

/// What Cap'n Proto found, in its words and without the bytes it found: those may be anything. At
/// most 200 characters of printable ASCII.
std::string reason_of(const kj::Exception& broken);

} // namespace gemel::detail
