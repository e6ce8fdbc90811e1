#pragma once

#include "messages/packed.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace gemel::detail {

/// Appends a sequence of integers, at least one, in the smallest of several forms; see
/// actors/series_block.hpp. Steps are taken modulo 2^64, so that every sequence comes back.
void pack_integers(byte_writer& out, std::span<const std::int64_t> numbers);

/// Bytes that `pack_integers` would write.
std::size_t packed_integers_size(std::span<const std::int64_t> numbers);

/// Reads `count` integers; what is wrong stays in `in`.
void unpack_integers(byte_reader& in, std::size_t count, std::vector<std::int64_t>& out);

} // namespace gemel::detail
