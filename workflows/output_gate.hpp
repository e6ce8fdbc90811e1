#pragma once

#include "workflows/pattern_matcher.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace gemel {

enum class output_kind : std::uint8_t {
  all,
  /// The first one, then none for `every`.
  first,
  /// The last one of each `events` matches.
  last,
};

/// Which of a rule's matches are told.
struct output_spec {
  output_kind kind = output_kind::all;
  /// One of them is not 0, unless `all`.
  std::chrono::milliseconds every{0};
  std::uint32_t events = 0;
  bool per_key = true;
};

/// Leaves out the matches that `output_spec` does not want. Pure; for one thread.
class output_gate {
public:
  /// @param keys_max keys remembered; with more, those that wait no longer are forgotten, then all.
  output_gate(output_spec wanted, std::size_t keys_max) : wanted_{wanted}, keys_max_{keys_max} {}

  /// Of those from place `begin` on.
  void filter(std::vector<found_match>& matches, std::size_t begin);

  std::uint64_t left_out() const noexcept { return left_out_; }

private:
  struct state {
    std::int64_t told_at = 0;
    std::uint64_t matches = 0;
  };
  bool passes(const found_match& one);
  void make_room(std::int64_t now);

  output_spec wanted_;
  std::size_t keys_max_;
  std::unordered_map<std::string, state> keys_;
  std::uint64_t left_out_ = 0;
};

} // namespace gemel
