#pragma once

#include "actors/batch.hpp"
#include "actors/behavior.hpp"
#include "actors/pool_size.hpp"
#include "actors/sync/conflict_policy.hpp"
#include "runtime/config.hpp"
#include "runtime/peer_transport.hpp"
#include "runtime/rule_outlet.hpp"
#include "runtime/twin_api.hpp"
#include "workflows/functions.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace gemel {

struct caf_access;

/// What a node is started with.
struct node_options {
  node_config config{};
  /// C++ behaviours by twin type.
  behavior_table behaviors{};
  /// Functions that conflict strategies can name as `function:NAME`; `merge_function` says what
  /// they must be. All linked nodes need the same.
  merge_functions merges{};
  /// Functions that workflows can call, besides the standard ones.
  std::vector<function_info> functions{};
  /// Hears how the pool of threads that call functions grows and shrinks, and when the most threads
  /// are not enough: the place to add a machine. Called on a thread of the pool; must not block.
  std::function<void(const pool_size::change&)> on_scale{};
  /// Whether other programs can reach it at `config.listen`.
  bool listen = false;
  /// For tests of crashes: called at named points of the way to the disk, see `gemel-soak crash`.
  std::function<void(const char* name)> store_point{};
  /// The peers with which it keeps its twins the same; needs `config.store.path`.
  struct peers_options {
    /// Only nodes of one cluster speak with each other.
    std::string cluster{};
    /// Their names, in the order of the numbers of `way`.
    std::vector<std::string> names{};
    /// Null: it has no peers, and gets none.
    std::shared_ptr<peer_transport> way{};
  };
  peers_options peers{};
  /// Where the action `publish` of event rules goes, by name.
  std::map<std::string, rule_sink, std::less<>> sinks{};
};

/// A running node inside this process: its cells on threads of their own, its twins, and, if it
/// listens, the door for linked programs. The composition root of the runtime.
class node final : public twin_api {
public:
  /// Starts a node. @returns errc::io_failed if it cannot listen there, with the system's words;
  /// errc::limit_reached for a config that a node cannot be made of; or what `node_config::models`
  /// says.
  static result<std::unique_ptr<node>> start(node_options options = {});

  /// Stops it if it still runs.
  ~node() override;

  /// Takes no more requests, answers those under way, ends all subscriptions, twins and links. Must
  /// not be called from a callback. A second call does nothing.
  void stop();

  /// Where it listens, such as `127.0.0.1:7433`; empty if it does not.
  const std::string& endpoint() const noexcept;

  /// Threads that run cells, and cells.
  std::uint32_t workers() const noexcept;
  std::uint32_t cells() const noexcept;

  /// The fast way for frames made by `update_batch`: `done` gets the outcome from the thread of the
  /// last cell, and must not block.
  void update_async(const frame& updates, batch::done_function done);

  /// Where the action `publish` of event rules goes from now on, besides `node_options::sinks`.
  void publish_to(std::string name, rule_sink to);

  void request(frame asked, reply_function reply) override;
  result<subscription_id> subscribe(const subscription_request& asked,
                                    event_callback callback) override;
  result<void> unsubscribe(subscription_id which) override;

private:
  friend struct caf_access;
  struct parts;
  explicit node(std::unique_ptr<parts> made);

  std::unique_ptr<parts> parts_;
};

} // namespace gemel
