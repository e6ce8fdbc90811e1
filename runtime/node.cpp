#include "runtime/node.hpp"

#include "actors/courier.hpp"
#include "actors/session_actor.hpp"
#include "actors/twin_actor.hpp"
#include "runtime/adapters/cell_alarms.hpp"
#include "runtime/adapters/cell_workers.hpp"
#include "runtime/adapters/export_host.hpp"
#include "runtime/adapters/history_host.hpp"
#include "runtime/adapters/machine.hpp"
#include "runtime/adapters/replica_host.hpp"
#include "runtime/adapters/rule_host.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "runtime/adapters/work_threads.hpp"
#include "runtime/caf_access.hpp"
#include "runtime/detail/node_store.hpp"
#include "runtime/sync_policies.hpp"
#include "runtime/version.hpp"
#include "runtime/workflow_host.hpp"

#include <caf/io/middleman.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <vector>

namespace gemel {

namespace {

cell_limits cell_limits_of(const node_config& config) {
  cell_limits made;
  made.twins_max = config.limits.twins_max;
  made.children_max = static_cast<std::uint32_t>(config.limits.children_max);
  made.depth_max = static_cast<std::uint32_t>(config.limits.depth_max);
  made.properties_max = static_cast<std::uint32_t>(config.limits.properties_max);
  made.parked_creates_max = config.limits.parked_creates_max;
  made.lane_events_max = config.lane.flush_events;
  return made;
}

supervision_table supervision_of(const node_config& config) {
  supervision_table made;
  made.fallback = config.supervision;
  for (const auto& [type, section] : config.types)
    made.by_type.emplace(type, section.supervision);
  return made;
}

ingress::options ingress_options(const node_config& config, std::uint32_t cells,
                                 std::uint64_t seed) {
  ingress::options made;
  made.cells = cells;
  made.seed = seed;
  made.subscriptions_max = config.limits.subscriptions_max;
  made.subscriber_backlog_max = static_cast<std::uint32_t>(config.limits.subscriber_backlog_max);
  made.subscriber_backlog_bytes_max = config.limits.subscriber_backlog_bytes_max;
  made.subscription_keep_max = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::microseconds{config.limits.subscription_keep_max_us});
  made.page_rows_max = static_cast<std::uint32_t>(config.limits.page_rows_max);
  made.page_bytes_max = config.limits.page_bytes_max;
  made.batch_entries_max = config.limits.batch_entries_max;
  made.gatherings_max = config.limits.gatherings_max;
  made.node = config.node.id;
  made.program = "gemel " + std::string{version};
  return made;
}

} // namespace

// In the order of their making; each may use those before it.
struct node::parts {
  parts(node_options wanted, model_table known);
  result<void> start_cells();
  result<void> recover(const std::vector<cell*>& cells);
  void make_rules(twin_api& of);
  result<void> start_history(twin_api& of);
  result<void> start_export(twin_api& of);
  result<void> start_replicas(twin_api& of);
  result<void> start_workflows();
  result<void> listen();
  void stop();
  void add_stats(stats_record& stats);

  // A counter of requests under way. There are several, so that the threads that ask do not all
  // write to one cache line; each thread's stack tells it which is its own.
  struct alignas(64) request_counter {
    std::atomic<std::uint64_t> open{0};

    void leave() {
      if (open.fetch_sub(1, std::memory_order_acq_rel) == 1)
        open.notify_all();
    }
  };

  // Counts a request in; null when the node is stopping.
  request_counter* enter() {
    const char on_stack = 0;
    constexpr unsigned stack_shift = 16;
    auto& mine =
        under_way[(reinterpret_cast<std::uintptr_t>(&on_stack) >> stack_shift) % under_way.size()];
    mine.open.fetch_add(1, std::memory_order_seq_cst);
    if (!stopping.load(std::memory_order_seq_cst))
      return &mine;
    mine.leave();
    return nullptr;
  }

  node_options options;
  std::uint32_t workers;
  std::uint32_t cell_count;
  std::uint64_t seed;
  system_clock_port clock;
  work_threads works;
  gemel::symbols symbols;
  gemel::directory directory;
  supervision_table supervision;
  model_table models;
  alias_table aliases;
  caf_config config;
  caf::actor_system system;
  twin_actor_context twins;
  twin_actor_addresses addresses;
  // Null: nothing is stored.
  std::unique_ptr<node_store> store;
  cell_environment world;
  std::vector<std::unique_ptr<cell_runner>> runners;
  std::unique_ptr<cell_workers> threads;
  std::unique_ptr<cell_alarms> alarms;
  std::unique_ptr<ingress> in;
  std::unique_ptr<rule_host> rules;
  // Null: no property asks for it, or nothing is stored.
  std::unique_ptr<history_host> history;
  std::unique_ptr<export_host> exported;
  // Null: there are no peers.
  std::unique_ptr<replica_host> replicas;
  // The same, for the log's thread.
  std::atomic<replica_host*> log_reader{nullptr};
  std::unique_ptr<workflow_host> workflows;
  std::unique_ptr<door_context> doors;
  caf::actor door;
  std::string endpoint;
  std::mutex subscribers_mutex;
  std::map<subscription_id, caf::actor> subscribers;
  // Requests of this process that have no answer yet.
  std::array<request_counter, 16> under_way;
  std::atomic<bool> stopping{false};
};

namespace {

std::uint32_t workers_of(const node_config& config) {
  return config.node.workers != 0 ? config.node.workers : core_count();
}

void log_fault(cell_id where, std::string_view what) noexcept {
  try {
    spdlog::error("cell {}: {}", static_cast<unsigned>(where), what);
  } catch (...) { // No memory for the line; it was counted.
  }
}

} // namespace

node::parts::parts(node_options wanted, model_table known)
    : options{std::move(wanted)}, workers{workers_of(options.config)},
      cell_count{cells_of(options.config, core_count())}, seed{options.config.node.seed != 0
                                                                   ? options.config.node.seed
                                                                   : system_entropy()},
      directory{seed}, supervision{supervision_of(options.config)}, models{std::move(known)},
      config{{workers, options.listen, false}}, system{config}, twins{system, {}, {}, {}},
      addresses{twins}, world{symbols,
                              directory,
                              addresses,
                              options.behaviors,
                              supervision,
                              models,
                              aliases,
                              cell_count,
                              cell_limits_of(options.config),
                              [this](cell_id to, frame message) {
                                runners[static_cast<std::size_t>(to)]->push_ordered(
                                    control_message{std::move(message)});
                              },
                              [this](cell_id to, auto job) {
                                runners[static_cast<std::size_t>(to)]->push_control(
                                    cell_job{std::move(job)});
                              },
                              [this](cell_id to, work item) {
                                runners[static_cast<std::size_t>(to)]->push_ordered(
                                    std::move(item));
                              },
                              [this](const frame& events) { in->emit_unasked(events); },
                              &works} {
}

result<void> node::parts::recover(const std::vector<cell*>& cells) {
  if (store == nullptr)
    return {};
  auto since = clock.now().steady_ns;
  auto found = store->recover(directory, cells, clock.now());
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  constexpr std::int64_t ns_per_ms = 1'000'000;
  if (found->twins > 0 || found->records > 0)
    spdlog::info("recovered {} twins from {} snapshots and {} events of the log in {} ms",
                 found->twins, found->snapshots, found->events,
                 (clock.now().steady_ns - since) / ns_per_ms);
  if (found->orphans + found->strangers > 0)
    spdlog::warn("the store misses records: {} twins lost their parents, {} events their twins",
                 found->orphans, found->strangers);
  auto jobs = store->first_jobs();
  for (std::size_t i = 0; i < runners.size(); ++i)
    runners[i]->push_ordered(cell_job{std::move(jobs[i])});
  return {};
}

result<void> node::parts::start_cells() {
  if (!options.config.store.path.empty()) {
    auto opened = node_store::open(options.config, models, cell_count, options.store_point);
    if (!opened)
      return tl::unexpected<error>(std::move(opened.error()));
    store = std::move(*opened);
    store->port().on_record([this](log_position, log_stream, std::string_view) {
      if (auto* reader = log_reader.load())
        reader->wake();
    });
    world.stored = &store->link();
  }
  cell_runner::options limits{
      {options.config.limits.cell_queue_items_max, options.config.limits.cell_queue_bytes_max}};
  limits.on_fault = log_fault;
  threads = std::make_unique<cell_workers>(
      workers, cell_count,
      cell_workers::hooks{[this] { courier::employ(system); }, [] { courier::dispatch_here(); }});
  std::vector<cell_runner*> cells;
  alarms = std::make_unique<cell_alarms>(clock, cell_count);
  for (std::uint32_t i = 0; i < cell_count; ++i) {
    limits.on_due = [this, i](std::optional<std::int64_t> due) { alarms->set(i, due); };
    runners.push_back(std::make_unique<cell_runner>(cell_id{static_cast<std::uint16_t>(i)}, world,
                                                    limits, clock,
                                                    [this, i] { threads->schedule(i); }));
    cells.push_back(runners.back().get());
    threads->attach(i, *runners.back());
  }
  twins.cells = cells;
  std::vector<cell*> cores;
  for (auto& runner : runners)
    cores.push_back(&runner->core());
  if (auto recovered = recover(cores); !recovered)
    return recovered;
  alarms->start(cells);
  auto doors_options = ingress_options(options.config, cell_count, seed);
  doors_options.models = &models;
  doors_options.aliases = &aliases;
  in = std::make_unique<ingress>(doors_options, directory, clock, cells);
  twins.gate = &in->gate();
  in->on_stats([this](stats_record& stats) { add_stats(stats); });
  doors = std::make_unique<door_context>(*in);
  doors->sessions_max = options.config.limits.sessions_max;
  doors->requests_max = options.config.limits.session_requests_max;
  doors->frame_bytes_max = options.config.limits.frame_bytes_max;
  return {};
}

void node::parts::make_rules(twin_api& of) {
  rule_host::options wanted;
  wanted.section = options.config.rules;
  const auto& folder = options.config.store.path;
  if (wanted.section.dead_letters.empty() && !folder.empty())
    wanted.section.dead_letters = folder + "/rule-dead-letters.jsonl";
  constexpr std::uint32_t workers_max = 4;
  wanted.workers = std::min(workers, workers_max);
  wanted.sinks = std::move(options.sinks);
  wanted.models = &models;
  wanted.store = store != nullptr ? &store->port() : nullptr;
  wanted.log = [](const std::string& text) { spdlog::info("{}", text); };
  rules = std::make_unique<rule_host>(std::move(wanted), of, clock);
  in->on_service("rules", [this](const service_call& asked, reply_function reply) {
    rules->call(asked, std::move(reply));
  });
}

result<void> node::parts::start_history(twin_api& of) {
  auto wants_history = [](const auto& one) {
    return std::any_of(one.second.properties.begin(), one.second.properties.end(),
                       [](const property_model& property) { return property.history; });
  };
  const auto& all = models.all();
  auto is_wanted = std::any_of(all.begin(), all.end(), wants_history);
  if (is_wanted && store == nullptr)
    return fail(errc::bad_value, "'" + history_without_store(options.config)
                                     + "' is true, but nothing is stored: set store.path, or give "
                                       "--data");
  if (store == nullptr)
    return {};
  if (!is_wanted) // What an earlier start held back of the log.
    return store->port().retain(history_host::holder, std::nullopt);
  history = std::make_unique<history_host>(
      history_host::options{options.config.history,
                            [](const std::string& text) { spdlog::warn("{}", text); }},
      store->port(), models, of, clock);
  in->on_service("history", [this](const service_call& asked, reply_function reply) {
    history->call(asked, std::move(reply));
  });
  return history->start();
}

result<void> node::parts::start_export(twin_api& of) {
  const auto& wanted = options.config.export_to;
  if (!wanted.url.empty() && store == nullptr)
    return fail(errc::bad_value,
                "'export.url' is set, but nothing is stored: set store.path, or give --data");
  if (store == nullptr)
    return {};
  if (wanted.url.empty()) // What an earlier start held back of the log.
    return store->port().retain(export_host::holder, std::nullopt);
  exported = std::make_unique<export_host>(
      export_host::options{wanted, seed, [](const std::string& text) { spdlog::warn("{}", text); }},
      store->port(), models, of, clock);
  return exported->start();
}

result<void> node::parts::start_replicas(twin_api& of) {
  auto& peers = options.peers;
  auto policies = policies_of(options.config.sync, models, options.merges);
  if (!policies)
    return tl::unexpected<error>(std::move(policies.error()));
  if (!peers.names.empty() && store == nullptr)
    return fail(errc::bad_value, "a node with peers needs a store: set store.path, or give --data");
  if (store == nullptr)
    return {};
  if (peers.way == nullptr) // What an earlier start kept.
    return replica_host::forget(store->port());
  replica_host::options wanted;
  wanted.policies = std::move(*policies);
  wanted.section = options.config.sync;
  wanted.peers = peers.names;
  wanted.cluster = peers.cluster;
  const auto& cluster = options.config.cluster;
  wanted.may_leave_machine = cluster.insecure || !cluster.certificate.empty();
  wanted.node = options.config.node.id;
  wanted.level = options.config.store.level;
  wanted.log = [](const std::string& text) { spdlog::warn("{}", text); };
  replicas = std::make_unique<replica_host>(std::move(wanted), store->port(), of, clock, peers.way);
  in->on_service("sync", [this](const service_call& asked, reply_function reply) {
    replicas->call(asked, std::move(reply));
  });
  auto begun = replicas->start();
  if (begun)
    log_reader = replicas.get();
  return begun;
}

result<void> node::parts::start_workflows() {
  workflow_host::options wanted;
  wanted.workflows = options.config.workflows;
  wanted.compute = options.config.compute;
  wanted.limits = options.config.limits;
  wanted.functions = std::move(options.functions);
  wanted.node = options.config.node.id;
  wanted.on_scale = options.on_scale;
  if (auto& peers = options.peers; peers.way != nullptr) {
    wanted.peers = std::make_shared<peer_switch>(std::exchange(peers.way, nullptr));
    wanted.peer_names = peers.names;
    peers.way = wanted.peers; // Replicas and calls share it.
  }
  if (store != nullptr)
    wanted.store = &store->port();
  auto started = workflow_host::start(std::move(wanted), *in, clock);
  if (!started)
    return tl::unexpected<error>(started.error());
  workflows = std::move(*started);
  return {};
}

result<void> node::parts::listen() {
  const auto& where = options.config.listen;
  door = system.spawn(door_actor, doors.get());
  auto port = system.middleman().publish(door, where.port, where.address.c_str(), true);
  if (!port)
    return fail(errc::io_failed, "cannot listen on " + where.address + ":"
                                     + std::to_string(where.port) + ": "
                                     + system.render(port.error()));
  bool is_v6 = where.address.find(':') != std::string::npos;
  endpoint = (is_v6 ? "[" + where.address + "]" : where.address) + ":" + std::to_string(*port);
  return {};
}

void node::parts::add_stats(stats_record& stats) {
  auto add = [&](const char* name, double number, const char* help) {
    stats.counters.push_back({name, number, help});
  };
  std::size_t backlog = 0;
  std::uint64_t faults = 0;
  for (const auto& runner : runners) {
    backlog += runner->backlog();
    faults += runner->faults();
  }
  add("gemel_queue_items", static_cast<double>(backlog), "Work items waiting for a cell");
  add("gemel_cell_faults_total", static_cast<double>(faults),
      "Exceptions that a cell contained; each is a bug");
  add("gemel_sessions", static_cast<double>(doors->sessions.load()), "Linked programs");
  add("gemel_messages_dropped_total", static_cast<double>(twins.dropped.load()),
      "Messages to twins' own addresses that no queue had room for and nobody waited for");
  add("gemel_sends_dropped_total", static_cast<double>(in->sends_dropped()),
      "Events from twin to twin that found no twin, or no room");
  add("gemel_works_waiting", static_cast<double>(works.waiting()),
      "Pieces of long work of behaviours that wait for a thread");
  add("gemel_directory_bytes", static_cast<double>(directory.memory_bytes()),
      "Memory of the directory of twins");
  if (rules != nullptr)
    rules->add_stats(stats);
  if (history != nullptr)
    history->add_stats(stats);
  if (exported != nullptr)
    exported->add_stats(stats);
  if (replicas != nullptr)
    replicas->add_stats(stats);
  if (workflows != nullptr)
    workflows->add_stats(stats);
  add("gemel_keys", static_cast<double>(symbols.keys.size()), "Different property keys");
  add("gemel_types", static_cast<double>(symbols.types.size()), "Different twin types");
  if (store != nullptr)
    store->add_stats(stats);
  add("gemel_resident_bytes", static_cast<double>(resident_bytes()),
      "Resident memory of the process");
}

void node::parts::stop() {
  if (exported != nullptr) // While it still gets answers about twins.
    exported->stop();
  if (history != nullptr)
    history->stop();
  log_reader = nullptr;
  if (replicas != nullptr)
    replicas->stop();
  if (stopping.exchange(true))
    return;
  if (rules != nullptr)
    rules->stop();
  for (auto& runner : runners)
    runner->push_ordered(cell_job{[](cell& c, const moment&) {
      c.end_commands({errc::stopping, "the node is stopping"});
    }});
  // Its calls that wait are not answered any more; nothing below waits for them.
  if (workflows != nullptr)
    workflows->stop();
  for (auto& counter : under_way)
    for (auto left = counter.open.load(); left != 0; left = counter.open.load())
      counter.open.wait(left);
  caf::scoped_actor waiting{system};
  std::vector<caf::actor> ending;
  if (door) {
    static_cast<void>(system.middleman().unpublish(door));
    ending.push_back(door);
  }
  {
    std::lock_guard guard{subscribers_mutex};
    for (auto& [number, subscriber] : subscribers)
      ending.push_back(subscriber);
    subscribers.clear();
  }
  for (const auto& one : ending)
    caf::anon_send(one, close_atom::value);
  waiting->wait_for(ending);
  alarms->stop();
  threads->stop();
  door = nullptr;
  works.stop();
  if (store != nullptr)
    store->stop();
  // Gives the twins' addresses back while the actor system still stands.
  runners.clear();
}

node::node(std::unique_ptr<parts> made) : parts_{std::move(made)} {
}

node::~node() {
  stop();
}

result<std::unique_ptr<node>> node::start(node_options options) {
  auto models = options.config.models();
  if (!models)
    return tl::unexpected<error>(std::move(models.error()));
  auto made = std::make_unique<parts>(std::move(options), std::move(*models));
  if (auto ready = made->start_cells(); !ready)
    return tl::unexpected<error>(std::move(ready.error()));
  if (auto ready = made->start_workflows(); !ready)
    return tl::unexpected<error>(std::move(ready.error()));
  std::unique_ptr<node> started{new node{std::move(made)}};
  started->parts_->make_rules(*started);
  if (auto ready = started->parts_->rules->start(); !ready)
    return tl::unexpected<error>(std::move(ready.error()));
  if (auto ready = started->parts_->start_history(*started); !ready)
    return tl::unexpected<error>(std::move(ready.error()));
  if (auto ready = started->parts_->start_export(*started); !ready)
    return tl::unexpected<error>(std::move(ready.error()));
  if (auto ready = started->parts_->start_replicas(*started); !ready)
    return tl::unexpected<error>(std::move(ready.error()));
  if (started->parts_->options.listen)
    if (auto heard = started->parts_->listen(); !heard)
      return tl::unexpected<error>(std::move(heard.error()));
  return started;
}

void node::stop() {
  parts_->stop();
}

const std::string& node::endpoint() const noexcept {
  return parts_->endpoint;
}

std::uint32_t node::workers() const noexcept {
  return parts_->workers;
}

std::uint32_t node::cells() const noexcept {
  return parts_->cell_count;
}

void node::update_async(const frame& updates, batch::done_function done) {
  if (auto* counter = parts_->enter())
    parts_->in->update(updates, std::move(done), &counter->open);
  else if (done)
    done({0, {{0, {errc::stopping, "the node is stopping"}}}, {}});
}

void node::request(frame asked, reply_function reply) {
  if (!asked)
    return reply(make_error_reply({errc::bad_frame, "an empty frame"}));
  auto* counter = parts_->enter();
  if (counter == nullptr)
    return reply(make_error_reply({errc::stopping, "the node is stopping"}));
  parts_->in->submit(asked, [counter, reply = std::move(reply)](frame answer) {
    struct leaving { // Also when `reply` throws.
      parts::request_counter* counter;
      ~leaving() { counter->leave(); }
    } const at_end{counter};
    reply(std::move(answer));
  });
}

result<subscription_id> node::subscribe(const subscription_request& asked,
                                        event_callback callback) {
  auto* counter = parts_->enter();
  if (counter == nullptr)
    return fail(errc::stopping, "the node is stopping");
  auto subscriber = parts_->system.spawn(
      subscriber_actor, parts_->in.get(),
      [callback = std::move(callback)](const frame& events) { callback(event_batch{events}); });
  auto deliver = [subscriber](frame events) {
    courier::post(subscriber, event_atom::value, std::move(events));
  };
  std::promise<frame> answer;
  parts_->in->subscribe(make_subscribe(asked), {subscriber.id(), deliver},
                        [&](frame content) { answer.set_value(std::move(content)); });
  auto number = expect_subscribed(answer.get_future().get());
  if (number) {
    std::lock_guard guard{parts_->subscribers_mutex};
    auto& holder = parts_->subscribers[subscription_id{*number}];
    if (holder) // Resumed: another one holds it now.
      caf::anon_send(holder, close_atom::value);
    holder = subscriber;
  } else {
    caf::anon_send(subscriber, close_atom::value);
  }
  counter->leave();
  return number.map([](std::uint64_t n) { return subscription_id{n}; });
}

result<void> node::unsubscribe(subscription_id which) {
  auto answer = expect_done(ask(make_unsubscribe(static_cast<std::uint64_t>(which))));
  std::lock_guard guard{parts_->subscribers_mutex};
  if (auto i = parts_->subscribers.find(which); i != parts_->subscribers.end()) {
    caf::anon_send(i->second, close_atom::value);
    parts_->subscribers.erase(i);
  }
  return answer;
}

void node::publish_to(std::string name, rule_sink to) {
  parts_->rules->add_sink(std::move(name), std::move(to));
}

void caf_access::publish_to(node& of, std::string name, caf::actor to) {
  of.publish_to(std::move(name), [to = std::move(to)](const value& what) {
    if (to)
      caf::anon_send(to, make_result_reply(what));
  });
}

caf::actor_system& caf_access::system(node& of) {
  return of.parts_->system;
}

result<caf::actor> caf_access::twin(node& of, std::string_view id) {
  auto& p = *of.parts_;
  auto* counter = p.enter();
  if (counter == nullptr)
    return fail(errc::stopping, "the node is stopping");
  result<caf::actor> found = fail(errc::twin_not_found, std::string{id});
  if (auto where = p.directory.find(id)) {
    std::promise<void> looked;
    p.runners[static_cast<std::size_t>(where->cell)]->push_ordered(
        cell_job{[&](cell& c, const moment&) {
          if (c.holds(where->row, id))
            found = handle_of(c.row(where->row).address);
          looked.set_value();
        }});
    looked.get_future().wait();
  }
  counter->leave();
  return found;
}

} // namespace gemel
