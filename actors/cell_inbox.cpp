#include "actors/cell_inbox.hpp"

#include <utility>

namespace gemel {

namespace {

std::size_t bytes_of(const work& item) noexcept {
  if (const auto* part = std::get_if<batch_part>(&item))
    return part->of->message().size();
  if (const auto* addressed = std::get_if<addressed_message>(&item))
    return addressed->message.size();
  return 0;
}

} // namespace

cell_inbox::pushed cell_inbox::woken() noexcept {
  return std::exchange(scheduled_, true) ? pushed::queued : pushed::wake;
}

cell_inbox::pushed cell_inbox::push_data(work item) {
  auto bytes = bytes_of(item);
  std::lock_guard guard{mutex_};
  // A single item larger than the bound still passes when nothing else waits.
  bool too_large = bytes_ > 0 && bytes_ + bytes > limits_.bytes_max;
  if (data_.size() >= limits_.items_max || too_large)
    return pushed::refused;
  bytes_ += bytes;
  data_.push_back(std::move(item));
  return woken();
}

cell_inbox::pushed cell_inbox::push_ordered(work item) {
  std::lock_guard guard{mutex_};
  data_.push_back(std::move(item));
  return woken();
}

cell_inbox::pushed cell_inbox::push_control(work item) {
  std::lock_guard guard{mutex_};
  control_.push_back(std::move(item));
  return woken();
}

cell_inbox::pushed cell_inbox::wake() {
  std::lock_guard guard{mutex_};
  return woken();
}

void cell_inbox::take(std::vector<work>& control, std::vector<work>* data) {
  std::lock_guard guard{mutex_};
  control.swap(control_);
  if (data == nullptr)
    return;
  data->swap(data_);
  bytes_ = 0;
}

bool cell_inbox::rest() {
  std::lock_guard guard{mutex_};
  if (!control_.empty() || !data_.empty())
    return false;
  scheduled_ = false;
  return true;
}

void cell_inbox::sift(const std::function<bool(work&, bool control)>& keep) {
  std::lock_guard guard{mutex_};
  std::erase_if(control_, [&](work& item) { return !keep(item, true); });
  std::erase_if(data_, [&](work& item) { return !keep(item, false); });
}

std::size_t cell_inbox::size() const {
  std::lock_guard guard{mutex_};
  return control_.size() + data_.size();
}

} // namespace gemel
