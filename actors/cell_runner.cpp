#include "actors/cell_runner.hpp"

#include "messages/replies.hpp"

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

namespace {

// Tells whoever waits for `item` that it threw. @returns whether there is more of it to run.
bool answer_failed(work& item, const error& why) {
  if (auto* part = std::get_if<batch_part>(&item)) {
    if (part->begin == part->end)
      return false; // It was answered, and the caller's function threw.
    part->of->fail(part->of->routes()[part->begin++].index, why);
    return true;
  }
  if (auto* addressed = std::get_if<addressed_message>(&item); addressed && addressed->reply)
    addressed->reply(make_error_reply(why));
  else if (auto* job = std::get_if<cell_job>(&item); job && job->failed)
    job->failed(why);
  return false;
}

} // namespace

/// The cell's edge: what a bug of ours, or a caller's function, throws ends here.
template <class Action>
error cell_runner::contain(Action&& action) {
  std::string what = "an exception that is no std::exception";
  try {
    action();
    return {};
  } catch (const std::exception& thrown) {
    what = thrown.what();
  } catch (...) { // Any other type.
  }
  faults_.fetch_add(1, std::memory_order_relaxed);
  if (on_fault_)
    on_fault_(cell_.id(), what);
  return {errc::twin_crashed, "a fault of the node: " + what};
}

/// The entry that threw is answered, the others run.
std::size_t cell_runner::run_contained(work& item) {
  std::size_t entries = 1;
  bool more = true;
  while (more) {
    auto why = contain([&] { entries = cell_.run(item, now_); });
    if (why.code == errc::none) [[likely]]
      return entries;
    more = false;
    static_cast<void>(contain([&] { more = answer_failed(item, why); }));
  }
  return entries;
}

std::size_t cell_runner::run_one(work& item) {
  auto entries = run_contained(item);
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

void cell_runner::flush() {
  if (contain([&] { cell_.flush(); }).code != errc::none)
    cell_.drop_lane();
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
    auto& item = taken_[done_++];
    entries += run_one(item);
  }
  flush();
  return !idle;
}

} // namespace gemel
