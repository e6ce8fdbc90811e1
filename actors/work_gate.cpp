#include "actors/work_gate.hpp"

#include "messages/error.hpp"

#include <utility>

namespace gemel {

void work_gate::enter(std::size_t weight, std::function<void()> go) {
  waiting_.push_back({weight, std::move(go)});
  let_in();
}

void work_gate::leave(std::size_t weight) {
  GEMEL_CHECK(weight <= under_way_);
  under_way_ -= weight;
  let_in();
}

// Those that are called may enter and leave: the loop goes on instead of a call inside a call.
void work_gate::let_in() {
  if (letting_in_)
    return;
  letting_in_ = true;
  while (!waiting_.empty() && (under_way_ == 0 || under_way_ + waiting_.front().weight <= most_)) {
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    under_way_ += next.weight;
    next.go();
  }
  letting_in_ = false;
}

} // namespace gemel
