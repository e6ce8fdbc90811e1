#include "actors/batch.hpp"

#include <algorithm>

namespace gemel {

void batch::fail(std::uint32_t index, error why) {
  std::lock_guard guard{mutex_};
  failures_.push_back({index, std::move(why)});
}

void batch::close_part(std::uint32_t applied) {
  if (applied > 0)
    applied_.fetch_add(applied, std::memory_order_relaxed);
  if (open_parts_.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  if (done_) {
    std::sort(failures_.begin(), failures_.end(),
              [](const failure& a, const failure& b) { return a.index < b.index; });
    done_({applied_.load(std::memory_order_relaxed), std::move(failures_), std::move(ids_)});
  }
  if (under_way_ != nullptr && under_way_->fetch_sub(1, std::memory_order_acq_rel) == 1)
    under_way_->notify_all();
}

} // namespace gemel
