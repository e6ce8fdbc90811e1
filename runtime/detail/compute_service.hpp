#pragma once

#include "actors/compute_keys.hpp"
#include "actors/ports.hpp"
#include "messages/records.hpp"
#include "runtime/adapters/compute_pool.hpp"
#include "workflows/functions.hpp"

#include <functional>
#include <mutex>

namespace gemel {

class call_arguments;

/// Answers calls of the service `compute`, on one thread. Names of calls and the members of their
/// arguments:
///
///     status                       -> workers, waiting, running, functions, scaled...
///     functions                    -> functions: function, help, source
///     list      limit              -> calls: call, function, tenant, key, priority, state, for_ms
///     cancel    call               -> null; errc::not_found
///     poisoned                     -> poisoned: id, function, twin, key, failures, error, since_ms
///     release   id                 -> null; errc::not_found
///     nodes                        -> nodes: node, there, labels, workers, calls, asked, serving
///     run       function; twin, parameters, inputs, key, tenant, priority, timeout_ms, require,
///               prefer (labels)
///                                  -> result; calls with one `key` are made once
class compute_service {
public:
  struct ports {
    /// Sends a request to the node; the answer may come from any thread.
    std::function<void(frame, reply_function)> request{};
    /// Runs something later on the service's thread.
    std::function<bool(std::function<void()>)> post{};
    /// Has a call made, here or elsewhere.
    std::function<void(compute_job)> submit{};
    /// This node and its peers, as a list.
    std::function<value()> nodes{};
    std::function<std::int64_t()> now_ms{};
  };

  /// @param pool, library must outlive this.
  compute_service(ports world, compute_pool& pool, const function_library& library,
                  pool_size::options size)
      : world_{std::move(world)}, pool_{pool}, library_{library}, size_{size} {}

  void call(const service_call& asked, const reply_function& reply);

private:
  using answer = result<value>;

  answer status() const;
  answer functions() const;
  answer list(call_arguments& from) const;
  answer cancel(call_arguments& from);
  answer poisoned() const;
  answer release(call_arguments& from);
  void run(call_arguments& from, const reply_function& reply);
  void run_for_twin(const std::string& id, compute_job job, const reply_function& reply);
  void begin(compute_job job, const reply_function& reply);

  ports world_;
  compute_pool& pool_;
  const function_library& library_;
  pool_size::options size_;
  std::mutex keys_mutex_; // calls end on threads of the pool
  compute_keys keys_{{}};
};

} // namespace gemel
