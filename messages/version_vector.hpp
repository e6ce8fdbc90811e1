#pragma once

#include "messages/error.hpp"

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace gemel {

/// Whose writes: one life of one node's data. The upper half names the site (`site_of`), the lower
/// half is drawn when the data is made anew: after the loss of a disk or a restored backup the site
/// writes under another id, so that no write is ever given twice. 0: nobody.
enum class writer_id : std::uint64_t {};

/// A place that may write while it is cut off from the others: a node, named by its configuration.
enum class site_id : std::uint32_t {};

constexpr writer_id make_writer(site_id site, std::uint32_t drawn) noexcept {
  return writer_id{(static_cast<std::uint64_t>(site) << 32) | drawn};
}
constexpr site_id site_of(writer_id writer) noexcept {
  return site_id{static_cast<std::uint32_t>(static_cast<std::uint64_t>(writer) >> 32)};
}

/// One write of one shard, named for all nodes: its writer and the how manieth of it, from 1. Given
/// once, ever. Source: "dot", Preguiça et al., "Dotted Version Vectors", 2010.
struct write_id {
  writer_id writer{};
  std::uint64_t number = 0;

  friend auto operator<=>(const write_id&, const write_id&) = default;
};

/// Which writes are known: of each writer all up to a number. Source: Parker et al., "Detection of
/// Mutual Inconsistency in Distributed Systems", 1983.
class version_vector {
public:
  struct entry {
    writer_id writer{};
    std::uint64_t number = 0;

    friend bool operator==(const entry&, const entry&) = default;
  };

  /// The highest number known of `writer`; 0: none.
  std::uint64_t of(writer_id writer) const noexcept;
  bool covers(write_id write) const noexcept { return write.number <= of(write.writer); }
  /// Whether everything that `other` knows is known here.
  bool covers(const version_vector& other) const noexcept;

  /// Knows `write` and all of its writer's before. Never goes back.
  void advance(write_id write);
  /// Knows what either knows. @returns whether that was news.
  bool join(const version_vector& other);

  /// Sorted by writer; no number is 0.
  std::span<const entry> entries() const noexcept { return entries_; }
  std::size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }

  /// Equal for equal vectors, the same on every node.
  std::uint64_t hash() const noexcept;

  friend bool operator==(const version_vector&, const version_vector&) = default;

private:
  std::vector<entry> entries_; // sorted by writer
};

} // namespace gemel
