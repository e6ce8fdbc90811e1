#include "runtime/adapters/system_clock.hpp"

#include <chrono>

namespace gemel {

moment system_clock_port::now() const noexcept {
  using namespace std::chrono;
  auto wall = system_clock::now().time_since_epoch();
  auto steady = steady_clock::now().time_since_epoch();
  return {duration_cast<microseconds>(wall).count(), duration_cast<nanoseconds>(steady).count()};
}

} // namespace gemel
