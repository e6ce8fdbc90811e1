#include "actors/sync/sync_link.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
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

} // namespace

sync_link::sync_link(std::uint32_t number, const sync_rules& rules, link_host& host)
    : rules_{&rules}, host_{&host}, session_{number, rules, host}, sender_{session_},
      receiver_{session_, sender_}, digests_{session_} {
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
  session_.attempt();
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
  if (up())
    retry_ = milliseconds{0};
  state_ = link_state::down;
  session_.end();
  begin_session();
  next_attempt_ = std::max(next_attempt_, now.steady_ns + ns(rules_->retry_min));
}

// What belongs to one session alone: names, positions told, what is under way.
void sync_link::begin_session() {
  confirmed_ = false;
  session_.forget_names();
  sender_.begin_session();
}

void sync_link::greet() {
  const auto& own = host_->identity();
  session_.post(sync_hello{sync_protocol, sync_protocol, own.cluster, own.node, own.site(),
                           own.incarnation, session_.nonce(), session_.peer_nonce(),
                           rules_->credit_bytes});
}

// Two sides that answer each other, on a way that repeats messages, must not fill it.
void sync_link::answer(const moment& now) {
  if (now.steady_ns - last_answer_ < answer_interval_ms * ns_per_ms)
    return;
  last_answer_ = now.steady_ns;
  greet();
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
  if (state_ == link_state::down || session_.nonce() == 0)
    connected(now);
  if (auto why = refusal_of(hello)) {
    session_.counts().trouble = std::string{to_string(why->why)} + ": " + why->text;
    session_.post(*why);
    end_session(now);
    state_ = link_state::refused;
    return;
  }
  auto known = hello.nonce == session_.peer_nonce();
  if (!known && hello.answers != 0 && hello.answers != session_.nonce())
    return answer(now); // of an attempt that is over
  last_heard_ = now.steady_ns;
  if (!known)
    meet(hello);
  state_ = link_state::up;
  if (auto& trouble = session_.counts().trouble; trouble.find("clock") == std::string::npos)
    trouble.clear();
  if (hello.answers != session_.nonce())
    answer(now);
  else
    confirmed_ = true;
  if (!known)
    receiver_.send_positions();
}

void sync_link::meet(const sync_hello& hello) {
  auto is_another = session_.meet(hello);
  sender_.grant(hello.credit);
  begin_session();
  if (is_another) {
    sender_.forget_peer();
    receiver_.forget_peer();
  }
  retry_ = milliseconds{0};
}

void sync_link::hear(const sync_bye& bye, const moment& now) {
  session_.counts().trouble = std::string{to_string(bye.why)} + ": " + bye.text;
  end_session(now);
  if (bye.why != sync_goodbye::stopping)
    state_ = link_state::refused;
}

// ---- liveness -----------------------------------------------------------------------------------

void sync_link::ping(const moment& now) {
  last_ping_ = now.steady_ns;
  session_.post(sync_ping{++ping_sequence_, now.unix_us, sender_.has_positions()});
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
    digests_.send();
  }
}

std::int64_t sync_link::next_due() const {
  if (state_ == link_state::down || state_ == link_state::refused)
    return next_attempt_;
  if (!up())
    return last_greeting_ + greeting_interval_ms * ns_per_ms;
  return std::min(last_ping_ + ns(rules_->ping_interval), sender_.next_due());
}

void sync_link::take(const sync_ping& ping, const moment& now) {
  session_.post(sync_pong{ping.sequence, ping.sent_us, now.unix_us, now.unix_us});
  if (!ping.has_positions)
    receiver_.send_positions();
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
  auto& counts = session_.counts();
  smooth(counts.round_trip_us, trip);
  // A clock that was set is believed at once.
  if (std::abs(offset - counts.offset_us) > rules_->clock_bound.count() * 1'000)
    counts.offset_us = offset;
  else
    smooth(counts.offset_us, offset);
}

// ---- messages -----------------------------------------------------------------------------------

// Not of a session that is over, or not begun.
bool sync_link::may_be_heard(const frame& arrived) const {
  if (!is_sync(arrived))
    return false;
  auto of = session_of(arrived);
  if (of == 0)
    return true;
  return up() && (of == session_.id() || rules_->broken(planted_bug::old_sessions_heard));
}

// The peer speaks of names by numbers that are not known here.
void sync_link::complain(const moment& now) {
  if (rules_->broken(planted_bug::names_before_ack)
      || now.steady_ns - last_complaint_ < answer_interval_ms * ns_per_ms)
    return;
  last_complaint_ = now.steady_ns;
  session_.post(sync_nack{0, sync_refusal::unknown_names, 0, 0});
}

void sync_link::receive(const frame& arrived, const moment& now) {
  auto& counts = session_.counts();
  if (!may_be_heard(arrived)) {
    ++counts.refused_messages;
    return;
  }
  auto is_outside = session_of(arrived) == 0;
  auto message = session_.read(arrived);
  if (!message) {
    ++counts.refused_messages;
    if (!is_outside && sync_is_whole(arrived))
      complain(now);
    return;
  }
  auto is_greeting =
      std::holds_alternative<sync_hello>(*message) || std::holds_alternative<sync_bye>(*message);
  if (is_greeting != is_outside) {
    ++counts.refused_messages;
    return;
  }
  counts.received_bytes += arrived.size();
  if (!is_greeting) {
    last_heard_ = now.steady_ns;
    confirmed_ = true; // who speaks in this session knows both nonces
  }
  handle(std::move(*message), arrived.size(), now);
}

void sync_link::handle(sync_message message, std::size_t bytes, const moment& now) {
  std::visit(overloaded{[&](const sync_hello& m) { hear(m, now); },
                        [&](const sync_bye& m) { hear(m, now); },
                        [&](const sync_ping& m) { take(m, now); },
                        [&](const sync_pong& m) { take(m, now); },
                        [&](sync_part&& m) { receiver_.take(std::move(m), bytes, now); },
                        [&](const sync_ack& m) { sender_.take(m, now); },
                        [&](const sync_nack& m) { sender_.take(m, now); },
                        [&](const sync_digest& m) { digests_.take(m); },
                        [&](const sync_buckets& m) { digests_.take(m); },
                        [&](const sync_repair& m) { digests_.take(m); }},
             std::move(message));
}

void sync_link::pump(const moment& now) {
  check_liveness(now);
  if (!up())
    return;
  receiver_.send_acks();
  sender_.pump(now);
}

// ---- what is known ------------------------------------------------------------------------------

std::optional<change_number> sync_link::acknowledged(std::uint16_t shard) const {
  if (!sends()) // It will never ask for anything.
    return UINT64_MAX;
  if (peer_site() == site_id{})
    return std::nullopt;
  return sender_.acknowledged(shard);
}

link_status sync_link::status(const moment& now) const {
  auto made = session_.counts();
  made.state = state_;
  made.silent_ms = (now.steady_ns - last_heard_) / ns_per_ms;
  sender_.add_to(made);
  return made;
}

} // namespace gemel
