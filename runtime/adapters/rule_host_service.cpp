#include "messages/replies.hpp"
#include "runtime/adapters/rule_host.hpp"

#include <utility>

namespace gemel {

namespace {

value text_or_null(std::string_view text) {
  return text.empty() ? value{} : value{text};
}

result<std::string> text_in(const service_call& asked, std::string_view key) {
  const auto* found = asked.arguments.find(key);
  if (found == nullptr || !found->is_text())
    return fail(errc::bad_value, "'" + std::string{key} + "' is missing, or no text");
  return std::string{found->as_text()};
}

} // namespace

void rule_host::call(const service_call& asked, reply_function reply) {
  std::unique_lock guard{stop_mutex_};
  if (stopping_.load()) {
    guard.unlock();
    return reply(make_error_reply({errc::stopping, "the node is stopping"}));
  }
  tasks_.post([this, asked, reply = std::move(reply)] {
    auto made = answer_call(asked);
    reply(made ? make_result_reply(*made) : make_error_reply(made.error()));
  });
}

rule_host::answer rule_host::answer_call(const service_call& asked) {
  if (asked.name == "add" || asked.name == "replace")
    return put(asked);
  if (asked.name == "remove")
    return remove(asked);
  if (asked.name == "list")
    return list();
  if (asked.name == "stats" || asked.name == "show")
    return stats_of(asked, asked.name == "show");
  return fail(errc::unsupported,
              "rules know add, replace, remove, list, show and stats, not '" + asked.name + "'");
}

rule_host::answer rule_host::put(const service_call& asked) {
  auto text = text_in(asked, "document");
  if (!text)
    return tl::unexpected<error>(text.error());
  auto file = text_in(asked, "file").value_or("rule");
  auto made = rule::read(std::move(*text), file);
  if (!made)
    return fail(errc::bad_value, to_string(made.error()));
  auto name = made->name();
  auto version = made->version();
  bool is_kept = false;
  {
    std::lock_guard guard{mutex_};
    if (auto done = put_rule(std::make_shared<const rule>(std::move(*made)), {},
                             asked.name == "add", is_kept);
        !done)
      return tl::unexpected<error>(std::move(done.error()));
    send_tasks();
  }
  if (!stopping_.load())
    listen();
  return value{value_map{
      {"rule", value{name}}, {"version", value{std::int64_t{version}}}, {"kept", value{is_kept}}}};
}

rule_host::answer rule_host::remove(const service_call& asked) {
  auto name = text_in(asked, "rule");
  if (!name)
    return tl::unexpected<error>(name.error());
  std::lock_guard guard{mutex_};
  if (auto removed = drop_rule(*name); !removed)
    return tl::unexpected<error>(removed.error());
  outlet_->forget(*name);
  send_tasks();
  return value{};
}

rule_host::answer rule_host::list() const {
  std::lock_guard guard{mutex_};
  value_list rules;
  for (const auto& [name, one] : coordinator_.rules())
    rules.push_back(value{value_map{{"rule", value{name}},
                                    {"version", value{std::int64_t{one.document->version()}}},
                                    {"description", value{one.document->description()}},
                                    {"file", value{one.file}}}});
  for (const auto& [name, one] : coordinator_.refused())
    rules.push_back(value{value_map{{"rule", value{name}},
                                    {"version", value{}},
                                    {"description", value{"refused: " + one.why}},
                                    {"file", value{one.file}}}});
  return value{value_map{{"rules", value{std::move(rules)}}}};
}

value rule_host::numbers_of(const rule_coordinator::live_rule& one, bool with_document) {
  auto numbers = workers_.numbers(one.number);
  auto outcomes = outlet_->outcomes(one.document->name());
  auto number = [](std::uint64_t count) { return value{static_cast<std::int64_t>(count)}; };
  value_map made{{"rule", value{one.document->name()}},
                 {"version", number(one.document->version())},
                 {"events", number(one.events)},
                 {"events_per_s", number(one.events_per_s)},
                 {"late", number(one.late + numbers.counts.late)},
                 {"loops", number(one.loops)},
                 {"matches", number(numbers.counts.matches)},
                 {"matches_left_out", number(numbers.left_out)},
                 {"timeouts", number(numbers.counts.timeouts)},
                 {"runs_open", number(numbers.open)},
                 {"bytes", number(numbers.bytes)},
                 {"runs_dropped", number(numbers.counts.runs_dropped)},
                 {"keys", number(numbers.keys)},
                 {"keys_dropped", number(numbers.counts.keys_dropped)},
                 {"keys_idle", number(numbers.counts.keys_idle)},
                 {"actions", number(outcomes.done)},
                 {"actions_failed", number(outcomes.failed)},
                 {"actions_retried", number(outcomes.retried)},
                 {"actions_limited", number(outcomes.limited)},
                 {"latency_p50_us", number(outcomes.latency_p50_us)},
                 {"latency_p99_us", number(outcomes.latency_p99_us)},
                 {"last_error", text_or_null(outcomes.last_error)}};
  if (with_document) {
    made.push_back({"document", one.document->document()});
    made.push_back({"file", value{one.file}});
  }
  return value{std::move(made)};
}

rule_host::answer rule_host::stats_of(const service_call& asked, bool with_document) {
  std::lock_guard guard{mutex_};
  value_list made;
  auto name = text_in(asked, "rule");
  if (!name && with_document)
    return tl::unexpected<error>(name.error());
  if (name) {
    const auto* one = coordinator_.find(*name);
    if (auto no = coordinator_.refused().find(*name); no != coordinator_.refused().end())
      return fail(errc::unsupported,
                  "rule '" + *name
                      + "' of the store is refused by this version: " + no->second.why);
    if (one == nullptr)
      return tl::unexpected<error>(coordinator_.unknown(*name));
    made.push_back(numbers_of(*one, with_document));
  } else {
    for (const auto& [known, one] : coordinator_.rules())
      made.push_back(numbers_of(one, false));
  }
  return value{value_map{{"rules", value{std::move(made)}}}};
}

void rule_host::add_stats(stats_record& stats) {
  auto add = [&](const char* name, std::uint64_t number, const char* help) {
    stats.counters.push_back({name, static_cast<double>(number), help});
  };
  auto outcomes = outlet_->totals();
  std::size_t rules = 0;
  std::size_t refused = 0;
  {
    std::lock_guard guard{mutex_};
    rules = coordinator_.rules().size();
    refused = coordinator_.refused().size();
  }
  add("gemel_rules", rules, "Event rules");
  add("gemel_rules_refused", refused, "Stored rules that this version refuses");
  add("gemel_rule_events_total", events_.load(), "Events that the rules were given");
  add("gemel_rule_events_missed_total", missed_.load() + workers_.dropped(),
      "Events that rules did not see, since they were behind");
  add("gemel_rule_events_waiting", workers_.waiting(), "Events that wait for a thread of rules");
  add("gemel_rule_actions_total", outcomes.done, "Actions of rules carried out");
  add("gemel_rule_actions_failed_total", outcomes.failed, "Actions of rules given up");
  add("gemel_rule_actions_waiting", outlet_->waiting(), "Actions of rules that are tried again");
}

} // namespace gemel
