#pragma once

#include "messages/error.hpp"
#include "messages/fault.hpp"
#include "messages/packed.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

/// What fuzz targets share. A target is one function that takes any bytes and ends the process when
/// something is not as it must be; libFuzzer and the sanitizers look for the rest.
namespace gemel::fuzz {

/// Ends the process with `words` unless it holds.
inline void expect(bool holds, const char* words) {
  if (holds)
    return;
  std::fprintf(stderr, "fuzz: %s\n", words);
  std::abort();
}

/// An error must have a code and say where or what.
inline void expect_named(const error& why) {
  expect(why.code != errc::none && !why.context.empty(), "an error without a name or words");
}

/// So must every fault of a document, and there are never too many.
inline void expect_named(const fault_list& faults) {
  expect(!faults.empty() && faults.size() <= faults_max, "no fault, or too many");
  for (const auto& one : faults)
    expect(one.code != errc::none && !one.message.empty() && !to_string(one).empty(),
           "a fault without a name or words");
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// The bytes, their last four replaced by the checksum of those before, so that the fuzzer gets
/// behind it. `size` is at least 4.
inline std::string with_checksum(const std::uint8_t* data, std::size_t size) {
  std::string bytes{text_of(data, size)};
  auto checksum = checksum_of(std::string_view{bytes}.substr(0, size - 4));
  std::memcpy(bytes.data() + size - 4, &checksum, 4);
  return bytes;
}

} // namespace gemel::fuzz
