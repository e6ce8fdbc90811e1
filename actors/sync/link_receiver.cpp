#include "actors/sync/link_receiver.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace gemel {

bool link_receiver::from_the_future(std::uint16_t shard,
                                    const std::vector<replicated_entry>& entries,
                                    const moment& now) {
  if (session_.rules().broken(planted_bug::future_times_taken))
    return false;
  auto most = session_.host().time_max(now);
  hybrid_time greatest{};
  for (const auto& e : entries)
    for (const auto& s : e.siblings)
      if (e.key != replica_keys::life)
        greatest = std::max(greatest, s.time);
  if (greatest <= most)
    return false;
  auto ahead = static_cast<std::uint64_t>(unix_ms(greatest) - unix_ms(most))
               + static_cast<std::uint64_t>(session_.rules().clock_bound.count());
  session_.counts().trouble = "clock: stamps from '" + session_.peer().node + "' are "
                              + std::to_string(ahead) + " ms ahead of ours";
  refuse(shard, sync_refusal::clock_fault, ahead);
  return true;
}

void link_receiver::refuse(std::uint16_t shard, sync_refusal why, std::uint64_t ahead_ms) {
  session_.post(sync_nack{shard, why, session_.safe_applied(shard), ahead_ms});
}

void link_receiver::take(sync_part part, std::size_t bytes, const moment& now) {
  auto at = session_.applied(part.shard);
  ack_due_.insert(part.shard);
  if (part.to <= at && !session_.rules().broken(planted_bug::position_goes_back))
    return; // had it already
  if (part.from > at && !part.full)
    return refuse(part.shard, sync_refusal::gap);
  if (from_the_future(part.shard, part.entries, now))
    return;
  auto is_whole = part.index == 0 && part.last;
  if (is_whole || session_.rules().broken(planted_bug::parts_apply_early))
    return apply(part.shard, {part.from, part.to, part.full && is_whole, std::move(part.clock),
                              std::move(part.entries)});
  for (const auto& e : part.entries)
    bytes += bytes_of(e); // what it takes here, not on the way
  stage(std::move(part), bytes, now);
}

void link_receiver::drop(staged_batches::iterator at) {
  staged_bytes_ -= at->second.bytes;
  staged_.erase(at);
}

// The end: it is of a batch that was given up.
link_receiver::staged_batches::iterator link_receiver::batch_of(const sync_part& part) {
  auto at = staged_.find(part.shard);
  if (at != staged_.end() && part.to < at->second.whole.to)
    return staged_.end();
  if (at != staged_.end() && at->second.cut == part.cut)
    return at;
  if (at != staged_.end())
    drop(at);
  staged fresh;
  fresh.cut = part.cut;
  fresh.whole = {part.from, part.to, part.full, part.clock, {}};
  return staged_.emplace(part.shard, std::move(fresh)).first;
}

void link_receiver::stage(sync_part part, std::size_t bytes, const moment& now) {
  auto at = batch_of(part);
  if (at == staged_.end())
    return;
  auto& waiting = at->second;
  if (part.last)
    waiting.count = part.index + 1;
  if (!waiting.parts.try_emplace(part.index, std::move(part.entries)).second)
    return; // repeated
  if (staged_bytes_ + bytes > session_.rules().staged_bytes_max) {
    drop(at);
    return refuse(part.shard, sync_refusal::busy);
  }
  staged_bytes_ += bytes;
  waiting.bytes += bytes;
  while (waiting.parts.count(waiting.in_order) != 0)
    ++waiting.in_order;
  if (waiting.count == 0 || waiting.in_order < waiting.count)
    return;
  for (auto& [index, entries] : waiting.parts)
    std::move(entries.begin(), entries.end(), std::back_inserter(waiting.whole.entries));
  auto whole = std::move(waiting.whole);
  drop(at);
  // Our own clock may have been set since its first part came.
  if (!from_the_future(part.shard, whole.entries, now))
    apply(part.shard, whole);
}

void link_receiver::apply(std::uint16_t shard, const shard_interval& theirs) {
  session_.counts().received_entries += theirs.entries.size();
  const auto& peer = session_.peer();
  auto taken = session_.host().apply(shard, theirs, {peer.site, peer.incarnation, theirs.to},
                                     session_.source(), sender_.cursor(shard));
  if (!taken) {
    session_.counts().trouble = taken.error().context;
    return refuse(shard, sync_refusal::too_many_writers);
  }
  sender_.learn(shard, theirs.clock);
}

void link_receiver::forget_peer() {
  staged_.clear();
  staged_bytes_ = 0;
  ack_due_.clear();
  ack_later_.clear();
}

sync_position link_receiver::position_of(std::uint16_t shard) const {
  sync_position made{shard, 0, 0, 0};
  made.received = session_.rules().broken(planted_bug::ack_before_durable)
                      ? session_.applied(shard)
                      : session_.safe_applied(shard);
  if (auto at = staged_.find(shard); at != staged_.end()) {
    made.staged_cut = at->second.cut;
    made.staged_parts = at->second.in_order;
  }
  return made;
}

bool link_receiver::is_safe(std::uint16_t shard) const {
  return session_.safe_applied(shard) >= session_.applied(shard);
}

// One answer for all parts that came; those that were not safe yet are answered again when they
// are, and not before, or two sides that wait for their disks would answer each other for ever.
void link_receiver::send_acks() {
  for (auto at = ack_later_.begin(); at != ack_later_.end();) {
    auto safe = is_safe(*at);
    if (safe)
      ack_due_.insert(*at);
    at = safe ? ack_later_.erase(at) : std::next(at);
  }
  if (ack_due_.empty())
    return;
  sync_ack made{false, session_.rules().credit_bytes, {}};
  for (auto shard : std::exchange(ack_due_, {})) {
    made.positions.push_back(position_of(shard));
    if (!is_safe(shard))
      ack_later_.insert(shard);
  }
  session_.post(made);
}

void link_receiver::send_positions() {
  sync_ack made{true, session_.rules().credit_bytes, {}};
  for (auto shard : session_.host().shards())
    if (auto at = position_of(shard); at.received != 0 || at.staged_cut != 0)
      made.positions.push_back(at);
  session_.post(made);
}

} // namespace gemel
