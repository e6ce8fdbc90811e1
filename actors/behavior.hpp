#pragma once

#include "messages/value.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace gemel {

/// One property that an update changed, for the length of a call.
struct change_view {
  std::string_view key;
  /// Null: the property is new.
  const value& old_value;
  /// Null: the property is gone.
  const value& new_value;
};

/// A behaviour's view of its twin during one call; not to be kept.
class twin_context {
public:
  virtual ~twin_context() = default;

  virtual std::string_view id() const = 0;
  virtual std::string_view type() const = 0;
  virtual std::uint64_t version() const = 0;
  /// Microseconds since 1970 UTC, of the node's clock.
  virtual std::int64_t now_us() const = 0;

  /// The property's value, or null when the twin has none of that key. Lives until the next `set`.
  virtual const value* get(std::string_view key) const = 0;

  /// Changes a property of this twin as part of the update under way: one event, one version step
  /// for each property, undone with the rest if the behaviour throws later.
  /// @throws std::invalid_argument if the key or value breaks a limit.
  virtual void set(std::string_view key, value content) = 0;
};

/// What a twin of some type does by itself. One instance belongs to one twin and is called by one
/// thread at a time, in the twin's own turn; it must not block. An exception is a crash of that
/// twin alone: the update under way is undone, this instance is thrown away, and the twin's
/// hierarchy actor decides what comes next.
class behavior {
public:
  virtual ~behavior() = default;

  /// Called once the twin exists, and again after each restart with a fresh instance.
  virtual void on_start(twin_context&) {}

  /// Called after an update was applied and before anybody sees it.
  virtual void on_update(twin_context&, std::span<const change_view>) {}
};

using behavior_factory = std::function<std::unique_ptr<behavior>()>;

/// By type name. Fixed when the node starts.
using behavior_table = std::unordered_map<std::string, behavior_factory>;

} // namespace gemel
