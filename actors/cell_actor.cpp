#include "actors/cell_actor.hpp"

namespace gemel {

caf::behavior cell_actor(caf::event_based_actor* self, cell_runner* runner) {
  ignore_unknown(self);
  return {
      [self, runner](wake_atom wake) {
        if (runner->turn())
          self->send(self, wake);
      },
      [self](close_atom) { self->quit(); },
  };
}

} // namespace gemel
