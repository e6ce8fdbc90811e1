#pragma once

#include "actors/ingress.hpp"
#include "actors/pool_size.hpp"
#include "actors/ports.hpp"
#include "actors/store_port.hpp"
#include "messages/records.hpp"
#include "runtime/config.hpp"
#include "runtime/peer_switch.hpp"
#include "workflows/functions.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gemel {

/// Workflows on a node: the coordinator on a thread of its own, the pool of workers that call
/// functions, and the folders with documents and functions.
class workflow_host {
public:
  struct options {
    workflows_section workflows{};
    compute_section compute{};
    /// Of the node, of which workflows use a part.
    limits_section limits{};
    /// Native functions besides the standard ones.
    std::vector<function_info> functions{};
    std::string node{};
    /// The peers that may help, and are helped; null: none. Their names in their order.
    std::shared_ptr<peer_switch> peers{};
    std::vector<std::string> peer_names{};
    /// Hears of changes of the pool's size, on a thread of the pool; must not block; may be empty.
    std::function<void(const pool_size::change&)> on_scale{};
    /// Of the node, which must outlive this; null: runs are gone with the process.
    store_port* store = nullptr;
  };

  /// @param in, @param clock must outlive this; no request must come before it is made.
  /// @returns errc::bad_value for a function that stands twice; what the store says; the first
  /// fault
  ///          of a document or function in the folders.
  static result<std::unique_ptr<workflow_host>> start(options wanted, ingress& in,
                                                      const clock_port& clock);
  ~workflow_host();
  workflow_host(const workflow_host&) = delete;
  workflow_host& operator=(const workflow_host&) = delete;

  /// Starts a run as a call of the service does; for rules. `reply` may come from any thread.
  void call(service_call asked, reply_function reply);

  void add_stats(stats_record& stats) const;

  /// Takes no more calls and ends the threads; runs that are open go on at the next start, if they
  /// are stored. A second call does nothing.
  void stop();

private:
  struct parts;
  explicit workflow_host(std::unique_ptr<parts> made);
  std::unique_ptr<parts> parts_;
};

} // namespace gemel
