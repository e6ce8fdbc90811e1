#pragma once

#include "actors/command_reply.hpp"
#include "messages/error.hpp"
#include "messages/records.hpp"
#include "messages/value.hpp"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace gemel {

/// One property that an update changed, for the length of a call.
struct change_view {
  std::string_view key;
  /// Null: the property is new.
  const value& old_value;
  /// Null: the property is gone.
  const value& new_value;
};

/// Values by name: the arguments of a command, or what an emitted event says.
class named_values {
public:
  named_values() = default;
  explicit named_values(properties all) : all_{std::move(all)} {}

  /// Null: there is none of this name.
  const value* find(std::string_view name) const noexcept;

  const properties& all() const noexcept { return all_; }

private:
  properties all_;
};

/// Something that happened to a twin without changing it.
struct emitted_event {
  std::string_view name;
  const named_values& payload;
  /// When the device saw it, microseconds since 1970 UTC; 0: not given.
  std::int64_t source_time_us = 0;
};

class twin_context;

/// Long work: any thread runs it, away from the twin. What it throws is errc::command_failed.
using behavior_work = std::function<result<value>()>;
/// What to do with its result, in the twin's own turn.
using work_continuation = std::function<void(twin_context&, result<value>)>;

/// A behaviour's view of its twin during one call; not to be kept. What is done here takes effect
/// when the call ends well: if it throws, or a command answers an error, nothing of it happened.
/// One call may do at most `limits::behavior_effects_max` things besides changing properties.
/// @throws std::invalid_argument if a key, name or value breaks a limit; like everything that a
///         behaviour throws, it is a crash unless the behaviour catches it.
class twin_context {
public:
  virtual ~twin_context() = default;

  virtual std::string_view id() const = 0;
  virtual std::string_view type() const = 0;
  virtual std::uint64_t version() const = 0;
  /// Microseconds since 1970 UTC, of the node's clock.
  virtual std::int64_t now_us() const = 0;
  /// The id of the event that led to this call, as far as its sender said; else empty.
  virtual std::string_view cause() const = 0;

  /// The property's value, or null when the twin has none of that key. Lives until the next `set`
  /// or `unset`.
  virtual const value* get(std::string_view key) const = 0;

  /// Changes a property of this twin: all changes of one call are one event, with one version step
  /// for each property.
  virtual void set(std::string_view key, value content) = 0;
  /// Removes a property; one that is not there is no error.
  virtual void unset(std::string_view key) = 0;

  /// Tells subscribers that something happened to this twin, as an event of kind `emitted`.
  virtual void emit(std::string_view name, properties payload = {}) = 0;

  /// Emits an event on another twin, whose own `on_event` gets it. Without an answer: it is counted
  /// as dropped when there is no such twin, or when too much waits for it.
  virtual void send(std::string_view id, std::string_view name, properties payload = {}) = 0;

  /// Has `on_tick` called once every `period` from now on, at least 1 ms; replaces the tick that
  /// was. Ticks that a busy node is late for are left out. A restart ends it.
  virtual void tick_every(std::chrono::milliseconds period) = 0;
  virtual void cancel_tick() = 0;

  /// In a command: the answer comes later, by the handle; what the handler returns is ignored
  /// then, unless it is an error.
  /// @throws std::logic_error outside a command and at the second call. When too many commands of
  ///         the cell wait already, the call is undone and answered `overloaded`.
  virtual command_reply defer() = 0;

  /// Has `work` done by another thread, then `then` called in the twin's own turn, if this
  /// behaviour still runs: neither after a restart nor when the twin is gone.
  /// errc::overloaded is the result when too much work waits.
  virtual void run(behavior_work work, work_continuation then) = 0;
};

/// What a twin of some type does by itself. One instance belongs to one twin and is called by one
/// thread at a time, in the twin's own turn; it must not block. An exception is a crash of that
/// twin alone: all of the call is undone, this instance is thrown away, and the twin's hierarchy
/// actor decides what comes next.
class behavior {
public:
  virtual ~behavior() = default;

  /// Called before the first `on_start` of a new twin, and never again once both went well.
  virtual void on_create(twin_context&) {}

  /// Called once the twin exists, and again after each restart with a fresh instance.
  virtual void on_start(twin_context&) {}

  /// Called after an update was applied and before anybody sees it.
  virtual void on_update(twin_context&, std::span<const change_view>) {}

  /// Something happened to the twin. Subscribers see the event after this went well.
  virtual void on_event(twin_context&, const emitted_event&) {}

  /// See `twin_context::tick_every`.
  virtual void on_tick(twin_context&) {}
};

using behavior_factory = std::function<std::unique_ptr<behavior>()>;

/// One command that the twins of a type know.
struct behavior_command {
  std::string name;
  /// One line for people.
  std::string help;
  /// The answer; an error is answered as errc::command_failed, and the call undone. An exception is
  /// a crash.
  std::function<result<value>(behavior&, twin_context&, const named_values& arguments)> run;
};

/// A command that is a member function of the behaviour, such as
/// `command("service", "Records a service", &press::service)`.
template <class Self>
behavior_command command(std::string name, std::string help,
                         result<value> (Self::*run)(twin_context&, const named_values&)) {
  return {std::move(name), std::move(help),
          [run](behavior& self, twin_context& twin, const named_values& arguments) {
            return (static_cast<Self&>(self).*run)(twin, arguments);
          }};
}

/// What a type's twins do: how their behaviours are made, and the commands they know.
struct behavior_type {
  behavior_type() = default;
  template <class Factory>
  requires(
      std::convertible_to<
          Factory, behavior_factory> && !std::same_as<std::remove_cvref_t<Factory>, behavior_type>)
      behavior_type(Factory how, std::vector<behavior_command> known = {})
      : make{std::move(how)}, commands{std::move(known)} {}

  behavior_factory make;
  std::vector<behavior_command> commands;

  /// Null: no command of this name.
  const behavior_command* find(std::string_view name) const noexcept;
};

/// By type name. Fixed when the node starts.
using behavior_table = std::unordered_map<std::string, behavior_type>;

} // namespace gemel
