#include "actors/cell.hpp"
#include "actors/slots.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"

#include <algorithm>
#include <numeric>

// What a cell tells its journal, and the snapshots of its shards.
namespace gemel {

/// Refuses work that would change something while the store takes nothing in. Reads go on.
bool cell::is_refused(work& item) {
  constexpr std::uint32_t soon_ms = 20;
  const auto& admitted = journal_->admitted();
  if (admitted) [[likely]]
    return false;
  auto why = admitted.error();
  if (why.code == errc::overloaded)
    why.retry_after_ms = soon_ms;
  if (auto* part = std::get_if<batch_part>(&item)) {
    if (const auto& joint = part->of->joint(); joint != nullptr) {
      joint->abort(why.code);
      return false; // Its share is answered in the usual way.
    }
    counters_.refused += part->end - part->begin;
    for (; part->begin < part->end; ++part->begin)
      part->of->fail(part->of->routes()[part->begin].index, why);
    part->of->close_part(part->applied);
    return true;
  }
  auto* addressed = std::get_if<addressed_message>(&item);
  if (addressed == nullptr || addressed->message.message().isGet())
    return false;
  ++counters_.refused;
  if (auto reply = std::exchange(addressed->reply, nullptr))
    reply(make_error_reply(why));
  return true;
}

/// The properties that the operation under work changed.
void cell::log_update(std::uint32_t index) {
  auto& row = row_at(index);
  row.set(twin_row::stored, false);
  row.set(twin_row::leaving, false);
  journal_->add({event_kind::updated, row.updated, {}, source_time_us_, {}}, row, index);
  journal_->led_by(cause_);
}

void cell::log_event(event_kind kind, std::uint32_t index, dot id, const moment& now) {
  // What changes no row is not in the log.
  if (kind == event_kind::crashed || kind == event_kind::emitted)
    return;
  const auto& row = row_at(index);
  std::string_view parent;
  if (row.group != twin_row::none)
    parent = groups_[row.group]->parent;
  auto at = kind == event_kind::created ? row.updated : clock_.tick(now.unix_us / 1'000);
  journal_->add({kind, at, id, 0, parent}, row, index);
}

void cell::seal_turn(const moment& now) {
  if (journal_ == nullptr) [[likely]]
    return;
  release_messages();
  send_out(now);
  write_snapshots();
}

void cell::release_messages() {
  if (journal_ != nullptr)
    journal_->end_turn({world_.send, world_.emit});
}

/// As many shards as the log of the turn is worth, so that it stays bounded with turns of any size;
/// but not many more twins than a turn has entries.
void cell::write_snapshots() {
  constexpr std::size_t twins_max = 8'192;
  constexpr std::size_t shards_max = 256;
  std::size_t twins = 0;
  for (std::size_t i = 0; i < shards_max && twins < twins_max; ++i) {
    auto shard = journal_->due_snapshot();
    if (!shard)
      return;
    auto rows = rows_of_shard(*shard);
    if (!rows)
      continue;
    twins += rows->size();
    if (!cut_snapshot(*shard, *rows))
      return;
  }
}

/// Nothing: some of its twins are held by what may be decided already, and is not in their rows
/// yet.
std::optional<std::vector<std::uint32_t>> cell::rows_of_shard(std::uint16_t shard) const {
  std::vector<std::uint32_t> rows;
  auto end = row_shards_.begin() + row_count_;
  for (auto at = std::find(row_shards_.begin(), end, shard); at != end;
       at = std::find(at + 1, end, shard)) {
    auto index = static_cast<std::uint32_t>(at - row_shards_.begin());
    const auto& row = row_at(index);
    if (!row.has(twin_row::live))
      continue;
    GEMEL_CHECK(row.shard == shard);
    if (row.has(twin_row::held))
      return std::nullopt;
    rows.push_back(index);
  }
  return rows;
}

/// False: the store takes no more of them now.
bool cell::cut_snapshot(std::uint16_t shard, const std::vector<std::uint32_t>& rows) {
  std::map<std::string, std::string> twins;
  std::set<std::string> passive;
  auto put = [&](std::uint32_t index, stamp created) {
    auto id = row_at(index).id.str();
    if (row_at(index).slots == nullptr && row_at(index).layout->size() > 0)
      passive.insert(id);
    twins[std::move(id)] = pack_row(index, created);
  };
  boost::unordered_flat_set<std::uint32_t> groups;
  for (auto index : rows) {
    auto group = row_at(index).group;
    if (group == twin_row::none) {
      put(index, {});
      continue;
    }
    if (!groups.insert(group).second)
      continue;
    std::uint64_t place = 0;
    for (auto i = groups_[group]->first; i != twin_row::none; i = row_at(i).next, ++place)
      if (row_at(i).shard == shard)
        put(i, {{}, make_dot(0, place)});
  }
  return journal_->write_snapshot(shard, std::move(twins), std::move(passive));
}

/// All but the properties.
stored_twin cell::head_of(std::uint32_t index, stamp created) const {
  const auto& row = row_at(index);
  stored_twin head;
  head.type = types_.text(row.layout->type());
  if (row.group != twin_row::none)
    head.parent = groups_[row.group]->parent;
  if (row.has(twin_row::pinned))
    head.placement = pinned_placement;
  head.lifecycle = row.lifecycle;
  head.version = row.version;
  head.created = created;
  head.updated = row.updated;
  return head;
}

/// Of a passive twin: without its properties.
std::string cell::pack_row(std::uint32_t index, stamp created) const {
  const auto& row = row_at(index);
  auto head = head_of(index, created);
  auto count = row.slots != nullptr ? row.layout->size() : 0;
  std::vector<std::pair<std::string_view, std::size_t>> sorted;
  sorted.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    sorted.emplace_back(keys_.text(row.layout->keys()[i]), i);
  std::sort(sorted.begin(), sorted.end());
  byte_writer out;
  twin_state_writer writer{out, head, count};
  for (auto [key, i] : sorted)
    writer.property(key, row.slots[i].content, row.slots[i].at, source_time_of(row, i));
  writer.end();
  return out.take();
}

} // namespace gemel
