#pragma once

#include "workflows/pattern.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace gemel::test {

/// Which event each stage took, in order: pairs of stage and index of the event.
using assignment = std::vector<std::pair<std::uint32_t, std::size_t>>;

/// Finds all matches of a pattern in the events of one key by its definition: writes its groups out
/// in every way, tries every way to give events to stages and asks of each event passed over
/// whether it may lie there. Knows no states and no runs; exponential. Without skip strategies.
class reference_matcher {
public:
  reference_matcher(const pattern& of, const std::vector<rule_event_ptr>& events)
      : of_{of}, events_{events} {}

  /// Sorted; an assignment stands as often as it is matched.
  std::vector<assignment> matches();

private:
  // A stage where it stands when there are no groups.
  struct place {
    std::uint32_t stage = 0;
    contiguity link = contiguity::relaxed;
    // As a loop it ends by what must be absent right behind it.
    bool is_watched = true;
  };
  using line = std::vector<place>;

  std::vector<line> lines_of(const std::vector<pattern_node>& nodes, bool is_head,
                             contiguity link) const;
  std::vector<line> rounds_of(const pattern_node& node, contiguity link) const;
  std::vector<line> lines_of(const pattern_node& node, contiguity link) const;
  void match_line();
  // A run that does not branch.
  struct lone_run {
    std::uint32_t stage = 0;
    std::uint32_t count = 0;
    assignment best{};
    std::vector<bool> waits{}; // by place: whether it may still take an event
  };
  void match_alone();
  std::vector<std::uint32_t> candidates(const lone_run& run) const;
  bool is_disturbed(const lone_run& run, std::uint32_t to, std::size_t event) const;
  bool offer(lone_run& run, std::uint32_t to, std::size_t event);
  bool look(lone_run& run, std::size_t event);
  const pattern_stage& at(std::size_t index) const { return of_.stages[line_[index].stage]; }
  void take(std::uint32_t to, std::size_t event);

  void extend(std::uint32_t stage, std::uint32_t count, bool is_last);
  bool is_spoilt(std::uint32_t from, std::uint32_t to, std::uint32_t count, std::size_t at) const;
  void try_stage(std::uint32_t from, std::uint32_t to, std::uint32_t count);
  bool may_pass(std::uint32_t from, std::uint32_t to, std::uint32_t count, std::size_t at) const;
  bool is_wanted(std::uint32_t stage, std::size_t at) const;
  bool is_end(std::uint32_t stage, std::size_t at) const;
  bool is_complete(std::uint32_t stage, std::uint32_t count) const;
  bool ends_undisturbed(std::uint32_t stage) const;
  bool may_begin(std::size_t at) const;
  bool is_disturbed(std::uint32_t from, std::uint32_t to, std::size_t at, bool is_next) const;
  std::int64_t quiet_end(std::uint32_t from, std::uint32_t to) const;
  std::int64_t time(std::size_t event) const { return events_[event]->time_ms(); }
  std::int64_t last_time() const { return time(taken_.back().second); }

  const pattern& of_;
  const std::vector<rule_event_ptr>& events_;
  line line_;
  assignment taken_; // by place in the line
  event_chain bound_;
  std::vector<assignment> found_;
};

} // namespace gemel::test
