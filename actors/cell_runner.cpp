#include "actors/cell_runner.hpp"

#include <algorithm>

namespace gemel {

bool cell_runner::push_data(work item) {
  auto pushed = inbox_.push_data(std::move(item));
  if (pushed == cell_inbox::pushed::wake)
    schedule_();
  return pushed != cell_inbox::pushed::refused;
}

void cell_runner::push_ordered(work item) {
  if (inbox_.push_ordered(std::move(item)) == cell_inbox::pushed::wake)
    schedule_();
}

void cell_runner::push_control(work item) {
  if (inbox_.push_control(std::move(item)) == cell_inbox::pushed::wake)
    schedule_();
}

std::size_t cell_runner::run_one(work& item) {
  auto entries = cell_.run(item, now_);
  now_ = clock_.now();
  const auto* part = std::get_if<batch_part>(&item);
  if (part != nullptr && part->of->message().message().isUpdate()) {
    auto took = std::chrono::nanoseconds{now_.steady_ns - part->of->submitted_ns()};
    cell_.record_latency(std::max(took, histogram::value_min), entries);
  }
  // What it held is no longer needed; a frame may be large.
  item = exit_signal{twin_row::none};
  return entries;
}

bool cell_runner::turn() {
  now_ = clock_.now();
  inbox_.take_control(control_);
  for (auto& item : control_)
    run_one(item);
  control_.clear();
  bool idle = false;
  if (done_ == taken_.size()) {
    taken_.clear();
    done_ = 0;
    idle = !inbox_.take_data(taken_);
  }
  for (std::size_t entries = 0; done_ < taken_.size() && entries < turn_entries_max_;) {
    // Counted before it is run: one that throws is not run again.
    auto& item = taken_[done_++];
    entries += run_one(item);
  }
  cell_.flush();
  return !idle;
}

} // namespace gemel
