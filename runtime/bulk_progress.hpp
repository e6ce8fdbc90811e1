#pragma once

#include "messages/error.hpp"
#include "runtime/bulk_item.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemel {

/// Bytes at the beginning of an input that tell it from others.
inline constexpr std::size_t input_head_bytes = 1u << 20;

/// FNV-1a of 64 bits (Fowler, Noll, Vo); told from what it is of, not a secret.
std::uint64_t fingerprint_of(std::string_view bytes) noexcept;

/// How far a bulk run has come with which input: what `--resume` goes on from.
struct bulk_progress {
  bulk_action action = bulk_action::create;
  /// Of the input as a whole.
  std::uint64_t size = 0;
  /// Of its first `input_head_bytes`.
  std::uint64_t fingerprint = 0;
  /// Everything that begins before this byte has its outcome.
  std::uint64_t offset = 0;
  /// Items before it.
  std::uint64_t items = 0;

  /// Whether both are of one input and do the same with it.
  bool is_same_run(const bulk_progress& other) const noexcept {
    return action == other.action && size == other.size && fingerprint == other.fingerprint;
  }

  friend bool operator==(const bulk_progress&, const bulk_progress&) = default;
};

/// As a JSON object with a line feed behind it.
std::string to_text(const bulk_progress& progress);

/// @returns errc::bad_syntax for what `to_text` does not make.
result<bulk_progress> bulk_progress_from_text(std::string_view text);

} // namespace gemel
