#include "actors/transaction.hpp"

#include "actors/cell.hpp"
#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

void transaction::add_share(cell_id cell, std::uint32_t begin, std::uint32_t end) {
  shares_.push_back({cell, begin, end});
}

void transaction::ready(std::function<void()> tell) {
  tell_ = std::move(tell);
  open_shares_.store(shares_.size());
}

transaction::share& transaction::share_of(cell_id cell) {
  auto i = std::lower_bound(shares_.begin(), shares_.end(), cell,
                            [](const share& s, cell_id c) { return s.cell < c; });
  GEMEL_CHECK(i != shares_.end());
  GEMEL_CHECK(i->cell == cell);
  return *i;
}

bool transaction::abort(errc why) noexcept {
  auto expected = is_undecided;
  return state_.compare_exchange_strong(expected, is_aborted + static_cast<std::uint32_t>(why));
}

bool transaction::share_done(const std::function<bool()>& log) {
  if (open_shares_.fetch_sub(1) != 1)
    return false;
  if (auto expected = is_undecided;
      log && state_.compare_exchange_strong(expected, is_sealed) && !log())
    state_.store(is_aborted + static_cast<std::uint32_t>(errc::store_failed));
  // In this order, so that who reads the counter first and a row then sees this commit, or that it
  // is in doubt, if it was counted, and its number is greater if it was not. See `ingress::get`.
  if (shares_.size() > 1 && !decided()) {
    deciding_.store(true);
    commit_number_.store(commits_.fetch_add(1) + 1);
  }
  auto expected = log ? is_sealed : is_undecided;
  state_.compare_exchange_strong(expected, is_committed);
  state_.notify_all();
  return true;
}

errc transaction::reason() const noexcept {
  auto state = state_.load();
  return state >= is_aborted ? static_cast<errc>(state - is_aborted) : errc::none;
}

void transaction::carry_out(cell& owner, std::uint32_t row, const moment& now) {
  if (!committed())
    return;
  auto& plans = share_of(owner.id()).plans;
  auto i = plans.find(row);
  GEMEL_CHECK(i != plans.end());
  if (shares_.size() > 1)
    owner.log_commit(row, commit_number());
  owner.apply_plan(row, i->second, text_of(request_.message().getUpdate().getCause()), now);
}

void commit_log::add(std::uint32_t row, std::uint64_t number) {
  last_of_row_[row] = number;
  if (ring_.size() < rows_max) {
    ring_.push_back({row, number});
    return;
  }
  auto& old = ring_[oldest_];
  forgotten_ = std::max(forgotten_, old.number);
  if (auto last = last_of_row_.find(old.row);
      last != last_of_row_.end() && last->second == old.number)
    last_of_row_.erase(last);
  old = {row, number};
  oldest_ = (oldest_ + 1) % rows_max;
}

bool commit_log::written_since(std::uint32_t row, std::uint64_t since) const {
  if (forgotten_ > since)
    return true;
  auto last = last_of_row_.find(row);
  return last != last_of_row_.end() && last->second > since;
}

} // namespace gemel
