#include "actors/sync/link_sender.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace gemel {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t ns_per_us = 1'000;

std::int64_t ns(milliseconds time) {
  return time.count() * ns_per_ms;
}

} // namespace

void link_sender::changed(std::uint16_t shard, bool urgent, const moment& now) {
  auto& to = outgoing_[shard];
  auto due = urgent ? now.steady_ns : now.steady_ns + ns(session_.rules().flush_interval);
  to.due = to.dirty ? std::min(to.due, due) : due;
  to.dirty = true;
  active_.insert(shard);
  to_pump_.insert(shard);
}

void link_sender::begin_session() {
  has_positions_ = false;
  under_way_bytes_ = 0;
  for (auto& [shard, to] : outgoing_)
    if (to.under_way)
      to.under_way->sizes.assign(to.under_way->ends.size(), 0);
  make_anew();
  to_pump_ = active_;
  next_resend_ = 0;
}

void link_sender::forget_peer() {
  outgoing_.clear();
  active_.clear();
  to_pump_.clear();
}

// What was made with names that hold no more.
void link_sender::make_anew() {
  for (auto& [shard, to] : outgoing_)
    if (to.under_way) {
      to.under_way->spelt.clear();
      to.under_way->ready.reset();
    }
}

// ---- what the peer says -------------------------------------------------------------------------

void link_sender::take(const sync_ack& ack, const moment& now) {
  credit_ = ack.credit;
  if (ack.all)
    return take_all(ack, now);
  if (has_positions_)
    for (const auto& p : ack.positions)
      take_position(p, false, now);
}

// A shard that is not named: the peer has nothing of it.
void link_sender::take_all(const sync_ack& ack, const moment& now) {
  auto first = !has_positions_;
  std::map<std::uint16_t, sync_position> told;
  for (const auto& p : ack.positions)
    told.emplace(p.shard, p);
  for (auto shard : session_.host().shards()) {
    auto at = told.find(shard);
    if (first || at != told.end())
      take_position(at != told.end() ? at->second : sync_position{shard, 0, 0, 0}, first, now);
    if (first)
      changed(shard, true, now);
  }
  has_positions_ = true;
}

void link_sender::take_position(const sync_position& position, bool resuming, const moment& now) {
  auto* replica = session_.host().find_shard(position.shard);
  if (replica == nullptr || position.received > replica->last_change())
    return;
  auto& to = outgoing_[position.shard];
  if (resuming)
    to.acknowledged = position.received;
  else
    to.acknowledged = std::max(to.acknowledged, position.received);
  if (!to.under_way)
    return;
  auto& on_way = *to.under_way;
  if (position.received >= on_way.whole.to) {
    finish_transfer(to);
    changed(position.shard, true, now);
  } else if (resuming && on_way.whole.from > position.received) {
    drop_transfer(to);
  } else {
    auto parts = position.staged_cut == on_way.cut ? position.staged_parts : 0;
    on_way.told = parts;
    to_pump_.insert(position.shard);
    if (resuming)
      on_way.next = on_way.acknowledged =
          std::min<std::uint32_t>(parts, static_cast<std::uint32_t>(on_way.ends.size()) - 1);
    else
      free_parts(on_way, parts);
  }
}

void link_sender::free_parts(transfer& on_way, std::uint32_t upto) {
  upto = std::min(upto, on_way.next);
  if (on_way.acknowledged < upto)
    on_way.attempts = 0; // it gets on
  for (; on_way.acknowledged < upto; ++on_way.acknowledged) {
    under_way_bytes_ -= on_way.sizes[on_way.acknowledged];
    on_way.sizes[on_way.acknowledged] = 0;
  }
}

void link_sender::finish_transfer(outgoing& to) {
  auto& on_way = *to.under_way;
  session_.names().acknowledge(on_way.spelt);
  to.known.join(on_way.whole.clock);
  drop_transfer(to);
}

void link_sender::drop_transfer(outgoing& to) {
  for (auto size : to.under_way->sizes)
    under_way_bytes_ -= size;
  to.under_way.reset();
}

void link_sender::take(const sync_nack& nack, const moment& now) {
  if (nack.why == sync_refusal::unknown_names) {
    session_.renew_sent_names();
    return make_anew();
  }
  auto at = outgoing_.find(nack.shard);
  auto* replica = session_.host().find_shard(nack.shard);
  if (at == outgoing_.end() || replica == nullptr || !has_positions_)
    return;
  auto& to = at->second;
  if (to.under_way)
    drop_transfer(to);
  if (nack.received <= replica->last_change())
    to.acknowledged = nack.received;
  if (nack.why == sync_refusal::clock_fault)
    session_.counts().trouble = "clock: '" + session_.peer().node + "' says that our stamps are "
                                + std::to_string(nack.ahead_ms) + " ms ahead of its clock";
  if (nack.why == sync_refusal::too_many_writers)
    session_.counts().trouble =
        "'" + session_.peer().node + "' refuses a shard of too many writers";
  changed(nack.shard, nack.why == sync_refusal::gap, now);
  if (nack.why != sync_refusal::gap)
    to.due = now.steady_ns + ns(session_.rules().resend_min);
}

// ---- sending ------------------------------------------------------------------------------------

// Cuts what changed since the peer's last word.
void link_sender::begin_transfer(std::uint16_t shard, outgoing& to) {
  to.dirty = false;
  auto* replica = session_.host().find_shard(shard);
  if (replica == nullptr || replica->last_change() <= to.acknowledged)
    return;
  if (!sends_)
    return void(to.settled = replica->last_change());
  // What lies between came from the peer itself.
  auto known = to.acknowledged >= replica->forgotten() ? std::max(to.acknowledged, to.settled) : 0;
  auto whole = replica->cut(std::max(to.acknowledged, known), session_.source());
  if (!whole.full)
    whole.from = to.acknowledged;
  if (whole.entries.empty() && !whole.full && to.known.covers(whole.clock))
    return void(to.settled = whole.to); // nothing that the peer does not know
  session_.counts().full_copies += whole.full ? 1 : 0;
  to.under_way = in_parts(std::move(whole));
  if (session_.rules().broken(planted_bug::cursor_on_send))
    to.acknowledged = to.under_way->whole.to;
}

// They keep the content of this moment.
link_sender::transfer link_sender::in_parts(shard_interval whole) const {
  const auto& rules = session_.rules();
  transfer made;
  made.cut = session_.host().random() | 1;
  std::size_t bytes = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < whole.entries.size(); ++i) {
    auto more = bytes_of(whole.entries[i]);
    if (i > begin && (bytes + more > rules.part_bytes || i - begin >= rules.part_entries)) {
      made.ends.push_back(i);
      begin = i;
      bytes = 0;
    }
    bytes += more;
  }
  made.ends.push_back(whole.entries.size());
  made.sizes.assign(made.ends.size(), 0);
  made.whole = std::move(whole);
  return made;
}

frame link_sender::frame_of(std::uint16_t shard, const transfer& on_way, std::uint32_t index) {
  const auto& whole = on_way.whole;
  auto from = index == 0 ? 0 : on_way.ends[index - 1];
  auto is_last = index + 1 == on_way.ends.size();
  sync_part head{shard, whole.from, whole.to,    on_way.cut, whole.full,
                 index, is_last,    whole.clock, {}};
  std::span entries{whole.entries};
  return make_sync(session_.id(), head, entries.subspan(from, on_way.ends[index] - from),
                   session_.names());
}

std::int64_t link_sender::resend_time(const transfer& on_way, const moment& now) const {
  constexpr std::int64_t trips = 4;
  auto wait = std::max(ns(session_.rules().resend_min),
                       trips * session_.counts().round_trip_us * ns_per_us);
  auto doubled = std::min(ns(session_.rules().retry_max), wait << std::min(on_way.attempts, 5u));
  constexpr std::int64_t percent = 100;
  constexpr std::uint64_t jitter = 41;
  return now.steady_ns
         + doubled * (80 + static_cast<std::int64_t>(session_.host().random() % jitter)) / percent;
}

// @returns false when there is no credit for the next part.
bool link_sender::send_parts(std::uint16_t shard, transfer& on_way, const moment& now) {
  while (on_way.next < on_way.ends.size()) {
    if (!on_way.ready) {
      on_way.ready = frame_of(shard, on_way, on_way.next);
      auto spelt = session_.names().take_spelt();
      on_way.spelt.insert(on_way.spelt.end(), spelt.begin(), spelt.end());
    }
    auto size = on_way.ready->size();
    if (under_way_bytes_ != 0 && under_way_bytes_ + size > credit_
        && !session_.rules().broken(planted_bug::credit_ignored))
      return false;
    session_.send(*on_way.ready);
    on_way.ready.reset();
    session_.counts().sent_bytes += size;
    auto from = on_way.next == 0 ? 0 : on_way.ends[on_way.next - 1];
    session_.counts().sent_entries += on_way.ends[on_way.next] - from;
    on_way.sizes[on_way.next] = size;
    under_way_bytes_ += size;
    ++on_way.next;
    on_way.resend_at = resend_time(on_way, now);
    next_resend_ = std::min(next_resend_, on_way.resend_at);
  }
  return true;
}

void link_sender::resend_late(const moment& now) {
  if (session_.rules().broken(planted_bug::no_resend) || now.steady_ns < next_resend_)
    return;
  next_resend_ = now.steady_ns + ns(session_.rules().retry_max);
  for (auto shard : active_) {
    auto& to = outgoing_[shard];
    if (!to.under_way || to.under_way->next == 0)
      continue;
    if (now.steady_ns >= to.under_way->resend_at) {
      to_pump_.insert(shard);
      resend(*to.under_way, now);
    }
    next_resend_ = std::min(next_resend_, to.under_way->resend_at);
  }
}

void link_sender::resend(transfer& late, const moment& now) {
  session_.counts().resent_parts += late.next - late.acknowledged;
  for (auto i = late.acknowledged; i < late.next; ++i) {
    under_way_bytes_ -= late.sizes[i];
    late.sizes[i] = 0;
  }
  late.acknowledged = std::min(late.acknowledged, late.told);
  late.next = late.acknowledged;
  late.ready.reset();
  ++late.attempts;
  // Its deadline moves even if there is no credit now.
  late.resend_at = resend_time(late, now);
}

void link_sender::pump(const moment& now) {
  if (!has_positions_)
    return;
  resend_late(now);
  for (auto at = to_pump_.begin(); at != to_pump_.end();) {
    auto shard = *at;
    auto& to = outgoing_[shard];
    if (!to.under_way && to.dirty && now.steady_ns >= to.due)
      begin_transfer(shard, to);
    if (!to.under_way && !to.dirty) {
      active_.erase(shard);
      at = to_pump_.erase(at);
      continue;
    }
    auto safe = to.under_way
                && (session_.host().safe_change(shard) >= to.under_way->whole.to
                    || session_.rules().broken(planted_bug::send_before_durable));
    if (safe && !send_parts(shard, *to.under_way, now))
      break;
    at = safe ? to_pump_.erase(at) : std::next(at);
  }
}

// ---- what is known ------------------------------------------------------------------------------

std::int64_t link_sender::next_due() const {
  auto due = std::numeric_limits<std::int64_t>::max();
  if (!has_positions_)
    return due;
  if (!active_.empty())
    due = next_resend_;
  for (auto shard : to_pump_)
    if (const auto& to = outgoing_.at(shard); !to.under_way && to.dirty)
      due = std::min(due, to.due);
  return due;
}

change_number link_sender::acknowledged(std::uint16_t shard) const {
  auto at = outgoing_.find(shard);
  return at != outgoing_.end() ? std::max(at->second.acknowledged, at->second.settled) : 0;
}

change_number link_sender::cursor(std::uint16_t shard) const {
  auto at = outgoing_.find(shard);
  return at != outgoing_.end() ? at->second.acknowledged : 0;
}

void link_sender::add_to(link_status& status) const {
  status.bytes_under_way = under_way_bytes_;
  status.credit = credit_;
  for (const auto& [shard, to] : outgoing_) {
    if (to.under_way)
      status.parts_under_way += to.under_way->next - to.under_way->acknowledged;
    if (const auto* replica = session_.host().find_shard(shard))
      status.backlog += replica->changed_after(std::max(to.acknowledged, to.settled));
  }
}

} // namespace gemel
