#include "runtime/adapters/rule_host.hpp"

#include "runtime/adapters/files.hpp"
#include "workflows/json_document.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;
constexpr std::int64_t tick_ms = 20;
constexpr std::int64_t watch_ms = 1'000;

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
      coordinator_{{.partitions = workers_.partitions()}}, observer_{options_.models},
      folder_{options_.section.folder} {
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
    return fail(faults.front().code, to_string(faults));
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
  if (folder_.empty() || now - watched_ms_ < watch_ms)
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
  auto news = folder_.look();
  if (!news) {
    if (is_start)
      add_fault(faults, {.code = news.error().code, .message = news.error().context});
    return;
  }
  for (const auto& rule : news->gone) {
    std::lock_guard guard{mutex_};
    if (drop_rule(rule))
      options_.log("rule " + rule + " is gone with its file");
    send_tasks();
  }
  for (const auto& path : news->changed)
    load_file(path, faults);
}

void rule_host::load_file(const std::string& path, fault_list& faults) {
  auto text = read_file(path, json_document_bytes_max);
  if (!text)
    return add_fault(faults, {.code = text.error().code, .message = text.error().context});
  auto made = rule::read(std::move(*text), path);
  if (!made) {
    for (auto& one : made.error())
      add_fault(faults, std::move(one));
    return;
  }
  auto name = made->name();
  std::lock_guard guard{mutex_};
  if (const auto* other = coordinator_.find(name); other != nullptr && other->file != path)
    return add_fault(faults, {.code = errc::bad_value,
                              .file = path,
                              .at = "/rule",
                              .message = "there is a rule '" + name + "' already",
                              .hint = other->file});
  if (const auto& known = folder_.rule_of(path); !known.empty() && known != name)
    static_cast<void>(drop_rule(known)); // It was there: the file said so.
  auto is_kept = false;
  if (auto put = put_rule(std::make_shared<const rule>(std::move(*made)), path, false, is_kept);
      !put)
    return add_fault(faults,
                     {.code = put.error().code, .file = path, .message = put.error().context});
  folder_.hold(path, name);
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
      seen.events.push_back(observer_.observed(one, coordinator_.needs_stamps()));
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
  if (coordinator_.find(name) == nullptr && !coordinator_.refused().contains(name))
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
  if (!bytes.at_end())
    observer_.causes().restore(bytes);
  if (!bytes.ok())
    return tl::unexpected<error>(bytes.why("the causes of a checkpoint"));
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
    for (const auto& one : what.events) {
      observer_.causes().learn(std::string{one.event->id.as_text()}, one.event->stamp);
      coordinator_.take(one, what.now_ms);
    }
  } else if (what.what == tick) {
    coordinator_.tick(what.now_ms);
  } else if (what.what == remove) {
    static_cast<void>(coordinator_.remove(what.text));
  } else {
    coordinator_.take_stored(what.text, what.file, at);
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
  take_back_files();
  for (const auto& [name, one] : coordinator_.refused())
    options_.log("rule " + name
                 + " of the store is refused, and kept for a version that takes it: " + one.why);
  if (!coordinator_.rules().empty())
    options_.log("recovered " + std::to_string(coordinator_.rules().size()) + " rules and "
                 + std::to_string(records) + " records of them");
  return {};
}

// Their files are read again; without a folder, which was set when they were read, they go.
void rule_host::take_back_files() {
  std::vector<std::string> gone;
  for (const auto& [name, one] : coordinator_.rules())
    if (!one.file.empty() && folder_.empty())
      gone.push_back(name);
    else if (!one.file.empty())
      folder_.hold(one.file, name);
  for (const auto& [name, one] : coordinator_.refused())
    if (!one.file.empty()) // If it is still there, the folder tells what is wrong with it.
      gone.push_back(name);
  for (const auto& name : gone)
    static_cast<void>(drop_rule(name));
}

// What the log has of twins that rules had not seen when the process ended.
result<void> rule_host::take_unseen() {
  listen();
  if (!keeper_)
    return {};
  std::unique_lock guard{mutex_};
  std::vector<observed_event> unseen;
  auto read = keeper_->read_unseen([&](log_position at, const stored_event& what) {
    unseen.push_back(observer_.observed(what, at, coordinator_.needs_stamps()));
    return result<void>{};
  });
  if (!read)
    return read;
  observer_.add_types(node_, unseen);
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
  if (!coordinator_.rules().empty() || !coordinator_.refused().empty()) {
    state_writer rules;
    coordinator_.save(rules);
    observer_.causes().save(rules);
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

} // namespace gemel
