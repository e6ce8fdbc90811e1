#pragma once

#include "messages/error.hpp"
#include "workflows/compute_place.hpp"
#include "workflows/functions.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gemel {

/// One call of a function, for whoever runs it. It is answered exactly once.
struct compute_job {
  /// Given by the queue that it waits in.
  std::uint64_t number = 0;
  std::string function{};
  std::shared_ptr<const function_info> about{};
  /// With the flag that stops it.
  function_input input{};
  /// Who asks, such as a workflow's name: tenants share the workers alike.
  std::string tenant{};
  /// 0 to `compute_priority_max`.
  std::int32_t priority = 0;
  compute_place place{};
  /// Calls of this function at a time; 0: no bound of its own.
  std::uint32_t concurrency = 0;
  /// Milliseconds since 1970 UTC after which nobody wants the answer; 0: none.
  std::int64_t deadline_ms = 0;
  /// Takes the answer; called once, on any thread. Does not throw.
  std::function<void(result<value>)> done{};

  /// Calls the function here and now, and hands on its answer.
  void run() const { done(call()); }
  void refuse(error why) const { done(tl::unexpected<error>(std::move(why))); }
  /// Functions are others' code: what they throw is the error of this one call.
  result<value> call() const;
};

/// What two calls of one function with the same input have in common.
std::uint64_t fingerprint_of(const compute_job& job);

} // namespace gemel
