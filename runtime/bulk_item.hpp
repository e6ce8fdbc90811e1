#pragma once

#include "messages/records.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace gemel {

/// What is done to each twin of a bulk run.
enum class bulk_action : std::uint8_t { create, update, remove, emit };

/// `create`, `update`, `delete`, `emit`.
std::string_view to_string(bulk_action action) noexcept;

/// Where an item stands in its input.
struct bulk_place {
  /// Counted from 1; bad ones count too.
  std::uint64_t item = 0;
  /// Bytes before the item, and before what follows it.
  std::uint64_t offset = 0;
  std::uint64_t end = 0;
  /// Both counted from 1; 0: it comes from no file.
  std::uint64_t line = 0;
  std::uint64_t column = 0;
};

/// A twin to make, a change, an event, or the id of a twin to delete.
using bulk_content = std::variant<new_twin, twin_update, twin_emit, std::string>;

struct bulk_item {
  bulk_content what{};
  bulk_place where{};
  /// Sent before without an answer, or by an earlier run: it may have taken effect.
  bool maybe_applied = false;
};

/// Of the twin; empty if the node shall make one.
std::string_view id_of(const bulk_content& what) noexcept;

/// Bytes that a value, and an item, takes in a frame, at most.
std::size_t frame_bytes_of(const value& content);
std::size_t frame_bytes_of(const bulk_content& what);

} // namespace gemel
