#include "actors/rule_coordinator.hpp"

#include "messages/packed.hpp"
#include "messages/text.hpp"
#include "workflows/json_document.hpp"

#include <algorithm>
#include <array>

namespace gemel {

namespace {

constexpr std::string_view any = "*";
// How often a rule without times of its own looks for keys to give up.
constexpr std::int64_t idle_check_ms = 1'000;

std::string index_key(std::string_view event, std::string_view twin_type) {
  std::string made{event};
  made += '\0';
  made += twin_type;
  return made;
}

std::vector<std::string_view> names_or_any(const std::vector<std::string>& names) {
  if (names.empty())
    return {any};
  return {names.begin(), names.end()};
}

rule_time settled(rule_time time, std::int64_t settle_ms) {
  time.lateness += std::chrono::milliseconds{settle_ms};
  return time;
}

bool is_by_event_time(const rule& one) {
  return one.time().is_given && one.time().clock == event_clock::event;
}

std::string_view text_of(const value& content) {
  return content.is_text() ? content.as_text() : std::string_view{};
}

} // namespace

rule_coordinator::rule_coordinator(options wanted)
    : options_{wanted}, tasks_(std::max<std::size_t>(wanted.partitions, 1)) {
}

result<void> rule_coordinator::check(const rule& document, bool is_new) const {
  auto is_known = rules_.contains(document.name());
  if (is_new && is_known)
    return fail(errc::bad_value, "there is a rule '" + document.name() + "' already");
  if (!is_known && rules_.size() >= options_.rules_max)
    return fail(errc::limit_reached,
                "a node has at most " + std::to_string(options_.rules_max) + " rules");
  return {};
}

result<void> rule_coordinator::add(std::shared_ptr<const rule> document, std::string file) {
  if (auto fine = check(*document, true); !fine)
    return fine;
  auto made = replace(std::move(document), std::move(file));
  if (!made)
    return tl::unexpected<error>(made.error());
  return {};
}

result<bool> rule_coordinator::replace(std::shared_ptr<const rule> document, std::string file) {
  if (auto fine = check(*document, false); !fine)
    return tl::unexpected<error>(std::move(fine.error()));
  auto known = rules_.find(document->name());
  auto time = settled(document->time(), options_.settle_ms);
  if (known == rules_.end()) {
    auto name = document->name();
    live_rule made{++rules_made_, std::move(document), std::move(file), event_order{time}};
    auto& placed = rules_.emplace(std::move(name), std::move(made)).first->second;
    index(placed);
    put(placed);
    refused_.erase(placed.document->name());
    return false;
  }
  auto& one = known->second;
  auto is_kept = one.document->meaning() == document->meaning();
  unindex(one);
  if (!is_kept) {
    for (const auto& waiting : one.order.take_all()) // They are still the old rule's.
      send(one, waiting, 0);
    one.order = event_order{time};
  }
  one.document = std::move(document);
  one.file = std::move(file);
  index(one);
  put(one);
  return is_kept;
}

result<void> rule_coordinator::remove(std::string_view name) {
  auto known = rules_.find(name);
  if (auto at = refused_.find(name); known == rules_.end() && at != refused_.end())
    return void(refused_.erase(at)), result<void>{};
  if (known == rules_.end())
    return tl::unexpected<error>(unknown(name));
  unindex(known->second);
  for (auto& list : tasks_)
    list.push_back({.what = rule_task::action::remove, .rule = known->second.number});
  rules_.erase(known);
  return {};
}

const rule_coordinator::live_rule* rule_coordinator::find(std::string_view name) const {
  auto known = rules_.find(name);
  return known != rules_.end() ? &known->second : nullptr;
}

error rule_coordinator::unknown(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const auto& [known, one] : rules_)
    names.push_back(known);
  for (const auto& [known, one] : refused_)
    names.push_back(known);
  auto near = nearest_word(name, names);
  return {errc::unknown_key,
          "no rule '" + std::string{name} + "'"
              + (near.empty() ? "" : " (did you mean '" + std::string{near} + "'?)")};
}

void rule_coordinator::put(live_rule& one) {
  for (auto& list : tasks_)
    list.push_back({.what = rule_task::action::put, .rule = one.number, .document = one.document});
}

void rule_coordinator::index(live_rule& one) {
  stamped_ += one.document->needs_stamps() ? 1 : 0;
  for (auto event : names_or_any(one.document->events()))
    for (auto type : names_or_any(one.document->twin_types()))
      index_[index_key(event, type)].push_back(&one);
}

void rule_coordinator::unindex(const live_rule& one) {
  stamped_ -= one.document->needs_stamps() ? 1 : 0;
  for (auto event : names_or_any(one.document->events()))
    for (auto type : names_or_any(one.document->twin_types())) {
      auto key = index_key(event, type);
      auto& list = index_[key];
      std::erase(list, &one);
      if (list.empty())
        index_.erase(key);
    }
}

std::span<rule_coordinator::live_rule* const>
rule_coordinator::listed(std::string_view event, std::string_view twin_type) const {
  auto known = index_.find(index_key(event, twin_type));
  if (known == index_.end())
    return {};
  return known->second;
}

bool rule_coordinator::concerns(std::string_view event, std::string_view twin_type) const {
  return !listed(event, twin_type).empty() || !listed(any, twin_type).empty()
         || !listed(event, any).empty() || !listed(any, any).empty();
}

void rule_coordinator::take(const observed_event& seen, std::int64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  rule_event_ptr arrived; // The same with the time of arrival, made when first needed.
  auto event = text_of(seen.event->event);
  auto type = text_of(seen.event->twin_type);
  for (auto by_event : std::array{event, any})
    for (auto by_type : std::array{type, any})
      for (auto* one : listed(by_event, by_type))
        look(*one, seen, arrived, now_ms_);
}

void rule_coordinator::look(live_rule& one, const observed_event& seen, rule_event_ptr& arrived,
                            std::int64_t now_ms) {
  if (seen.logged_at != log_position{} && seen.logged_at <= one.put_at)
    return;
  ++one.events;
  if (seen.event->rule_depth >= options_.depth_max) {
    ++one.loops;
    return;
  }
  if (!is_by_event_time(*one.document)) {
    if (arrived == nullptr) {
      auto copy = std::make_shared<rule_event>(*seen.event);
      copy->time = value{now_ms};
      arrived = std::move(copy);
    }
    return send(one, arrived, seen.written_us);
  }
  if (!one.order.add(seen.event, one.document->source_of(*seen.event, {}), now_ms)) {
    if (one.document->corrects_windows())
      return send(one, seen.event, seen.written_us);
    ++one.late;
  }
  for (const auto& ready : one.order.take_ready())
    send(one, ready, seen.written_us);
}

void rule_coordinator::send(const live_rule& one, const rule_event_ptr& event,
                            std::int64_t written_us) {
  auto key = one.document->key_of(*event);
  auto place = place_of(*one.document, to_json(key));
  tasks_[place].push_back(
      {.rule = one.number, .key = std::move(key), .event = event, .written_us = written_us});
}

// Who limits the output of the whole rule needs all of it in one place.
std::size_t rule_coordinator::place_of(const rule& of, const std::string& key) const {
  return std::hash<std::string>{}(of.output().per_key ? key : of.name()) % tasks_.size();
}

void rule_coordinator::tell_time(const live_rule& one, std::int64_t now_ms) {
  for (auto& list : tasks_)
    list.push_back({.what = rule_task::action::advance, .rule = one.number, .now_ms = now_ms});
}

void rule_coordinator::count_rate(live_rule& one, std::int64_t now_ms) {
  auto passed = static_cast<std::uint64_t>(now_ms - one.counted_ms);
  if (passed < 1'000)
    return;
  one.events_per_s = (one.events - one.events_before) * 1'000 / passed;
  one.events_before = one.events;
  one.counted_ms = now_ms;
}

bool rule_coordinator::is_due(const live_rule& one, std::int64_t now_ms) const {
  return one.events != 0 && (one.document->needs_time() || now_ms - one.told_ms >= idle_check_ms);
}

bool rule_coordinator::is_tick_due(std::int64_t now_ms) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](const auto& one) { return is_due(one.second, now_ms); });
}

void rule_coordinator::tick(std::int64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  for (auto& [name, one] : rules_) {
    count_rate(one, now_ms_);
    if (!is_due(one, now_ms_))
      continue;
    one.told_ms = now_ms_;
    if (!is_by_event_time(*one.document)) {
      tell_time(one, now_ms_);
      continue;
    }
    auto idle = one.document->time().idle.count();
    one.order.pass(now_ms_, idle > 0 ? idle : options_.settle_ms);
    for (const auto& ready : one.order.take_ready())
      send(one, ready, 0);
    if (one.order.watermark() != INT64_MIN)
      tell_time(one, one.order.watermark());
  }
}

void rule_coordinator::placed(std::string_view name, log_position at) {
  if (auto known = rules_.find(name); known != rules_.end())
    known->second.put_at = at;
}

// ---- what outlives a crash ----------------------------------------------------------------------

void rule_coordinator::save(state_writer& into) const {
  into.number(now_ms_);
  into.count(rules_.size());
  for (const auto& [name, one] : rules_) {
    into.text(to_json(one.document->document()));
    into.text(one.file);
    into.count(static_cast<std::uint64_t>(one.put_at));
    into.count(one.events);
    into.count(one.late);
    into.count(one.loops);
    into.number(one.told_ms);
    one.order.save(into);
  }
  into.count(refused_.size());
  for (const auto& [name, one] : refused_) {
    into.text(one.text);
    into.text(one.file);
    into.count(static_cast<std::uint64_t>(one.put_at));
  }
}

// Null: it is refused.
rule_coordinator::live_rule* rule_coordinator::put_stored(std::string text, std::string file,
                                                          log_position at) {
  auto made = rule::read(text, file.empty() ? "a stored rule" : file);
  if (!made)
    return refuse(std::move(text), std::move(file), to_string(made.error().front()), at), nullptr;
  auto name = made->name();
  auto taken = replace(std::make_shared<const rule>(std::move(*made)), file);
  if (!taken)
    return refuse(std::move(text), std::move(file), to_string(taken.error()), at), nullptr;
  auto& one = rules_.find(name)->second;
  one.put_at = at;
  return &one;
}

void rule_coordinator::refuse(std::string text, std::string file, std::string why,
                              log_position at) {
  auto document = json_document::parse(text, file);
  const auto* named = document ? document->root().find("rule") : nullptr;
  auto name = named != nullptr && named->is_text() ? std::string{named->as_text()}
                                                   : "unnamed-" + to_hex(hash_of(text));
  if (rules_.contains(name)) // It was to take its place.
    static_cast<void>(remove(name));
  refused_[name] = {std::move(text), std::move(file), std::move(why), at};
}

void rule_coordinator::restore_rule(state_reader& from) {
  auto text = from.text();
  auto file = from.text();
  auto* taken = put_stored(std::move(text), std::move(file), log_position{from.count()});
  live_rule forgotten{0, nullptr, {}, event_order{{}}};
  auto& one = taken != nullptr ? *taken : forgotten;
  one.events = from.count();
  one.events_before = one.events;
  one.late = from.count();
  one.loops = from.count();
  one.told_ms = from.number();
  one.order.restore(from);
}

result<void> rule_coordinator::restore(state_reader& from) {
  now_ms_ = from.number();
  for (auto left = from.length(); left > 0 && from.ok(); --left)
    restore_rule(from);
  for (auto left = from.at_end() ? 0 : from.length(); left > 0 && from.ok(); --left) {
    auto text = from.text();
    auto file = from.text();
    take_stored(std::move(text), std::move(file), log_position{from.count()});
  }
  if (!from.ok())
    return tl::unexpected<error>(from.why("the rules of a checkpoint"));
  return {};
}

std::vector<rule_task> rule_coordinator::take_tasks(std::size_t index) {
  return std::exchange(tasks_[index], {});
}

} // namespace gemel
