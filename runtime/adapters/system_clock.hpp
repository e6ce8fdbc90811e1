#pragma once

#include "actors/ports.hpp"

namespace gemel {

/// The machine's clocks.
class system_clock_port final : public clock_port {
public:
  moment now() const noexcept override;
};

} // namespace gemel
