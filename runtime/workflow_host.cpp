#include "runtime/workflow_host.hpp"

#include "actors/compute_fabric.hpp"
#include "actors/workflow_service.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "runtime/adapters/compute_pool.hpp"
#include "runtime/adapters/files.hpp"
#include "runtime/adapters/folder.hpp"
#include "runtime/adapters/machine.hpp"
#include "runtime/adapters/scale_hook.hpp"
#include "runtime/adapters/task_thread.hpp"
#include "runtime/detail/compute_service.hpp"
#include "runtime/lua_functions.hpp"
#include "workflows/json_document.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <set>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;
constexpr std::int64_t folder_check_ms = 1'000;
constexpr std::int64_t fabric_tick_ms = 50;
constexpr std::size_t function_bytes_max = std::size_t{1} << 20;

compute_queue::options queue_options(const compute_section& from) {
  compute_queue::options made;
  made.waiting_max = from.waiting_max;
  made.function_max = from.function_max;
  made.tenant_max = from.tenant_max;
  return made;
}

pool_size::options size_options(const compute_section& from) {
  pool_size::options made;
  made.max = from.workers_max != 0 ? from.workers_max : core_count();
  made.min = std::min<std::size_t>(std::max<std::uint32_t>(1, from.workers_min), made.max);
  made.grow_delay_ms = from.grow_delay_us / us_per_ms;
  made.shrink_after_ms = from.shrink_after_us / us_per_ms;
  return made;
}

workflow_coordinator::options run_bounds(const workflow_host::options& from) {
  workflow_coordinator::options made;
  made.open_max = from.workflows.open_max;
  made.ended_max = from.workflows.ended_max;
  constexpr std::uint64_t part = 4;
  made.reads_under_way_max = std::max<std::uint64_t>(1, from.limits.gatherings_max / part);
  made.writes_under_way_max = std::max<std::uint64_t>(1, from.limits.cell_queue_items_max / part);
  // What waits in the pool is refused beyond its bound, so no more is handed on; and one workflow
  // alone gets three quarters of the room.
  made.calls_under_way_max = std::clamp<std::size_t>(
      from.compute.waiting_max - from.compute.waiting_max / part, 1, made.calls_under_way_max);
  return made;
}

} // namespace

struct workflow_host::parts {
  parts(options asked, ingress& door, const clock_port& time)
      : wanted{std::move(asked)}, in{door}, clock{time}, library{function_library::standard()},
        thread{time}, hook{wanted.compute.scale_hook, wanted.node,
                           [](const std::string& text) {
                             spdlog::warn("compute.scale_hook: {}", text);
                           }},
        pool{time,
             queue_options(wanted.compute),
             size_options(wanted.compute),
             {wanted.compute.poison_after},
             {[this](const auto& what) { scaled(what); }, poisoned}} {}

  void scaled(const compute_pool::scale_event& event);
  static void poisoned(const poison_list::entry& what);

  result<void> add_natives();
  result<void> make();
  void read_functions(fault_list* faults);
  void read_documents(fault_list* faults);
  void look_at_folders();
  void follow_interest();
  std::int64_t now_ms() const { return clock.now().unix_us / us_per_ms; }
  std::optional<std::int64_t> next_due() const;
  void tick();
  void count();
  void make_fabric();
  void hear_peers();
  value nodes() const;
  void stop();

  options wanted;
  ingress& in;
  const clock_port& clock;
  function_library library;
  std::unique_ptr<store_run_log> log;
  task_thread thread;
  std::unique_ptr<workflow_coordinator> coordinator;
  std::unique_ptr<workflow_service> service;
  std::unique_ptr<compute_fabric> fabric;
  std::unique_ptr<compute_service> calls;
  std::int64_t fabric_due_ms = 0;
  std::map<std::string, std::uint64_t> function_files;
  std::map<std::string, std::uint64_t> document_files;
  std::int64_t next_look_ms = 0;
  std::set<event_kind> followed;
  std::uint64_t subscription = 0;
  std::uint64_t interests = 0;
  std::atomic<bool> stopped{false};
  // What the statistics show; written by the thread.
  std::atomic<std::uint64_t> open_runs{0};
  std::atomic<std::uint64_t> started{0};
  std::atomic<std::uint64_t> ended{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> triggered{0};
  std::atomic<std::uint64_t> triggers_refused{0};
  std::atomic<std::uint64_t> sent_calls{0};
  std::atomic<std::uint64_t> moved_calls{0};
  std::atomic<std::uint64_t> served_calls{0};
  // Last: their threads call all of the above.
  scale_hook hook;
  compute_pool pool;
};

void workflow_host::parts::scaled(const compute_pool::scale_event& event) {
  const auto& what = event.what;
  spdlog::info("compute: {}: {} -> {} workers: {}", to_string(what.what), what.from, what.to,
               what.reason);
  hook.tell(what);
  if (wanted.on_scale)
    wanted.on_scale(what);
}

void workflow_host::parts::poisoned(const poison_list::entry& what) {
  spdlog::warn("compute: an input of {} {}is set aside after {} failures: {}", what.function,
               what.twin.empty() ? "" : "(twin " + what.twin + ") ", what.failures,
               to_string(what.why));
}

result<void> workflow_host::parts::add_natives() {
  for (auto& one : wanted.functions)
    if (auto added = library.add(std::move(one)); !added)
      return added;
  wanted.functions.clear();
  return {};
}

result<void> workflow_host::parts::make() {
  if (auto added = add_natives(); !added)
    return added;
  if (wanted.store != nullptr)
    log = std::make_unique<store_run_log>(*wanted.store);
  fault_list faults;
  read_functions(&faults);
  workflow_coordinator::ports world;
  world.request = [this](const frame& asked, reply_function reply) {
    in.submit(asked, std::move(reply));
  };
  world.post = [this](std::function<void()> task) { thread.post(std::move(task)); };
  make_fabric();
  world.compute = [this](compute_job job) { fabric->submit(std::move(job)); };
  world.now_ms = [this] { return now_ms(); };
  world.log = log.get();
  world.on_log_failed = [](const error& why) {
    spdlog::error("workflows stand still, since their changes cannot be stored: {}",
                  to_string(why));
  };
  world.on_interest = [this] { follow_interest(); };
  coordinator =
      std::make_unique<workflow_coordinator>(std::move(world), library, run_bounds(wanted));
  service = std::make_unique<workflow_service>(*coordinator, [this] { return now_ms(); });
  calls = std::make_unique<compute_service>(
      compute_service::ports{
          [this](const frame& asked, reply_function reply) { in.submit(asked, std::move(reply)); },
          [this](std::function<void()> task) { return thread.post(std::move(task)); },
          [this](compute_job job) { fabric->submit(std::move(job)); }, [this] { return nodes(); },
          [this] { return now_ms(); }},
      pool, library, size_options(wanted.compute));
  if (auto back = coordinator->recover(); !back)
    return back;
  read_documents(&faults);
  if (!faults.empty()) {
    std::string text;
    for (const auto& one : faults)
      text += (text.empty() ? "" : "\n") + to_string(one);
    return fail(faults.front().code, text);
  }
  if (coordinator->counts().recovered > 0)
    spdlog::info("{} workflow runs go on", coordinator->counts().recovered);
  return {};
}

// ---- other nodes

void workflow_host::parts::make_fabric() {
  compute_fabric::options bounds;
  bounds.labels = wanted.compute.labels;
  // Later starts have higher ones.
  bounds.incarnation = static_cast<std::uint64_t>(std::max<std::int64_t>(1, clock.now().unix_us));
  compute_fabric::ports world;
  world.send = [this](std::uint32_t peer, const service_call& message) {
    if (!stopped.load())
      wanted.peers->call(peer, message);
  };
  world.run_here = [this](compute_job job) { pool.submit(std::move(job)); };
  world.post = [this](std::function<void()> task) { thread.post(std::move(task)); };
  world.load_here = [this] {
    return compute_fabric::load{size_options(wanted.compute).max, pool.open_calls()};
  };
  world.function = [this](std::string_view name) { return library.share(name); };
  world.random = system_entropy;
  world.now = [this] { return clock.now(); };
  fabric = std::make_unique<compute_fabric>(std::move(bounds), std::move(world),
                                            wanted.peers != nullptr ? wanted.peer_names.size() : 0);
}

void workflow_host::parts::hear_peers() {
  if (wanted.peers == nullptr)
    return;
  wanted.peers->on_service(
      std::string{compute_fabric::service}, [this](std::uint32_t peer, service_call message) {
        thread.post([this, peer, message = std::move(message)] { fabric->receive(peer, message); });
      });
}

value workflow_host::parts::nodes() const {
  auto texts = [](const std::vector<std::string>& all) {
    value_list made;
    for (const auto& one : all)
      made.emplace_back(value{one});
    return value{std::move(made)};
  };
  auto number = [](std::size_t count) { return value{static_cast<std::int64_t>(count)}; };
  value_list made;
  auto add = [&](const std::string& name, const compute_fabric::peer_view& of) {
    made.push_back(value{value_map{{"node", value{name}},
                                   {"there", value{of.is_there}},
                                   {"labels", texts(of.labels)},
                                   {"workers", number(of.last.workers)},
                                   {"calls", number(of.last.calls)},
                                   {"asked", number(of.asked)},
                                   {"serving", number(of.serving)}}});
  };
  add(wanted.node,
      {true, fabric->labels(), {size_options(wanted.compute).max, pool.open_calls()}, 0, 0});
  for (std::uint32_t i = 0; wanted.peers != nullptr && i < wanted.peer_names.size(); ++i)
    add(wanted.peer_names[i], fabric->peer(i));
  return value{std::move(made)};
}

// ---- folders

// A file that has become wrong leaves what it made before, with a line in the log.
void workflow_host::parts::read_functions(fault_list* faults) {
  if (wanted.workflows.functions.empty())
    return;
  auto report = [&](const std::string& file, const error& why) {
    if (faults != nullptr)
      add_fault(*faults, {.code = why.code, .file = file, .message = why.context});
    else
      spdlog::warn("function {}: {}", file, to_string(why));
  };
  auto files = files_of(wanted.workflows.functions, ".lua");
  if (!files)
    return report(wanted.workflows.functions, files.error());
  const lua_limits bounds{wanted.compute.lua_memory_bytes, wanted.compute.lua_instructions};
  for (const auto& [path, mark] : *files) {
    auto known = function_files.find(path);
    if (known != function_files.end() && known->second == mark)
      continue;
    function_files[path] = mark;
    auto text = read_file(path, function_bytes_max);
    if (!text) {
      report(path, text.error());
      continue;
    }
    auto made = make_lua_function(lua_function_name(path), std::move(*text), path, bounds);
    auto taken = made ? library.replace(std::move(*made))
                      : result<void>{tl::unexpected<error>(made.error())};
    if (taken)
      pool.forget_function(lua_function_name(path));
    if (!taken)
      report(path, taken.error());
    else if (faults == nullptr)
      spdlog::info("function {} is read anew", lua_function_name(path));
  }
  std::erase_if(function_files, [&](const auto& one) {
    if (files->contains(one.first))
      return false;
    library.remove(lua_function_name(one.first));
    return true;
  });
}

void workflow_host::parts::read_documents(fault_list* faults) {
  if (wanted.workflows.folder.empty())
    return;
  auto take = [&](fault_list why) {
    for (auto& one : why) {
      if (faults != nullptr)
        add_fault(*faults, std::move(one));
      else
        spdlog::warn("workflow {}", to_string(one));
    }
  };
  auto files = files_of(wanted.workflows.folder, ".json");
  if (!files)
    return take({{.code = files.error().code,
                  .file = wanted.workflows.folder,
                  .message = files.error().context}});
  for (const auto& [path, mark] : *files) {
    auto known = document_files.find(path);
    if (known != document_files.end() && known->second == mark)
      continue;
    document_files[path] = mark;
    auto text = read_file(path, json_document_bytes_max);
    if (!text) {
      take({{.code = text.error().code, .file = path, .message = text.error().context}});
      continue;
    }
    auto made = coordinator->add(std::move(*text), path);
    if (!made)
      take(std::move(made.error()));
    else if (faults == nullptr)
      spdlog::info("workflow {} version {} is read", (*made)->name(), (*made)->version());
  }
}

void workflow_host::parts::look_at_folders() {
  if (wanted.workflows.folder.empty() && wanted.workflows.functions.empty())
    return;
  if (now_ms() < next_look_ms)
    return;
  next_look_ms = now_ms() + folder_check_ms;
  read_functions(nullptr);
  read_documents(nullptr);
}

std::optional<std::int64_t> workflow_host::parts::next_due() const {
  auto due = coordinator->next_due();
  if (wanted.peers != nullptr || fabric->parked() > 0)
    due = due ? std::min(*due, fabric_due_ms) : fabric_due_ms;
  if (wanted.workflows.folder.empty() && wanted.workflows.functions.empty())
    return due;
  return due ? std::min(*due, next_look_ms) : next_look_ms;
}

void workflow_host::parts::tick() {
  look_at_folders();
  coordinator->tick();
  if (now_ms() < fabric_due_ms)
    return;
  fabric->tick();
  fabric_due_ms = now_ms() + fabric_tick_ms;
}

void workflow_host::parts::count() {
  const auto& counts = coordinator->counts();
  open_runs = coordinator->open_runs();
  started = counts.started;
  ended = counts.ended;
  failed = counts.failed;
  triggered = counts.triggered;
  triggers_refused = counts.triggers_refused;
  sent_calls = fabric->totals().sent;
  moved_calls = fabric->totals().moved;
  served_calls = fabric->totals().served;
}

// ---- events of twins

// One subscription for all that wait, made anew when they wait for other kinds. It is asked for
// later, since many runs may begin to wait in one turn.
void workflow_host::parts::follow_interest() {
  if (coordinator == nullptr || coordinator->wanted_events() == followed)
    return;
  followed = coordinator->wanted_events();
  auto turn = ++interests;
  if (subscription != 0)
    in.unsubscribe(std::exchange(subscription, 0), [](const frame&) {});
  if (followed.empty())
    return;
  subscription_request asked;
  asked.kinds.assign(followed.begin(), followed.end());
  auto deliver = [this](frame events) {
    thread.post([this, events = std::move(events)] {
      event_batch batch{events};
      coordinator->events(batch);
      if (batch.size() > 0)
        in.grant(batch.subscription(), static_cast<std::uint32_t>(batch.size()));
    });
  };
  in.subscribe(make_subscribe(asked), {0, deliver}, [this, turn](const frame& answer) {
    auto number = expect_subscribed(answer);
    thread.post([this, turn, number] {
      if (!number)
        return spdlog::error("workflows cannot hear of events: {}", to_string(number.error()));
      if (turn == interests)
        subscription = *number;
      else
        in.unsubscribe(*number, [](const frame&) {});
    });
  });
}

void workflow_host::parts::stop() {
  if (stopped.exchange(true))
    return;
  if (wanted.peers != nullptr)
    wanted.peers->on_service({}, {});
  thread.post([this] { coordinator->tell_all(); });
  thread.stop();
  fabric->stop();
  pool.stop();
  hook.stop();
}

// ---- the host

workflow_host::workflow_host(std::unique_ptr<parts> made) : parts_{std::move(made)} {
}

workflow_host::~workflow_host() {
  stop();
}

result<std::unique_ptr<workflow_host>> workflow_host::start(options wanted, ingress& in,
                                                            const clock_port& clock) {
  auto made = std::make_unique<parts>(std::move(wanted), in, clock);
  if (auto ready = made->make(); !ready)
    return tl::unexpected<error>(ready.error());
  std::unique_ptr<workflow_host> started{new workflow_host{std::move(made)}};
  auto* inside = started->parts_.get();
  auto* whole = started.get();
  for (const auto* name : {"workflows", "compute"})
    in.on_service(name, [whole](const service_call& asked, reply_function reply) {
      whole->call(asked, std::move(reply));
    });
  inside->thread.start({[inside] { return inside->next_due(); }, [inside] { inside->tick(); },
                        [inside] { inside->count(); }});
  inside->hear_peers();
  inside->thread.post([inside] {
    inside->coordinator->resume_all();
    inside->follow_interest();
  });
  return started;
}

void workflow_host::call(service_call asked, reply_function reply) {
  auto answer = [inside = parts_.get(), asked = std::move(asked), reply] {
    if (asked.service == "compute")
      return inside->calls->call(asked, reply);
    inside->service->call(asked, reply);
  };
  if (!parts_->thread.post(std::move(answer)))
    reply(make_error_reply({errc::stopping, "the node is stopping"}));
}

void workflow_host::add_stats(stats_record& stats) const {
  auto add = [&](const char* name, auto number, const char* help) {
    stats.counters.push_back({name, static_cast<double>(number), help});
  };
  add("gemel_workflow_runs_open", parts_->open_runs.load(), "Workflow runs that have not ended");
  add("gemel_workflow_runs_started_total", parts_->started.load(), "Workflow runs started");
  add("gemel_workflow_runs_ended_total", parts_->ended.load(), "Workflow runs that have ended");
  add("gemel_workflow_runs_failed_total", parts_->failed.load(),
      "Workflow runs that ended without success");
  add("gemel_workflow_triggered_total", parts_->triggered.load(),
      "Workflow runs started by schedules and events");
  add("gemel_workflow_triggers_refused_total", parts_->triggers_refused.load(),
      "Schedules and events whose run could not be started");
  auto compute = parts_->pool.look();
  add("gemel_compute_workers", compute.workers, "Threads that call functions");
  add("gemel_compute_waiting", compute.waiting, "Calls of functions that wait for a thread");
  add("gemel_compute_running", compute.running, "Calls of functions under way");
  add("gemel_compute_delay_ms", compute.delay_ms, "How long the oldest call waits that could run");
  add("gemel_compute_poisoned", compute.poisoned, "Inputs set aside after too many failures");
  add("gemel_compute_poisoned_total", compute.poisoned_total, "Inputs ever set aside");
  add("gemel_compute_scaled_total", compute.scaled_total, "Changes of the number of threads");
  add("gemel_compute_saturated", compute.is_saturated ? 1 : 0,
      "Whether calls wait although there are as many threads as may be");
  add("gemel_compute_sent_total", parts_->sent_calls.load(), "Calls that peers were asked to make");
  add("gemel_compute_moved_total", parts_->moved_calls.load(),
      "Calls placed again since the node that had them was lost");
  add("gemel_compute_served_total", parts_->served_calls.load(), "Calls made for peers");
  std::uint64_t done = 0;
  std::uint64_t refused = 0;
  for (const auto& [name, counts] : compute.functions) {
    done += counts.done;
    refused += counts.refused;
  }
  add("gemel_compute_done_total", done, "Calls of functions that have ended");
  add("gemel_compute_refused_total", refused, "Calls of functions that were not made");
}

void workflow_host::stop() {
  parts_->stop();
}

} // namespace gemel
