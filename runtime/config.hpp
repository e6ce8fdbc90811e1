#pragma once

#include "messages/durability.hpp"
#include "messages/fault.hpp"
#include "messages/limits.hpp"
#include "registry/model.hpp"
#include "registry/supervision_policy.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What a node is started with. One table in `config.cpp` describes every option once: reading,
/// checking, hints, `--set` and the sample file are made from it; a default is the value that the
/// member has here.
namespace gemel {

/// How much a node logs; each level with all that follow it.
enum class log_level : std::uint8_t { trace, debug, info, warn, error, off };

/// The name as configs write it, such as `info`.
std::string_view to_string(log_level level) noexcept;

struct node_section {
  /// Name of the node: as valid as a twin id.
  std::string id = "node-1";
  /// Threads that run cells; 0: one per core.
  std::uint32_t workers = 0;
  std::uint32_t cells_per_worker = 4;
  /// Of every random choice; 0: from the system's entropy.
  std::uint64_t seed = 0;

  friend bool operator==(const node_section&, const node_section&) = default;
};

struct listen_section {
  std::string address = "127.0.0.1";
  /// 0: any that is free.
  std::uint16_t port = 7433;
  /// Whether `address` may be reached from other machines.
  bool allow_insecure = false;

  friend bool operator==(const listen_section&, const listen_section&) = default;
};

/// Bounds of one node, none above its namesake in `messages/limits.hpp`.
struct limits_section {
  std::uint64_t twins_max = limits::rows_max;
  std::uint64_t children_max = limits::children_max;
  /// Levels, the root counted.
  std::uint64_t depth_max = limits::hierarchy_depth_max;
  std::uint64_t properties_max = limits::properties_max;
  std::uint64_t frame_bytes_max = limits::frame_bytes_max;
  std::uint64_t cell_queue_items_max = limits::cell_queue_items_max;
  /// At least `frame_bytes_max`.
  std::uint64_t cell_queue_bytes_max = limits::cell_queue_bytes_max;
  std::uint64_t page_rows_max = limits::page_rows_max;
  std::uint64_t sessions_max = limits::sessions_max;
  std::uint64_t subscriptions_max = limits::subscriptions_max;
  std::uint64_t subscriber_backlog_max = limits::subscriber_backlog_max;
  std::uint64_t subscriber_backlog_bytes_max = limits::subscriber_backlog_bytes_max;
  std::int64_t subscription_keep_max_us =
      std::chrono::microseconds{limits::subscription_keep_max}.count();
  std::uint64_t batch_entries_max = limits::batch_entries_max;
  std::uint64_t parked_creates_max = limits::parked_creates_max;
  /// Queries and the like.
  std::uint64_t gatherings_max = limits::gatherings_max;
  std::uint64_t session_requests_max = limits::session_requests_max;
  /// Of answers.
  std::uint64_t page_bytes_max = limits::page_bytes_max;

  friend bool operator==(const limits_section&, const limits_section&) = default;
};

struct lane_section {
  std::uint32_t flush_events = 4'096;

  friend bool operator==(const lane_section&, const lane_section&) = default;
};

/// How exported values are written.
enum class export_format : std::uint8_t { influx };

struct store_section {
  /// Folder of the store; empty: nothing is stored.
  std::string path{};
  /// Before an answer, for requests that ask for nothing, to twins whose type says nothing.
  durability level = durability::process;
  /// Room kept back on the disk for what was let in.
  std::uint64_t reserve_bytes = std::uint64_t{256} << 20;
  /// Twins in memory at once, see `store_link::active_max`; 0: all.
  std::uint64_t max_active = 0;
  /// Log that all cells together write, at least, while every changed shard is written anew once.
  std::uint64_t log_bytes = std::uint64_t{128} << 20;

  friend bool operator==(const store_section&, const store_section&) = default;
};

struct history_section {
  /// What is measured longer ago than this is forgotten; 0: nothing is, for its age.
  std::int64_t keep_us = std::int64_t{30} * 24 * 3'600 * 1'000'000;
  /// Bytes on the disk above which the oldest partition is forgotten; 0: no bound.
  std::uint64_t bytes_max = 0;

  friend bool operator==(const history_section&, const history_section&) = default;
};

struct export_section {
  /// Where values of properties with a history are sent; empty: nowhere.
  std::string url{};
  /// How they are written: `influx`.
  export_format format = export_format::influx;
  /// A header that goes along, such as `Authorization: Token abc`; empty: none.
  std::string header{};
  /// A batch waits so long for more.
  std::int64_t interval_us = 1'000'000;
  std::uint64_t batch_bytes = std::uint64_t{256} << 10;
  /// Bytes of log that may wait; beyond it the oldest values are given up.
  std::uint64_t queue_bytes_max = std::uint64_t{256} << 20;

  friend bool operator==(const export_section&, const export_section&) = default;
};

struct sync_section {
  /// Types of the twins that peers are given and that are taken from them; empty: all.
  std::vector<std::string> types{};
  /// Peers that are sent nothing: what they write is taken, what is written here stays here.
  std::vector<std::string> receive_only{};
  /// Of properties whose type says nothing, see `policy_from_string`.
  std::string conflict = "last_write_wins";

  friend bool operator==(const sync_section&, const sync_section&) = default;
};

struct rules_section {
  /// Folder of event rules (`*.json`), read at the start and when they change; empty: none.
  std::string folder{};
  /// Threads that run rules; 0: one per core, at most four.
  std::uint32_t workers = 0;
  /// File for webhooks that no server took; empty: beside the store, if there is one.
  std::string dead_letters{};

  friend bool operator==(const rules_section&, const rules_section&) = default;
};

struct workflows_section {
  /// Folder of documents (`*.json`), read at the start and when they change; empty: none.
  std::string folder{};
  /// Folder of Lua functions (`*.lua`), read at the start and when they change; empty: none.
  std::string functions{};
  /// Runs that have not ended.
  std::uint64_t open_max = 1'000'000;
  /// Runs that have ended and can still be looked at.
  std::uint64_t ended_max = 10'000;

  friend bool operator==(const workflows_section&, const workflows_section&) = default;
};

struct compute_section {
  /// Threads that call functions of workflows; 0: one per core.
  std::uint32_t workers_max = 0;
  std::uint32_t workers_min = 1;
  /// A call that waits longer asks for another thread.
  std::int64_t grow_delay_us = 20'000;
  /// A thread that was not needed for so long goes.
  std::int64_t shrink_after_us = 10'000'000;
  std::uint64_t waiting_max = 100'000;
  /// Calls of one function at a time; 0: as many as there are threads.
  std::uint32_t function_max = 0;
  /// Calls of one tenant (a workflow, mostly) at a time; 0: as many as there are threads.
  std::uint32_t tenant_max = 0;
  /// Failures in a row of a function with one input, after which that is set aside; 0: never.
  std::uint32_t poison_after = 10;
  /// What calls may ask for, such as `edge`.
  std::vector<std::string> labels{};
  /// Program that is run when the number of threads changes; empty: none.
  std::string scale_hook{};
  /// Of one call of a Lua function.
  std::uint64_t lua_memory_bytes = std::uint64_t{64} << 20;
  std::uint64_t lua_instructions = 1'000'000'000;

  friend bool operator==(const compute_section&, const compute_section&) = default;
};

/// The nodes that this one is linked to, and how they know each other.
struct cluster_section {
  /// Only nodes of one cluster are linked.
  std::string name = "gemel";
  /// File with the key that all nodes of the cluster have.
  std::string key_file{};
  /// Other nodes, as `read_peer` reads them.
  std::vector<std::string> peers{};
  /// Where peers may call; empty: nowhere.
  std::string listen_address = "127.0.0.1";
  /// 0: any that is free.
  std::uint16_t listen_port = 7434;
  /// PEM files; all three or none.
  std::string certificate{};
  std::string private_key{};
  std::string authority{};
  /// Whether links may leave the machine without certificates.
  bool insecure = false;

  friend bool operator==(const cluster_section&, const cluster_section&) = default;
};

struct log_section {
  log_level level = log_level::info;

  friend bool operator==(const log_section&, const log_section&) = default;
};

/// What a config says of one twin type.
struct type_section {
  /// Of the children of parents of this type; complete, what a file left out taken from the general
  /// policy.
  supervision_policy supervision{};
  /// Its own declarations, not those it inherits.
  type_model model{};

  friend bool operator==(const type_section&, const type_section&) = default;
};

/// Everything a node reads at its start. A plain value; `parse_config` makes only valid ones.
struct node_config {
  node_section node;
  listen_section listen;
  limits_section limits;
  /// Of parents whose type has no policy of its own.
  supervision_policy supervision;
  /// By name.
  std::map<std::string, type_section, std::less<>> types;
  store_section store;
  history_section history;
  export_section export_to;
  sync_section sync;
  lane_section lane;
  rules_section rules;
  workflows_section workflows;
  compute_section compute;
  cluster_section cluster;
  log_section log;

  /// How the children of a parent of this type are supervised.
  const supervision_policy& supervision_of(std::string_view type) const noexcept;

  /// All types, with what they inherit.
  /// @returns what `model_table::make` says of them; a config that was parsed has no such fault.
  result<model_table> models() const;

  friend bool operator==(const node_config&, const node_config&) = default;
};

/// The key of a property with a history, such as `types.machine.properties.temperature.history`, if
/// there is one and the config has no store; else empty.
std::string history_without_store(const node_config& config);

/// Cells of a node on a machine of `cores` cores: workers times cells per worker, at most
/// `limits::cells_max`, at least one.
std::uint32_t cells_of(const node_config& config, std::uint32_t cores) noexcept;

/// Bytes of a config file; a larger one is some other file.
inline constexpr std::size_t config_bytes_max = 1u << 20;

/// The config, or all that is wrong with it, ordered by place.
using config_outcome = tl::expected<node_config, fault_list>;

/// Reads a config (TOML 1.0). What it leaves out keeps its default.
/// @param file_name stands in the faults only.
/// @param overrides `key=value` each, as after `--set`, later ones win; they stand above the file.
///        The value is written as in the file; texts, choices and durations need no quotes.
/// @returns every fault at once: errc::bad_syntax (with a key that stands twice), unknown_key,
///          bad_value (kind, range or choice; an address others can reach without
///          `listen.allow_insecure`; a type that extends itself or one that is not declared, a
///          property that contradicts itself), bad_name, limit_reached.
config_outcome parse_config(std::string_view text, std::string_view file_name,
                            std::span<const std::string> overrides = {});

/// The config as a file that `parse_config` reads back to the same, with every option, its unit,
/// range, default and meaning. `write_config({})` is the sample.
std::string write_config(const node_config& config);

/// One option for people and for shell completion.
struct config_option {
  /// Such as `listen.port` or `types.<type>.extends`.
  std::string key;
  /// Such as `integer, 0 to 65535`.
  std::string form;
  /// As a config writes it.
  std::string default_text;
  std::string_view help;
  /// What can be written, if that is a short list.
  std::span<const std::string_view> choices;
};

/// All options in the order of the sample; `[types.<type>]` takes those of `[supervision]` too.
std::vector<config_option> config_options();

} // namespace gemel
