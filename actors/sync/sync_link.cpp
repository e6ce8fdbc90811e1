#include "actors/sync/sync_link.hpp"

#include "messages/packed.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gemel {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t ns_per_us = 1'000;
constexpr std::int64_t greeting_interval_ms = 500;
constexpr std::int64_t answer_interval_ms = 50;

std::int64_t ns(milliseconds time) {
  return time.count() * ns_per_ms;
}

template <class... Each>
struct overloaded : Each... {
  using Each::operator()...;
};
template <class... Each>
overloaded(Each...) -> overloaded<Each...>;

std::size_t bytes_of(const replicated_entry& entry) {
  constexpr std::size_t head = 8;
  constexpr std::size_t stamp = 24;
  auto bytes = head + entry.twin.size() + entry.key.size();
  for (const auto& s : entry.siblings)
    bytes += stamp + s.content.heap_bytes();
  return bytes;
}

} // namespace

std::string_view to_string(link_state state) noexcept {
  constexpr std::array<std::string_view, 5> names = {"down", "greeting", "up", "suspect",
                                                     "refused"};
  auto index = static_cast<std::size_t>(state);
  return index < names.size() ? names[index] : "unknown";
}

sync_link::sync_link(std::uint32_t number, const sync_rules& rules, link_host& host)
    : number_{number}, rules_{&rules}, host_{&host} {
}

// ---- session ------------------------------------------------------------------------------------

bool sync_link::take_attempt(const moment& now) {
  if ((state_ != link_state::down && state_ != link_state::refused)
      || now.steady_ns < next_attempt_)
    return false;
  // Doubled each time, with up to a fifth more or less.
  retry_ = std::clamp(retry_ * 2, rules_->retry_min, rules_->retry_max);
  constexpr std::int64_t percent = 100;
  constexpr std::uint64_t jitter = 41;
  auto share = 80 + static_cast<std::int64_t>(host_->random() % jitter);
  next_attempt_ = now.steady_ns + ns(retry_) * share / percent;
  return true;
}

void sync_link::connected(const moment& now) {
  state_ = link_state::greeting;
  nonce_ = host_->random() | 1;
  peer_nonce_ = 0;
  last_heard_ = now.steady_ns;
  begin_session();
  last_greeting_ = now.steady_ns;
  greet();
}

void sync_link::disconnected(const moment& now) {
  if (state_ != link_state::refused)
    end_session(now);
}

void sync_link::end_session(const moment& now) {
  if (peer_nonce_ != 0)
    retry_ = milliseconds{0};
  state_ = link_state::down;
  peer_nonce_ = 0;
  begin_session();
  next_attempt_ = std::max(next_attempt_, now.steady_ns + ns(rules_->retry_min));
}

// What belongs to one session alone: names, positions told, what is under way.
void sync_link::begin_session() {
  confirmed_ = false;
  has_positions_ = false;
  new_names();
  received_ = received_names{rules_->names_max};
  under_way_bytes_ = 0;
  for (auto& [shard, to] : outgoing_)
    if (to.under_way)
      to.under_way->sizes.assign(to.under_way->ends.size(), 0);
  to_pump_ = active_;
  next_resend_ = 0;
}

void sync_link::new_names() {
  sent_ = sent_names{rules_->names_max, host_->random()};
  if (rules_->broken(planted_bug::names_before_ack))
    sent_.trust_the_wire();
  for (auto& [shard, to] : outgoing_)
    if (to.under_way) {
      to.under_way->spelt.clear();
      to.under_way->ready.reset();
    }
}

// Both nonces, whichever side computes it.
std::uint64_t sync_link::session() const {
  std::array<std::uint64_t, 2> both{std::min(nonce_, peer_nonce_), std::max(nonce_, peer_nonce_)};
  return hash_of({reinterpret_cast<const char*>(both.data()), sizeof both}) | 1;
}

void sync_link::greet() {
  const auto& own = host_->identity();
  post(sync_hello{sync_protocol, sync_protocol, own.cluster, own.node, own.site(), own.incarnation,
                  nonce_, peer_nonce_, rules_->credit_bytes});
}

// Two sides that answer each other, on a way that repeats messages, must not fill it.
void sync_link::answer(const moment& now) {
  if (now.steady_ns - last_answer_ < answer_interval_ms * ns_per_ms)
    return;
  last_answer_ = now.steady_ns;
  greet();
}

frame sync_link::post(const sync_message& message) {
  auto outside =
      std::holds_alternative<sync_hello>(message) || std::holds_alternative<sync_bye>(message);
  auto made = make_sync(outside ? 0 : session(), message, sent_);
  counts_.sent_bytes += made.size();
  host_->send(number_, made);
  return made;
}

std::optional<sync_bye> sync_link::refusal_of(const sync_hello& hello) const {
  const auto& own = host_->identity();
  if (hello.cluster != own.cluster)
    return sync_bye{sync_goodbye::other_cluster,
                    "this is cluster '" + own.cluster + "', not '" + hello.cluster + "'"};
  if (hello.protocol_min > sync_protocol || hello.protocol_max < sync_protocol)
    return sync_bye{sync_goodbye::protocol,
                    "this node speaks sync protocol " + std::to_string(sync_protocol)};
  if (hello.site == own.site())
    return sync_bye{sync_goodbye::same_site,
                    "node '" + own.node + "' and node '" + hello.node + "' have one site"};
  if (!expected_.empty() && hello.node != expected_)
    return sync_bye{sync_goodbye::same_site,
                    "node '" + expected_ + "' was expected here, not '" + hello.node + "'"};
  return std::nullopt;
}

void sync_link::hear(const sync_hello& hello, const moment& now) {
  if (state_ == link_state::down || nonce_ == 0)
    connected(now);
  if (auto why = refusal_of(hello)) {
    counts_.trouble = std::string{to_string(why->why)} + ": " + why->text;
    post(*why);
    end_session(now);
    state_ = link_state::refused;
    return;
  }
  auto known = hello.nonce == peer_nonce_;
  if (!known && hello.answers != 0 && hello.answers != nonce_)
    return answer(now); // of an attempt that is over
  last_heard_ = now.steady_ns;
  if (!known) {
    peer_nonce_ = hello.nonce;
    auto reborn = peer_.incarnation != hello.incarnation || peer_.site != hello.site;
    peer_ = hello;
    credit_ = hello.credit;
    counts_.peer = hello.node;
    begin_session();
    if (reborn) { // nothing of what was known about it holds any more
      outgoing_.clear();
      active_.clear();
      to_pump_.clear();
      staged_.clear();
      staged_bytes_ = 0;
      ack_due_.clear();
      ack_later_.clear();
    }
    ++counts_.sessions;
    retry_ = milliseconds{0};
  }
  state_ = link_state::up;
  if (counts_.trouble.find("clock") == std::string::npos)
    counts_.trouble.clear();
  if (hello.answers != nonce_)
    answer(now);
  else
    confirmed_ = true;
  if (!known)
    send_positions();
}

void sync_link::ping(const moment& now) {
  last_ping_ = now.steady_ns;
  post(sync_ping{++ping_sequence_, now.unix_us, has_positions_});
}

void sync_link::check_liveness(const moment& now) {
  if (state_ == link_state::down || state_ == link_state::refused)
    return;
  auto silent = now.steady_ns - last_heard_;
  if (silent > ns(rules_->dead_after))
    return end_session(now);
  if (!confirmed_ && now.steady_ns - last_greeting_ >= greeting_interval_ms * ns_per_ms) {
    last_greeting_ = now.steady_ns;
    greet();
  }
  if (!up())
    return;
  state_ = silent > ns(rules_->suspect_after) ? link_state::suspect : link_state::up;
  if (now.steady_ns - last_ping_ >= ns(rules_->ping_interval))
    ping(now);
  if (now.steady_ns - last_digest_ >= ns(rules_->digest_interval)) {
    last_digest_ = now.steady_ns;
    send_digests();
  }
}

std::int64_t sync_link::next_due() const {
  if (state_ == link_state::down || state_ == link_state::refused)
    return next_attempt_;
  auto due = up() ? last_ping_ + ns(rules_->ping_interval)
                  : last_greeting_ + greeting_interval_ms * ns_per_ms;
  if (!up() || !has_positions_)
    return due;
  if (!active_.empty())
    due = std::min(due, next_resend_);
  for (auto shard : to_pump_)
    if (const auto& to = outgoing_.at(shard); !to.under_way && to.dirty)
      due = std::min(due, to.due);
  return due;
}

// ---- receiving ----------------------------------------------------------------------------------

void sync_link::receive(const frame& arrived, const moment& now) {
  if (!is_sync(arrived)) {
    ++counts_.refused_messages;
    return;
  }
  auto of = session_of(arrived);
  auto current = up() && of == session();
  if (of != 0 && !current && !rules_->broken(planted_bug::old_sessions_heard)) {
    ++counts_.refused_messages; // of a session that is over, or not begun
    return;
  }
  if (of != 0 && !up())
    return;
  auto message = read_sync(arrived, received_, !rules_->broken(planted_bug::checksum_ignored));
  if (!message) {
    ++counts_.refused_messages;
    if (of != 0 && sync_is_whole(arrived) && !rules_->broken(planted_bug::names_before_ack)
        && now.steady_ns - last_complaint_ >= answer_interval_ms * ns_per_ms) {
      last_complaint_ = now.steady_ns;
      post(sync_nack{0, sync_refusal::unknown_names, 0, 0});
    }
    return;
  }
  auto greeting =
      std::holds_alternative<sync_hello>(*message) || std::holds_alternative<sync_bye>(*message);
  if (greeting != (of == 0)) {
    ++counts_.refused_messages;
    return;
  }
  counts_.received_bytes += arrived.size();
  if (!greeting) {
    last_heard_ = now.steady_ns;
    confirmed_ = true; // who speaks in this session knows both nonces
  }
  handle(*message, arrived.size(), now);
}

void sync_link::handle(const sync_message& message, std::size_t bytes, const moment& now) {
  std::visit(
      overloaded{[&](const sync_hello& m) { hear(m, now); },
                 [&](const sync_part& m) { take(m, bytes, now); },
                 [&](const sync_ack& m) { take(m, now); },
                 [&](const sync_nack& m) { take(m, now); },
                 [&](const sync_ping& m) {
                   post(sync_pong{m.sequence, m.sent_us, now.unix_us, now.unix_us});
                   if (!m.has_positions)
                     send_positions();
                 },
                 [&](const sync_pong& m) { take(m, now); }, [&](const sync_digest& m) { take(m); },
                 [&](const sync_buckets& m) { take(m); }, [&](const sync_repair& m) { take(m); },
                 [&](const sync_bye& m) {
                   counts_.trouble = std::string{to_string(m.why)} + ": " + m.text;
                   end_session(now);
                   if (m.why != sync_goodbye::stopping)
                     state_ = link_state::refused;
                 }},
      message);
}

void sync_link::take(const sync_pong& pong, const moment& now) {
  if (pong.sequence != ping_sequence_)
    return;
  auto trip = (now.unix_us - pong.sent_us) - (pong.answered_us - pong.received_us);
  auto offset = ((pong.received_us - pong.sent_us) + (pong.answered_us - now.unix_us)) / 2;
  constexpr std::int64_t weight = 8; // of what was known; as in TCP's smoothed round trip
  auto smooth = [](std::int64_t& known, std::int64_t seen) {
    known = known == 0 ? seen : known + (seen - known) / weight;
  };
  if (trip < 0)
    return; // a clock was set meanwhile
  smooth(counts_.round_trip_us, trip);
  // A clock that was set is believed at once.
  if (std::abs(offset - counts_.offset_us) > rules_->clock_bound.count() * 1'000)
    counts_.offset_us = offset;
  else
    smooth(counts_.offset_us, offset);
}

bool sync_link::from_the_future(std::uint16_t shard, const std::vector<replicated_entry>& entries,
                                const moment& now) {
  if (rules_->broken(planted_bug::future_times_taken))
    return false;
  auto most = host_->time_max(now);
  hybrid_time greatest{};
  for (const auto& e : entries)
    for (const auto& s : e.siblings)
      if (e.key != replica_keys::life)
        greatest = std::max(greatest, s.time);
  if (greatest <= most)
    return false;
  auto ahead = static_cast<std::uint64_t>(unix_ms(greatest) - unix_ms(most))
               + static_cast<std::uint64_t>(rules_->clock_bound.count());
  counts_.trouble =
      "clock: stamps from '" + peer_.node + "' are " + std::to_string(ahead) + " ms ahead of ours";
  refuse(shard, sync_refusal::clock_fault, ahead);
  return true;
}

void sync_link::refuse(std::uint16_t shard, sync_refusal why, std::uint64_t ahead_ms) {
  post(sync_nack{shard, why, host_->safe_applied(peer_.site, peer_.incarnation, shard), ahead_ms});
}

void sync_link::take(const sync_part& part, std::size_t bytes, const moment& now) {
  auto at = host_->applied(peer_.site, peer_.incarnation, part.shard);
  ack_due_.insert(part.shard);
  if (part.to <= at && !rules_->broken(planted_bug::position_goes_back))
    return; // had it already
  if (part.from > at && !part.full)
    return refuse(part.shard, sync_refusal::gap);
  if (from_the_future(part.shard, part.entries, now))
    return;
  shard_interval whole{part.from, part.to, part.full, part.clock, part.entries};
  if (part.index == 0 && part.last)
    return apply(part.shard, whole);
  if (rules_->broken(planted_bug::parts_apply_early)) {
    whole.full = false;
    return apply(part.shard, whole);
  }
  for (const auto& e : part.entries)
    bytes += bytes_of(e); // what it takes here, not on the way
  stage(part, bytes, now);
}

void sync_link::stage(const sync_part& part, std::size_t bytes, const moment& now) {
  auto drop = [&](auto at) {
    staged_bytes_ -= at->second.bytes;
    staged_.erase(at);
  };
  auto at = staged_.find(part.shard);
  if (at != staged_.end() && part.to < at->second.whole.to)
    return; // of a batch that was given up
  if (at != staged_.end() && at->second.cut != part.cut) {
    drop(at);
    at = staged_.end();
  }
  if (at == staged_.end()) {
    staged fresh;
    fresh.cut = part.cut;
    fresh.whole = {part.from, part.to, part.full, part.clock, {}};
    at = staged_.emplace(part.shard, std::move(fresh)).first;
  }
  auto& waiting = at->second;
  if (part.last)
    waiting.count = part.index + 1;
  if (!waiting.parts.try_emplace(part.index, part.entries).second)
    return; // repeated
  if (staged_bytes_ + bytes > rules_->staged_bytes_max) {
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
    waiting.whole.entries.insert(waiting.whole.entries.end(), entries.begin(), entries.end());
  auto whole = std::move(waiting.whole);
  drop(at);
  // Our own clock may have been set since its first part came.
  if (!from_the_future(part.shard, whole.entries, now))
    apply(part.shard, whole);
}

void sync_link::apply(std::uint16_t shard, const shard_interval& theirs) {
  counts_.received_entries += theirs.entries.size();
  auto source = host_->source_of(peer_.site, peer_.incarnation);
  auto taken = host_->apply(shard, theirs, {peer_.site, peer_.incarnation, theirs.to}, source,
                            cursor(shard));
  if (!taken) {
    counts_.trouble = taken.error().context;
    return refuse(shard, sync_refusal::too_many_writers);
  }
  outgoing_[shard].known.join(theirs.clock);
}

sync_position sync_link::position_of(std::uint16_t shard) const {
  sync_position made{shard, 0, 0, 0};
  made.received = rules_->broken(planted_bug::ack_before_durable)
                      ? host_->applied(peer_.site, peer_.incarnation, shard)
                      : host_->safe_applied(peer_.site, peer_.incarnation, shard);
  if (auto at = staged_.find(shard); at != staged_.end()) {
    made.staged_cut = at->second.cut;
    made.staged_parts = at->second.in_order;
  }
  return made;
}

// One answer for all parts that came; those that were not safe yet are answered again when they
// are, and not before, or two sides that wait for their disks would answer each other for ever.
void sync_link::send_acks() {
  if (!up())
    return;
  auto all_safe = [this](std::uint16_t shard) {
    return host_->safe_applied(peer_.site, peer_.incarnation, shard)
           >= host_->applied(peer_.site, peer_.incarnation, shard);
  };
  for (auto at = ack_later_.begin(); at != ack_later_.end();) {
    auto safe = all_safe(*at);
    if (safe)
      ack_due_.insert(*at);
    at = safe ? ack_later_.erase(at) : std::next(at);
  }
  if (ack_due_.empty())
    return;
  sync_ack made{false, rules_->credit_bytes, {}};
  for (auto shard : std::exchange(ack_due_, {})) {
    made.positions.push_back(position_of(shard));
    if (!all_safe(shard))
      ack_later_.insert(shard);
  }
  post(made);
}

void sync_link::send_positions() {
  if (!up())
    return;
  sync_ack made{true, rules_->credit_bytes, {}};
  for (auto shard : host_->shards())
    if (auto at = position_of(shard); at.received != 0 || at.staged_cut != 0)
      made.positions.push_back(at);
  post(made);
}

// ---- sending ------------------------------------------------------------------------------------

void sync_link::changed(std::uint16_t shard, bool urgent, const moment& now) {
  auto& to = outgoing_[shard];
  auto due = urgent ? now.steady_ns : now.steady_ns + ns(rules_->flush_interval);
  to.due = to.dirty ? std::min(to.due, due) : due;
  to.dirty = true;
  active_.insert(shard);
  to_pump_.insert(shard);
}

void sync_link::take(const sync_ack& ack, const moment& now) {
  credit_ = ack.credit;
  if (ack.all) {
    for (auto shard : host_->shards()) {
      auto same = [shard](const sync_position& p) { return p.shard == shard; };
      auto at = std::find_if(ack.positions.begin(), ack.positions.end(), same);
      auto first = !has_positions_;
      if (first || at != ack.positions.end())
        take_position(at != ack.positions.end() ? *at : sync_position{shard, 0, 0, 0}, first, now);
      if (first)
        changed(shard, true, now);
    }
    has_positions_ = true;
    return;
  }
  if (has_positions_)
    for (const auto& p : ack.positions)
      take_position(p, false, now);
}

void sync_link::take_position(const sync_position& position, bool resuming, const moment& now) {
  auto* replica = host_->find_shard(position.shard);
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

void sync_link::free_parts(transfer& on_way, std::uint32_t upto) {
  upto = std::min(upto, on_way.next);
  if (on_way.acknowledged < upto)
    on_way.attempts = 0; // it gets on
  for (; on_way.acknowledged < upto; ++on_way.acknowledged) {
    under_way_bytes_ -= on_way.sizes[on_way.acknowledged];
    on_way.sizes[on_way.acknowledged] = 0;
  }
}

void sync_link::finish_transfer(outgoing& to) {
  auto& on_way = *to.under_way;
  sent_.acknowledge(on_way.spelt);
  to.known.join(on_way.whole.clock);
  drop_transfer(to);
}

void sync_link::drop_transfer(outgoing& to) {
  for (auto size : to.under_way->sizes)
    under_way_bytes_ -= size;
  to.under_way.reset();
}

void sync_link::take(const sync_nack& nack, const moment& now) {
  if (nack.why == sync_refusal::unknown_names)
    return new_names();
  auto at = outgoing_.find(nack.shard);
  auto* replica = host_->find_shard(nack.shard);
  if (at == outgoing_.end() || replica == nullptr || !has_positions_)
    return;
  auto& to = at->second;
  if (to.under_way)
    drop_transfer(to);
  if (nack.received <= replica->last_change())
    to.acknowledged = nack.received;
  if (nack.why == sync_refusal::clock_fault)
    counts_.trouble = "clock: '" + peer_.node + "' says that our stamps are "
                      + std::to_string(nack.ahead_ms) + " ms ahead of its clock";
  if (nack.why == sync_refusal::too_many_writers)
    counts_.trouble = "'" + peer_.node + "' refuses a shard of too many writers";
  changed(nack.shard, nack.why == sync_refusal::gap, now);
  if (nack.why != sync_refusal::gap)
    to.due = now.steady_ns + ns(rules_->resend_min);
}

// Cuts what changed since the peer's last word into parts that keep the content of this moment.
void sync_link::begin_transfer(std::uint16_t shard, outgoing& to) {
  to.dirty = false;
  auto* replica = host_->find_shard(shard);
  if (replica == nullptr || replica->last_change() <= to.acknowledged)
    return;
  if (!sends_)
    return void(to.settled = replica->last_change());
  auto source = host_->source_of(peer_.site, peer_.incarnation);
  // What lies between came from the peer itself.
  auto known = to.acknowledged >= replica->forgotten() ? std::max(to.acknowledged, to.settled) : 0;
  auto whole = replica->cut(std::max(to.acknowledged, known), source);
  if (!whole.full)
    whole.from = to.acknowledged;
  if (whole.entries.empty() && !whole.full && to.known.covers(whole.clock))
    return void(to.settled = whole.to); // nothing that the peer does not know
  transfer made;
  made.cut = host_->random() | 1;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < whole.entries.size(); ++i) {
    auto begin = made.ends.empty() ? 0 : made.ends.back();
    auto more = bytes_of(whole.entries[i]);
    if (i > begin && (bytes + more > rules_->part_bytes || i - begin >= rules_->part_entries)) {
      made.ends.push_back(i);
      bytes = 0;
    }
    bytes += more;
  }
  made.ends.push_back(whole.entries.size());
  made.sizes.assign(made.ends.size(), 0);
  counts_.full_copies += whole.full ? 1 : 0;
  made.whole = std::move(whole);
  to.under_way = std::move(made);
  if (rules_->broken(planted_bug::cursor_on_send))
    to.acknowledged = to.under_way->whole.to;
}

sync_part sync_link::part_of(std::uint16_t shard, const transfer& on_way,
                             std::uint32_t index) const {
  const auto& whole = on_way.whole;
  auto from = index == 0 ? 0 : on_way.ends[index - 1];
  auto begin = whole.entries.begin() + static_cast<std::ptrdiff_t>(from);
  auto end = whole.entries.begin() + static_cast<std::ptrdiff_t>(on_way.ends[index]);
  return {shard,
          whole.from,
          whole.to,
          on_way.cut,
          whole.full,
          index,
          index + 1 == on_way.ends.size(),
          whole.clock,
          {begin, end}};
}

std::int64_t sync_link::resend_time(const transfer& on_way, const moment& now) const {
  constexpr std::int64_t trips = 4;
  auto wait = std::max(ns(rules_->resend_min), trips * counts_.round_trip_us * ns_per_us);
  auto doubled = std::min(ns(rules_->retry_max), wait << std::min(on_way.attempts, 5u));
  constexpr std::int64_t percent = 100;
  constexpr std::uint64_t jitter = 41;
  return now.steady_ns
         + doubled * (80 + static_cast<std::int64_t>(host_->random() % jitter)) / percent;
}

// @returns false when there is no credit for the next part.
bool sync_link::send_parts(std::uint16_t shard, transfer& on_way, const moment& now) {
  while (on_way.next < on_way.ends.size()) {
    if (!on_way.ready) {
      on_way.ready = make_sync(session(), part_of(shard, on_way, on_way.next), sent_);
      auto spelt = sent_.take_spelt();
      on_way.spelt.insert(on_way.spelt.end(), spelt.begin(), spelt.end());
    }
    auto size = on_way.ready->size();
    if (under_way_bytes_ != 0 && under_way_bytes_ + size > credit_
        && !rules_->broken(planted_bug::credit_ignored))
      return false;
    host_->send(number_, *on_way.ready);
    on_way.ready.reset();
    counts_.sent_bytes += size;
    auto from = on_way.next == 0 ? 0 : on_way.ends[on_way.next - 1];
    counts_.sent_entries += on_way.ends[on_way.next] - from;
    on_way.sizes[on_way.next] = size;
    under_way_bytes_ += size;
    ++on_way.next;
    on_way.resend_at = resend_time(on_way, now);
    next_resend_ = std::min(next_resend_, on_way.resend_at);
  }
  return true;
}

void sync_link::resend_late(const moment& now) {
  if (rules_->broken(planted_bug::no_resend) || now.steady_ns < next_resend_)
    return;
  next_resend_ = now.steady_ns + ns(rules_->retry_max);
  for (auto shard : active_) {
    auto& to = outgoing_[shard];
    if (!to.under_way || to.under_way->next == 0)
      continue;
    if (now.steady_ns < to.under_way->resend_at) {
      next_resend_ = std::min(next_resend_, to.under_way->resend_at);
      continue;
    }
    to_pump_.insert(shard);
    auto& on_way = *to.under_way;
    counts_.resent_parts += on_way.next - on_way.acknowledged;
    for (auto i = on_way.acknowledged; i < on_way.next; ++i) {
      under_way_bytes_ -= on_way.sizes[i];
      on_way.sizes[i] = 0;
    }
    on_way.acknowledged = std::min(on_way.acknowledged, on_way.told);
    on_way.next = on_way.acknowledged;
    on_way.ready.reset();
    ++on_way.attempts;
    // Its deadline moves even if there is no credit now.
    on_way.resend_at = resend_time(on_way, now);
    next_resend_ = std::min(next_resend_, on_way.resend_at);
  }
}

void sync_link::pump(const moment& now) {
  check_liveness(now);
  send_acks();
  if (!up() || !has_positions_)
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
                && (host_->safe_change(shard) >= to.under_way->whole.to
                    || rules_->broken(planted_bug::send_before_durable));
    if (safe && !send_parts(shard, *to.under_way, now))
      break;
    at = safe ? to_pump_.erase(at) : std::next(at);
  }
}

// ---- digests ------------------------------------------------------------------------------------

void sync_link::send_digests() {
  sync_digest made;
  for (auto shard : host_->shards()) {
    const auto* replica = host_->find_shard(shard);
    made.shards.push_back({shard, replica->clock().hash(), replica->digest().root()});
  }
  if (!made.shards.empty())
    post(made);
}

// Different clocks are mere lag; equal ones must have equal digests.
void sync_link::take(const sync_digest& digest) {
  for (const auto& s : digest.shards) {
    const auto* replica = host_->find_shard(s.shard);
    if (replica == nullptr || replica->clock().hash() != s.clock
        || replica->digest().root() == s.root)
      continue;
    ++counts_.digest_alarms;
    post(sync_buckets{s.shard, s.clock, replica->digest().buckets()});
  }
}

void sync_link::take(const sync_buckets& buckets) {
  const auto* replica = host_->find_shard(buckets.shard);
  if (replica == nullptr || replica->clock().hash() != buckets.clock)
    return;
  sync_repair made{buckets.shard, replica->clock(), {}};
  std::size_t bytes = 0;
  replica->each_twin([&](std::string_view twin) {
    auto bucket = shard_digest::bucket_of(twin);
    if (buckets.sums[bucket] == replica->digest().buckets()[bucket])
      return;
    replica->each_property(twin, [&](std::string_view key, const sibling_set& siblings) {
      made.entries.push_back({std::string{twin}, std::string{key}, siblings});
      bytes += bytes_of(made.entries.back());
      // What does not fit comes with the next comparison.
      if (bytes > rules_->part_bytes || made.entries.size() > rules_->part_entries)
        made.entries.pop_back();
    });
  });
  post(made);
}

void sync_link::take(const sync_repair& repair) {
  const auto* replica = host_->find_shard(repair.shard);
  if (replica != nullptr && replica->clock() == repair.clock)
    host_->repair(repair.shard, repair.entries);
}

// ---- what is known ------------------------------------------------------------------------------

std::optional<change_number> sync_link::acknowledged(std::uint16_t shard) const {
  if (!sends_) // It will never ask for anything.
    return UINT64_MAX;
  if (peer_.site == site_id{})
    return std::nullopt;
  auto at = outgoing_.find(shard);
  return at != outgoing_.end() ? std::max(at->second.acknowledged, at->second.settled) : 0;
}

change_number sync_link::cursor(std::uint16_t shard) const {
  auto at = outgoing_.find(shard);
  return at != outgoing_.end() ? at->second.acknowledged : 0;
}

bool sync_link::idle() const {
  return up() && has_positions_ && active_.empty() && ack_due_.empty() && ack_later_.empty();
}

link_status sync_link::status(const moment& now) const {
  auto made = counts_;
  made.state = state_;
  made.bytes_under_way = under_way_bytes_;
  made.credit = credit_;
  made.silent_ms = (now.steady_ns - last_heard_) / ns_per_ms;
  for (const auto& [shard, to] : outgoing_)
    if (to.under_way)
      made.parts_under_way += to.under_way->next - to.under_way->acknowledged;
  for (const auto& [shard, to] : outgoing_)
    if (const auto* replica = host_->find_shard(shard))
      made.backlog += replica->changed_after(std::max(to.acknowledged, to.settled));
  return made;
}

} // namespace gemel
