#pragma once

#include "actors/behavior.hpp"
#include "registry/symbols.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gemel {

/// What a behaviour did in one call besides changing its twin. It is carried out when the call
/// ended well and its changes are seen, else forgotten.
struct behavior_effects {
  struct emission {
    std::string name;
    std::vector<std::pair<key_id, value>> payload;
  };
  struct work_order {
    behavior_work work;
    work_continuation then;
  };

  std::vector<emission> emissions{};
  std::vector<twin_emit> sendings{};
  std::vector<work_order> works{};
  /// Zero: no more ticks.
  std::optional<std::chrono::milliseconds> tick{};
  /// The command under work is answered later, by this number.
  std::optional<std::uint64_t> deferred{};

  std::size_t size() const noexcept { return emissions.size() + sendings.size() + works.size(); }
  bool empty() const noexcept { return size() == 0 && !tick; }
};

} // namespace gemel
