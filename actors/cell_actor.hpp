#pragma once

#include "actors/caf.hpp"
#include "actors/cell_runner.hpp"

namespace gemel {

/// The CAF actor that gives a cell its turns: one `wake_atom`, one turn. `runner` outlives it.
caf::behavior cell_actor(caf::event_based_actor* self, cell_runner* runner);

} // namespace gemel
