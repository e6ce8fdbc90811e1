#pragma once

#include "workflows/rule.hpp"
#include "workflows/window_engine.hpp"

#include <memory>
#include <optional>

namespace gemel {

/// What one rule has in memory: the open runs, or windows, of its keys. Pure; for one thread.
class rule_state {
public:
  explicit rule_state(std::shared_ptr<const rule> of);

  /// The version at work.
  const rule& of() const noexcept { return *acting_; }
  const std::shared_ptr<const rule>& shared() const noexcept { return acting_; }

  /// Puts `next` in its place. State is kept if both mean the same, see `rule::meaning`.
  /// @returns whether it was kept.
  bool replace(std::shared_ptr<const rule> next);

  /// As of `pattern_matcher`; events come in the order of their time.
  void take(const value& key, const rule_event_ptr& event, match_output& into);
  void advance(std::int64_t now, match_output& into);
  void finish(match_output& into);

  /// All of it as bytes, for a rule of the same meaning.
  void save(state_writer& into) const;
  /// Adds the share of a partition; before the first event.
  void restore(state_reader& from, const restored_share& share);

  match_counters counters() const noexcept;
  std::size_t keys() const noexcept;
  /// Matches that `output` left out.
  std::uint64_t left_out() const noexcept { return gate_->left_out(); }
  /// Of memory, about.
  std::size_t bytes() const noexcept;
  /// Open runs or windows.
  std::size_t open() const noexcept;

private:
  void make_engine();

  std::shared_ptr<const rule> meant_; // What the engine was made of, and refers to.
  std::shared_ptr<const rule> acting_;
  // One of them.
  std::optional<pattern_matcher> matcher_;
  std::optional<window_engine> windows_;
  std::optional<output_gate> gate_;
};

} // namespace gemel
