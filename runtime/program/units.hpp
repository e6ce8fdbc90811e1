#pragma once

#include "messages/records.hpp"

#include <cstdint>
#include <string>

/// Numbers for people.
namespace gemel {

/// With a comma between thousands: `12,345`.
std::string grouped(std::uint64_t number);

/// A counter: whole numbers with their thousands apart, others with three decimals at most.
std::string counter_text(double number);

/// Bytes in the largest binary unit that leaves one digit before the point: `512 B`, `1.5 KiB`,
/// `23.4 MiB`.
std::string bytes_text(double bytes);

/// A latency in three digits and its unit: `850 ns`, `12.3 us`, `1.00 ms`, `2.50 s`.
std::string latency_text(std::uint64_t nanoseconds);

/// Microseconds since 1970 UTC as RFC 3339: `2024-05-01T12:30:00.250000Z`; between the years 0 and
/// 9999, else the number alone.
std::string time_text(std::int64_t unix_us);

/// When a property was written, in the form of `time_text`.
std::string stamp_time_text(const property_stamp& of);

/// Which write it was: `<writer>-<counter>`, counted in the twin's shard.
std::string write_text(const property_stamp& of);

} // namespace gemel
