#pragma once

#include "actors/log_record.hpp"
#include "actors/twin_state.hpp"
#include "tests/support/random_messages.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace gemel::test {

/// What a cell may log and snapshot, made from one seed.
class random_records {
public:
  explicit random_records(std::uint64_t seed) : random{seed} {}

  /// Events with all that they point to.
  struct made_events {
    std::vector<stored_event> events{};
    // What the views of the events see; never moved.
    std::vector<std::unique_ptr<std::string>> texts{};
    std::vector<std::uint32_t> rows{};
  };

  made_events some_events(std::size_t most) {
    made_events made;
    auto count = random.below(most + 1);
    for (std::size_t i = 0; i < count; ++i)
      add_event(made);
    return made;
  }

  /// The record of these events.
  std::string record(const made_events& made, symbols& names) {
    symbol_cache keys{names.keys};
    symbol_cache types{names.types};
    log_record_builder builder{keys, types};
    return record(made, builder, names);
  }

  std::string record(const made_events& made, log_record_builder& builder, symbols& names) {
    for (std::size_t i = 0; i < made.events.size(); ++i) {
      const auto& from = made.events[i];
      std::vector<logged_change> changes;
      for (const auto& one : from.changes)
        changes.push_back(
            {key_id{*names.keys.intern(one.key)}, one.removed ? nullptr : &one.content, one.at});
      logged_event event;
      event.kind = from.kind;
      event.lifecycle = from.lifecycle;
      event.shard = from.shard;
      event.row = made.rows[i];
      event.id = from.id;
      event.version = from.version;
      event.time = from.time;
      event.write = from.write;
      event.source_time_us = from.source_time_us;
      event.changes = changes;
      if (from.kind == event_kind::created)
        event.type = type_id{*names.types.intern(from.type)};
      event.placement = from.placement;
      event.parent = from.parent;
      builder.add(event);
    }
    return builder.take();
  }

  stored_twin twin() {
    stored_twin made;
    made.type = random.name();
    made.parent = random.chance(50) ? random.name() : std::string{};
    made.placement = random.chance(20) ? random.name() : std::string{};
    made.lifecycle = static_cast<lifecycle_state>(random.below(7));
    made.version = random.below(1'000'000);
    made.created = some_stamp();
    made.updated = some_stamp().time;
    made.source_time_us = random.chance(50) ? static_cast<std::int64_t>(some_bits()) : 0;
    for (auto& one : random.some_properties(random.chance(5) ? 60 : 6))
      made.properties.push_back({one.key, one.content, some_stamp(),
                                 random.chance(30) ? static_cast<std::int64_t>(some_bits()) : 0});
    std::sort(made.properties.begin(), made.properties.end(),
              [](const auto& left, const auto& right) { return left.key < right.key; });
    auto same = [](const auto& left, const auto& right) { return left.key == right.key; };
    made.properties.erase(std::unique(made.properties.begin(), made.properties.end(), same),
                          made.properties.end());
    return made;
  }

  random_messages random;

private:
  std::uint64_t some_bits() { return random.below(UINT64_MAX) >> random.below(64); }
  stamp some_stamp() {
    return {hybrid_time{some_bits()},
            make_dot(static_cast<std::uint16_t>(random.below(3)), some_bits() & 0xffff'ffff'ffffU)};
  }
  std::string_view keep(made_events& made, std::string text) {
    made.texts.push_back(std::make_unique<std::string>(std::move(text)));
    return *made.texts.back();
  }

  void add_event(made_events& made) {
    static constexpr event_kind kinds[] = {
        event_kind::updated, event_kind::updated,   event_kind::updated, event_kind::created,
        event_kind::removed, event_kind::lifecycle, event_kind::moved};
    auto row = static_cast<std::uint32_t>(random.below(8));
    stored_event one;
    // A row is one twin until that is removed.
    for (std::size_t i = made.events.size(); i-- > 0;)
      if (made.rows[i] == row) {
        if (made.events[i].kind != event_kind::removed) {
          one.id = made.events[i].id;
          one.shard = made.events[i].shard;
          one.version = made.events[i].version;
        }
        break;
      }
    if (one.id.empty()) {
      one.id = keep(made, "machine-" + random.name());
      one.shard = shard_id{static_cast<std::uint16_t>(random.below(limits::shards))};
    }
    one.kind = kinds[random.below(std::size(kinds))];
    one.lifecycle = static_cast<lifecycle_state>(random.below(7));
    auto at = some_stamp();
    one.time = at.time;
    one.write = at.write;
    if (random.chance(30))
      one.source_time_us = static_cast<std::int64_t>(some_bits() | 1);
    if (one.kind == event_kind::created) {
      one.type = keep(made, random.name());
      one.placement = random.chance(20) ? keep(made, random.name()) : std::string_view{};
    }
    if (one.kind == event_kind::created || one.kind == event_kind::moved)
      one.parent = random.chance(50) ? keep(made, random.name()) : std::string_view{};
    if (one.kind == event_kind::created || one.kind == event_kind::updated)
      add_changes(made, one);
    one.version += random.chance(90) ? one.changes.size() : some_bits();
    made.rows.push_back(row);
    made.events.push_back(std::move(one));
  }

  void add_changes(made_events& made, stored_event& one) {
    auto form = random.below(4);
    auto start = form == 0
                     ? some_stamp().write
                     : make_dot(writer_of(one.write),
                                counter_of(one.write) + (one.kind == event_kind::created ? 1 : 0));
    auto count = random.below(4);
    for (std::size_t i = 0; i < count; ++i) {
      stored_change change;
      change.key = keep(made, "k" + std::to_string(random.below(6)));
      change.removed = one.kind == event_kind::updated && random.chance(20);
      change.content = change.removed ? value{} : random.any_value(3);
      change.at = form == 1 ? some_stamp()
                            : stamp{one.time, make_dot(writer_of(start), counter_of(start) + i)};
      one.changes.push_back(std::move(change));
    }
  }
};

inline bool same(const stored_change& left, const stored_change& right) {
  return left.key == right.key && left.removed == right.removed && left.content == right.content
         && left.at == right.at;
}

inline bool same(const stored_event& left, const stored_event& right) {
  return left.kind == right.kind && left.lifecycle == right.lifecycle && left.shard == right.shard
         && left.id == right.id && left.version == right.version && left.time == right.time
         && left.write == right.write && left.source_time_us == right.source_time_us
         && left.type == right.type && left.placement == right.placement
         && left.parent == right.parent
         && std::equal(left.changes.begin(), left.changes.end(), right.changes.begin(),
                       right.changes.end(),
                       [](const auto& a, const auto& b) { return same(a, b); });
}

/// Bytes with some of them changed, cut, or repeated.
inline std::string mutated(std::string bytes, random_messages& random) {
  for (auto left = 1 + random.below(4); left > 0 && !bytes.empty(); --left)
    switch (auto at = random.below(bytes.size()); random.below(4)) {
    case 0:
      bytes[at] = static_cast<char>(random.below(256));
      break;
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      break;
    case 2:
      bytes.resize(at);
      break;
    default:
      bytes.insert(at, bytes.substr(at, random.below(20)));
    }
  return bytes;
}

/// Puts the right checksum at the end, so that what is behind it is tested too.
inline std::string sealed(std::string bytes) {
  if (bytes.size() < 4)
    return bytes;
  auto checksum = checksum_of(std::string_view{bytes}.substr(0, bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &checksum, 4);
  return bytes;
}

} // namespace gemel::test
