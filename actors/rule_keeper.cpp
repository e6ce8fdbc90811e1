#include "actors/rule_keeper.hpp"

#include "actors/rule_cause.hpp"
#include "messages/packed.hpp"
#include "messages/records.hpp"

#include <algorithm>
#include <cstdio>

namespace gemel {

namespace {

constexpr std::string_view head_fact = "rules/checkpoint";
constexpr std::string_view held_fact = "rules/held";
constexpr std::string_view state_facts = "rules/state/";
constexpr std::uint64_t format_version = 1;
constexpr std::size_t chunk_bytes = std::size_t{512} << 10;
// Facts of one entry of the store.
constexpr std::size_t facts_max = 4'096;

std::string chunk_fact(std::uint64_t epoch, std::uint64_t chunk) {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx/%08llx", static_cast<unsigned long long>(epoch),
                static_cast<unsigned long long>(chunk));
  return std::string{state_facts} + text;
}

void pack_effect(const rule_effect& what, state_writer& into) {
  into.count(static_cast<std::uint64_t>(what.kind));
  into.text(what.rule);
  into.number(what.at);
  into.text(what.idempotency_key);
  into.text(what.action);
  auto bytes = what.request.bytes();
  into.text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  into.text(what.target);
  into.content(what.payload);
}

result<rule_effect> unpack_effect(state_reader& from) {
  rule_effect made;
  auto kind = from.count();
  if (kind > static_cast<std::uint64_t>(action_kind::webhook))
    from.fail("an unknown action");
  made.kind = static_cast<action_kind>(kind);
  made.rule = from.text();
  made.at = from.number();
  made.idempotency_key = from.text();
  made.action = from.text();
  auto request = from.text();
  if (!request.empty()) {
    auto read = frame::check(std::as_bytes(std::span{request}));
    if (!read)
      return tl::unexpected<error>(std::move(read.error()));
    made.request = std::move(*read);
  }
  made.target = from.text();
  made.payload = from.content();
  return made;
}

std::string pack_content(const rule_keeper::content& what) {
  state_writer into;
  into.text(what.rules);
  into.count(what.states.size());
  for (const auto& one : what.states) {
    into.text(one.name);
    into.text(one.state);
  }
  into.count(what.effects.size());
  for (const auto& one : what.effects)
    pack_effect(one, into);
  return into.take();
}

result<rule_keeper::content> unpack_content(std::string_view bytes) {
  state_reader from{bytes};
  rule_keeper::content made;
  made.rules = from.text();
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto name = from.text();
    made.states.push_back({std::move(name), from.text()});
  }
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto one = unpack_effect(from);
    if (!one)
      return tl::unexpected<error>(std::move(one.error()));
    made.effects.push_back(std::move(*one));
  }
  if (!from.ok())
    return tl::unexpected<error>(from.why("the checkpoint of rules"));
  return made;
}

bool changes_twins(event_kind kind) noexcept {
  return kind != event_kind::crashed && kind != event_kind::emitted;
}

} // namespace

// ---- at the start -------------------------------------------------------------------------------

result<rule_keeper::content> rule_keeper::open(std::int64_t now_ms) {
  written_ms_ = now_ms;
  last_ = store_.reached(durability::process);
  auto known = store_.read_meta(head_fact);
  if (!known)
    return tl::unexpected<error>(std::move(known.error()));
  if (!*known)
    return content{};
  state_reader from{**known};
  if (from.count() > format_version)
    return fail(errc::incompatible, "the checkpoint of rules is of a newer version of gemel");
  head_.epoch = from.count();
  head_.position = log_position{from.count()};
  head_.chunks = from.count();
  if (!from.ok())
    return tl::unexpected<error>(from.why("rules/checkpoint"));
  is_active_ = true;
  if (auto held = read_held(); !held)
    return tl::unexpected<error>(std::move(held.error()));
  auto facts = store_.read_meta_all(done_facts, [&](std::string_view key, std::string_view) {
    old_facts_.emplace_back(key.substr(done_facts.size()));
    return result<void>{};
  });
  if (!facts)
    return tl::unexpected<error>(std::move(facts.error()));
  auto bytes = read_state();
  if (!bytes)
    return tl::unexpected<error>(std::move(bytes.error()));
  state_bytes_ = bytes->size();
  return unpack_content(*bytes);
}

result<void> rule_keeper::read_held() {
  auto known = store_.read_meta(held_fact);
  if (!known)
    return tl::unexpected<error>(std::move(known.error()));
  if (!*known)
    return fail(errc::store_corrupt, "'rules/held' is missing");
  state_reader from{**known};
  held_ = log_position{from.count()};
  return {};
}

result<std::string> rule_keeper::read_state() const {
  std::string bytes;
  for (std::uint64_t i = 0; i < head_.chunks; ++i) {
    auto chunk = store_.read_meta(chunk_fact(head_.epoch, i));
    if (!chunk)
      return tl::unexpected<error>(std::move(chunk.error()));
    if (!*chunk)
      return fail(errc::store_corrupt, "'" + chunk_fact(head_.epoch, i) + "' is missing");
    bytes += **chunk;
  }
  return bytes;
}

void rule_keeper::note_read(const rule_record& what) {
  for (const auto& one : what.events) {
    if (one.event->id.is_text())
      noted_.insert(hash_of(one.event->id.as_text()));
    if (!one.action.empty())
      done_.insert(one.action);
  }
}

result<void> rule_keeper::replay(const record_sink& each) {
  if (!is_active_)
    return {};
  return store_.read_log(
      std::min(head_.position, held_),
      [&](log_position at, log_stream stream, std::string_view bytes) -> result<void> {
        if (stream != log_stream::rules)
          return {};
        auto record = unpack_rule_record(bytes);
        if (!record)
          return tl::unexpected<error>(std::move(record.error()));
        note_read(*record);
        if (at <= head_.position)
          return {};
        bytes_since_ += bytes.size();
        return each(at, *record);
      });
}

result<void> rule_keeper::take_unseen(log_position at, std::string_view record,
                                      const event_sink& each) {
  auto reader = log_record_reader::open(record);
  if (!reader)
    return tl::unexpected<error>(std::move(reader.error()));
  stored_event event;
  for (;;) {
    auto more = reader->next(event);
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    if (!*more)
      return {};
    auto id = hash_of(event_id_of(static_cast<std::uint16_t>(event.shard),
                                  static_cast<std::uint64_t>(event.write)));
    if (!changes_twins(event.kind) || noted_.contains(id))
      continue;
    read_.insert(id);
    if (auto taken = each(at, event); !taken)
      return taken;
  }
}

result<void> rule_keeper::read_unseen(const event_sink& each) {
  if (!is_active_)
    return {};
  auto up_to = store_.reached(durability::process);
  auto is_over = false;
  auto read = store_.read_log(
      held_, [&](log_position at, log_stream stream, std::string_view bytes) -> result<void> {
        is_over = at > up_to;
        if (is_over)
          return fail(errc::limit_reached, "behind the start");
        return stream == log_stream::twins ? take_unseen(at, bytes, each) : result<void>{};
      });
  noted_ = {};
  return is_over ? result<void>{} : read;
}

bool rule_keeper::was_read(std::string_view event_id) {
  return !read_.empty() && read_.erase(hash_of(event_id)) > 0;
}

std::unordered_set<std::string> rule_keeper::done() const {
  auto made = done_;
  made.insert(old_facts_.begin(), old_facts_.end());
  return made;
}

// ---- records ------------------------------------------------------------------------------------

void rule_keeper::tell_held() {
  state_writer written;
  written.count(static_cast<std::uint64_t>(held_));
  log_entry entry;
  entry.stream = log_stream::none;
  entry.meta.push_back({std::string{held_fact}, written.take()});
  static_cast<void>(store_.append(std::move(entry))); // Without it a start reads more of the log.
}

void rule_keeper::pass(std::int64_t now_ms, std::int64_t lag_ms) {
  constexpr std::int64_t sample_ms = 100;
  if (!is_active_ || (!reached_.empty() && now_ms - reached_.back().first < sample_ms))
    return;
  reached_.emplace_back(now_ms, store_.reached(durability::process));
  auto held = held_;
  while (reached_.size() > 1 && reached_[1].first <= now_ms - in_flight_ms - 2 * lag_ms)
    reached_.pop_front();
  if (reached_.front().first <= now_ms - in_flight_ms - 2 * lag_ms)
    held_ = std::max(held_, reached_.front().second);
  if (held_ == held || now_ms - held_told_ms_ < in_flight_ms)
    return;
  held_told_ms_ = now_ms;
  tell_held();
}

// The first rule of a node comes, or the first one again.
result<void> rule_keeper::begin_from_nothing() {
  head_.position = held_ = last_ = store_.reached(durability::process);
  if (auto kept = store_.retain(holder, held_); !kept)
    return kept;
  tell_held();
  if (auto done = write({head_.epoch + 1, head_.position, 0}, pack_content({}), {}); !done)
    return done;
  is_active_ = true;
  return {};
}

// There are no rules any more: nothing is to be kept, and the log not to be held back.
result<void> rule_keeper::end() {
  log_entry entry;
  entry.stream = log_stream::none;
  entry.meta.push_back({std::string{head_fact}, std::nullopt});
  entry.meta.push_back({std::string{held_fact}, std::nullopt});
  for (std::uint64_t i = 0; i < head_.chunks; ++i)
    entry.meta.push_back({chunk_fact(head_.epoch, i), std::nullopt});
  if (auto taken = store_.append(std::move(entry)); !taken)
    return tl::unexpected<error>(std::move(taken.error()));
  head_.chunks = 0;
  reached_.clear();
  is_active_ = false;
  return store_.retain(holder, std::nullopt);
}

result<log_position> rule_keeper::note(const rule_record& what) {
  if (!is_active_)
    if (auto begun = begin_from_nothing(); !begun)
      return tl::unexpected<error>(std::move(begun.error()));
  log_entry entry;
  entry.stream = log_stream::rules;
  entry.record = pack(what);
  entry.admitted = true;
  auto bytes = entry.record.size();
  auto taken = store_.append(std::move(entry));
  if (!taken)
    return taken;
  last_ = *taken;
  bytes_since_ += bytes;
  ++records_;
  return taken;
}

void rule_keeper::note_done(const std::vector<std::string>& actions) {
  for (std::size_t begin = 0; begin < actions.size(); begin += facts_max) {
    log_entry entry;
    entry.stream = log_stream::none;
    entry.admitted = true;
    for (auto i = begin; i < std::min(begin + facts_max, actions.size()); ++i)
      entry.meta.push_back({done_fact(actions[i]), std::string{}});
    static_cast<void>(store_.append(std::move(entry))); // Without it they are only done again.
  }
}

// ---- checkpoints --------------------------------------------------------------------------------

bool rule_keeper::is_checkpoint_due(std::int64_t now_ms) const {
  if (!is_active_ || under_way_)
    return false;
  // Also without records: the log is not to be held back for nothing.
  if (bytes_since_ == 0 && store_.reached(durability::process) <= head_.position)
    return false;
  auto pause =
      std::max(pause_ms, static_cast<std::int64_t>(state_bytes_) * 1'000 / state_bytes_per_s);
  return now_ms - written_ms_ >= pause || bytes_since_ >= records_bytes_max;
}

void rule_keeper::begin_checkpoint(std::int64_t now_ms) {
  begun_ms_ = now_ms;
  bytes_since_ = 0;
  // Nobody else writes records of rules.
  auto position = std::max(last_, store_.reached(durability::process));
  under_way_ = head{head_.epoch + 1, position, 0};
}

result<void> rule_keeper::write(head next, const std::string& bytes,
                                std::vector<meta_change> more) {
  for (std::size_t begin = 0; begin < bytes.size(); begin += chunk_bytes) {
    log_entry entry;
    entry.stream = log_stream::none;
    entry.meta.push_back({chunk_fact(next.epoch, next.chunks++), bytes.substr(begin, chunk_bytes)});
    if (auto taken = store_.append(std::move(entry)); !taken)
      return tl::unexpected<error>(std::move(taken.error()));
  }
  state_writer written;
  written.count(format_version);
  written.count(next.epoch);
  written.count(static_cast<std::uint64_t>(next.position));
  written.count(next.chunks);
  log_entry entry;
  entry.stream = log_stream::none;
  entry.admitted = true;
  entry.meta = std::move(more);
  entry.meta.push_back({std::string{head_fact}, written.take()});
  for (std::uint64_t i = 0; i < head_.chunks; ++i)
    entry.meta.push_back({chunk_fact(head_.epoch, i), std::nullopt});
  if (auto taken = store_.append(std::move(entry)); !taken)
    return tl::unexpected<error>(std::move(taken.error()));
  head_ = next;
  return {};
}

result<void> rule_keeper::finish_checkpoint(const content& made,
                                            const std::vector<std::string>& forgotten) {
  auto next = std::exchange(under_way_, std::nullopt);
  if (!next)
    return {};
  written_ms_ = begun_ms_;
  auto bytes = pack_content(made);
  state_bytes_ = bytes.size();
  std::vector<meta_change> gone;
  gone.reserve(forgotten.size());
  for (const auto& one : forgotten)
    gone.push_back({done_fact(one), std::nullopt});
  if (auto done = write(*next, bytes, std::move(gone)); !done)
    return done;
  ++checkpoints_;
  if (made.rules.empty() && made.effects.empty())
    return end();
  return store_.retain(holder, std::min(head_.position, held_));
}

} // namespace gemel
