#include "actors/sync/replicator.hpp"

#include "messages/limits.hpp"
#include "messages/packed.hpp"
#include "messages/text.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;
constexpr std::int64_t purge_interval_ns = 1'000'000'000;

// What is about the twin itself does not wait for others.
bool urgent(std::string_view key) {
  return !key.empty() && static_cast<unsigned char>(key.front()) < ' ';
}

// Times of lives only order lives; no bound holds for them.
hybrid_time greatest_time(std::span<const replicated_entry> entries) {
  hybrid_time greatest{};
  for (const auto& e : entries)
    for (const auto& s : e.siblings)
      if (e.key != replica_keys::life)
        greatest = std::max(greatest, s.time);
  return greatest;
}

} // namespace

std::uint64_t conflict_id(const sibling_set& values) {
  byte_writer writes;
  for (const auto& s : values)
    writes.fixed(s.write);
  return hash_of(writes.view());
}

replicator::replicator(replicator_options options, replica_journal& journal)
    : options_{std::move(options)}, journal_{&journal}, shards_(limits::replica_shards) {
}

std::uint32_t replicator::add_peer(std::string node) {
  auto number = static_cast<std::uint32_t>(links_.size());
  link_host& host = *this;
  links_.push_back(std::make_unique<sync_link>(number, options_.rules, host));
  links_.back()->expect(std::move(node));
  return number;
}

void replicator::remove_peer(std::uint32_t peer) {
  GEMEL_CHECK(has_peer(peer));
  links_[peer].reset();
}

// ---- shards and positions -----------------------------------------------------------------------

replicator::shard_state& replicator::shard_at(std::uint16_t shard) {
  GEMEL_CHECK(shard < shards_.size());
  auto& made = shards_[shard];
  if (made.replica == nullptr)
    made.replica = std::make_unique<shard_replica>(options_.identity.writer, options_.rules);
  return made;
}

shard_replica* replicator::find_shard(std::uint16_t shard) {
  return shards_[shard].replica.get();
}

const shard_replica* replicator::replica(std::uint16_t shard) const {
  return shards_[shard].replica.get();
}

std::vector<std::uint16_t> replicator::shards() const {
  std::vector<std::uint16_t> made;
  for (std::size_t i = 0; i < shards_.size(); ++i)
    if (shards_[i].replica != nullptr)
      made.push_back(static_cast<std::uint16_t>(i));
  return made;
}

change_number replicator::safe_change(std::uint16_t shard) const {
  return shards_[shard].safe;
}

const replicator::positions* replicator::find_positions(site_id peer, std::uint64_t incarnation,
                                                        std::uint16_t shard) const {
  auto at = positions_.find({{peer, incarnation}, shard});
  return at != positions_.end() ? &at->second : nullptr;
}

change_number replicator::applied(site_id peer, std::uint64_t incarnation,
                                  std::uint16_t shard) const {
  const auto* at = find_positions(peer, incarnation, shard);
  return at != nullptr ? at->applied : 0;
}

change_number replicator::safe_applied(site_id peer, std::uint64_t incarnation,
                                       std::uint16_t shard) const {
  const auto* at = find_positions(peer, incarnation, shard);
  return at != nullptr ? at->safe : 0;
}

change_source replicator::source_of(site_id peer, std::uint64_t incarnation) {
  if (options_.rules.broken(planted_bug::echo_across_lives))
    incarnation = 0;
  auto next = static_cast<change_source>(sources_.size() + 1);
  return sources_.try_emplace({peer, incarnation}, next).first->second;
}

// ---- journal ------------------------------------------------------------------------------------

void replicator::log_record(const replica_head& head, std::span<const changed_entry> changes) {
  unsafe_step step{0, head.shard, head.last_change, head.position};
  step.journal = journal_->append(head, changes, *shards_[head.shard].replica);
  unsafe_.push_back(step);
}

// One record with all that the step changed, so that after a crash all of it is there or nothing.
void replicator::log(std::uint16_t shard, const peer_position& position, bool is_remote) {
  auto& replica = *shards_[shard].replica;
  auto changes = replica.take_changes();
  if (is_remote && options_.merged)
    options_.merged(changes);
  replica_head head{shard, replica.last_change(), replica.forgotten(), position, replica.clock()};
  if (position.received != 0 && options_.rules.broken(planted_bug::position_before_data)) {
    log_record(head, {});
    head.position = {};
  }
  log_record(head, changes);
}

void replicator::log_write(std::uint16_t shard) {
  if (options_.in_turns)
    written_.insert(shard);
  else
    log(shard, {});
}

void replicator::end_turn() {
  for (auto shard : std::exchange(written_, {}))
    log(shard, {});
}

void replicator::restore(const replica_head& position) {
  const auto& p = position.position;
  positions_[{{p.site, p.incarnation}, position.shard}] = {p.received, p.received};
}

void replicator::restore(const replica_head& head, std::vector<shard_replica::numbered_entry> all) {
  for (const auto& [number, entry] : all)
    clock_.observe(greatest_time({&entry, 1}));
  auto& state = shard_at(head.shard);
  state.replica->restore_all(std::move(all), head.clock, head.last_change, head.forgotten);
  state.safe = head.last_change;
}

void replicator::safe(std::uint64_t position, const moment& now) {
  for (; !unsafe_.empty() && unsafe_.front().journal <= position; unsafe_.pop_front()) {
    const auto& step = unsafe_.front();
    auto& state = shards_[step.shard];
    state.safe = std::max(state.safe, step.change);
    const auto& p = step.position;
    if (p.received != 0)
      positions_[{{p.site, p.incarnation}, step.shard}].safe = p.received;
  }
  for (auto& l : links_)
    if (l != nullptr)
      l->pump(now);
}

// ---- time ---------------------------------------------------------------------------------------

std::int64_t replicator::right_ms(const moment& now) const {
  auto ms = now.unix_us / us_per_ms;
  if (!options_.time_reference || !has_peer(*options_.time_reference))
    return ms;
  const auto& reference = *links_[*options_.time_reference];
  auto offset = reference.up() ? reference.status(now).offset_us / us_per_ms : 0;
  return std::abs(offset) > options_.rules.clock_bound.count() ? ms + offset : ms;
}

hybrid_time replicator::time_max(const moment& now) const {
  return make_hybrid_time(right_ms(now) + options_.rules.clock_bound.count(), UINT16_MAX);
}

hybrid_time replicator::stamp(const moment& now) {
  leave_the_future(now);
  return clock_.tick(right_ms(now));
}

// After a clock had been far ahead and was set right, its stamps would be refused everywhere: what
// bears them is written again.
void replicator::leave_the_future(const moment& now) {
  if (clock_.last() <= time_max(now) || options_.rules.broken(planted_bug::future_times_taken))
    return;
  clock_ = {};
  for (auto shard : shards())
    observe_present(*shards_[shard].replica, time_max(now));
  for (auto shard : shards())
    rewrite(shard, *shards_[shard].replica, now);
}

// What stays must be below all later stamps, and keeps the clock in mind of a time that is wrong as
// well and only found out when the clock is set once more.
void replicator::observe_present(const shard_replica& replica, hybrid_time most) {
  replica.each_twin([&](std::string_view twin) {
    replica.each_property(twin, [&](std::string_view key, const sibling_set& siblings) {
      for (const auto& s : siblings)
        if (key != replica_keys::life && s.time <= most)
          clock_.observe(s.time);
    });
  });
}

void replicator::rewrite(std::uint16_t shard, shard_replica& replica, const moment& now) {
  std::vector<std::pair<std::string, std::string>> found;
  auto most = time_max(now);
  replica.each_twin([&](std::string_view twin) {
    replica.each_property(twin, [&](std::string_view key, const sibling_set& siblings) {
      auto future = [&](const sibling& s) { return s.time > most; };
      if (key != replica_keys::life && std::any_of(siblings.begin(), siblings.end(), future))
        found.emplace_back(twin, key);
    });
  });
  for (const auto& [twin, key] : found) {
    auto policy = policy_of(replica, twin, key);
    const auto& seen = replica.of(twin, key);
    // One value as it is; several as they show, written as anybody would.
    auto shown = resolve(policy, seen).content;
    auto time = clock_.tick(right_ms(now));
    auto kept = content_to_keep(policy, seen, replica.next_write(), time, shown);
    auto content = seen.size() == 1 || !kept ? seen.front().content : std::move(*kept);
    wrote(shard, twin, key, replica.write(twin, key, std::move(content), time));
    ++rewritten_;
  }
  if (found.empty())
    return;
  log_write(shard);
  tell(shard, true, now);
}

void replicator::tick(const moment& now) {
  leave_the_future(now);
  if (now.steady_ns - last_purge_ >= purge_interval_ns) {
    last_purge_ = now.steady_ns;
    purge();
  }
  tell_news(now);
  for (auto& l : links_)
    if (l != nullptr)
      l->pump(now);
}

void replicator::tell_news(const moment& now) {
  for (auto shard : std::exchange(news_, {}))
    tell(shard, true, now);
}

void replicator::receive(std::uint32_t peer, const frame& arrived, const moment& now) {
  if (!has_peer(peer))
    return;
  links_[peer]->receive(arrived, now);
  tell_news(now);
}

void replicator::wrote(std::uint16_t shard, std::string_view twin, std::string_view key,
                       write_id write) {
  if (options_.wrote)
    options_.wrote({shard, twin, key, write});
}

std::int64_t replicator::next_due() const {
  auto due = last_purge_ + purge_interval_ns;
  for (const auto& l : links_)
    if (l != nullptr)
      due = std::min(due, l->next_due());
  return due;
}

// A mark of a delete goes when every peer has it, or when there are too many: a peer that was away
// for longer gets a full copy.
void replicator::purge() {
  end_turn(); // A mark that goes must not be logged behind that.
  marks_.kept = 0;
  for (auto shard : shards()) {
    auto& state = shards_[shard];
    if (state.replica->delete_marks() == 0)
      continue;
    auto upto = state.safe;
    for (const auto& l : links_)
      if (l != nullptr)
        upto = std::min(upto, l->acknowledged(shard).value_or(0));
    if (state.replica->delete_marks() > options_.rules.delete_marks_max
        || options_.rules.broken(planted_bug::early_purge))
      upto = state.replica->last_change();
    auto before = state.replica->delete_marks();
    state.replica->purge(upto);
    marks_.kept += state.replica->delete_marks();
    marks_.collected += before - state.replica->delete_marks();
  }
}

// ---- merging ------------------------------------------------------------------------------------

result<void> replicator::apply(std::uint16_t shard, const shard_interval& theirs,
                               const peer_position& position, change_source from,
                               change_number told) {
  auto& state = shard_at(shard);
  auto before = state.replica->last_change();
  auto taken = state.replica->merge(theirs, from, told);
  if (!taken)
    return taken;
  clock_.observe(greatest_time(theirs.entries));
  positions_[{{position.site, position.incarnation}, shard}].applied = position.received;
  log(shard, position, true);
  if (state.replica->last_change() != before)
    news_.insert(shard);
  return {};
}

void replicator::repair(std::uint16_t shard, const std::vector<replicated_entry>& theirs) {
  auto& replica = *shard_at(shard).replica;
  auto before = replica.last_change();
  replica.repair(theirs);
  if (replica.last_change() == before)
    return;
  log(shard, {}, true);
  news_.insert(shard);
}

void replicator::tell(std::uint16_t shard, bool is_urgent, const moment& now) {
  for (auto& l : links_)
    if (l != nullptr)
      l->changed(shard, is_urgent, now);
}

// ---- writes of this node ------------------------------------------------------------------------

result<void> replicator::create(std::uint16_t shard, std::string_view twin, value life,
                                const moment& now) {
  auto& replica = *shard_at(shard).replica;
  if (replica.alive(twin))
    return fail(errc::twin_exists, std::string{twin});
  auto time = stamp(now);
  wrote(shard, twin, replica_keys::life,
        replica.write(twin, replica_keys::life, std::move(life), time));
  log_write(shard);
  tell(shard, true, now);
  return {};
}

result<void> replicator::set(std::uint16_t shard, std::string_view twin, std::string_view key,
                             std::optional<value> content, const moment& now) {
  return set(find(shard, twin), key, std::move(content), now);
}

result<void> replicator::set(const replica_twin& twin, std::string_view key,
                             std::optional<value> content, const moment& now) {
  if (!alive(twin))
    return fail(errc::twin_not_found, std::string{twin.id});
  auto& replica = *shards_[twin.shard].replica;
  auto time = stamp(now);
  const auto& seen = replica.of(twin.at, key);
  if (content) {
    auto kept = content_to_keep(policy_of(replica, twin.id, key), seen, replica.next_write(), time,
                                *content);
    if (!kept)
      return tl::unexpected{kept.error()};
    content = std::move(*kept);
  } else if (seen.empty()) {
    return {}; // not there anyway
  }
  wrote(twin.shard, twin.id, key, replica.write(twin.id, key, std::move(content), time));
  log_write(twin.shard);
  tell(twin.shard, urgent(key), now);
  return {};
}

result<void> replicator::set_policy(std::uint16_t shard, std::string_view twin,
                                    std::optional<std::string> strategy, const moment& now) {
  if (!strategy)
    return set(shard, twin, replica_keys::conflict, std::nullopt, now);
  if (auto policy = options_.policies.own(*strategy); !policy)
    return tl::unexpected<error>(std::move(policy.error()));
  return set(shard, twin, replica_keys::conflict, value{std::move(*strategy)}, now);
}

result<void> replicator::remove(std::uint16_t shard, std::string_view twin, const moment& now) {
  auto& replica = *shard_at(shard).replica;
  if (!replica.alive(twin))
    return fail(errc::twin_not_found, std::string{twin});
  auto time = stamp(now);
  wrote(shard, twin, replica_keys::life, replica.remove(twin, time));
  log_write(shard);
  tell(shard, true, now);
  return {};
}

// ---- what is there ------------------------------------------------------------------------------

// Of the latest life.
std::string_view replicator::type_of(const shard_replica& replica, std::string_view twin) const {
  const sibling* latest = nullptr;
  for (const auto& s : replica.of(twin, replica_keys::life))
    if (latest == nullptr || std::pair{s.time, s.write} > std::pair{latest->time, latest->write})
      latest = &s;
  const auto* type = latest != nullptr ? latest->content.find("type") : nullptr;
  return type != nullptr && type->is_text() ? type->as_text() : std::string_view{};
}

// A twin's own strategy only matters where values stand beside each other.
conflict_policy replicator::policy_of(const shard_replica& replica, std::string_view twin,
                                      std::string_view type, std::string_view key) const {
  const auto& configured = options_.policies.of(twin, type, key);
  if (replica.contested().empty())
    return configured;
  const auto& own = replica.of(twin, replica_keys::conflict);
  return own.empty() ? configured
                     : options_.policies.with_own(configured, key, resolve({}, own).content);
}

conflict_policy replicator::policy_of(const shard_replica& replica, std::string_view twin,
                                      std::string_view key) const {
  auto type = options_.policies.ask_for_type() ? type_of(replica, twin) : std::string_view{};
  return policy_of(replica, twin, type, key);
}

std::string replicator::own_policy(std::uint16_t shard, std::string_view twin) const {
  const auto* held = replica(shard);
  if (held == nullptr)
    return {};
  auto own = resolve({}, held->of(twin, replica_keys::conflict));
  return own.present && own.content.is_text() ? std::string{own.content.as_text()} : std::string{};
}

replica_twin replicator::find(std::uint16_t shard, std::string_view twin) const {
  const auto* held = replica(shard);
  return {shard, twin, held, held != nullptr ? held->find(twin) : shard_replica::found_twin{}};
}

bool replicator::alive(const replica_twin& twin) const {
  return twin.replica != nullptr && twin.replica->alive(twin.at);
}

void replicator::fetch(std::span<const replica_twin> twins) const {
  for (const auto& twin : twins)
    if (twin.replica != nullptr)
      twin.replica->fetch(twin.at);
  for (const auto& twin : twins)
    if (twin.replica != nullptr)
      twin.replica->fetch_properties(twin.at);
}

bool replicator::shows(std::uint16_t shard, std::string_view twin, std::string_view key,
                       const value* content) const {
  return shows(find(shard, twin), key, content);
}

bool replicator::shows(const replica_twin& twin, std::string_view key, const value* content) const {
  const auto& siblings = twin.replica->of(twin.at, key);
  if (siblings.empty() || content == nullptr)
    return siblings.empty() && content == nullptr;
  auto policy = policy_of(*twin.replica, twin.id, key);
  if (siblings.size() == 1 && !is_merged(policy.strategy))
    return siblings.front().content == *content;
  return resolve(policy, siblings).content == *content;
}

replicated_twin replicator::read(std::uint16_t shard, std::string_view twin) const {
  replicated_twin made;
  const auto* held = replica(shard);
  if (held == nullptr || !held->alive(twin))
    return made;
  made.alive = true;
  made.life = resolve({}, held->of(twin, replica_keys::life)).content;
  auto type = type_of(*held, twin);
  held->each_property(twin, [&](std::string_view key, const sibling_set& siblings) {
    if (key != replica_keys::life)
      made.properties.emplace(key, resolve(policy_of(*held, twin, type, key), siblings));
  });
  return made;
}

resolved_value replicator::read_property(const replica_twin& twin, std::string_view key) const {
  return resolve(policy_of(*twin.replica, twin.id, key), twin.replica->of(twin.at, key));
}

std::uint64_t replicator::shown_digest(std::uint16_t shard) const {
  std::uint64_t made = 0;
  const auto* held = replica(shard);
  if (held == nullptr)
    return made;
  for (const auto& [twin, key] : held->contested()) {
    auto policy = policy_of(*held, twin, key);
    if (is_merged(policy.strategy))
      continue;
    byte_writer packed;
    packed.text(twin);
    packed.text(key);
    pack_value(packed, resolve(policy, held->of(twin, key)).content);
    made ^= hash_of(packed.view());
  }
  return made;
}

std::vector<open_conflict> replicator::conflicts() const {
  std::vector<open_conflict> made;
  for (auto shard : shards()) {
    const auto& state = shards_[shard];
    for (const auto& [twin, key] : state.replica->contested()) {
      const auto& siblings = state.replica->of(twin, key);
      auto policy = policy_of(*state.replica, twin, key);
      if (resolve(policy, siblings).undecided)
        made.push_back({conflict_id(siblings), shard, twin, key, siblings});
    }
  }
  return made;
}

result<void> replicator::decide(std::uint16_t shard, std::string_view twin, std::string_view key,
                                std::uint64_t id, value content, const moment& now) {
  const auto* held = replica(shard);
  if (held == nullptr || !held->alive(twin))
    return fail(errc::twin_not_found, std::string{twin});
  auto present = conflict_id(held->of(twin, key));
  if (present != id)
    return fail(errc::precondition_failed,
                "something was written since; it is " + to_hex(present) + " now");
  return set(shard, twin, key, std::move(content), now);
}

std::size_t replicator::receivers() const {
  return static_cast<std::size_t>(std::count_if(
      links_.begin(), links_.end(), [](const auto& l) { return l != nullptr && l->sends(); }));
}

std::size_t replicator::synced(std::uint16_t shard) const {
  const auto* held = replica(shard);
  return held != nullptr ? holders(shard, held->last_change()) : 0;
}

std::optional<change_number> replicator::last_change(std::uint16_t shard,
                                                     std::string_view twin) const {
  const auto* held = replica(shard);
  if (held == nullptr || (held->changed(twin, replica_keys::life) == 0 && held->forgotten() == 0))
    return std::nullopt;
  return held->last_change();
}

std::size_t replicator::holders(std::uint16_t shard, change_number change) const {
  return static_cast<std::size_t>(std::count_if(links_.begin(), links_.end(), [&](const auto& l) {
    return l != nullptr && l->sends() && l->acknowledged(shard).value_or(0) >= change;
  }));
}

} // namespace gemel
