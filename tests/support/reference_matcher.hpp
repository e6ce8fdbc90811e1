#pragma once

#include "workflows/pattern.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace gemel::test {

/// Which event each stage took, in order: pairs of stage and index of the event.
using assignment = std::vector<std::pair<std::uint32_t, std::size_t>>;

/// Finds all matches of a pattern in the events of one key by its definition: tries every way to
/// give events to stages and asks of each event passed over whether it may lie there. Knows no
/// states and no runs; exponential. Without skip strategies and without time limits of steps.
class reference_matcher {
public:
  reference_matcher(const pattern& of, const std::vector<rule_event_ptr>& events)
      : of_{of}, events_{events} {}

  /// Sorted; an assignment stands as often as it is matched.
  std::vector<assignment> matches();

private:
  void extend(std::uint32_t stage, std::uint32_t count, bool is_last);
  bool is_spoilt(std::uint32_t from, std::uint32_t to, std::uint32_t count, std::size_t at) const;
  void try_stage(std::uint32_t from, std::uint32_t to, std::uint32_t count);
  bool may_pass(std::uint32_t from, std::uint32_t to, std::uint32_t count, std::size_t at) const;
  bool is_wanted(std::uint32_t stage, std::size_t at) const;
  bool is_end(std::uint32_t stage, std::size_t at) const;
  bool is_complete(std::uint32_t stage, std::uint32_t count) const;

  const pattern& of_;
  const std::vector<rule_event_ptr>& events_;
  assignment taken_;
  event_chain bound_;
  std::vector<assignment> found_;
};

} // namespace gemel::test
