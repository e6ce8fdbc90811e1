#include "actors/routing_gate.hpp"

#include <algorithm>
#include <vector>

namespace gemel {

namespace {

// The gates that this thread is inside of.
std::vector<const routing_gate*>& entered() {
  thread_local std::vector<const routing_gate*> gates;
  return gates;
}

} // namespace

routing_gate::stripe& routing_gate::mine() noexcept {
  // Spreads threads; whether two share a stripe matters to speed only.
  static std::atomic<std::size_t> threads{0};
  thread_local std::size_t number = threads.fetch_add(1, std::memory_order_relaxed);
  return stripes_[number % stripes_.size()];
}

routing_gate::pass routing_gate::enter() {
  auto& gates = entered();
  if (!gates.empty() && std::find(gates.begin(), gates.end(), this) != gates.end())
    return pass{nullptr};
  auto& s = mine();
  for (;;) {
    s.inside.fetch_add(1, std::memory_order_seq_cst);
    if (!closed_.load(std::memory_order_seq_cst)) [[likely]]
      break;
    step_out(s);
    closed_.wait(true);
  }
  gates.push_back(this);
  return pass{this};
}

void routing_gate::leave() noexcept {
  auto& gates = entered();
  gates.erase(std::find(gates.begin(), gates.end(), this));
  step_out(mine());
}

void routing_gate::step_out(stripe& s) noexcept {
  if (s.inside.fetch_sub(1, std::memory_order_seq_cst) == 1
      && closed_.load(std::memory_order_seq_cst))
    s.inside.notify_all();
}

void routing_gate::close() noexcept {
  closed_.store(true, std::memory_order_seq_cst);
  for (auto& s : stripes_)
    while (auto inside = s.inside.load(std::memory_order_seq_cst))
      s.inside.wait(inside);
}

void routing_gate::open() noexcept {
  closed_.store(false, std::memory_order_seq_cst);
  closed_.notify_all();
}

} // namespace gemel
