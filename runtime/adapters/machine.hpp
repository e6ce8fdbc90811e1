#pragma once

#include "messages/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>

/// What only the machine can tell.
namespace gemel {

/// 64 bits from the system's entropy source.
std::uint64_t system_entropy();

/// Cores this process may use; at least 1.
unsigned core_count() noexcept;

/// Resident memory of this process in bytes; 0 if the system does not say.
std::uint64_t resident_bytes();

/// Whether something accepts TCP connections at `host:port` within `timeout`. CAF's own connect has
/// no time limit and holds up every other connection meanwhile, so this goes first.
/// @returns errc::unreachable with the system's words, errc::timed_out.
result<void> probe_tcp(const std::string& host, std::uint16_t port,
                       std::chrono::milliseconds timeout);

/// Has the calling thread wait.
/// Tells the boots of this machine apart; empty: not known.
std::string boot_id();

void pause(std::chrono::milliseconds time);

} // namespace gemel
