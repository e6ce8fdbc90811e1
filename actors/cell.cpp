#include "actors/cell.hpp"

#include "actors/slots.hpp"

#include <algorithm>
#include <type_traits>

namespace gemel {

const supervision_policy& supervision_table::of(std::string_view parent_type) const {
  if (by_type.empty())
    return fallback;
  auto i = by_type.find(std::string{parent_type});
  return i != by_type.end() ? i->second : fallback;
}

cell_counters& cell_counters::operator+=(const cell_counters& other) noexcept {
  created += other.created;
  removed += other.removed;
  updates_applied += other.updates_applied;
  updates_unchanged += other.updates_unchanged;
  properties_changed += other.properties_changed;
  refused += other.refused;
  crashes += other.crashes;
  restarts += other.restarts;
  escalations += other.escalations;
  gave_up += other.gave_up;
  commands += other.commands;
  commands_failed += other.commands_failed;
  ticks += other.ticks;
  emitted += other.emitted;
  events += other.events;
  events_delivered += other.events_delivered;
  events_missed += other.events_missed;
  rows_scanned += other.rows_scanned;
  activations += other.activations;
  activations_failed += other.activations_failed;
  passivations += other.passivations;
  return *this;
}

cell::cell(cell_id self, const cell_environment& world)
    : self_{self}, world_{world}, keys_{world.symbols.keys}, types_{world.symbols.types},
      kept_{world.models, world.aliases, keys_}, shard_counters_(limits::shards / world.cells + 1),
      outlet_{std::make_shared<cell_outlet>(
          [this](cell_outlet::job what) { world_.post(self_, cell_job{std::move(what)}); })},
      residents_{world.stored == nullptr || world.stored->active_max == 0
                     ? 0
                     : std::max<std::uint64_t>(world.stored->active_max / world.cells, 1)},
      lane_{
          {keys_, types_, counters_, world.limits.lane_events_max,
           [this](std::uint32_t index) -> twin_row& { return row_at(index); },
           [&world](std::string_view type, std::string_view model) {
             return world.models.is_a(type, model);
           },
           world.stored == nullptr
               ? std::function<void(std::function<void()>)>{}
               : [this](std::function<void()> what) { journal_->when_durable(std::move(what)); }}} {
  if (world.stored == nullptr)
    return;
  journal_ = std::make_unique<cell_journal>(*world.stored, self, world.cells, keys_, types_);
  writer_ = journal_->writer();
}

cell::~cell() {
  outlet_->close();
  for (std::uint32_t i = 0; i < row_count_; ++i) {
    auto& row = row_at(i);
    if (!row.has(twin_row::live))
      continue;
    if (row.address != nullptr)
      world_.addresses.end(row.address);
    free_slots(row.slots, row.layout->size());
  }
  for (auto& group : groups_)
    if (group != nullptr && group->address != nullptr)
      world_.addresses.end(group->address);
}

std::size_t cell::run(work& item, const moment& now) {
  if (journal_ != nullptr && is_refused(item)) [[unlikely]]
    return 1;
  if (auto* part = std::get_if<batch_part>(&item)) {
    switch (part->of->kind()) {
    case wire::Message::UPDATE:
      return run_update(*part, now);
    case wire::Message::CREATE:
      return run_create(*part, now);
    case wire::Message::REMOVE:
      return run_remove(*part, now);
    case wire::Message::LIFECYCLE:
      return run_lifecycle(*part, now);
    case wire::Message::EMIT:
      return run_emit(*part, now);
    default:
      GEMEL_CHECK(!"a batch of a kind that has no entries");
    }
  }
  if (auto* addressed = std::get_if<addressed_message>(&item))
    return run_addressed(*addressed, now);
  if (auto* signal = std::get_if<exit_signal>(&item)) {
    if (is_at(signal->row, signal->to)
        && row_at(signal->row).lifecycle != lifecycle_state::faulted) {
      reclaim(signal->row, now);
      stop_behavior(signal->row);
      supervise(signal->row, signal->normal ? exit_kind::normal : exit_kind::shutdown, now);
    }
    return 1;
  }
  if (auto* control = std::get_if<control_message>(&item)) {
    run_control(control->message, now);
    return 1;
  }
  // Jobs look at many rows: what is decided by now must show in all of them.
  settle_all(now);
  std::get<cell_job>(item).run(*this, now);
  return 64;
}

void cell::subscribe(const subscription_ptr& asked, const std::vector<watched_row>& seen) {
  const auto& request = asked->asked();
  std::vector<std::uint32_t> rows;
  for (auto [place, index] : seen)
    if (holds(index, request.ids[place])) // Else deleted since it was looked up.
      rows.push_back(index);
  if (!request.ids.empty() && rows.empty())
    return;
  lane_.subscribe(asked, rows);
}

lane_subject cell::subject(std::uint32_t index) const {
  const auto& row = row_at(index);
  return {index, row, row.group != twin_row::none ? groups_[row.group].get() : nullptr};
}

void cell::note(event_kind kind, std::uint32_t index, const moment& now, std::string detail) {
  if (row_at(index).has(twin_row::passive) && lane_.wanted(subject(index))) [[unlikely]]
    wake_surely(index); // Filters look at values.
  auto id = next_dot(row_at(index));
  if (journal_ != nullptr)
    log_event(kind, index, id, now);
  lane_.note(kind, subject(index), {id, cause_}, now, std::move(detail));
}

void cell::note_update(std::uint32_t index, std::uint32_t changes_begin,
                       std::int64_t source_time_us, const moment& now) {
  auto id = last_dot(row_at(index));
  lane_.note_update(subject(index), {id, cause_, source_time_us}, changes_begin, now);
}

bool cell::holds(std::uint32_t row, std::string_view id) const {
  return row < row_count_ && row_at(row).has(twin_row::live) && row_at(row).id == id;
}

bool cell::is_at(std::uint32_t index, const twin_address* to) const {
  return index < row_count_ && row_at(index).has(twin_row::live)
         && (to == nullptr || row_at(index).address == to);
}

} // namespace gemel
