#pragma once

#include "messages/packed.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gemel::detail {

/// Doubles as digits of one scale: `10^-places` times an integer, with those beside that do not
/// fit.
/// @returns false if XOR is likely the better form; then nothing was written.
bool pack_decimals(byte_writer& out, std::span<const double> numbers, std::size_t bytes_max);
void unpack_decimals(byte_reader& in, std::size_t count, std::vector<double>& out);

/// The XOR with the number before, without its zeros at both ends. Source: Pelkonen et al.,
/// "Gorilla", VLDB 2015, section 4.1.2.
std::string pack_xor(std::span<const double> numbers);
void unpack_xor(byte_reader& in, std::size_t count, std::vector<double>& out);

} // namespace gemel::detail
