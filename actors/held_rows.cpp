#include "actors/held_rows.hpp"

#include "actors/twin.hpp"

#include <algorithm>
#include <iterator>

namespace gemel {

void held_rows::hold(std::uint32_t row, row_claim_ptr by) {
  GEMEL_CHECK(by != nullptr);
  auto fresh = rows_.try_emplace(row).second;
  GEMEL_CHECK(fresh);
  rows_[row].by = std::move(by);
}

row_claim_ptr held_rows::claim_on(std::uint32_t row) const {
  auto i = rows_.find(row);
  return i != rows_.end() ? i->second.by : nullptr;
}

bool held_rows::defer(std::uint32_t row, work&& what) {
  auto i = rows_.find(row);
  GEMEL_CHECK(i != rows_.end());
  if (waiting_ >= work_max_)
    return false;
  i->second.waiting.push_back(std::move(what));
  ++waiting_;
  return true;
}

void held_rows::settle(std::uint32_t row) {
  auto i = rows_.find(row);
  GEMEL_CHECK(i != rows_.end());
  GEMEL_CHECK(i->second.by != nullptr);
  i->second.by.reset();
  settled_.insert(settled_.begin(), row);
}

std::uint32_t held_rows::take_settled(std::vector<work>& into) {
  if (settled_.empty())
    return twin_row::none;
  auto row = settled_.back();
  auto waited = release(row);
  std::move(waited.begin(), waited.end(), std::back_inserter(into));
  return row;
}

std::vector<work> held_rows::release(std::uint32_t row) {
  auto i = rows_.find(row);
  GEMEL_CHECK(i != rows_.end());
  auto waited = std::move(i->second.waiting);
  waiting_ -= waited.size();
  rows_.erase(i);
  std::erase(settled_, row);
  return waited;
}

std::vector<std::uint32_t> held_rows::claimed() const {
  std::vector<std::uint32_t> found;
  for (const auto& [row, held] : rows_)
    if (held.by != nullptr)
      found.push_back(row);
  // In an order that does not depend on the table's.
  std::sort(found.begin(), found.end());
  return found;
}

} // namespace gemel
