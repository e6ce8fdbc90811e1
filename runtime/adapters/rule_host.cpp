#include "runtime/adapters/rule_host.hpp"

#include "runtime/adapters/files.hpp"
#include "workflows/json_document.hpp"

#include <algorithm>
#include <filesystem>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;
constexpr std::int64_t tick_ms = 20;
constexpr std::int64_t watch_ms = 1'000;

value text_or_null(std::string_view text) {
  return text.empty() ? value{} : value{text};
}

std::string_view event_name(const event_view& from) {
  return from.kind() == event_kind::emitted ? from.name() : to_string(from.kind());
}

std::string lines_of(const fault_list& faults) {
  std::string text;
  for (const auto& one : faults)
    text += (text.empty() ? "" : "\n") + to_string(one);
  return text;
}

// The document as the text says, or its faults.
tl::expected<std::shared_ptr<const rule>, fault_list> read_rule(std::string text,
                                                                const std::string& file) {
  auto document = json_document::parse(std::move(text), file);
  if (!document)
    return tl::unexpected<fault_list>(std::move(document.error()));
  auto made = rule::read(*document);
  if (!made)
    return tl::unexpected<fault_list>(std::move(made.error()));
  return std::make_shared<const rule>(std::move(*made));
}

// Of the files of a folder that end in .json: by path, a number that changes with the file.
std::map<std::string, std::uint64_t> rule_files(const std::string& folder, std::error_code& why) {
  std::map<std::string, std::uint64_t> found;
  for (std::filesystem::directory_iterator at{folder, why}, end; !why && at != end;
       at.increment(why)) {
    std::error_code unread;
    auto time = at->last_write_time(unread).time_since_epoch().count();
    auto bytes = at->is_regular_file(unread) ? at->file_size(unread) : 0;
    if (at->path().extension() == ".json" && !unread && at->is_regular_file(unread))
      found[at->path().string()] = static_cast<std::uint64_t>(time) * 31 + bytes;
  }
  return found;
}

result<std::string> text_in(const service_call& asked, std::string_view key) {
  const auto* found = asked.arguments.find(key);
  if (found == nullptr || !found->is_text())
    return fail(errc::bad_value, "'" + std::string{key} + "' is missing, or no text");
  return std::string{found->as_text()};
}

} // namespace

rule_host::rule_host(options wanted, twin_api& on, const clock_port& clock)
    : options_{std::move(wanted)}, node_{on}, clock_{clock},
      webhooks_{options_.section.dead_letters},
      outlet_{std::make_shared<rule_outlet>(rule_outlet::ports{
          [&on](frame asked, reply_function reply) {
            on.request(std::move(asked), std::move(reply));
          },
          options_.log,
          [this](const rule_effect& what, auto done) { webhooks_.post(what, std::move(done)); },
          [this](const std::string& line) { return webhooks_.bury(line); }, options_.sinks,
          &clock})},
      workers_{options_.section.workers != 0 ? options_.section.workers : options_.workers,
               [out = outlet_](const rule_finding& found) { out->take(found); }},
      coordinator_{{.partitions = workers_.partitions()}} {
}

rule_host::~rule_host() {
  stop();
}

std::int64_t rule_host::now_ms() const {
  return clock_.now().unix_us / us_per_ms;
}

result<void> rule_host::start() {
  fault_list faults;
  watch_folder(true, faults);
  if (!faults.empty())
    return fail(faults.front().code, lines_of(faults));
  listen();
  thread_ = std::thread{[this] { run(); }};
  return {};
}

void rule_host::stop() {
  {
    std::lock_guard guard{stop_mutex_};
    if (stopping_.exchange(true))
      return;
  }
  tasks_.post([] {});
  if (thread_.joinable())
    thread_.join();
  while (auto task = tasks_.take(std::chrono::milliseconds{0})) // They want their answers.
    (*task)();
  workers_.stop();
  webhooks_.stop();
  outlet_->stop();
}

void rule_host::run() {
  while (!stopping_.load()) {
    if (auto task = tasks_.take(std::chrono::milliseconds{tick_ms}))
      (*task)();
    tick();
  }
}

void rule_host::tick() {
  auto now = now_ms();
  if (now - ticked_ms_ >= tick_ms || now < ticked_ms_) {
    ticked_ms_ = now;
    outlet_->tick(now);
    std::lock_guard guard{mutex_};
    coordinator_.tick(now);
    send_tasks();
  }
  if (options_.section.folder.empty() || now - watched_ms_ < watch_ms)
    return;
  watched_ms_ = now;
  fault_list faults;
  watch_folder(false, faults);
  for (const auto& one : faults)
    options_.log(to_string(one));
  listen();
}

// What is wrong with one file leaves the others, and the rule that was read from it before, alone.
void rule_host::watch_folder(bool is_start, fault_list& faults) {
  if (options_.section.folder.empty())
    return;
  std::error_code why;
  auto found = rule_files(options_.section.folder, why);
  if (why) {
    if (is_start)
      add_fault(faults, {.code = errc::io_failed,
                         .file = options_.section.folder,
                         .message = "cannot be listed: " + why.message()});
    return;
  }
  for (auto at = files_.begin(); at != files_.end();) {
    if (found.contains(at->first)) {
      ++at;
      continue;
    }
    std::lock_guard guard{mutex_};
    if (!at->second.rule.empty() && coordinator_.remove(at->second.rule))
      options_.log("rule " + at->second.rule + " is gone with its file");
    send_tasks();
    at = files_.erase(at);
  }
  for (const auto& [path, mark] : found)
    if (auto known = files_.find(path); known == files_.end() || known->second.mark != mark)
      load_file(path, mark, faults);
}

void rule_host::load_file(const std::string& path, std::uint64_t mark, fault_list& faults) {
  auto& state = files_[path];
  state.mark = mark;
  auto text = read_file(path, json_document_bytes_max);
  if (!text)
    return add_fault(faults, {.code = text.error().code, .message = text.error().context});
  auto made = read_rule(std::move(*text), path);
  if (!made) {
    for (auto& one : made.error())
      add_fault(faults, std::move(one));
    return;
  }
  auto name = (*made)->name();
  std::lock_guard guard{mutex_};
  if (const auto* other = coordinator_.find(name); other != nullptr && other->file != path)
    return add_fault(faults, {.code = errc::bad_value,
                              .file = path,
                              .at = "/rule",
                              .message = "there is a rule '" + name + "' already",
                              .hint = other->file});
  if (!state.rule.empty() && state.rule != name)
    static_cast<void>(coordinator_.remove(state.rule)); // It was there: the file said so.
  auto kept = coordinator_.replace(std::move(*made), path);
  if (!kept)
    return add_fault(faults,
                     {.code = kept.error().code, .file = path, .message = kept.error().context});
  state.rule = name;
  options_.log("rule " + name + " was read from " + path
               + (*kept ? ", its open runs were kept" : ""));
  send_tasks();
}

// Hears of the node's events as soon as there is a rule.
void rule_host::listen() {
  {
    std::lock_guard guard{mutex_};
    if (heard_ || coordinator_.rules().empty())
      return;
  }
  auto heard = node_.subscribe({}, [this](const event_batch& events) { on_events(events); });
  if (heard)
    heard_ = *heard;
  else
    options_.log("rules hear no events: " + to_string(heard.error()));
}

// Null for a type without a model, which is itself alone.
std::shared_ptr<const std::vector<std::string>> rule_host::models_of(const std::string& type) {
  if (options_.models == nullptr || options_.models->find(type) == nullptr)
    return nullptr;
  auto& known = models_[type];
  if (known != nullptr)
    return known;
  std::vector<std::string> made{type};
  for (const auto& [name, one] : options_.models->all())
    if (name != type && options_.models->is_a(type, name))
      made.push_back(name);
  known = std::make_shared<const std::vector<std::string>>(std::move(made));
  return known;
}

observed_event rule_host::observed(const event_view& from) {
  auto made = std::make_shared<rule_event>();
  auto record = from.record();
  auto time_us = record.source_time_us != 0 ? record.source_time_us : record.time_us;
  made->time = value{time_us / us_per_ms};
  made->twin_id = value{record.id};
  made->twin_type = text_or_null(record.type);
  made->parent_id = text_or_null(record.parent);
  made->event = value{event_name(from)};
  value_map changed;
  for (auto& change : record.changes)
    changed.push_back({std::move(change.key), std::move(change.new_value)});
  made->properties = value{std::move(changed)};
  auto id = record.event_id();
  if (coordinator_.needs_stamps())
    made->stamp = causes_.stamp_of(record.shard, record.dot, id, plain_cause(record.cause));
  made->id = value{id};
  made->models = models_of(record.type);
  made->cause = text_or_null(plain_cause(record.cause));
  made->rule_depth = rule_depth(record.cause);
  return {std::move(made), record.time_us};
}

void rule_host::on_events(const event_batch& events) {
  if (stopping_.load())
    return;
  events_ += events.size();
  missed_ += events.missed();
  auto now = now_ms();
  std::lock_guard guard{mutex_};
  for (unsigned i = 0; i < events.size(); ++i) {
    auto one = events[i];
    if (coordinator_.concerns(event_name(one), one.type()))
      coordinator_.take(observed(one), now);
  }
  send_tasks();
}

void rule_host::send_tasks() {
  for (std::size_t i = 0; i < workers_.partitions(); ++i)
    workers_.push(i, coordinator_.take_tasks(i));
}

// ---- the service ------------------------------------------------------------------------------

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
  auto made = read_rule(std::move(*text), file);
  if (!made)
    return fail(errc::bad_value, lines_of(made.error()));
  auto name = (*made)->name();
  auto version = (*made)->version();
  bool is_kept = false;
  {
    std::lock_guard guard{mutex_};
    if (asked.name == "add") {
      if (auto added = coordinator_.add(std::move(*made)); !added)
        return fail(added.error().code, added.error().context);
    } else {
      auto kept = coordinator_.replace(std::move(*made));
      if (!kept)
        return tl::unexpected<error>(kept.error());
      is_kept = *kept;
    }
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
  if (auto removed = coordinator_.remove(*name); !removed)
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
  {
    std::lock_guard guard{mutex_};
    rules = coordinator_.rules().size();
  }
  add("gemel_rules", rules, "Event rules");
  add("gemel_rule_events_total", events_.load(), "Events that the rules were given");
  add("gemel_rule_events_missed_total", missed_.load() + workers_.dropped(),
      "Events that rules did not see, since they were behind");
  add("gemel_rule_events_waiting", workers_.waiting(), "Events that wait for a thread of rules");
  add("gemel_rule_actions_total", outcomes.done, "Actions of rules carried out");
  add("gemel_rule_actions_failed_total", outcomes.failed, "Actions of rules given up");
  add("gemel_rule_actions_waiting", outlet_->waiting(), "Actions of rules that are tried again");
}

} // namespace gemel
