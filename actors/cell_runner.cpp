#include "actors/cell_runner.hpp"

#include "messages/replies.hpp"

#include <algorithm>

namespace gemel {

namespace {

// After so many entries the clock is read again: some microseconds.
constexpr std::size_t entries_per_reading = 32;

// How many items ahead memory is asked for, as in cell_update.cpp.
constexpr std::size_t batch_ahead = 9;
constexpr std::size_t row_ahead = 6;
constexpr std::size_t slots_ahead = 3;
// The beginning of a frame: all of one with a single update.
constexpr std::size_t frame_bytes_ahead = 256;

void fetch_lines(const void* begin, std::size_t bytes) noexcept {
  constexpr std::size_t cache_line = 64;
  for (std::size_t at = 0; at < bytes; at += cache_line)
    __builtin_prefetch(static_cast<const char*>(begin) + at);
}

} // namespace

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

void cell_runner::wake() {
  if (inbox_.wake() == cell_inbox::pushed::wake)
    schedule_();
}

void cell_runner::tell_due() {
  if (!on_due_)
    return;
  auto due = cell_.next_due();
  if (due || told_due_)
    on_due_(due);
  told_due_ = due.has_value();
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

/// What had waited for a row goes before what follows.
std::size_t cell_runner::run_resumed() {
  std::size_t entries = 0;
  for (std::vector<work> resumed; cell_.take_resumed(resumed); resumed.clear())
    for (auto& item : resumed)
      entries += run_one(item);
  return entries;
}

std::size_t cell_runner::run_one(work& item) {
  auto entries = run_contained(item);
  const auto* part = std::get_if<batch_part>(&item);
  if (part != nullptr && part->of->kind() == wire::Message::UPDATE)
    answered_.push_back({part->of->submitted_ns(), entries});
  // What it held is no longer needed; a frame may be large.
  item = exit_signal{twin_row::none};
  entries_since_ += entries;
  handled_ += entries;
  if (entries_since_ >= entries_per_reading)
    read_clock();
  return entries;
}

/// Takes the time, for what follows and for how long the updates since the last reading took.
void cell_runner::read_clock() {
  now_ = clock_.now();
  entries_since_ = 0;
  for (auto [submitted_ns, entries] : answered_) {
    auto took = std::chrono::nanoseconds{now_.steady_ns - submitted_ns};
    cell_.record_latency(std::max(took, histogram::value_min), entries);
  }
  answered_.clear();
}

/// Asks for the memory of the items after the next one: the batch, which another core wrote, then
/// its frame and the row, then the slots. Inside a batch the cell does the like for its entries.
void cell_runner::fetch_ahead() const {
  auto ahead = [this](std::size_t by) -> const batch_part* {
    return done_ + by < taken_.size() ? std::get_if<batch_part>(&taken_[done_ + by]) : nullptr;
  };
  if (const auto* part = ahead(batch_ahead))
    fetch_lines(part->of.get(), sizeof(batch));
  if (const auto* part = ahead(row_ahead)) {
    auto bytes = part->of->message().bytes();
    fetch_lines(bytes.data(), std::min(bytes.size(), frame_bytes_ahead));
    cell_.fetch_row(part->of->routes()[part->begin].row);
  }
  if (const auto* part = ahead(slots_ahead))
    cell_.fetch_slots(part->of->routes()[part->begin].row);
}

void cell_runner::end_turn() {
  if (contain([&] { cell_.end_turn(now_); }).code != errc::none)
    cell_.drop_lane();
  static_cast<void>(contain([&] { cell_.seal_turn(now_); }));
}

bool cell_runner::turn() {
  bool all_done = done_ == taken_.size();
  if (all_done) {
    taken_.clear();
    done_ = 0;
  }
  inbox_.take(control_, all_done ? &taken_ : nullptr);
  read_clock();
  auto since = busy_since_ns_ != 0 ? busy_since_ns_ : now_.steady_ns;
  for (auto& item : control_)
    run_one(item);
  run_resumed();
  control_.clear();
  bool fired = true;
  static_cast<void>(contain([&] { fired = cell_.run_timers(now_); }));
  run_resumed();
  auto begin = done_;
  for (std::size_t entries = 0;
       !arrived_ && done_ < taken_.size() && entries < turn_entries_max_;) {
    fetch_ahead();
    // Counted before it is run: one that throws is not run again.
    auto& item = taken_[done_++];
    entries += run_one(item) + run_resumed();
  }
  read_clock();
  end_turn();
  static_cast<void>(contain([&] { cell_.send_rollups(); }));
  tell_due();
  if (arrived_) [[unlikely]] {
    busy_since_ns_ = now_.steady_ns;
    // Another thread may run the cell as soon as this is called.
    auto arrived = std::exchange(arrived_, nullptr);
    arrived();
    return false;
  }
  // Timers that are left need no push to go on.
  bool more = !fired || done_ < taken_.size() || !inbox_.rest();
  drain_.done(done_ - begin, std::chrono::nanoseconds{now_.steady_ns - since});
  busy_since_ns_ = more ? now_.steady_ns : 0;
  return more;
}

void cell_runner::pause(std::function<void()> arrived, bool behind_queue) {
  work stop = cell_job{
      [this, arrived = std::move(arrived)](cell&, const moment&) { arrived_ = arrived; }, {}};
  if (behind_queue)
    push_ordered(std::move(stop));
  else
    push_control(std::move(stop));
}

void cell_runner::sift(const std::function<bool(work&, bool control)>& keep) {
  std::vector<work> kept;
  for (; done_ < taken_.size(); ++done_)
    if (keep(taken_[done_], false))
      kept.push_back(std::move(taken_[done_]));
  taken_.swap(kept);
  done_ = 0;
  inbox_.sift(keep);
}

} // namespace gemel
