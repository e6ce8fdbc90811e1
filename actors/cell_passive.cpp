#include "actors/cell.hpp"
#include "actors/slots.hpp"
#include "actors/twin_state.hpp"

#include <algorithm>

// Twins that leave memory and come back. What stays of a passive twin is its row, so that its
// address, its place in the tree, its timers and the entries of its keys in indexes stay what they
// are; its values lie in the store alone.
namespace gemel {

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
    depart(residents_.choose(row_count_, [this](auto i) { return judge(i); }));
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
    depart(chosen);
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

/// What changed since it was read goes to the store first, and its values stay until they are
/// there.
void cell::depart(const std::vector<std::uint32_t>& chosen) {
  std::vector<twin_change> changes;
  std::vector<std::uint32_t> rows;
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
    rows.push_back(index);
  }
  if (rows.empty())
    return;
  auto number = ++last_departure_;
  residents_.began(rows.size());
  journal_->archive(std::move(changes), [out = outlet_, rows = std::move(rows),
                                         number](const result<void>& stored) {
    out->post([rows, number, is_there = stored.has_value()](cell& of, const moment&) {
      of.finish_departure(rows, number, is_there);
    });
  });
}

/// The store has what the rows were when they were to leave, or failed.
void cell::finish_departure(const std::vector<std::uint32_t>& rows, std::uint64_t number,
                            bool stored) {
  residents_.ended(rows.size());
  for (auto index : rows) {
    auto known = leaving_.find(index);
    if (known == leaving_.end() || known->second != number)
      continue;
    leaving_.erase(known);
    auto& row = row_at(index);
    if (!row.has(twin_row::leaving)) // It changed, or is gone.
      continue;
    row.set(twin_row::leaving, false);
    if (!stored)
      continue;
    row.set(twin_row::stored);
    if (judge(index) == residency::verdict::leaves)
      leave(index);
  }
}

/// At start: the store has the twin as it is; it need not stay if there are enough.
void cell::restored_from_store(std::uint32_t index) {
  auto& row = row_at(index);
  row.set(twin_row::stored);
  row.set(twin_row::recent);
  if (residents_.full())
    leave(index);
}

} // namespace gemel
