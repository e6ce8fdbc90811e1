#pragma once

#include "messages/limits.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"

#include <capnp/message.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace gemel::test {

/// Messages of every kind, made from one seed: the same seed, the same bytes.
class random_messages {
public:
  explicit random_messages(std::uint64_t seed) : engine_{seed} {}

  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }

  /// Well-formed UTF-8 of one to four bytes a character, `size` characters, with `first` as the
  /// lowest one-byte character.
  std::string text(std::size_t size, char32_t first = 0) {
    std::string made;
    for (std::size_t i = 0; i < size; ++i)
      append_character(made, first);
    return made;
  }

  std::string name() { return text(1 + below(chance(10) ? 60 : 12), 0x30); }

  std::vector<std::string> names(std::size_t most) {
    std::vector<std::string> made(below(most + 1));
    for (auto& one : made)
      one = name();
    return made;
  }

  double real() {
    using limits = std::numeric_limits<double>;
    const double special[] = {limits::quiet_NaN(),  limits::infinity(), -limits::infinity(),  -0.0,
                              limits::denorm_min(), limits::max(),      -limits::denorm_min()};
    if (chance(50))
      return special[below(std::size(special))];
    return static_cast<double>(static_cast<std::int64_t>(engine_())) / 1024;
  }

  /// Any kind, lists and maps at most `depth` inside each other.
  value any_value(int depth) {
    switch (below(depth > 0 ? 8 : 6)) {
    case 0:
      return {};
    case 1:
      return chance(50);
    case 2:
      return static_cast<std::int64_t>(chance(20) ? std::uint64_t{1} << 63 : engine_());
    case 3:
      return real();
    case 4:
      return text(below(chance(10) ? 2'000 : 20));
    case 5: {
      auto chars = text(below(40));
      return value::of_bytes(std::as_bytes(std::span{chars.data(), chars.size()}));
    }
    case 6: {
      value_list elements(below(4));
      for (auto& one : elements)
        one = any_value(depth - 1);
      return value{std::move(elements)};
    }
    default: {
      value_map members(below(4));
      for (auto& one : members)
        one = {text(below(10)), any_value(depth - 1)};
      return value{std::move(members)};
    }
    }
  }

  /// No key twice.
  properties some_properties(std::size_t most) {
    properties made(below(most + 1));
    for (std::size_t i = 0; i < made.size(); ++i)
      made[i] = {"k" + std::to_string(i) + name(), any_value(4)};
    return made;
  }

  std::vector<new_twin> creates() {
    std::vector<new_twin> made(below(6));
    for (auto& one : made)
      one = {maybe_name(), name(), maybe_name(), some_properties(5), maybe_name(), chance(50)};
    return made;
  }

  std::vector<twin_update> updates() {
    std::vector<twin_update> made(below(6));
    for (auto& one : made) {
      one = {name(), some_properties(5), {}, engine_(), static_cast<std::int64_t>(engine_())};
      for (std::size_t i = 0; i < below(4); ++i)
        one.unset.push_back("u" + std::to_string(i));
      if (chance(50))
        add_more(one);
    }
    return made;
  }

  /// What few updates have.
  void add_more(twin_update& to) {
    for (std::size_t i = 0; i < below(3); ++i)
      to.add.push_back({"a" + std::to_string(i), any_value(1)});
    for (std::size_t i = 0; i < below(4); ++i) {
      path_change one{text(below(30)), static_cast<path_change::action>(below(4)), {}};
      if (one.what != path_change::action::unset)
        one.content = any_value(3);
      to.paths.push_back(std::move(one));
    }
    to.replace = chance(50);
    to.if_absent = names(3);
    to.condition = text(below(40));
  }

  update_options options() { return {chance(50), maybe_name()}; }

  twin_command command() {
    twin_command made{name(), name(), {}, static_cast<std::uint32_t>(engine_()), maybe_name()};
    made.arguments = some_properties(4);
    return made;
  }

  std::vector<twin_emit> emits() {
    std::vector<twin_emit> made(below(4));
    for (auto& one : made)
      one = {name(), name(), some_properties(3), static_cast<std::int64_t>(engine_())};
    return made;
  }

  std::vector<twin_alias> aliases() {
    std::vector<twin_alias> made(below(3));
    for (auto& one : made)
      one = {name(), any_value(1)};
    return made;
  }

  query_request query() {
    query_request made{
        maybe_name(),    maybe_name(),    chance(50), text(below(40)),
        names(4),        text(below(20)), chance(50), static_cast<std::uint32_t>(engine_()),
        text(below(20)), chance(50)};
    made.ancestor = maybe_name();
    made.group_by = names(3);
    made.aggregates = names(3);
    made.explain = chance(50);
    return made;
  }

  subscription_request subscription() {
    subscription_request made{names(4), maybe_name(), maybe_name(), text(below(40)),
                              static_cast<std::uint32_t>(engine_())};
    made.ancestor = maybe_name();
    for (std::size_t i = 0; i < below(3); ++i)
      made.kinds.push_back(static_cast<event_kind>(below(7)));
    made.min_interval_ms = static_cast<std::uint32_t>(engine_());
    made.keep_ms = static_cast<std::uint32_t>(engine_());
    made.resume = engine_();
    made.resume_after = engine_();
    return made;
  }

  error any_error() {
    return {static_cast<errc>(below(30)), text(below(40)), static_cast<std::uint32_t>(below(99))};
  }

  gemel::outcome any_outcome() {
    gemel::outcome made{static_cast<std::uint32_t>(engine_()), {}, names(5)};
    for (std::size_t i = 0; i < below(4); ++i)
      made.failures.push_back({static_cast<std::uint32_t>(engine_()), any_error()});
    return made;
  }

  twin_page page() {
    twin_page made;
    made.twins.resize(below(5));
    for (auto& one : made.twins)
      one = {name(),
             name(),
             maybe_name(),
             text(below(30)),
             engine_(),
             static_cast<lifecycle_state>(below(7)),
             static_cast<std::int64_t>(engine_()),
             chance(50),
             some_properties(5)};
    for (auto& one : made.twins)
      add_more(one);
    for (std::size_t i = 0; i < below(3); ++i)
      made.groups.push_back({values(3), values(3)});
    made.explanation = text(below(30));
    made.next = text(below(10));
    made.total = engine_();
    made.missing = names(4);
    return made;
  }

  std::vector<type_record> types() {
    std::vector<type_record> made(below(4));
    for (auto& one : made) {
      one = {name(), maybe_name(), names(3), {}, names(3), engine_(), chance(50)};
      for (std::size_t i = 0; i < below(4); ++i)
        one.properties.push_back(
            {name(), chance(50) ? "number" : "", text(below(9)), chance(50), chance(50)});
    }
    return made;
  }

  std::vector<value> values(std::size_t most) {
    std::vector<value> made(below(most + 1));
    for (auto& one : made)
      one = any_value(2);
    return made;
  }

  /// What few answers have.
  void add_more(twin_record& to) {
    for (std::size_t i = 0; i < below(3); ++i)
      to.rollups.push_back({"r" + std::to_string(i), engine_(), real(), real(), real()});
    if (chance(50))
      for (std::size_t i = 0; i < to.properties.size(); ++i)
        to.stamps.push_back({engine_(), engine_(), static_cast<std::int64_t>(engine_())});
  }

  stats_record stats() {
    stats_record made;
    for (std::size_t i = 0; i < below(4); ++i)
      made.counters.push_back({name(), real(), text(below(20))});
    for (std::size_t i = 0; i < below(4); ++i)
      made.latencies.push_back({name(), engine_(), engine_(), engine_(), engine_(), engine_()});
    return made;
  }

  std::vector<twin_event> events() {
    std::vector<twin_event> made(below(5));
    for (auto& one : made) {
      one.kind = static_cast<event_kind>(below(7));
      one.id = name();
      one.type = name();
      one.parent = maybe_name();
      one.version = engine_();
      one.lifecycle = static_cast<lifecycle_state>(below(7));
      one.time_us = static_cast<std::int64_t>(engine_());
      one.source_time_us = static_cast<std::int64_t>(engine_());
      for (auto& property : some_properties(4))
        one.changes.push_back({property.key, any_value(2), property.content});
      one.detail = text(below(20));
      one.shard = static_cast<std::uint16_t>(engine_());
      one.dot = engine_();
      one.cause = maybe_name();
      one.name = maybe_name();
    }
    return made;
  }

  static constexpr std::size_t kinds = 24;

  /// A frame of kind `index` modulo `kinds`: every message that may come from outside.
  frame any_frame(std::size_t index);

private:
  void append_character(std::string& out, char32_t first) {
    switch (below(20)) {
    case 0:
      out += chance(50) ? "\xc2\xb0" : "\xdf\xbf"; // U+00B0, U+07FF
      break;
    case 1:
      out += chance(50) ? "\xe0\xa0\x80" : "\xef\xbf\xbd"; // U+0800, U+FFFD
      break;
    case 2:
      out += chance(50) ? "\xf0\x90\x80\x80" : "\xf4\x8f\xbf\xbf"; // U+10000, U+10FFFF
      break;
    default:
      out += static_cast<char>(first + below(0x7f - first));
    }
  }

  std::string maybe_name() { return chance(50) ? name() : std::string{}; }

  std::mt19937_64 engine_;
};

/// The frame of these events, as a cell makes it.
inline frame make_events(std::span<const twin_event> events) {
  capnp::MallocMessageBuilder builder;
  name_table keys;
  name_table types;
  auto batch = builder.initRoot<wire::Message>().initEvents();
  auto list = batch.initEvents(static_cast<unsigned>(events.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const auto& from = events[i];
    auto one = list[i];
    set_text(one.initId(static_cast<unsigned>(from.id.size())), from.id);
    one.setType(types.intern(from.type));
    set_text(one.initParent(static_cast<unsigned>(from.parent.size())), from.parent);
    one.setKind(static_cast<wire::EventKind>(from.kind));
    one.setVersion(from.version);
    one.setLifecycle(static_cast<std::uint8_t>(from.lifecycle));
    one.setTimeUs(from.time_us);
    one.setSourceTimeUs(from.source_time_us);
    set_text(one.initDetail(static_cast<unsigned>(from.detail.size())), from.detail);
    one.setShard(from.shard);
    one.setDot(from.dot);
    set_text(one.initCause(static_cast<unsigned>(from.cause.size())), from.cause);
    set_text(one.initName(static_cast<unsigned>(from.name.size())), from.name);
    auto changes = one.initChanges(static_cast<unsigned>(from.changes.size()));
    auto previous = one.initPrevious(static_cast<unsigned>(from.changes.size()));
    for (unsigned k = 0; k < changes.size(); ++k) {
      changes[k].setKey(keys.intern(from.changes[k].key));
      previous[k].setKey(changes[k].getKey());
      write_value(changes[k], from.changes[k].new_value);
      write_value(previous[k], from.changes[k].old_value);
    }
  }
  keys.write(batch.initKeys(static_cast<unsigned>(keys.names().size())));
  types.write(batch.initTypes(static_cast<unsigned>(types.names().size())));
  return frame::build(builder);
}

inline frame random_messages::any_frame(std::size_t index) {
  switch (index % kinds) {
  case 0:
    return make_create(creates());
  case 1:
    return make_update(updates(), options());
  case 2:
    return make_get(names(5), aliases(), chance(50));
  case 3:
    return make_remove(names(5), static_cast<child_policy>(below(3)));
  case 4:
    return make_lifecycle(names(5), static_cast<std::uint8_t>(engine_()));
  case 5:
    return make_query(query());
  case 6:
    return make_subscribe(subscription());
  case 7:
    return make_unsubscribe(engine_());
  case 8:
    return make_grant(engine_(), static_cast<std::uint32_t>(engine_()));
  case 9:
    return make_stats_request();
  case 10:
    return make_hello(text(below(20)));
  case 11:
    return make_error_reply(any_error());
  case 12:
    return make_outcome_reply(any_outcome());
  case 13:
    return make_page_reply(page());
  case 14:
    return chance(50) ? make_subscribed_reply(engine_()) : make_done_reply();
  case 15:
    return make_stats_reply(stats());
  case 16:
    return make_welcome_reply(text(below(20)), text(below(20)));
  case 17:
    return make_command(command());
  case 18:
    return make_emit(emits(), maybe_name());
  case 19:
    return make_move(names(5), maybe_name());
  case 20:
    return make_types_request();
  case 21:
    return make_types_reply(types());
  case 22:
    return make_result_reply(any_value(4));
  default:
    return make_events(events());
  }
}

} // namespace gemel::test
