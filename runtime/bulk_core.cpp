#include "runtime/bulk_core.hpp"

#include "messages/limits.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"

#include <algorithm>
#include <set>

namespace gemel {

namespace {

constexpr std::int64_t ns_of_ms = 1'000'000;
constexpr std::int64_t ns_of_s = 1'000'000'000;
constexpr std::uint32_t busy_wait_ms = 20;
constexpr std::uint32_t busy_wait_ms_max = 2'000;
// Sendings of one batch without any answer.
constexpr unsigned attempts_max = 8;
// A dry run asks for whole twins, and their page has a bound in bytes.
constexpr std::size_t dry_batch_items = 200;

bool is_busy(errc code) noexcept {
  return code == errc::overloaded || code == errc::twin_busy;
}

// Nobody can say whether the request took effect.
bool is_unanswered(errc code) noexcept {
  return code == errc::unreachable || code == errc::stopping || code == errc::timed_out;
}

// Moves what the items hold into a list, makes the frame, and moves it back.
template <class Content, class Make>
frame made_of(std::vector<bulk_item>& items, Make make) {
  std::vector<Content> all;
  all.reserve(items.size());
  for (auto& item : items)
    all.push_back(std::move(std::get<Content>(item.what)));
  auto made = make(std::span<const Content>{all});
  for (std::size_t i = 0; i < items.size(); ++i)
    std::get<Content>(items[i].what) = std::move(all[i]);
  return made;
}

} // namespace

bulk_core::bulk_core(const bulk_rules& rules, outcome_sink take)
    : rules_{rules}, take_{std::move(take)} {
  rules_.batch_items = std::clamp<std::size_t>(rules_.batch_items, 1, limits::batch_entries_max);
  rules_.batch_bytes = std::min(rules_.batch_bytes, limits::frame_bytes_max / 2);
  rules_.in_flight = std::max<std::size_t>(rules_.in_flight, 1);
  if (rules_.dry_run)
    rules_.batch_items = std::min(rules_.batch_items, dry_batch_items);
  // A tenth of a second's items at once, so that the rate is even.
  if (rules_.rate > 0)
    rules_.batch_items =
        std::min<std::size_t>(rules_.batch_items, std::max<std::uint64_t>(rules_.rate / 10, 1));
}

// ---- items in -------------------------------------------------------------------------------

bool bulk_core::wants_items() const noexcept {
  return !stopped_ && !ended_ && !blocked_ && !in_wave_ && !may_wave()
         && queue_.size() + flying_.size() <= rules_.in_flight;
}

void bulk_core::add(bulk_item item) {
  GEMEL_CHECK(!blocked_);
  auto bytes = frame_bytes_of(item.what);
  if (pending_.bytes + bytes > rules_.batch_bytes)
    flush();
  auto open = open_ids_.find(std::string{id_of(item.what)});
  if (open == open_ids_.end() || open->second.batch == pending_number_)
    return place(std::move(item), bytes);
  flush();
  blocked_ = std::move(item);
}

void bulk_core::place(bulk_item item, std::size_t bytes) {
  if (auto id = id_of(item.what); !id.empty()) {
    auto& held = open_ids_[std::string{id}];
    held.batch = pending_number_;
    ++held.count;
  }
  pending_.bytes += bytes;
  pending_.items.push_back(std::move(item));
  if (pending_.items.size() >= rules_.batch_items)
    flush();
}

// The item that waits, once its twin's earlier ones have their outcome.
bool bulk_core::unblock() {
  if (!blocked_ || stopped_ || open_ids_.contains(std::string{id_of(blocked_->what)}))
    return false;
  auto item = std::move(*blocked_);
  blocked_.reset();
  auto bytes = frame_bytes_of(item.what);
  place(std::move(item), bytes);
  return true;
}

void bulk_core::refuse(const bulk_outcome& what) {
  ++totals_.failed;
  stopped_ = stopped_ || (rules_.failures_max > 0 && totals_.failed >= rules_.failures_max);
  take_(what);
}

void bulk_core::flush() {
  if (pending_.items.empty())
    return;
  queue_.push_back(std::exchange(pending_, {}));
  ++pending_number_;
}

// ---- requests out ---------------------------------------------------------------------------

std::int64_t bulk_core::rate_wait(std::int64_t now_ns) const noexcept {
  return rules_.rate == 0 ? 0 : std::max<std::int64_t>(rate_free_ns_ - now_ns, 0);
}

std::optional<bulk_core::request> bulk_core::next(std::int64_t now_ns) {
  expire(now_ns);
  do {
    unblock();
    if (ended_ || blocked_)
      flush();
    advance_wave();
  } while (blocked_ && !stopped_ && !open_ids_.contains(std::string{id_of(blocked_->what)}));
  if (stopped_ || lost_ || flying_.size() >= rules_.in_flight || rate_wait(now_ns) > 0)
    return std::nullopt;
  auto ready = std::find_if(queue_.begin(), queue_.end(),
                            [&](const batch& one) { return one.not_before_ns <= now_ns; });
  if (ready == queue_.end())
    return std::nullopt;
  auto number = ++last_number_;
  auto& sent = flying_[number];
  sent = std::move(*ready);
  queue_.erase(ready);
  sent.sent_ns = now_ns;
  if (rules_.rate > 0)
    rate_free_ns_ = std::max(rate_free_ns_, now_ns)
                    + static_cast<std::int64_t>(sent.items.size()) * ns_of_s
                          / static_cast<std::int64_t>(rules_.rate);
  return request{number, frame_of(sent)};
}

std::optional<std::int64_t> bulk_core::wake_at() const noexcept {
  std::optional<std::int64_t> at;
  auto note = [&](std::int64_t time) { at = at ? std::min(*at, time) : time; };
  for (const auto& [number, sent] : flying_)
    note(sent.sent_ns + rules_.patience.count() * ns_of_ms);
  if (!lost_ && !stopped_ && flying_.size() < rules_.in_flight)
    for (const auto& one : queue_)
      note(std::max(one.not_before_ns, rules_.rate > 0 ? rate_free_ns_ : 0));
  return at;
}

frame bulk_core::frame_of(batch& made) const {
  auto& items = made.items;
  if (rules_.dry_run) {
    std::vector<std::string> ids;
    for (const auto& item : items) {
      ids.emplace_back(id_of(item.what));
      // Of a create also whether the parent is there.
      if (const auto* twin = std::get_if<new_twin>(&item.what); twin && !twin->parent.empty())
        ids.push_back(twin->parent);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    std::erase(ids, "");
    return make_get(ids);
  }
  switch (rules_.action) {
  case bulk_action::create:
    return made_of<new_twin>(items, [](auto all) { return make_create(all); });
  case bulk_action::update:
    return made_of<twin_update>(items, [](auto all) { return make_update(all); });
  case bulk_action::emit:
    return made_of<twin_emit>(items, [](auto all) { return make_emit(all); });
  case bulk_action::remove:
    break;
  }
  return made_of<std::string>(items, [&](auto all) { return make_remove(all, rules_.children); });
}

void bulk_core::expire(std::int64_t now_ns) {
  for (auto i = flying_.begin(); i != flying_.end();) {
    if (now_ns - i->second.sent_ns < rules_.patience.count() * ns_of_ms) {
      ++i;
      continue;
    }
    auto late = std::move(i->second);
    i = flying_.erase(i);
    repeat_unanswered(std::move(late));
  }
}

// ---- answers in -----------------------------------------------------------------------------

void bulk_core::answered(std::uint64_t number, const frame& reply, std::int64_t now_ns) {
  auto found = flying_.find(number);
  if (found == flying_.end())
    return; // it was sent again meanwhile
  auto done = std::move(found->second);
  flying_.erase(found);
  if (rules_.dry_run) {
    if (auto page = expect_page(reply))
      take_page(std::move(done), *page);
    else
      take_error(std::move(done), page.error(), now_ns);
  } else if (auto what = expect_outcome(reply)) {
    take_outcome(std::move(done), std::move(*what), now_ns);
  } else {
    take_error(std::move(done), what.error(), now_ns);
  }
}

void bulk_core::take_outcome(batch done, outcome what, std::int64_t now_ns) {
  batch again;
  again.attempts = done.attempts;
  std::uint32_t wait_ms = 0;
  std::size_t next_failure = 0;
  for (std::size_t i = 0; i < done.items.size(); ++i) {
    auto& item = done.items[i];
    if (next_failure < what.failures.size() && what.failures[next_failure].index == i) {
      auto& why = what.failures[next_failure++].why;
      wait_ms = std::max(wait_ms, why.retry_after_ms);
      take_failure(std::move(item), std::move(why), again);
    } else {
      settle(item, i < what.ids.size() ? std::string_view{what.ids[i]} : id_of(item.what),
             bulk_status::applied);
    }
  }
  if (!again.items.empty())
    requeue(std::move(again), wait_ms, now_ns);
}

void bulk_core::take_failure(bulk_item item, error why, batch& again) {
  auto action = rules_.action;
  bool is_create = action == bulk_action::create;
  bool is_remove = action == bulk_action::remove;
  if (is_busy(why.code) || (is_unanswered(why.code) && again.attempts < attempts_max)) {
    item.maybe_applied = item.maybe_applied || !is_busy(why.code);
    again.bytes += frame_bytes_of(item.what);
    again.items.push_back(std::move(item));
  } else if (is_create && why.code == errc::twin_exists && (rules_.repeat || item.maybe_applied)) {
    settle(item, id_of(item.what), bulk_status::present);
  } else if (is_remove && why.code == errc::twin_not_found
             && (rules_.repeat || item.maybe_applied)) {
    settle(item, id_of(item.what), bulk_status::absent);
  } else if ((is_create && why.code == errc::twin_not_found)
             || (is_remove && why.code == errc::has_children)) {
    deferred_bytes_ += frame_bytes_of(item.what);
    deferred_.push_back({std::move(item), std::move(why)});
  } else {
    auto id = std::string{id_of(item.what)};
    settle(item, id, bulk_status::failed, std::move(why));
  }
}

void bulk_core::take_page(batch done, const twin_page& page) {
  std::set<std::string_view> missing{page.missing.begin(), page.missing.end()};
  for (auto& item : done.items) {
    auto id = id_of(item.what);
    bool is_there = !id.empty() && !missing.contains(id);
    if (rules_.action != bulk_action::create) {
      if (is_there)
        settle(item, id, bulk_status::applied);
      else if (rules_.action == bulk_action::remove && rules_.repeat)
        settle(item, id, bulk_status::absent);
      else
        settle(item, id, bulk_status::failed, {errc::twin_not_found, std::string{id}});
    } else if (!is_there) {
      settle(item, id, bulk_status::applied);
    } else if (rules_.repeat) {
      settle(item, id, bulk_status::present);
    } else {
      settle(item, id, bulk_status::failed, {errc::twin_exists, std::string{id}});
    }
  }
}

void bulk_core::take_error(batch done, const error& why, std::int64_t now_ns) {
  if (is_busy(why.code))
    return requeue(std::move(done), why.retry_after_ms, now_ns);
  if (why.code == errc::unreachable || why.code == errc::stopping)
    lose();
  if (is_unanswered(why.code))
    return repeat_unanswered(std::move(done));
  if (why.code == errc::limit_reached && done.items.size() > 1)
    return split(std::move(done));
  for (auto& item : done.items) {
    auto id = std::string{id_of(item.what)};
    settle(item, id, bulk_status::failed, why);
  }
}

// In front of the others: their twins' later items wait for them.
void bulk_core::requeue(batch again, std::uint32_t wait_ms, std::int64_t now_ns) {
  totals_.repeated += again.items.size();
  if (wait_ms == 0)
    wait_ms = std::min(busy_wait_ms << std::min(again.attempts, 10U), busy_wait_ms_max);
  ++again.attempts;
  again.not_before_ns = now_ns + wait_ms * ns_of_ms;
  queue_.push_front(std::move(again));
}

void bulk_core::repeat_unanswered(batch again) {
  if (!lost_ && again.attempts >= attempts_max) {
    for (auto& item : again.items) {
      auto id = std::string{id_of(item.what)};
      settle(item, id, bulk_status::failed,
             {errc::timed_out, "no answer; it may have taken effect"});
    }
    return;
  }
  totals_.repeated += again.items.size();
  again.attempts += lost_ ? 0 : 1;
  for (auto& item : again.items)
    item.maybe_applied = true;
  queue_.push_front(std::move(again));
}

void bulk_core::split(batch large) {
  auto middle = large.items.begin() + static_cast<std::ptrdiff_t>(large.items.size() / 2);
  batch rest;
  rest.items.assign(std::make_move_iterator(middle), std::make_move_iterator(large.items.end()));
  large.items.erase(middle, large.items.end());
  queue_.push_front(std::move(rest));
  queue_.push_front(std::move(large));
}

void bulk_core::lose() {
  lost_ = true;
  // The last one first, since each goes to the front.
  while (!flying_.empty()) {
    auto last = std::prev(flying_.end());
    auto again = std::move(last->second);
    flying_.erase(last);
    repeat_unanswered(std::move(again));
  }
}

void bulk_core::settle(const bulk_item& item, std::string_view id, bulk_status status, error why) {
  auto& count = status == bulk_status::applied   ? totals_.applied
                : status == bulk_status::present ? totals_.present
                : status == bulk_status::absent  ? totals_.absent
                                                 : totals_.failed;
  ++count;
  stopped_ = stopped_ || (rules_.failures_max > 0 && totals_.failed >= rules_.failures_max);
  take_({item.where, id, status, std::move(why)});
  auto open = open_ids_.find(std::string{id_of(item.what)});
  if (open != open_ids_.end() && --open->second.count == 0)
    open_ids_.erase(open);
}

// ---- waves ----------------------------------------------------------------------------------

bool bulk_core::may_wave() const noexcept {
  return !deferred_.empty()
         && (ended_ || blocked_ || deferred_.size() >= rules_.deferred_items
             || deferred_bytes_ >= rules_.deferred_bytes);
}

void bulk_core::advance_wave() {
  while (queue_.empty() && flying_.empty() && !stopped_) {
    if (in_wave_) {
      in_wave_ = false;
      if (!deferred_.empty() && totals_.applied == applied_before_wave_)
        return fail_deferred();
    }
    if (!may_wave())
      return;
    flush();
    if (queue_.empty())
      start_wave();
  }
}

void bulk_core::start_wave() {
  in_wave_ = true;
  applied_before_wave_ = totals_.applied;
  std::sort(deferred_.begin(), deferred_.end(), [](const auto& left, const auto& right) {
    return left.item.where.item < right.item.where.item;
  });
  deferred_bytes_ = 0;
  for (auto& one : std::exchange(deferred_, {})) {
    pending_.bytes += frame_bytes_of(one.item.what);
    pending_.items.push_back(std::move(one.item));
    if (pending_.items.size() >= rules_.batch_items || pending_.bytes >= rules_.batch_bytes)
      flush();
  }
  flush();
}

void bulk_core::fail_deferred() {
  deferred_bytes_ = 0;
  for (auto& one : std::exchange(deferred_, {})) {
    auto id = std::string{id_of(one.item.what)};
    settle(one.item, id, bulk_status::failed, std::move(one.why));
  }
}

// ---- where it stands ------------------------------------------------------------------------

bool bulk_core::done() const noexcept {
  if (stopped_)
    return flying_.empty();
  return ended_ && flying_.empty() && queue_.empty() && pending_.items.empty() && !blocked_
         && deferred_.empty();
}

std::optional<bulk_place> bulk_core::first_open() const {
  std::optional<bulk_place> first;
  auto note = [&](const bulk_item& item) {
    if (!first || item.where.item < first->item)
      first = item.where;
  };
  auto note_batch = [&](const batch& one) {
    if (!one.items.empty())
      note(one.items.front());
  };
  note_batch(pending_);
  for (const auto& one : queue_)
    note_batch(one);
  for (const auto& [number, one] : flying_)
    note_batch(one);
  for (const auto& one : deferred_)
    note(one.item);
  if (blocked_)
    note(*blocked_);
  return first;
}

} // namespace gemel
