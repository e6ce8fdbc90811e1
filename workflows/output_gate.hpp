#pragma once

#include "workflows/pattern_matcher.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gemel {

enum class output_kind : std::uint8_t {
  all,
  /// The first one, then none for `every`.
  first,
  /// The last one of each `events` matches, or of the time `every` behind the first one.
  last,
  /// Each `events` matches, or each `every`, the last one of every key, told before or not.
  snapshot,
};

/// Which of a rule's matches are told.
struct output_spec {
  output_kind kind = output_kind::all;
  /// One of them is not 0, unless `all`.
  std::chrono::milliseconds every{0};
  std::uint32_t events = 0;
  bool per_key = true;

  /// Whether time alone brings matches.
  bool needs_time() const noexcept {
    return every.count() > 0 && (kind == output_kind::last || kind == output_kind::snapshot);
  }
};

/// Leaves out the matches that `output_spec` does not want. Pure; for one thread.
class output_gate {
public:
  /// @param keys_max keys remembered; with more, those that wait no longer are forgotten, then all.
  output_gate(output_spec wanted, std::size_t keys_max) : wanted_{wanted}, keys_max_{keys_max} {}

  /// Of those from place `begin` on.
  void filter(std::vector<found_match>& matches, std::size_t begin);

  /// It is `now`: what was kept for its time is told.
  void advance(std::int64_t now, std::vector<found_match>& into);

  /// What is kept is told.
  void finish(std::vector<found_match>& into);

  void save(state_writer& into) const;
  /// Adds what another gate saved, see `pattern_matcher::restore`.
  void restore(state_reader& from, const restored_share& share);

  std::uint64_t left_out() const noexcept { return left_out_; }

private:
  struct state {
    std::int64_t told_at = 0;
    std::uint64_t matches = 0;
    // Told next, at `due`; of a snapshot by key.
    std::map<std::string, found_match> kept{};
    std::int64_t due = INT64_MAX;
  };
  using state_map = std::unordered_map<std::string, state>;
  bool passes(const found_match& one, const std::string& key);
  state_map::iterator find_or_make(const found_match& one, const std::string& key);
  void keep(found_match one, std::string key, std::vector<found_match>& into);
  void tell(state& of, std::int64_t at, std::vector<found_match>& into);
  void forget(state_map::iterator which);
  void make_room(std::int64_t now);

  output_spec wanted_;
  std::size_t keys_max_;
  state_map keys_;
  std::set<std::pair<std::int64_t, std::string>> due_;
  std::uint64_t left_out_ = 0;
};

} // namespace gemel
