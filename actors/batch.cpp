#include "actors/batch.hpp"

#include <algorithm>

namespace gemel {

namespace {

// Counts down at the end, also when the caller's function throws: a node waits for it to stop.
struct leaving {
  std::atomic<std::uint64_t>* under_way;
  ~leaving() {
    if (under_way != nullptr && under_way->fetch_sub(1, std::memory_order_acq_rel) == 1)
      under_way->notify_all();
  }
};

} // namespace

void batch::fail(std::uint32_t index, error why) {
  std::lock_guard guard{mutex_};
  failures_.push_back({index, std::move(why)});
}

void batch::spoil(error why) {
  std::lock_guard guard{mutex_};
  if (!spoilt_)
    spoilt_ = std::move(why);
}

/// The entries of a batch that was spoilt, as far as they were routed to a cell.
void batch::fail_the_rest() {
  std::vector<std::uint32_t> failed;
  for (const auto& one : failures_)
    failed.push_back(one.index);
  std::sort(failed.begin(), failed.end());
  for (const auto& where : routes_)
    if (!std::binary_search(failed.begin(), failed.end(), where.index))
      failures_.push_back({where.index, *spoilt_});
  applied_.store(0, std::memory_order_relaxed);
}

void batch::close_part(std::uint32_t applied) {
  if (applied > 0)
    applied_.fetch_add(applied, std::memory_order_relaxed);
  if (open_parts_.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  const leaving counts_down{under_way_};
  if (!done_)
    return;
  if (spoilt_) [[unlikely]]
    fail_the_rest();
  std::sort(failures_.begin(), failures_.end(),
            [](const failure& a, const failure& b) { return a.index < b.index; });
  done_({applied_.load(std::memory_order_relaxed), std::move(failures_), std::move(ids_)});
}

} // namespace gemel
