#pragma once

#include "messages/limits.hpp"

#include <cstdint>
#include <string_view>

namespace gemel {

/// One of the `limits::shards` fixed parts of all twins.
enum class shard_id : std::uint16_t {};
/// Which cell of a node.
enum class cell_id : std::uint16_t {};

/// The shard of a placement text: xxh3 of it, the same on every node and in every version.
///
/// A twin's placement text is its root's explicit placement key if it has one, else the id of its
/// parent, else its own id. So siblings always share a shard, and with it the cell in which the
/// hierarchy actor of their parent lives: supervision and roll-ups of one parent stay in one cell,
/// while a large tree spreads level by level over all cells.
shard_id shard_of(std::string_view placement) noexcept;

/// The cell of a shard in a node of `cells` cells.
constexpr cell_id cell_of(shard_id shard, std::uint32_t cells) noexcept {
  return cell_id{static_cast<std::uint16_t>(static_cast<std::uint32_t>(shard) % cells)};
}

} // namespace gemel
