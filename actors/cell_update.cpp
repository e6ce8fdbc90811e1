#include "actors/cell.hpp"
#include "actors/detail/behavior_context.hpp"
#include "messages/names.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"

namespace gemel {

namespace {

constexpr std::uint32_t unknown_key = UINT32_MAX;

// How far ahead of the update under work its memory is asked for. A row is some 100 ns away when it
// is in no cache; two updates take about that long.
constexpr std::uint32_t frame_ahead = 18;
constexpr std::uint32_t row_ahead = 12;
constexpr std::uint32_t slots_ahead = 6;
constexpr std::size_t cache_line = 64;
// Of a machine's five slots.
constexpr std::size_t slot_lines = 3;

} // namespace

void cell::use_keys(capnp::List<capnp::Text>::Reader keys) {
  frame_keys_ = keys;
  key_numbers_.assign(keys.size(), unknown_key);
}

result<key_id> cell::key_of(std::uint16_t frame_key) {
  if (frame_key >= key_numbers_.size())
    return fail(errc::bad_frame, "a key that the frame does not name");
  auto& number = key_numbers_[frame_key];
  if (number != unknown_key) [[likely]]
    return key_id{number};
  auto text = text_of(frame_keys_[frame_key]);
  auto& last = last_keys_[frame_key % last_keys_.size()];
  if (text.empty() || text != last.text) {
    if (auto valid = check_key(text); !valid)
      return tl::unexpected<error>(std::move(valid.error()));
    auto interned = keys_.intern(text);
    if (!interned)
      return fail(errc::limit_reached, "too many different property keys");
    last = {keys_.text(key_id{*interned}), *interned};
  }
  number = last.number;
  return key_id{number};
}

void cell::fetch_row(std::uint32_t index) const noexcept {
  if (index >= row_count_)
    return;
  const auto* row = &row_at(index);
  __builtin_prefetch(row);
  __builtin_prefetch(reinterpret_cast<const char*>(row) + cache_line);
}

void cell::fetch_slots(std::uint32_t index) const noexcept {
  if (index >= row_count_)
    return;
  const auto* slots = reinterpret_cast<const char*>(row_at(index).slots);
  for (std::size_t line = 0; line < slot_lines; ++line)
    __builtin_prefetch(slots + line * cache_line);
}

/// Asks for the memory of the updates after `i`: first what the frame says of them, then their
/// rows, then their slots. The frame was written by another core.
void cell::fetch_ahead(const batch_part& part, capnp::List<wire::Update>::Reader updates,
                       std::uint32_t i) const {
  const auto* routes = part.of->routes().data();
  if (i + frame_ahead < part.end)
    prefetch_struct(updates[routes[i + frame_ahead].index]);
  if (i + row_ahead < part.end) {
    prefetch_first_pointer(updates[routes[i + row_ahead].index]);
    fetch_row(routes[i + row_ahead].row);
  }
  if (i + slots_ahead < part.end)
    fetch_slots(routes[i + slots_ahead].row);
}

void cell::refuse(const batch_part& part, error why) {
  ++counters_.refused;
  part.of->fail(part.of->routes()[part.begin].index, std::move(why));
}

std::size_t cell::run_update(batch_part& part, const moment& now) {
  auto batch = part.of->message().message().getUpdate();
  auto updates = batch.getUpdates();
  const auto* routes = part.of->routes().data();
  use_keys(batch.getKeys());
  const auto entries = part.end - part.begin;
  for (auto& i = part.begin; i < part.end; ++i) {
    fetch_ahead(part, updates, i);
    auto done = apply(routes[i].row, batch, updates[routes[i].index], now);
    if (done) [[likely]]
      ++part.applied;
    else
      refuse(part, std::move(done.error()));
  }
  counters_.updates_applied += part.applied;
  part.of->close_part(part.applied);
  return entries;
}

result<void> cell::apply(std::uint32_t index, wire::UpdateBatch::Reader,
                         wire::Update::Reader update, const moment& now) {
  auto id = text_of(update.getId());
  if (!holds(index, id)) [[unlikely]]
    return fail(errc::twin_not_found, std::string{id});
  auto& row = row_at(index);
  if (auto fine = check_update(row, update); !fine) [[unlikely]]
    return fine;
  auto done = take_values(row, update);
  if (done) [[likely]]
    done = change(index, update, now);
  kept_.settle(row);
  return done;
}

result<void> cell::check_update(const twin_row& row, wire::Update::Reader update) {
  if (row.has(twin_row::closing))
    return fail(errc::twin_not_found, row.id.str() + " is being deleted");
  if (!accepts_updates(row.lifecycle)) {
    auto refused = next(row.lifecycle, lifecycle_trigger::data_seen);
    return fail(errc::illegal_state, row.id.str() + ": " + refused.error().context);
  }
  auto wanted_version = update.getIfVersion();
  if (wanted_version != 0 && wanted_version != row.version)
    return fail(errc::precondition_failed, row.id.str() + " has version "
                                               + std::to_string(row.version) + ", not "
                                               + std::to_string(wanted_version));
  return {};
}

result<void> cell::take_values(const twin_row& row, wire::Update::Reader update) {
  taken_.clear();
  taken_unset_.clear();
  std::size_t new_keys = 0;
  for (auto one : update.getSet()) {
    auto key = key_of(one.getKey());
    if (!key) [[unlikely]]
      return tl::unexpected<error>(std::move(key.error()));
    auto& taken = taken_.emplace_back(taken_value{*key, read_value(one)});
    if (!taken.content.is_number() && !taken.content.is_bool())
      if (auto fine = check_content(taken.content); !fine)
        return fine;
    if (auto claimed = kept_.claim(row, *key, taken.content); !claimed) [[unlikely]]
      return claimed;
    new_keys += row.layout->find(*key) == shape::no_slot;
  }
  if (new_keys > 0 && row.layout->size() + new_keys > world_.limits.properties_max)
    return fail(errc::limit_reached, "limits.properties_max: " + row.id.str() + " has "
                                         + std::to_string(row.layout->size()) + " properties");
  for (auto frame_key : update.getUnset()) {
    auto key = key_of(frame_key);
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    taken_unset_.push_back(*key);
  }
  return {};
}

result<void> cell::change(std::uint32_t index, wire::Update::Reader update, const moment& now) {
  auto& row = row_at(index);
  auto* behaves = row.has(twin_row::running) ? behaviors_.find(index)->second.get() : nullptr;
  auto changes_begin = static_cast<std::uint32_t>(lane_changes_.size());
  keep_changes_ = behaves != nullptr || wanted(row);
  changed_ = 0;
  if (behaves != nullptr)
    save(row);
  auto at = clock_.tick(now.unix_us / 1'000);
  for (auto& taken : taken_)
    set_property(row, taken.key, std::move(taken.content), at);
  for (auto key : taken_unset_)
    unset_property(row, key);
  bool awoken = row.lifecycle != lifecycle_state::active;
  row.lifecycle = lifecycle_state::active;
  if (changed_ == 0 && !awoken) {
    ++counters_.updates_unchanged;
    return {};
  }
  row.updated = at;
  row.version += changed_;
  if (behaves != nullptr) {
    behavior_context context{*this, index, at, now};
    if (auto crash = context.run_update(*behaves, changes_begin); crash) {
      restore(row_at(index));
      lane_changes_.resize(changes_begin);
      crashed(index, exit_kind::crash, *crash, now);
      return fail(errc::twin_crashed, row_at(index).id.str() + ": " + *crash);
    }
  }
  counters_.properties_changed += changed_;
  // The update first: an event may flush the lane, with the changes that lie on it.
  if (changed_ > 0)
    note_update(index, changes_begin, update.getSourceTimeUs(), now);
  if (awoken)
    note(event_kind::lifecycle, index, now);
  return {};
}

dot cell::next_dot(const twin_row& row) {
  return make_dot(0, ++shard_counters_[row.shard / world_.cells]);
}

void cell::set_property(twin_row& row, key_id key, value&& content, hybrid_time at) {
  auto slot = row.layout->find(key);
  if (slot == shape::no_slot) {
    count_change(row, key, nullptr, &content);
    keep_change(row, key, nullptr, &content);
    slot = static_cast<std::uint32_t>(row.layout->size());
    set_layout(row, shapes_.with(row.layout, key));
    if (keep_changes_)
      lane_changes_.push_back({key, {}, content});
  } else {
    auto& held = row.slots[slot].content;
    if (held == content)
      return;
    count_change(row, key, &held, &content);
    keep_change(row, key, &held, &content);
    if (keep_changes_)
      lane_changes_.push_back({key, held, content});
  }
  row.slots[slot].content = std::move(content);
  row.slots[slot].at = {at, next_dot(row)};
  ++changed_;
}

void cell::unset_property(twin_row& row, key_id key) {
  auto slot = row.layout->find(key);
  if (slot == shape::no_slot)
    return;
  count_change(row, key, &row.slots[slot].content, nullptr);
  keep_change(row, key, &row.slots[slot].content, nullptr);
  if (keep_changes_)
    lane_changes_.push_back({key, row.slots[slot].content, {}});
  set_layout(row, shapes_.without(row.layout, slot));
  next_dot(row);
  ++changed_;
}

void cell::save(const twin_row& row) {
  saved_.layout = row.layout;
  saved_.slots.assign(row.slots, row.slots + row.layout->size());
  saved_.version = row.version;
  saved_.updated = row.updated;
  saved_.lifecycle = row.lifecycle;
}

void cell::restore(twin_row& row) {
  for (std::size_t i = 0; i < row.layout->size(); ++i)
    count_change(row, row.layout->keys()[i], &row.slots[i].content, nullptr);
  auto index = index_of(row);
  kept_.remove(row, index);
  if (row.layout != saved_.layout)
    set_layout(row, saved_.layout);
  for (std::size_t i = 0; i < saved_.slots.size(); ++i)
    row.slots[i] = saved_.slots[i];
  for (std::size_t i = 0; i < row.layout->size(); ++i)
    count_change(row, row.layout->keys()[i], nullptr, &row.slots[i].content);
  row.version = saved_.version;
  row.updated = saved_.updated;
  row.lifecycle = saved_.lifecycle;
  kept_.add(row, index);
}

std::size_t cell::run_addressed(addressed_message& message, const moment& now) {
  auto reply = [&](frame answer) {
    // Gone before it is called: should it throw, nobody calls it again.
    if (auto answers = std::exchange(message.reply, nullptr))
      answers(std::move(answer));
  };
  auto index = message.row;
  if (!is_at(index, message.to)) {
    reply(make_error_reply({errc::twin_not_found, "the twin of this address is gone"}));
    return 1;
  }
  auto content = message.message.message();
  if (content.isGet()) {
    twin_page page;
    page.twins.push_back(record(index));
    reply(make_page_reply(page));
    return 1;
  }
  if (!content.isUpdate()) {
    reply(make_error_reply({errc::unsupported, "a twin's own address takes updates and gets"}));
    return 1;
  }
  auto batch = content.getUpdate();
  use_keys(batch.getKeys());
  outcome answer;
  std::uint32_t entry = 0;
  for (auto update : batch.getUpdates()) {
    auto done = apply(index, batch, update, now);
    if (done)
      ++answer.applied;
    else
      answer.failures.push_back({entry, std::move(done.error())});
    ++entry;
  }
  counters_.updates_applied += answer.applied;
  counters_.refused += answer.failures.size();
  if (message.reply)
    reply(make_outcome_reply(answer));
  return entry;
}

} // namespace gemel
