#include "actors/detail/behavior_context.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"

#include <algorithm>

namespace gemel {

namespace {

// What was thrown is foreign text that goes into frames: short and UTF-8.
std::string printable(std::string_view thrown) {
  constexpr std::size_t bytes_max = 1'024;
  std::string text{thrown.substr(0, bytes_max)};
  if (!is_utf8(text))
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7e; }, '?');
  return text;
}

} // namespace

template <class Call>
std::optional<std::string> cell::behavior_context::guarded(Call call) {
  try {
    call();
    return std::nullopt;
  } catch (const too_many_commands&) {
    overloaded_ = true;
    return std::nullopt;
  } catch (const std::exception& thrown) {
    return printable(thrown.what());
  } catch (...) {
    return std::string{"an exception that is no std::exception"};
  }
}

std::optional<std::string> cell::behavior_context::run_start(const behavior_factory& factory,
                                                             bool is_new,
                                                             std::unique_ptr<behavior>& made) {
  return guarded([&] {
    made = factory();
    if (made == nullptr)
      throw std::runtime_error{"the factory of its type made no behaviour"};
    if (is_new)
      made->on_create(*this);
    made->on_start(*this);
  });
}

std::optional<std::string>
cell::behavior_context::run(const std::function<void(behavior_context&)>& call, bool is_command) {
  is_command_ = is_command;
  return guarded([&] { call(*this); });
}

std::optional<std::string> cell::behavior_context::run_update(behavior& of,
                                                              std::uint32_t changes_begin) {
  // A copy: the behaviour's own changes go to the same list.
  auto on_lane = owner_.lane_.changes_from(changes_begin);
  std::vector<lane_change> changes(on_lane.begin(), on_lane.end());
  std::vector<change_view> views;
  views.reserve(changes.size());
  for (const auto& c : changes)
    views.push_back({owner_.world_.symbols.text(c.key), c.before, c.after});
  return guarded([&] { of.on_update(*this, views); });
}

const value* cell::behavior_context::get(std::string_view key) const {
  auto number = owner_.keys_.find(key);
  return number ? row().find(key_id{*number}) : nullptr;
}

namespace {

void require(const result<void>& valid) {
  if (!valid)
    throw std::invalid_argument{to_string(valid.error())};
}

void require_payload(const properties& payload) {
  if (payload.size() > limits::properties_max)
    throw std::invalid_argument{"an event of more than " + std::to_string(limits::properties_max)
                                + " values"};
  for (const auto& p : payload) {
    require(check_key(p.key));
    require(check_content(p.content));
  }
}

} // namespace

key_id cell::behavior_context::intern(std::string_view key) {
  auto number = owner_.keys_.intern(key);
  if (!number)
    throw std::invalid_argument{to_string(number.error())};
  return key_id{*number};
}

void cell::behavior_context::set(std::string_view key, value content) {
  require(check_key(key));
  require(check_content(content));
  auto id = intern(key);
  require(owner_.model_checks_.check(row().layout->type(), id, key, content));
  if (row().layout->find(id) == shape::no_slot
      && row().layout->size() >= owner_.world_.limits.properties_max)
    require(fail(errc::limit_reached, "limits.properties_max"));
  require(owner_.kept_.claim(row(), id, content));
  auto before = owner_.changed_;
  owner_.set_property(row(), id, std::move(content), at_);
  owner_.kept_.settle(row());
  row().version += owner_.changed_ - before;
}

void cell::behavior_context::unset(std::string_view key) {
  auto number = owner_.keys_.find(key);
  if (!number)
    return;
  auto before = owner_.changed_;
  owner_.unset_property(row(), key_id{*number});
  owner_.kept_.settle(row());
  row().version += owner_.changed_ - before;
}

void cell::behavior_context::count_effect() const {
  if (effects_.size() >= limits::behavior_effects_max)
    throw std::length_error{"more than " + std::to_string(limits::behavior_effects_max)
                            + " events, messages and pieces of work in one call"};
}

void cell::behavior_context::emit(std::string_view name, properties payload) {
  count_effect();
  require(check_key(name));
  require_payload(payload);
  behavior_effects::emission made{std::string{name}, {}};
  for (auto& p : payload)
    made.payload.emplace_back(intern(p.key), std::move(p.content));
  effects_.emissions.push_back(std::move(made));
}

void cell::behavior_context::send(std::string_view id, std::string_view name, properties payload) {
  count_effect();
  require(check_id(id));
  require(check_key(name));
  require_payload(payload);
  effects_.sendings.push_back({std::string{id}, std::string{name}, std::move(payload), 0});
}

void cell::behavior_context::tick_every(std::chrono::milliseconds period) {
  constexpr std::chrono::milliseconds period_max = std::chrono::hours{24 * 366};
  if (period < std::chrono::milliseconds{1} || period > period_max)
    throw std::invalid_argument{"a tick every " + std::to_string(period.count())
                                + " ms; it is 1 ms to 366 days"};
  effects_.tick = period;
}

command_reply cell::behavior_context::defer() {
  if (!is_command_ || effects_.deferred)
    throw std::logic_error{is_command_ ? "defer was called twice"
                                       : "only a command can be deferred"};
  if (owner_.deferred_.size() >= owner_.world_.limits.deferred_commands_max)
    throw too_many_commands{};
  effects_.deferred = owner_.deferred_.next_number();
  return {owner_.outlet_, *effects_.deferred};
}

void cell::behavior_context::run(behavior_work what, work_continuation then) {
  count_effect();
  if (!what || !then)
    throw std::invalid_argument{"empty work, or nothing to do with its result"};
  effects_.works.push_back({std::move(what), std::move(then)});
}

} // namespace gemel
