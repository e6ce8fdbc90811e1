#include "runtime/detail/compute_service.hpp"

#include "actors/workflow_executor.hpp"
#include "messages/limits.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "workflows/call_arguments.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace gemel {

namespace {

constexpr std::int64_t list_max = 1'000;
constexpr std::int64_t list_default = 100;
constexpr std::int64_t timeout_ms_max = 86'400'000;

template <class Count>
value number(Count count) {
  return value{static_cast<std::int64_t>(count)};
}

value shown(const compute_queue::call_view& one) {
  return value{value_map{{"call", number(one.number)},
                         {"function", value{one.function}},
                         {"tenant", value{one.tenant}},
                         {"key", value{one.key}},
                         {"priority", number(one.priority)},
                         {"state", value{one.is_running ? "running" : "waiting"}},
                         {"for_ms", number(one.for_ms)}}};
}

value shown(const poison_list::entry& one) {
  return value{value_map{{"id", value{to_hex(one.fingerprint)}},
                         {"function", value{one.function}},
                         {"twin", value{one.twin}},
                         {"key", value{one.key}},
                         {"failures", number(one.failures)},
                         {"error", value{to_string(one.why)}},
                         {"since_ms", number(one.since_ms)}}};
}

value shown(const compute_pool::scale_event& one) {
  return value{value_map{{"at_ms", value{one.at_ms}},
                         {"kind", value{to_string(one.what.what)}},
                         {"from", number(one.what.from)},
                         {"to", number(one.what.to)},
                         {"reason", value{one.what.reason}}}};
}

template <class Many>
value list_of(const Many& all) {
  value_list made;
  for (const auto& one : all)
    made.push_back(shown(one));
  return value{std::move(made)};
}

frame reply_of(const result<value>& made) {
  return made ? make_result_reply(*made) : make_error_reply(made.error());
}

} // namespace

void compute_service::call(const service_call& asked, const reply_function& reply) {
  call_arguments from{asked.arguments};
  if (asked.name == "run")
    return run(from, reply);
  auto made = [&]() -> answer {
    if (asked.name == "status")
      return status();
    if (asked.name == "functions")
      return functions();
    if (asked.name == "nodes")
      return value{value_map{{"nodes", world_.nodes()}}};
    if (asked.name == "list")
      return list(from);
    if (asked.name == "cancel")
      return cancel(from);
    if (asked.name == "poisoned")
      return poisoned();
    if (asked.name == "release")
      return release(from);
    return fail(
        errc::unknown_command,
        "compute cannot '" + asked.name
            + "'; it can status, functions, nodes, list, cancel, poisoned, release and run");
  }();
  reply(reply_of(made));
}

compute_service::answer compute_service::status() const {
  auto now = pool_.look();
  value_list functions;
  for (const auto& [name, counts] : now.functions)
    functions.push_back(value{value_map{{"function", value{name}},
                                        {"waiting", number(counts.waiting)},
                                        {"running", number(counts.running)},
                                        {"done", number(counts.done)},
                                        {"refused", number(counts.refused)}}});
  return value{value_map{{"workers", number(now.workers)},
                         {"workers_min", number(size_.min)},
                         {"workers_max", number(size_.max)},
                         {"waiting", number(now.waiting)},
                         {"running", number(now.running)},
                         {"delay_ms", value{now.delay_ms}},
                         {"saturated", value{now.is_saturated}},
                         {"poisoned", number(now.poisoned)},
                         {"functions", value{std::move(functions)}},
                         {"scaled", list_of(now.scaled)}}};
}

compute_service::answer compute_service::functions() const {
  value_list all;
  for (const auto& [name, about] : library_.all())
    all.push_back(value{value_map{{"function", value{name}},
                                  {"help", value{about->help}},
                                  {"source", value{about->source}}}});
  return value{value_map{{"functions", value{std::move(all)}}}};
}

compute_service::answer compute_service::list(call_arguments& from) const {
  auto limit = from.reader.integer("limit", 1, list_max).value_or(list_default);
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  auto calls = pool_.calls(static_cast<std::size_t>(limit) + 1);
  bool has_more = calls.size() > static_cast<std::size_t>(limit);
  if (has_more)
    calls.pop_back();
  return value{value_map{{"calls", list_of(calls)}, {"more", value{has_more}}}};
}

compute_service::answer compute_service::cancel(call_arguments& from) {
  auto which = from.reader.integer("call", 1, std::numeric_limits<std::int64_t>::max(),
                                   object_reader::required);
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  if (!pool_.cancel(static_cast<std::uint64_t>(*which)))
    return fail(errc::not_found, "no call " + std::to_string(*which)
                                     + " waits or runs; `gemel compute list` shows those that do");
  return value{};
}

compute_service::answer compute_service::poisoned() const {
  return value{value_map{{"poisoned", list_of(pool_.poisoned())}}};
}

compute_service::answer compute_service::release(call_arguments& from) {
  auto id = from.reader.text("id", object_reader::required);
  if (auto fine = from.finish(); !fine)
    return tl::unexpected<error>(fine.error());
  std::uint64_t mark = 0;
  constexpr int base = 16;
  const auto* end = id->data() + id->size();
  auto read = std::from_chars(id->data(), end, mark, base);
  if (read.ec != std::errc{} || read.ptr != end || !pool_.release(mark))
    return fail(errc::not_found, "nothing is set aside as '" + *id + "'");
  return value{};
}

void compute_service::run(call_arguments& from, const reply_function& reply) {
  auto function = from.reader.text("function", object_reader::required);
  auto twin = from.reader.text("twin");
  const auto* parameters = from.reader.object("parameters");
  const auto* inputs = from.reader.object("inputs");
  compute_job job;
  job.input.key = from.reader.text("key").value_or("");
  job.tenant = from.reader.text("tenant").value_or("");
  job.priority = static_cast<std::int32_t>(
      from.reader.integer("priority", 0, compute_priority_max).value_or(0));
  auto timeout = from.reader.integer("timeout_ms", 1, timeout_ms_max);
  job.place.require = from.reader.texts("require").value_or(job.place.require);
  job.place.prefer = from.reader.texts("prefer").value_or(job.place.prefer);
  for (const auto* name : {"key", "tenant"})
    if ((name == std::string_view{"key"} ? job.input.key : job.tenant).size()
        > limits::id_bytes_max)
      from.reader.report(name, errc::limit_reached,
                         "longer than " + std::to_string(limits::id_bytes_max) + " bytes");
  if (parameters != nullptr)
    job.input.parameters = *parameters;
  if (inputs != nullptr)
    job.input.inputs = *inputs;
  if (auto fine = from.finish(); !fine)
    return reply(make_error_reply(fine.error()));
  job.about = library_.share(*function);
  if (job.about == nullptr)
    return reply(make_error_reply({errc::not_found, "there is no function '" + *function
                                                        + "'; `gemel function list` shows all"}));
  job.function = *function;
  job.concurrency = job.about->concurrency;
  if (timeout)
    job.deadline_ms = world_.now_ms() + *timeout;
  if (twin)
    return run_for_twin(*twin, std::move(job), reply);
  job.input.twin = value{value_map{}};
  begin(std::move(job), reply);
}

void compute_service::run_for_twin(const std::string& id, compute_job job,
                                   const reply_function& reply) {
  std::vector<std::string> ids{id};
  auto shared = std::make_shared<compute_job>(std::move(job));
  world_.request(make_get(ids), [this, id, shared, reply](const frame& found) {
    auto then = [this, id, shared, reply, found] {
      auto page = expect_page(found);
      if (!page)
        return reply(make_error_reply(page.error()));
      if (page->twins.empty())
        return reply(make_error_reply({errc::twin_not_found, id}));
      shared->input.twin = as_map(page->twins.front());
      begin(std::move(*shared), reply);
    };
    if (!world_.post(then))
      reply(make_error_reply({errc::stopping, "the node is stopping"}));
  });
}

// The key stands for the function and what it was told, not for what its twin is like by now.
void compute_service::begin(compute_job job, const reply_function& reply) {
  auto answered = [reply](const result<value>& made) {
    reply(made ? make_result_reply(value{value_map{{"result", *made}}})
               : make_error_reply(made.error()));
  };
  const auto key = job.input.key;
  if (key.empty()) {
    job.done = answered;
    return world_.submit(std::move(job));
  }
  auto told = job;
  if (const auto* id = job.input.twin.find("id"))
    told.input.twin = *id;
  {
    std::lock_guard guard{keys_mutex_};
    if (!keys_.begin(key, fingerprint_of(told), answered, world_.now_ms()))
      return;
  }
  job.done = [this, key](const result<value>& made) {
    std::lock_guard guard{keys_mutex_};
    keys_.finished(key, made, world_.now_ms());
  };
  world_.submit(std::move(job));
}

} // namespace gemel
