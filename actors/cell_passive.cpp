#include "actors/cell.hpp"
#include "actors/slots.hpp"
#include "actors/twin_state.hpp"

#include <algorithm>
#include <mutex>

// Twins that leave memory and come back. What stays of a passive twin is its row, so that its
// address, its place in the tree, its timers and the entries of its keys in indexes stay what they
// are; its values lie in the store alone.
namespace gemel {

/// Departures of which the store told on its own thread.
struct cell::departures {
  std::mutex mutex;
  std::vector<departure> told;
};

/// Reads the values of a passive row into fresh slots of it.
result<void> cell::load_values(std::uint32_t index) const {
  auto& row = row_at(index);
  GEMEL_CHECK(row.slots == nullptr);
  if (row.layout->size() == 0)
    return {};
  auto id = row.id.str();
  auto found = world_.stored->store.read_twin(shard_id{row.shard}, id);
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  if (!*found)
    return fail(errc::store_corrupt, "twin " + id + " is neither in memory nor in the store");
  auto twin = unpack_twin(**found);
  if (!twin)
    return fail(twin.error().code, "twin " + id + ": " + twin.error().context);
  if (twin->version != row.version || twin->properties.size() != row.layout->size())
    return fail(errc::store_corrupt, "twin " + id + ": the store has version "
                                         + std::to_string(twin->version) + ", not "
                                         + std::to_string(row.version));
  bool timed = row.has(twin_row::timed);
  auto* slots = make_slots(row.layout->size(), timed);
  for (auto& one : twin->properties) {
    auto key = keys_.find(one.key);
    auto slot = key ? row.layout->find(key_id{*key}) : shape::no_slot;
    if (slot == shape::no_slot) {
      free_slots(slots, row.layout->size());
      return fail(errc::store_corrupt, "twin " + id + ": the store has a property " + one.key);
    }
    slots[slot] = {std::move(one.content), one.at};
    if (timed)
      source_times(slots, row.layout->size())[slot] = one.source_time_us;
  }
  row.slots = slots;
  return {};
}

/// Gives up the values of a row.
void cell::drop_values(std::uint32_t index) const {
  auto& row = row_at(index);
  free_slots(row.slots, row.layout->size());
  row.slots = nullptr;
}

result<void> cell::wake(std::uint32_t index) {
  auto& row = row_at(index);
  row.set(twin_row::used);
  row.set(twin_row::recent);
  if (!row.has(twin_row::passive)) [[likely]]
    return {};
  if (auto loaded = load_values(index); !loaded) {
    ++counters_.activations_failed;
    return loaded;
  }
  row.set(twin_row::passive, false);
  row.set(twin_row::stored);
  residents_.came();
  ++counters_.activations;
  return {};
}

/// Where nobody could be told of an error: the cell's edge contains it.
void cell::wake_surely(std::uint32_t index) {
  auto awake = wake(index);
  if (!awake)
    throw std::runtime_error{to_string(awake.error())};
}

cell::glimpse::glimpse(const cell& of, std::uint32_t index) : of_{of}, index_{index} {
  const auto& row = of.row_at(index);
  if (!row.has(twin_row::passive) || row.slots != nullptr) [[likely]]
    return; // Or somebody looks already.
  found_ = of.load_values(index);
  is_mine_ = found_.has_value();
}

cell::glimpse::~glimpse() {
  if (is_mine_)
    of_.drop_values(index_);
}

void cell::glimpse::expect() const {
  if (!found_)
    throw std::runtime_error{to_string(found_.error())};
}

/// Whether anything but the twin itself is built of the row's values.
bool cell::values_matter(std::uint32_t index) {
  const auto& row = row_at(index);
  return kept_.of(row.layout->type()) != nullptr || lane_.wanted(subject(index));
}

/// Its values are in the store, and nobody needs them here.
void cell::leave(std::uint32_t index) {
  drop_values(index);
  auto& row = row_at(index);
  row.set(twin_row::passive);
  row.set(twin_row::leaving, false);
  residents_.left();
  ++counters_.passivations;
}

bool cell::may_leave(std::uint32_t index) const {
  const auto& row = row_at(index);
  constexpr auto never = twin_row::passive | twin_row::running | twin_row::held | twin_row::closing
                         | twin_row::retiring | twin_row::stopped | twin_row::leaving;
  return row.has(twin_row::live) && (row.flags & never) == 0;
}

residency::verdict cell::judge(std::uint32_t index) {
  auto& row = row_at(index);
  if (!may_leave(index))
    return residency::verdict::no;
  if (!row.has(twin_row::used))
    return residency::verdict::leaves;
  row.set(twin_row::used, false);
  return residency::verdict::spared;
}

/// Behind the turn's record: sends out whom the cell has too many of, and who is idle for too long.
void cell::send_out(const moment& now) {
  for (auto type : idle_types_)
    send_out_idle(type, now);
  if (residents_.full() && world_.stored->store.admit()) [[unlikely]]
    depart(residents_.choose(row_count_, [this](auto i) { return judge(i); }), tell_queue());
}

void cell::send_out_idle(type_id of, const moment& now) {
  auto& type = type_at(of);
  auto chosen = type.idle.choose(type.rows.rows(), now.steady_ns, [this](auto index) {
    auto& row = row_at(index);
    bool is_idle = !row.has(twin_row::recent) && may_leave(index);
    row.set(twin_row::recent, false);
    return is_idle;
  });
  // On a full disk they stay until the next pass.
  if (!chosen.empty() && world_.stored->store.admit())
    depart(chosen, tell_queue());
}

/// When the next pass over the twins of a type goes on.
std::optional<std::int64_t> cell::idle_due() const {
  std::optional<std::int64_t> first;
  for (auto type : idle_types_) {
    const auto& one = type_entries_.at(static_cast<std::uint32_t>(type));
    if (one.rows.size() > 0 && (!first || one.idle.due_ns() < *first))
      first = one.idle.due_ns();
  }
  return first;
}

/// Has the cell finish a departure in a turn.
cell::departure_sink cell::tell_queue() const {
  return [out = outlet_](departure told) {
    out->post([told = std::move(told)](cell& of, const moment&) { of.finish(told); });
  };
}

/// What changed since it was read goes to the store first, and its values stay until they are
/// there. @param tell called on the store's thread.
void cell::depart(const std::vector<std::uint32_t>& chosen, departure_sink tell) {
  std::vector<twin_change> changes;
  departure made;
  for (auto index : chosen) {
    auto& row = row_at(index);
    if (!may_leave(index)) // The hand came by it twice.
      continue;
    row.set(twin_row::used, false);
    if (row.has(twin_row::stored) || row.layout->size() == 0) {
      leave(index);
      continue;
    }
    row.set(twin_row::leaving);
    leaving_[index] = last_departure_ + 1;
    changes.push_back({shard_id{row.shard}, row.id.str(), pack_row(index, {})});
    made.rows.push_back(index);
  }
  if (made.rows.empty())
    return;
  made.number = ++last_departure_;
  residents_.began(made.rows.size());
  journal_->archive(std::move(changes), [made = std::move(made), tell = std::move(tell)](
                                            const result<void>& stored) mutable {
    made.stored = stored.has_value();
    tell(std::move(made));
  });
}

/// The store has what the rows were when they were to leave, or failed.
void cell::finish(const departure& of) {
  residents_.ended(of.rows.size());
  for (auto index : of.rows) {
    auto known = leaving_.find(index);
    if (known == leaving_.end() || known->second != of.number)
      continue;
    leaving_.erase(known);
    auto& row = row_at(index);
    if (!row.has(twin_row::leaving)) // It changed, or is gone.
      continue;
    row.set(twin_row::leaving, false);
    if (!of.stored)
      continue;
    row.set(twin_row::stored);
    if (judge(index) == residency::verdict::leaves)
      leave(index);
  }
}

// ---- at a start ---------------------------------------------------------------------------------

/// The store has the twin as it is; it need not stay if there are enough.
void cell::restored_from_store(std::uint32_t index) {
  auto& row = row_at(index);
  row.set(twin_row::stored);
  row.set(twin_row::recent);
  if (residents_.full())
    leave(index);
}

bool cell::send_out_restored() {
  if (!residents_.full() || !world_.stored->store.admit())
    return false;
  restored_departures_ = std::make_shared<departures>();
  auto tell = [to = restored_departures_](departure told) {
    std::lock_guard hold{to->mutex};
    to->told.push_back(std::move(told));
  };
  // Two rounds of the hand: the first takes the marks.
  auto fruitless_max = 2 * (row_count_ / residency::looks_max + 1);
  for (std::size_t fruitless = 0; residents_.full() && fruitless < fruitless_max;) {
    auto chosen = residents_.choose(row_count_, [this](auto i) { return judge(i); });
    fruitless = chosen.empty() ? fruitless + 1 : 0;
    depart(chosen, tell);
  }
  return residents_.leaving() > 0;
}

void cell::restored_left() {
  auto told = std::move(restored_departures_);
  if (told == nullptr)
    return;
  std::lock_guard hold{told->mutex};
  for (const auto& one : told->told)
    finish(one);
}

} // namespace gemel
