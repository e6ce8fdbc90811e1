#include "runtime/store/write_ahead_scan.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace gemel::store {

namespace {

constexpr std::size_t block_size = 32'768;
constexpr std::size_t head_size = 7;
// Whole, first, middle and last parts; the same with the log's number; settings.
constexpr std::uint8_t kind_max = 11;

using table_type = std::array<std::array<std::uint32_t, 256>, 8>;

// Slicing by 8: Kounavis and Berry 2005.
constexpr table_type make_tables() {
  table_type made{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    auto rest = i;
    for (int bit = 0; bit < 8; ++bit)
      rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0x82f6'3b78U : 0);
    made[0][i] = rest;
  }
  for (std::size_t t = 1; t < made.size(); ++t)
    for (std::size_t i = 0; i < 256; ++i)
      made[t][i] = (made[t - 1][i] >> 8) ^ made[0][made[t - 1][i] & 0xff];
  return made;
}

constexpr table_type tables = make_tables();

std::uint32_t masked(std::uint32_t crc) noexcept {
  return ((crc >> 15) | (crc << 17)) + 0xa282'ead8U;
}

enum class found : std::uint8_t { record, nothing, end };

// What stands at `at`; a record's size with its head is put into `size`.
found look(std::string_view bytes, std::size_t at, std::size_t& size) noexcept {
  auto left = std::min(block_size - at % block_size, bytes.size() - at);
  if (left < head_size)
    return found::end;
  std::uint32_t crc = 0;
  std::uint16_t length = 0;
  std::memcpy(&crc, bytes.data() + at, sizeof crc);
  std::memcpy(&length, bytes.data() + at + 4, sizeof length);
  auto kind = static_cast<std::uint8_t>(bytes[at + 6]);
  size = head_size + length;
  if (kind == 0 || kind > kind_max || size > left
      || masked(crc32c(bytes.substr(at + 6, std::size_t{length} + 1))) != crc)
    return found::nothing;
  return found::record;
}

} // namespace

std::uint32_t crc32c(std::string_view bytes) noexcept {
  std::uint32_t crc = 0xffff'ffffU;
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  auto left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, at, 8);
    eight ^= crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i)
      crc ^= tables[7 - i][(eight >> (8 * i)) & 0xff];
  }
  for (; left > 0; --left, ++at)
    crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xff];
  return ~crc;
}

write_ahead_state scan_write_ahead(std::string_view bytes) noexcept {
  write_ahead_state made;
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t size = 0;
    auto next_block = (at / block_size + 1) * block_size;
    switch (look(bytes, at, size)) {
    case found::record:
      ++made.records;
      made.records_after += made.is_cut ? 1 : 0;
      at += size;
      continue;
    case found::nothing:
      if (!made.is_cut)
        made.cut_at = at;
      made.is_cut = true;
      break;
    case found::end:
      break;
    }
    at = next_block;
  }
  return made;
}

} // namespace gemel::store
