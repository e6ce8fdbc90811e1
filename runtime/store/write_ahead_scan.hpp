#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gemel::store {

/// What the bytes of one of RocksDB's log files say about themselves.
struct write_ahead_state {
  /// Records whose checksum is right.
  std::size_t records = 0;
  /// Whether something that is no record stands before the end, and where the first of it begins.
  bool is_cut = false;
  std::size_t cut_at = 0;
  /// Records whose checksum is right behind that place. After a torn write there are none; where
  /// there are, the file was damaged, and RocksDB would leave them out without a word.
  std::size_t records_after = 0;

  bool is_damaged() const noexcept { return is_cut && records_after > 0; }
};

/// Goes through a log file: blocks of 32 KiB of records, each with a masked CRC-32C, a length and a
/// kind. Source: RocksDB wiki, "Write Ahead Log File Format".
write_ahead_state scan_write_ahead(std::string_view bytes) noexcept;

/// CRC-32C (Castagnoli), as iSCSI has it (RFC 3720, B.4).
std::uint32_t crc32c(std::string_view bytes) noexcept;

} // namespace gemel::store
