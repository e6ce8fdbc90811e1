#pragma once

#include "workflows/rule_event.hpp"
#include "workflows/state_archive.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace gemel {

/// Gives the events of a node their place in causality. What a shard wrote is in one order; of
/// events of different shards one happened before the other if a chain of causes leads from it to
/// the other, and what their shards wrote before lies before it, too. Pure; for one thread.
class causal_tracker {
public:
  /// Events that are remembered as causes of later ones; with more, the oldest are forgotten.
  static constexpr std::size_t events_max = 100'000;

  /// @param id of the event. @param cause id of another one; empty: none is known.
  std::shared_ptr<const causal_stamp> stamp_of(std::uint16_t shard, std::uint64_t dot,
                                               const std::string& id, std::string_view cause);

  /// What is remembered, oldest first.
  void save(state_writer& into) const;
  /// In the place of all that is here.
  void restore(state_reader& from);
  /// An event that was given its stamp before the process ended.
  void learn(const std::string& id, std::shared_ptr<const causal_stamp> stamp);

private:
  using stamp_ptr = std::shared_ptr<const causal_stamp>;

  std::unordered_map<std::string, stamp_ptr> known_;
  std::deque<std::string> order_; // oldest first
};

} // namespace gemel
