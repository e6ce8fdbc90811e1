#include "runtime/workflow_runner.hpp"

#include "actors/workflow_executor.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "runtime/adapters/task_queue.hpp"

#include <algorithm>

namespace gemel {

namespace {

// How long it waits for a task before it asks whether to stop.
constexpr std::int64_t wait_max_ms = 100;

std::int64_t wall_ms() {
  constexpr std::int64_t us_per_ms = 1'000;
  return system_clock_port{}.now().unix_us / us_per_ms;
}

std::string id_of(const workflow& document, const workflow_run_options& options) {
  if (!options.id.empty())
    return options.id;
  return !document.id().empty() ? document.id() : "run";
}

} // namespace

std::shared_ptr<const workflow_run> run_workflow(twin_api& on,
                                                 std::shared_ptr<const workflow> document,
                                                 const function_library& functions,
                                                 workflow_run_options options) {
  auto id = id_of(*document, options);
  auto run = std::make_shared<workflow_run>(id, std::move(document), options.input, options.seed);
  // Shared: an answer may come after the run has ended.
  auto tasks = std::make_shared<task_queue>();
  workflow_executor executor{
      {.request = [&on](frame asked,
                        reply_function reply) { on.request(std::move(asked), std::move(reply)); },
       .post = [tasks](std::function<void()> task) { tasks->post(std::move(task)); },
       .compute =
           [tasks](compute_job job) {
             tasks->post([job = std::move(job)] {
               if (job.place.require.empty())
                 return job.run();
               job.refuse(
                   {errc::unreachable, "this run has no other nodes, and 'place' requires one"});
             });
           },
       .now_ms = wall_ms,
       .commit =
           [&](workflow_run& of, std::vector<run_record> records,
               const std::function<void()>& then) {
             for (const auto& record : records)
               if (options.on_change)
                 options.on_change(of, record);
             then();
           }},
      functions,
      run};
  executor.start();
  while (!executor.is_done()) {
    if (options.stop_wanted && options.stop_wanted() && !is_terminal(run->state())) {
      run->cancel(wall_ms());
      executor.drive();
      break; // What is under way comes to nobody.
    }
    auto due = executor.next_due();
    auto wait = due ? std::clamp(*due - wall_ms(), std::int64_t{0}, wait_max_ms) : wait_max_ms;
    if (auto task = tasks->take(std::chrono::milliseconds{wait}))
      (*task)();
    executor.tick();
  }
  return run;
}

} // namespace gemel
