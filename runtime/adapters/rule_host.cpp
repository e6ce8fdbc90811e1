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
          [this](const std::string& line) { return webhooks_.bury(line); }, options_.sinks, &clock,
          options_.store != nullptr})},
      workers_{options_.section.workers != 0 ? options_.section.workers : options_.workers,
               [out = outlet_](const rule_finding& found) { out->take(found); }},
      coordinator_{{.partitions = workers_.partitions()}} {
  if (options_.store != nullptr)
    keeper_.emplace(*options_.store);
}

rule_host::~rule_host() {
  stop();
}

std::int64_t rule_host::now_ms() const {
  return clock_.now().unix_us / us_per_ms;
}

result<void> rule_host::start() {
  if (auto back = bring_back(); !back)
    return back;
  fault_list faults;
  watch_folder(true, faults);
  if (!faults.empty())
    return fail(faults.front().code, lines_of(faults));
  if (auto seen = take_unseen(); !seen)
    return seen;
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
  std::lock_guard guard{mutex_};
  if (keeper_)
    keeper_->note_done(outlet_->take_ended());
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
    now = std::max(now, coordinator_.now_ms());
    if (keeper_ && coordinator_.is_tick_due(now)) {
      rule_record passed;
      passed.what = rule_record::kind::tick;
      passed.now_ms = now;
      static_cast<void>(note(passed));
    }
    coordinator_.tick(now);
    send_tasks();
    keep();
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
    if (!at->second.rule.empty() && drop_rule(at->second.rule))
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
    static_cast<void>(drop_rule(state.rule)); // It was there: the file said so.
  auto is_kept = false;
  if (auto put = put_rule(std::move(*made), path, false, is_kept); !put)
    return add_fault(faults,
                     {.code = put.error().code, .file = path, .message = put.error().context});
  state.rule = name;
  options_.log("rule " + name + " was read from " + path
               + (is_kept ? ", its open runs were kept" : ""));
  send_tasks();
}

// Hears of the node's events as soon as there is a rule.
void rule_host::listen() {
  {
    std::lock_guard guard{mutex_};
    if (heard_ || coordinator_.rules().empty())
      return;
  }
  subscription_request wanted;
  // What actions lead to lies behind what led to them in the log.
  wanted.durable = keeper_.has_value();
  auto heard = node_.subscribe(wanted, [this](const event_batch& events) { on_events(events); });
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
  return {std::move(made), record.time_us, {}, std::string{action_in(record.cause)}};
}

void rule_host::on_events(const event_batch& events) {
  if (stopping_.load())
    return;
  events_ += events.size();
  missed_ += events.missed();
  std::lock_guard guard{mutex_};
  rule_record seen;
  auto now = now_ms();
  for (unsigned i = 0; i < events.size(); ++i) {
    auto one = events[i];
    lag_ms_ = std::max(lag_ms_, now - one.time_us() / us_per_ms);
    if (coordinator_.concerns(event_name(one), one.type())
        && !(keeper_ && keeper_->was_read(one.event_id())))
      seen.events.push_back(observed(one));
  }
  take(std::move(seen));
}

void rule_host::take(rule_record seen) {
  if (seen.events.empty())
    return;
  seen.now_ms = std::max(now_ms(), coordinator_.now_ms());
  static_cast<void>(note(seen));
  for (const auto& one : seen.events)
    coordinator_.take(one, seen.now_ms);
  send_tasks();
}

void rule_host::send_tasks() {
  for (std::size_t i = 0; i < workers_.partitions(); ++i)
    workers_.push(i, coordinator_.take_tasks(i));
}

// ---- what outlives a crash ----------------------------------------------------------------------

// Once, until it is something else.
result<void> rule_host::note(const rule_record& what) {
  if (!keeper_)
    return {};
  auto at = keeper_->note(what);
  if (at)
    return {};
  auto text = to_string(at.error());
  if (text != complaint_)
    options_.log("rules: what happens is not kept: " + text);
  complaint_ = std::move(text);
  return tl::unexpected<error>(at.error());
}

result<void> rule_host::put_rule(std::shared_ptr<const rule> document, const std::string& file,
                                 bool is_new, bool& is_kept) {
  if (auto fine = coordinator_.check(*document, is_new); !fine)
    return fine;
  const auto* known = coordinator_.find(document->name());
  if (known != nullptr && known->file == file
      && known->document->document() == document->document()) { // As the store brought it back.
    is_kept = true;
    return {};
  }
  auto name = document->name();
  rule_record put;
  put.what = rule_record::kind::put;
  put.now_ms = coordinator_.now_ms();
  put.text = to_json(document->document());
  put.file = file;
  std::optional<log_position> at;
  if (keeper_) {
    auto noted = keeper_->note(put);
    if (!noted)
      return tl::unexpected<error>(std::move(noted.error()));
    at = *noted;
  }
  auto kept = coordinator_.replace(std::move(document), file);
  if (!kept)
    return tl::unexpected<error>(std::move(kept.error()));
  if (at)
    coordinator_.placed(name, *at);
  is_kept = *kept;
  return {};
}

result<void> rule_host::drop_rule(std::string_view name) {
  if (coordinator_.find(name) == nullptr)
    return tl::unexpected<error>(coordinator_.unknown(name));
  rule_record gone;
  gone.what = rule_record::kind::remove;
  gone.now_ms = coordinator_.now_ms();
  gone.text = name;
  if (auto noted = note(gone); !noted)
    return noted;
  return coordinator_.remove(name);
}

result<void> rule_host::restore(const rule_keeper::content& from) {
  if (from.rules.empty())
    return {};
  state_reader bytes{from.rules};
  if (auto done = coordinator_.restore(bytes); !done)
    return done;
  send_tasks();
  workers_.drain();
  for (const auto& one : from.states) {
    const auto* of = coordinator_.find(one.name);
    if (of == nullptr)
      continue;
    auto place = [&](const std::string& key) { return coordinator_.place_of(*of->document, key); };
    if (auto done = workers_.restore(of->number, one.state, place); !done)
      return done;
  }
  return {};
}

// Carries out again what the log says.
result<void> rule_host::redo(log_position at, const rule_record& what) {
  using enum rule_record::kind;
  if (what.what == events) {
    for (const auto& one : what.events)
      coordinator_.take(one, what.now_ms);
  } else if (what.what == tick) {
    coordinator_.tick(what.now_ms);
  } else if (what.what == remove) {
    static_cast<void>(coordinator_.remove(what.text));
  } else {
    auto made = read_rule(what.text, what.file.empty() ? "a stored rule" : what.file);
    if (!made)
      return fail(errc::store_corrupt, lines_of(made.error()));
    auto name = (*made)->name();
    if (auto put = coordinator_.replace(std::move(*made), what.file); !put)
      return tl::unexpected<error>(std::move(put.error()));
    coordinator_.placed(name, at);
  }
  send_tasks();
  constexpr std::size_t waiting_max = rule_workers::waiting_max / 4;
  if (workers_.waiting() > waiting_max)
    workers_.drain();
  return {};
}

result<void> rule_host::bring_back() {
  if (!keeper_)
    return {};
  std::lock_guard guard{mutex_};
  outlet_->hold();
  auto known = keeper_->open(now_ms());
  if (!known)
    return tl::unexpected<error>(std::move(known.error()));
  if (auto done = restore(*known); !done)
    return done;
  std::uint64_t records = 0;
  auto read = keeper_->replay([&](log_position at, const rule_record& what) {
    ++records;
    return redo(at, what);
  });
  if (!read)
    return read;
  workers_.drain();
  unfinished_ = std::move(known->effects);
  for (const auto& [name, one] : coordinator_.rules())
    if (!one.file.empty())
      files_[one.file] = {0, name};
  if (options_.section.folder.empty()) // It was set when they were read.
    for (const auto& [path, one] : std::exchange(files_, {}))
      static_cast<void>(drop_rule(one.rule));
  if (!coordinator_.rules().empty())
    options_.log("recovered " + std::to_string(coordinator_.rules().size()) + " rules and "
                 + std::to_string(records) + " records of them");
  return {};
}

// What the log has of twins that rules had not seen when the process ended.
result<void> rule_host::take_unseen() {
  listen();
  if (!keeper_)
    return {};
  std::unique_lock guard{mutex_};
  std::vector<observed_event> unseen;
  auto read = keeper_->read_unseen([&](log_position at, const stored_event& what) {
    unseen.push_back(observed(what, at));
    return result<void>{};
  });
  if (!read)
    return read;
  add_types(unseen);
  rule_record seen;
  for (auto& one : unseen)
    if (one.event->twin_type.is_text()
        && coordinator_.concerns(one.event->event.as_text(), one.event->twin_type.as_text()))
      seen.events.push_back(std::move(one));
  take(std::move(seen));
  workers_.drain();
  auto done = keeper_->done();
  guard.unlock();
  outlet_->release(std::exchange(unfinished_, {}), done);
  return {};
}

// The log says of a change only which twin it is of. Of a twin that is gone nobody knows the type.
void rule_host::add_types(std::vector<observed_event>& to) {
  std::map<std::string, std::pair<std::string, std::string>, std::less<>> known;
  for (const auto& one : to)
    known.try_emplace(std::string{one.event->twin_id.as_text()});
  std::vector<std::string> ids;
  auto ask = [&] {
    if (auto page = node_.get(ids))
      for (const auto& twin : page->twins)
        known[twin.id] = {twin.type, twin.parent};
    ids.clear();
  };
  constexpr std::size_t page_max = 256;
  for (const auto& [id, of] : known)
    if (ids.push_back(id); ids.size() == page_max)
      ask();
  ask();
  for (auto& one : to) {
    auto& [type, parent] = known.find(one.event->twin_id.as_text())->second;
    auto made = std::make_shared<rule_event>(*one.event);
    if (made->twin_type.is_null()) {
      made->twin_type = text_or_null(type);
      made->parent_id = text_or_null(parent);
    }
    if (made->twin_type.is_text())
      made->models = models_of(std::string{made->twin_type.as_text()});
    one.event = std::move(made);
  }
}

observed_event rule_host::observed(const stored_event& from, log_position at) {
  auto made = std::make_shared<rule_event>();
  auto written_us = unix_ms(from.time) * us_per_ms;
  made->time = value{(from.source_time_us != 0 ? from.source_time_us : written_us) / us_per_ms};
  made->twin_id = value{from.id};
  made->twin_type = text_or_null(from.type);
  made->parent_id = text_or_null(from.parent);
  made->event = value{to_string(from.kind)};
  value_map changed;
  for (const auto& change : from.changes)
    changed.push_back({std::string{change.key}, change.content});
  made->properties = value{std::move(changed)};
  auto shard = static_cast<std::uint16_t>(from.shard);
  auto dot = static_cast<std::uint64_t>(from.write);
  auto id = event_id_of(shard, dot);
  if (coordinator_.needs_stamps())
    made->stamp = causes_.stamp_of(shard, dot, id, {});
  made->id = value{id};
  return {std::move(made), written_us, at, {}};
}

// Facts and checkpoints. The mutex is held.
void rule_host::keep() {
  if (!keeper_)
    return;
  keeper_->note_done(outlet_->take_ended());
  auto now = now_ms();
  keeper_->pass(now, lag_ms_);
  lag_ms_ = 0;
  if (keeper_->is_checkpoint_due(now))
    begin_checkpoint(now);
}

// Each partition hands in its state when it has done what came before.
void rule_host::begin_checkpoint(std::int64_t now) {
  keeper_->begin_checkpoint(now);
  ++epoch_;
  auto made = std::make_shared<gathering>();
  made->missing = workers_.partitions();
  if (!coordinator_.rules().empty()) {
    state_writer rules;
    coordinator_.save(rules);
    made->made.rules = rules.take();
  }
  rule_task save;
  save.what = rule_task::action::save;
  save.saved = [this, made](std::vector<saved_rule> states) {
    std::unique_lock guard{made->mutex};
    for (auto& one : states)
      made->made.states.push_back(std::move(one));
    if (--made->missing > 0)
      return;
    guard.unlock();
    tasks_.post([this, made] { finish_checkpoint(made); });
  };
  for (std::size_t i = 0; i < workers_.partitions(); ++i)
    workers_.push(i, {save});
}

void rule_host::finish_checkpoint(const std::shared_ptr<gathering>& from) {
  std::lock_guard guard{mutex_};
  auto forgotten = outlet_->take_ended_before(epoch_);
  from->made.effects = outlet_->unfinished(); // What ends between the two is kept as done.
  for (auto& one : keeper_->take_old_facts())
    forgotten.push_back(std::move(one));
  // They must not be written behind the checkpoint that forgets them.
  keeper_->note_done(outlet_->take_ended());
  if (auto done = keeper_->finish_checkpoint(from->made, forgotten); !done)
    options_.log("rules: no checkpoint: " + to_string(done.error()));
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
    if (auto done = put_rule(std::move(*made), {}, asked.name == "add", is_kept); !done)
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
