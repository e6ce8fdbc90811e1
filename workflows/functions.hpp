#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The functions that steps of workflows name.
namespace gemel {

/// Says that work is not wanted any more. Shared by who asks for it and who does it.
using stop_flag = std::shared_ptr<std::atomic<bool>>;

/// What a function is called with.
struct function_input {
  /// The twin as a map: `id`, `type`, `parent`, `version`, `properties` and so on; null when the
  /// step is for no twins.
  value twin{};
  /// The step's parameters, a map or null.
  value parameters{};
  /// The results of the steps it depends on, by their ids.
  value inputs{};
  /// Set when nobody wants the answer any more; null: never. Long work looks at it.
  stop_flag stop{};
  /// Tells the step that the work goes on, for its `heartbeat`; may be empty. Any thread.
  std::function<void()> alive{};
  /// The same for every attempt of the same work, for functions with effects elsewhere; may be
  /// empty.
  std::string key{};
  /// From 1; a repetition of what a node began that died counts too.
  std::uint32_t attempt = 1;

  bool is_stopped() const noexcept {
    return stop != nullptr && stop->load(std::memory_order_relaxed);
  }

  /// The parameter, or null.
  const value* parameter(std::string_view name) const noexcept { return parameters.find(name); }
};

/// Must not block and may be called by any thread.
using native_function = std::function<result<value>(const function_input&)>;

struct function_info {
  std::string name{};
  /// For people: what it does, and its parameters.
  std::string help{};
  native_function call{};
  /// Where it comes from, such as `rul.lua`; empty: it is native.
  std::string source{};
  /// Calls at a time on one node; 0: as many as there are workers.
  std::uint32_t concurrency = 0;
};

/// Functions by name. One thread at a time changes or reads it.
class function_library {
public:
  /// The standard ones: see `gemel function list`.
  static function_library standard();

  /// @returns errc::bad_value if the name is taken.
  result<void> add(function_info made);

  /// Puts a function in the place of one of the same name and source, if there is one.
  /// @returns errc::bad_value if the name is that of a function of another source.
  result<void> replace(function_info made);
  /// An unknown name is no error.
  void remove(std::string_view name);

  /// As `find`; stays when the library changes meanwhile.
  std::shared_ptr<const function_info> share(std::string_view name) const;

  /// Null: there is none.
  const function_info* find(std::string_view name) const noexcept;

  /// By name.
  const std::map<std::string, std::shared_ptr<const function_info>, std::less<>>&
  all() const noexcept {
    return functions_;
  }
  std::vector<std::string> names() const;

private:
  std::map<std::string, std::shared_ptr<const function_info>, std::less<>> functions_;
};

/// One of a step's twins, or why there is none.
struct twin_input {
  std::string id{};
  /// As `function_input::twin`; null when it was not found.
  value twin{};
};

/// What an `aggregate` step answers: `collect_property`, `count`, `sum`, `avg`, `min`, `max`,
/// `stddev`, `percentile` and `group_by`, each over the parameter `property` of the twins. The
/// answer is a map; `errors` in it holds the twins that could not be read, by id.
/// @returns errc::bad_value for a function that is none of these, or for missing parameters.
result<value> aggregate(std::string_view function, std::span<const twin_input> twins,
                        const value& parameters);

} // namespace gemel
