#include "runtime/adapters/replica_host.hpp"

#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "messages/text.hpp"
#include "runtime/adapters/machine.hpp"

#include <algorithm>
#include <future>
#include <limits>
#include <map>
#include <random>

namespace gemel {

namespace {

// Twins looked at, and pushed, at once.
constexpr std::size_t twins_at_once = 1'024;
// How long the log is read before a look at what else is to be done; a record of it may hold
// thousands of events.
constexpr std::int64_t read_ns_max = 5'000'000;
constexpr std::size_t tasks_at_once = 256;
constexpr std::chrono::milliseconds wait_max{100};
constexpr std::int64_t ns_per_ms = 1'000'000;
// Calls that wait for peers at a time.
constexpr std::size_t holds_max = 10'000;
constexpr std::int64_t publish_interval_ms = 500;
constexpr std::int64_t lag_interval_ms = 50;

// Drawn with the data: a copy that was restored has another incarnation, and so writes under
// another name.
writer_id writer_of(const std::string& node, const store::identity& data) {
  auto drawn = hash_of(data.id + "#" + std::to_string(data.incarnation));
  return make_writer(site_of_name(node), static_cast<std::uint32_t>(drawn));
}

bool may_succeed_later(errc why) noexcept {
  return why == errc::precondition_failed || why == errc::overloaded || why == errc::twin_busy
         || why == errc::twin_not_found || why == errc::twin_exists || why == errc::timed_out
         || why == errc::store_full;
}

result<std::string> text_in(const service_call& asked, std::string_view key) {
  const auto* found = asked.arguments.find(key);
  if (found == nullptr || !found->is_text())
    return fail(errc::bad_value, "'" + std::string{key} + "' is missing, or no text");
  return std::string{found->as_text()};
}

value number(std::uint64_t n) {
  return value{static_cast<std::int64_t>(n)};
}

// As a label's value of Prometheus.
std::string label_of(std::string_view text) {
  std::string made;
  for (char c : text) {
    if (c == '"' || c == '\\')
      made += '\\';
    made += c;
  }
  return made;
}

double bytes_per_entry(const link_status& of) {
  return of.sent_entries == 0
             ? 0.0
             : static_cast<double>(of.sent_bytes) / static_cast<double>(of.sent_entries);
}

// What a caller of `held` gives, checked; `until_ns` is how long it waits.
// @param peers that are sent what is here.
result<hold_watch::request> hold_of(const service_call& asked, std::size_t peers) {
  constexpr std::int64_t wait_ms_max = 3'600'000;
  const auto* twins = asked.arguments.find("twins");
  const auto* replicas = asked.arguments.find("replicas");
  const auto* wait_ms = asked.arguments.find("wait_ms");
  auto wants_all = replicas != nullptr && *replicas == value{"all"};
  if (twins == nullptr || !twins->is_list() || replicas == nullptr
      || !(wants_all || (replicas->is_integer() && replicas->as_integer() >= 0))
      || wait_ms == nullptr || !wait_ms->is_integer())
    return fail(errc::bad_value, "'held' needs 'twins', a list of ids, 'replicas', 0 or more or "
                                 "\"all\", and 'wait_ms'");
  if (twins->as_list().size() > limits::batch_entries_max)
    return fail(errc::limit_reached, std::to_string(twins->as_list().size()) + " twins, at most "
                                         + std::to_string(limits::batch_entries_max)
                                         + " are waited for in one call");
  hold_watch::request made;
  for (const auto& one : twins->as_list()) {
    if (!one.is_text())
      return fail(errc::bad_value, "'twins' holds ids, not " + to_string(one));
    made.twins.emplace_back(one.as_text());
  }
  made.replicas = wants_all ? peers : static_cast<std::size_t>(replicas->as_integer());
  made.until_ns = std::clamp<std::int64_t>(wait_ms->as_integer(), 0, wait_ms_max) * ns_per_ms;
  return made;
}

replicator_options options_of(const replica_host::options& wanted, rocks_store& from) {
  replicator_options made;
  made.identity = {wanted.cluster, wanted.node, writer_of(wanted.node, from.identity()),
                   from.identity().incarnation};
  made.policies = wanted.policies;
  // Names of batches and waits, thousands a second; who may link is not decided by these.
  made.random = [from = std::mt19937_64{system_entropy()}]() mutable { return from(); };
  made.in_turns = true;
  return made;
}

} // namespace

replica_host::replica_host(options wanted, rocks_store& from, twin_api& on, const clock_port& clock,
                           std::shared_ptr<peer_transport> way)
    : options_{std::move(wanted)}, store_{from}, node_{on}, clock_{clock}, way_{std::move(way)},
      kept_{from.database()}, links_{{options_.node, options_.may_leave_machine}, options_.peers},
      replicas_{[&] {
                  auto made = options_of(options_, from);
                  made.send = [this](std::uint32_t to, frame message) {
                    way_->send(to, std::move(message));
                  };
                  made.merged = [this](const auto& changes) { bridge_.merged(changes); };
                  return made;
                }(),
                kept_},
      bridge_{replicas_, {options_.section.types.begin(), options_.section.types.end()}},
      holds_{holds_max} {
  const auto& silent = options_.section.receive_only;
  for (const auto& peer : options_.peers) {
    auto number = replicas_.add_peer(peer);
    if (std::find(silent.begin(), silent.end(), peer) != silent.end())
      replicas_.receive_only(number);
  }
}

replica_host::~replica_host() {
  stop();
}

result<void> replica_host::forget(rocks_store& of) {
  if (auto held = of.retain(holder, std::nullopt); !held)
    return held;
  return rocks_replicas{of.database()}.clear();
}

result<void> replica_host::start() {
  if (auto loaded = kept_.load(replicas_); !loaded)
    return loaded;
  if (auto linked = restore_links(); !linked)
    return linked;
  auto cursor = kept_.cursor();
  auto pending = kept_.pending();
  if (!cursor || !pending)
    return tl::unexpected<error>(std::move(cursor ? pending.error() : cursor.error()));
  taken_ = retained_ = committed_ = cursor->value_or(store_.reached(durability::process));
  if (auto held = store_.retain(holder, retained_); !held)
    return held;
  if (!pending->empty())
    if (auto taken = bridge_.restore_pending(*pending); !taken)
      return taken;
  bool is_new = !cursor->has_value();
  bridge_.restored();
  auto post = [this](std::function<void()> task) { tasks_.post(std::move(task)); };
  peer_transport::listener heard;
  heard.connected = [this, post](std::uint32_t peer) {
    post([this, peer] { replicas_.connected(peer, clock_.now()); });
  };
  heard.disconnected = [this, post](std::uint32_t peer, const error& why) {
    post([this, peer, why] {
      replicas_.disconnected(peer, clock_.now());
      if (replicas_.has_peer(peer))
        complain({why.code, links_.links()[peer].node + ": " + why.context});
    });
  };
  heard.arrived = [this, post](std::uint32_t peer, frame message) {
    post([this, peer, message = std::move(message)] {
      replicas_.receive(peer, message, clock_.now());
    });
  };
  if (auto begun = way_->start(std::move(heard)); !begun)
    return begun;
  thread_ = std::thread{[this, is_new] {
    if (is_new)
      import();
    run();
  }};
  return {};
}

void replica_host::stop() {
  {
    std::lock_guard guard{stop_mutex_};
    if (stopping_.exchange(true))
      return;
  }
  way_->stop();
  tasks_.post([] {});
  if (thread_.joinable())
    thread_.join();
  while (auto task = tasks_.take(std::chrono::milliseconds{0})) // They want their answers.
    (*task)();
  look_at_holds();
}

void replica_host::run() {
  // What was under way when the node ended: the log says what became of it.
  while (!stopping_.load() && catch_up()) {
  }
  bridge_.retry();
  bridge_.everything_is_news();
  while (!stopping_.load()) {
    auto due_ns = std::min(replicas_.next_due(), holds_.next_due());
    auto due = (due_ns - clock_.now().steady_ns) / ns_per_ms;
    bool busy = (bridge_.has_news() && !updating_) || push_end_
                || store_.reached(durability::process) > taken_;
    run_tasks(
        busy ? std::chrono::milliseconds{0}
             : std::clamp(std::chrono::milliseconds{due}, std::chrono::milliseconds{0}, wait_max));
    catch_up();
    reach_peers();
    replicas_.tick(clock_.now());
    commit();
    look_at_holds();
    end_push();
    if (bridge_.has_news() && !updating_ && !push_end_)
      push();
    if (auto now = clock_.now().steady_ns; now >= look_at_lags_at_) {
      look_at_lags();
      look_at_lags_at_ = now + lag_interval_ms * ns_per_ms;
    }
    if (auto now = clock_.now().steady_ns; now >= publish_at_) {
      publish();
      publish_at_ = now + publish_interval_ms * ns_per_ms;
    }
  }
  while (updating_) // Its answer is on the way.
    run_tasks(wait_max);
  commit();
  look_at_holds();
}

void replica_host::run_tasks(std::chrono::milliseconds wait) {
  // Before what peers say: a write that was here first is not to seem later.
  catch_up();
  for (std::size_t i = 0; i < tasks_at_once; ++i) {
    auto task = tasks_.take(i == 0 ? wait : std::chrono::milliseconds{0});
    if (!task)
      return;
    (*task)();
  }
}

void replica_host::wake() {
  if (!woken_.exchange(true))
    tasks_.post([this] { woken_ = false; });
}

// Reads some of what the log has more. @returns whether there is yet more.
bool replica_host::catch_up() {
  if (store_.reached(durability::process) <= taken_)
    return false;
  auto until = clock_.now().steady_ns + read_ns_max;
  bool is_full = false;
  auto read =
      store_.read_log(taken_, [&](log_position at, log_stream stream, std::string_view record) {
        if (is_full)
          return result<void>{fail(errc::limit_reached, "enough for now")};
        is_full = clock_.now().steady_ns > until;
        if (stream == log_stream::twins)
          if (auto taken = take(record); !taken)
            complain(taken.error());
        taken_ = at;
        return result<void>{};
      });
  if (!read && !is_full)
    complain(read.error());
  return is_full;
}

// Peers hear of us meanwhile.
void replica_host::catch_up_to(log_position upto) {
  while (!stopping_.load() && taken_ < upto) {
    auto before = taken_;
    catch_up();
    commit();
    replicas_.tick(clock_.now());
    if (taken_ == before) // The log cannot be read; that was told.
      std::this_thread::sleep_for(wait_max);
  }
}

result<void> replica_host::take(std::string_view record) {
  auto events = log_record_reader::open(record);
  if (!events)
    return tl::unexpected<error>(std::move(events.error()));
  auto now = clock_.now();
  result<bool> more = true;
  while (more && *more) {
    std::size_t count = 0;
    while (count < events_.size() && (more = events->next(events_[count])) && *more)
      ++count;
    bridge_.take(std::span{events_}.first(count), now);
  }
  if (!more)
    return tl::unexpected<error>(std::move(more.error()));
  return {};
}

// A node that begins to be replicated: what is there already are writes of it.
void replica_host::import() {
  query_request asked;
  asked.limit = limits::page_rows_max;
  while (!stopping_.load()) {
    auto page = node_.query(asked);
    if (!page) {
      complain(page.error());
      std::this_thread::sleep_for(wait_max);
      continue;
    }
    for (const auto& twin : page->twins)
      bridge_.import(twin, clock_.now());
    if (page->next.empty())
      break;
    asked.page_token = page->next;
  }
  commit();
}

void replica_host::reach_peers() {
  for (std::uint32_t i = 0; i < replicas_.peers(); ++i)
    if (replicas_.take_attempt(i, clock_.now()))
      way_->reach(i);
}

result<void> replica_host::try_commit(bool sync) {
  replicas_.end_turn();
  if (taken_ != committed_)
    kept_.keep_cursor(taken_);
  auto upto = kept_.commit(sync);
  if (!upto)
    return tl::unexpected<error>(std::move(upto.error()));
  committed_ = taken_;
  replicas_.safe(*upto, clock_.now());
  return {};
}

void replica_host::commit() {
  if (auto done = try_commit(options_.level == durability::disk); !done)
    return complain(done.error()); // Peers hear of nothing that is not kept; tried again.
  constexpr std::uint64_t records_per_retain = 1'000;
  if (static_cast<std::uint64_t>(committed_) - static_cast<std::uint64_t>(retained_)
      >= records_per_retain)
    if (store_.retain(holder, committed_))
      retained_ = committed_;
}

// ---- to the cells -------------------------------------------------------------------------------

// Begins a round of pushes, which `end_push` ends: peers are heard while cells carry it out.
void replica_host::push() {
  auto twins = bridge_.news(twins_at_once);
  std::vector<twin_record> shown;
  if (auto unsure = bridge_.to_look_at(twins); !unsure.empty()) {
    shown = look_at(unsure);
    catch_up_to(store_.reached(durability::process)); // What was written before we looked.
  }
  auto wanted = bridge_.next(twins, shown);
  if (wanted.empty())
    return;
  kept_.keep_pending(bridge_.pending_bytes());
  commit();
  carry_out(wanted);
  if (!updating_)
    push_end_ = store_.reached(durability::process);
}

// The log was taken behind all that the cells wrote of it.
void replica_host::end_push() {
  if (!push_end_ || taken_ < *push_end_)
    return;
  push_end_.reset();
  bridge_.pushed();
  kept_.keep_pending(bridge_.pending_bytes());
}

std::vector<twin_record> replica_host::look_at(const std::vector<std::string>& twins) {
  auto page = node_.get(std::span{twins});
  if (page)
    return std::move(page->twins);
  std::vector<twin_record> made; // Too large for one answer, or busy: each for itself.
  for (const auto& twin : twins)
    if (auto found = node_.get(twin))
      made.push_back(std::move(*found));
  return made;
}

void replica_host::carry_out(const replica_pushes& wanted) {
  if (!wanted.creates.empty())
    note_failures(
        node_.create(wanted.creates),
        wanted.creates.size(), [&](std::size_t i) -> const auto& { return wanted.creates[i].id; });
  carry_out_moves(wanted);
  for (const auto& [twin, step] : wanted.steps) {
    auto done = step == lifecycle_trigger::retire ? node_.retire(twin, child_policy::orphan)
                                                  : node_.move(twin, step);
    if (!done)
      note_failure(twin, done.error());
  }
  for (const auto& twin : wanted.removes)
    if (auto done = node_.remove(twin, child_policy::orphan); !done)
      note_failure(twin, done.error());
  if (!wanted.updates.empty())
    update(wanted.updates);
}

void replica_host::update(const std::vector<twin_update>& wanted) {
  std::vector<std::string> twins;
  for (const auto& one : wanted)
    twins.push_back(one.id);
  update_options how;
  how.replica = true;
  updating_ = true;
  node_.request(make_update(wanted, how), [this, twins = std::move(twins)](frame got) {
    tasks_.post([this, twins, got = std::move(got)] {
      note_failures(
          expect_outcome(got),
          twins.size(), [&](std::size_t i) -> const auto& { return twins[i]; });
      updating_ = false;
      push_end_ = store_.reached(durability::process);
    });
  });
}

// Each move stops all cells for a moment, so those to one parent go together.
void replica_host::carry_out_moves(const replica_pushes& wanted) {
  std::map<std::string_view, std::vector<std::string>> by_parent;
  for (const auto& [twin, parent] : wanted.moves)
    by_parent[parent].push_back(twin);
  for (const auto& [parent, twins] : by_parent) {
    std::promise<frame> answered;
    node_.request(make_move(twins, parent),
                  [&answered](frame got) { answered.set_value(std::move(got)); });
    note_failures(
        expect_outcome(answered.get_future().get()),
        twins.size(), [&twins = twins](std::size_t i) -> const auto& { return twins[i]; });
  }
}

void replica_host::note_failures(const result<outcome>& done, std::size_t entries,
                                 const std::function<const std::string&(std::size_t)>& twin) {
  if (!done)
    for (std::size_t i = 0; i < entries; ++i)
      note_failure(twin(i), done.error());
  else
    for (const auto& one : done->failures)
      note_failure(twin(one.index), one.why);
}

void replica_host::note_failure(const std::string& twin, const error& why) {
  if (may_succeed_later(why.code))
    return bridge_.failed(twin);
  ++counts_.refused;
  complain({why.code, twin + " does not take what its replicas hold: " + why.context});
}

// ---- for people ---------------------------------------------------------------------------------

// Once, until it is something else.
void replica_host::complain(const error& why) {
  auto text = to_string(why);
  if (text == complaint_)
    return;
  complaint_ = text;
  options_.log("sync: " + text);
}

void replica_host::publish() {
  auto sum = gone_;
  std::uint64_t up = 0;
  for (std::uint32_t i = 0; i < replicas_.peers(); ++i) {
    if (!replicas_.has_peer(i))
      continue;
    auto one = replicas_.link(i).status(clock_.now());
    up += one.state == link_state::up ? 1 : 0;
    sum.backlog += one.backlog;
    sum.sent_bytes += one.sent_bytes;
    sum.received_bytes += one.received_bytes;
    sum.full_copies += one.full_copies;
    sum.digest_alarms += one.digest_alarms;
  }
  counts_.links_up = up;
  counts_.backlog = sum.backlog;
  counts_.sent_bytes = sum.sent_bytes;
  counts_.received_bytes = sum.received_bytes;
  counts_.full_copies = sum.full_copies;
  counts_.digest_alarms = sum.digest_alarms;
  counts_.delete_marks = replicas_.marks().kept;
  counts_.delete_marks_collected = replicas_.marks().collected;
  counts_.writes = bridge_.writes();
  counts_.pushes = bridge_.pushes();
  counts_.to_show = bridge_.news_count();
  publish_links();
}

void replica_host::look_at_lags() {
  lags_.resize(replicas_.peers());
  auto now = clock_.now().steady_ns;
  std::vector<lag_meter::position> shards;
  for (std::uint32_t i = 0; i < lags_.size(); ++i) {
    if (!replicas_.has_peer(i) || !replicas_.link(i).sends())
      continue;
    shards.clear();
    for (std::uint16_t shard = 0; shard < limits::replica_shards; ++shard) {
      const auto* held = replicas_.replica(shard);
      shards.push_back({held != nullptr ? held->last_change() : 0,
                        replicas_.link(i).acknowledged(shard).value_or(0)});
    }
    lags_[i].look(shards, now);
  }
}

// One series for each peer, spelt as Prometheus does.
void replica_host::publish_links() {
  std::vector<counter_record> made;
  constexpr double per_second = 1e-6;
  for (std::uint32_t i = 0; i < replicas_.peers(); ++i) {
    if (!replicas_.has_peer(i))
      continue;
    auto one = replicas_.link(i).status(clock_.now());
    auto add = [&, peer = label_of(links_.links()[i].node)](const char* name, auto number,
                                                            const char* help) {
      made.push_back({"gemel_sync_link_" + std::string{name} + "{peer=\"" + peer + "\"}",
                      static_cast<double>(number), help});
    };
    add("up", one.state == link_state::up ? 1 : 0, "Whether the peer is there");
    add("lag_seconds", i < lags_.size() ? static_cast<double>(lags_[i].lag_ns()) * 1e-9 : 0.0,
        "Since when the peer has not had everything");
    add("backlog", one.backlog, "Changed properties that the peer has not acknowledged");
    add("credit_bytes", one.credit, "What the peer lets be under way");
    add("under_way_bytes", one.bytes_under_way, "What is under way to the peer");
    add("sent_bytes_total", one.sent_bytes, "Bytes sent to the peer");
    add("sent_entries_total", one.sent_entries, "Changed properties sent to the peer");
    add("received_bytes_total", one.received_bytes, "Bytes received from the peer");
    add("received_entries_total", one.received_entries, "Changed properties received from it");
    add("bytes_per_update", bytes_per_entry(one), "Bytes sent for each changed property");
    add("sessions_total", one.sessions, "How often the peer was met, reconnects with it");
    add("clock_offset_seconds", static_cast<double>(one.offset_us) * per_second,
        "How far the peer's clock is ahead");
    add("round_trip_seconds", static_cast<double>(one.round_trip_us) * per_second,
        "To the peer and back");
  }
  std::lock_guard guard{shown_mutex_};
  shown_links_ = std::move(made);
}

void replica_host::add_stats(stats_record& stats) const {
  auto add = [&](const char* name, const std::atomic<std::uint64_t>& count, const char* help) {
    stats.counters.push_back({name, static_cast<double>(count.load()), help});
  };
  add("gemel_sync_links_up", counts_.links_up, "Peers that are there");
  add("gemel_sync_backlog", counts_.backlog, "Properties that some peer has not acknowledged");
  add("gemel_sync_writes_total", counts_.writes, "Writes of this node to its replicas");
  add("gemel_sync_pushes_total", counts_.pushes, "What peers wrote and cells were told");
  add("gemel_sync_to_show", counts_.to_show, "Twins that peers wrote and cells may not show yet");
  add("gemel_sync_refused_total", counts_.refused, "What peers wrote and a twin refused");
  add("gemel_sync_sent_bytes_total", counts_.sent_bytes, "Bytes sent to peers");
  add("gemel_sync_received_bytes_total", counts_.received_bytes, "Bytes received from peers");
  add("gemel_sync_full_copies_total", counts_.full_copies, "Shards that a peer got whole");
  add("gemel_sync_delete_marks", counts_.delete_marks,
      "Marks of deleted twins and properties that some peer may not know");
  add("gemel_sync_delete_marks_collected_total", counts_.delete_marks_collected,
      "Marks of deletes that every peer knew");
  add("gemel_sync_digest_alarms_total", counts_.digest_alarms,
      "Shards that differed from a peer's of the same clock, and were repaired");
  std::lock_guard guard{shown_mutex_};
  stats.counters.insert(stats.counters.end(), shown_links_.begin(), shown_links_.end());
}

void replica_host::call(const service_call& asked, reply_function reply) {
  std::unique_lock guard{stop_mutex_};
  if (stopping_.load()) {
    guard.unlock();
    return reply(make_error_reply({errc::stopping, "the node is stopping"}));
  }
  tasks_.post([this, asked, reply = std::move(reply)] {
    if (asked.name == "held")
      return hold(asked, reply);
    auto made = answer_call(asked);
    reply(made ? make_result_reply(*made) : make_error_reply(made.error()));
  });
}

replica_host::answer replica_host::answer_call(const service_call& asked) {
  if (asked.name == "status")
    return status();
  if (asked.name == "conflicts")
    return conflicts();
  if (asked.name == "resolve")
    return resolve(asked);
  if (asked.name == "policy")
    return policy(asked);
  if (asked.name == "link_add")
    return add_link(asked);
  if (asked.name == "link_remove")
    return remove_link(asked);
  return fail(errc::bad_value, "sync does not know '" + asked.name
                                   + "'; it knows link_add, link_remove, status, conflicts, "
                                     "resolve, policy, held");
}

void replica_host::hold(const service_call& asked, const reply_function& reply) {
  auto peers = replicas_.receivers();
  auto wanted = hold_of(asked, peers);
  if (!wanted)
    return reply(make_error_reply(wanted.error()));
  wanted->written = store_.reached(durability::process);
  // More peers than there are will never hold it.
  wanted->until_ns = clock_.now().steady_ns + (wanted->replicas > peers ? 0 : wanted->until_ns);
  wanted->done = [this, reply, peers](value held) {
    auto left = std::min(peers, replicas_.receivers()); // some may be removed by now
    reply(make_result_reply(value{value_map{{"peers", number(left)}, {"held", std::move(held)}}}));
  };
  if (!holds_.add(std::move(*wanted)))
    reply(make_error_reply(
        {errc::overloaded, std::to_string(holds_max) + " calls wait for peers already", 100}));
}

void replica_host::look_at_holds() {
  if (holds_.open() == 0)
    return;
  hold_watch::view view;
  view.last_change = [this](std::string_view twin) {
    return replicas_.last_change(replica_shard_of(twin), twin);
  };
  view.holders = [this](std::string_view twin, change_number upto) {
    return replicas_.holders(replica_shard_of(twin), upto);
  };
  // When the node stops nobody waits any longer.
  auto now = stopping_.load() ? std::numeric_limits<std::int64_t>::max() : clock_.now().steady_ns;
  holds_.look(view, taken_, now);
}

replica_host::answer replica_host::status() const {
  value_list links;
  for (std::uint32_t i = 0; i < replicas_.peers(); ++i) {
    if (!replicas_.has_peer(i))
      continue;
    auto one = replicas_.link(i).status(clock_.now());
    auto way = way_->way(i);
    if (one.trouble.empty() && one.state != link_state::up)
      one.trouble = way.trouble;
    links.push_back(value{value_map{
        {"peer", value{links_.links()[i].node}},
        {"address", value{way.address}},
        {"configured", value{links_.links()[i].is_configured}},
        {"state", value{std::string{to_string(one.state)}}},
        {"trouble", value{one.trouble}},
        {"encrypted", value{way.encrypted}},
        {"backlog", number(one.backlog)},
        {"credit", number(one.credit)},
        {"sent_bytes", number(one.sent_bytes)},
        {"sent_entries", number(one.sent_entries)},
        {"received_bytes", number(one.received_bytes)},
        {"received_entries", number(one.received_entries)},
        {"resent_parts", number(one.resent_parts)},
        {"refused_messages", number(one.refused_messages)},
        {"bytes_under_way", number(one.bytes_under_way)},
        {"full_copies", number(one.full_copies)},
        {"digest_alarms", number(one.digest_alarms)},
        {"shown_alarms", number(one.shown_alarms)},
        {"sessions", number(one.sessions)},
        {"lag_ms", value{i < lags_.size() ? lags_[i].lag_ns() / ns_per_ms : 0}},
        {"bytes_per_update", value{bytes_per_entry(one)}},
        {"clock_offset_us", value{one.offset_us}},
        {"round_trip_us", value{one.round_trip_us}},
        {"silent_ms", value{one.silent_ms}},
    }});
  }
  return value{value_map{{"node", value{options_.node}},
                         {"endpoint", value{way_->endpoint()}},
                         {"to_show", number(bridge_.news_count())},
                         {"links", value{std::move(links)}}}};
}

// ---- links --------------------------------------------------------------------------------------

void replica_host::open_link(const peer_address& peer, std::string text) {
  links_.add(peer, std::move(text));
  replicas_.add_peer(peer.node);
}

// What was added by command before this start. A peer that the config has by now is that one's.
result<void> replica_host::restore_links() {
  auto bytes = kept_.links();
  if (!bytes)
    return tl::unexpected<error>(std::move(bytes.error()));
  if (bytes->empty())
    return {};
  auto texts = link_book::unpack(*bytes);
  if (!texts)
    return tl::unexpected<error>(std::move(texts.error()));
  for (auto& text : *texts) {
    auto peer = links_.check(text);
    if (!peer) {
      complain({peer.error().code, "a link is left out: " + peer.error().context});
      continue;
    }
    if (auto made = way_->add(static_cast<std::uint32_t>(replicas_.peers()), *peer); !made)
      return made;
    open_link(*peer, std::move(text));
  }
  return {};
}

result<void> replica_host::keep_links() {
  kept_.keep_links(links_.pack());
  return try_commit(true);
}

replica_host::answer replica_host::add_link(const service_call& asked) {
  auto text = text_in(asked, "peer");
  if (!text)
    return tl::unexpected<error>(std::move(text.error()));
  auto peer = links_.check(*text);
  if (!peer)
    return tl::unexpected<error>(std::move(peer.error()));
  if (auto made = way_->add(static_cast<std::uint32_t>(replicas_.peers()), *peer); !made)
    return tl::unexpected<error>(std::move(made.error()));
  open_link(*peer, std::move(*text));
  if (auto kept = keep_links(); !kept)
    return tl::unexpected<error>(std::move(kept.error()));
  return value{};
}

// Who waits for more peers than are left waits no longer.
replica_host::answer replica_host::remove_link(const service_call& asked) {
  auto node = text_in(asked, "peer");
  if (!node)
    return tl::unexpected<error>(std::move(node.error()));
  auto number = links_.remove(*node);
  if (!number)
    return tl::unexpected<error>(std::move(number.error()));
  auto last = replicas_.link(*number).status(clock_.now());
  gone_.sent_bytes += last.sent_bytes;
  gone_.received_bytes += last.received_bytes;
  gone_.full_copies += last.full_copies;
  gone_.digest_alarms += last.digest_alarms;
  way_->remove(*number);
  replicas_.remove_peer(*number);
  holds_.give_up_beyond(replicas_.receivers());
  if (auto kept = keep_links(); !kept)
    return tl::unexpected<error>(std::move(kept.error()));
  return value{};
}

// The node that writes as this, if it is this one or a peer.
std::string replica_host::name_of(writer_id writer) const {
  auto is_its = [writer](const std::string& node) { return site_of_name(node) == site_of(writer); };
  if (is_its(options_.node))
    return options_.node;
  for (const auto& link : links_.links())
    if (is_its(link.node))
      return link.node;
  return to_hex(static_cast<std::uint64_t>(writer));
}

replica_host::answer replica_host::conflicts() const {
  value_list made;
  for (const auto& one : replicas_.conflicts()) {
    value_list values;
    for (const auto& each : one.values)
      values.push_back(
          value{value_map{{"value", each.content},
                          {"time_us", value{static_cast<std::int64_t>(unix_ms(each.time)) * 1'000}},
                          {"writer", value{name_of(each.write.writer)}}}});
    made.push_back(value{value_map{{"id", value{to_hex(one.id)}},
                                   {"twin", value{one.twin}},
                                   {"property", value{one.key}},
                                   {"values", value{std::move(values)}}}});
  }
  return value{value_map{{"conflicts", value{std::move(made)}}}};
}

replica_host::answer replica_host::resolve(const service_call& asked) {
  auto twin = text_in(asked, "twin");
  auto property = text_in(asked, "property");
  auto id = text_in(asked, "id");
  const auto* content = asked.arguments.find("value");
  if (!twin || !property || !id || content == nullptr)
    return fail(errc::bad_value, "a twin, a property, an id and a value are needed");
  std::uint64_t known = 0;
  if (id->size() > 16 || id->find_first_not_of("0123456789abcdef") != std::string::npos)
    return fail(errc::bad_value, "'" + *id + "' is no id of a conflict");
  for (char digit : *id)
    known = known << 4 | static_cast<std::uint64_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  auto done =
      replicas_.decide(replica_shard_of(*twin), *twin, *property, known, *content, clock_.now());
  if (!done)
    return tl::unexpected<error>(std::move(done.error()));
  changed_entry decided{*twin, *property};
  bridge_.merged({&decided, 1});
  return value{};
}

replica_host::answer replica_host::policy(const service_call& asked) {
  auto twin = text_in(asked, "twin");
  if (!twin)
    return tl::unexpected<error>(std::move(twin.error()));
  const auto* strategy = asked.arguments.find("strategy");
  if (strategy != nullptr && !strategy->is_text() && !strategy->is_null())
    return fail(errc::bad_value, "'strategy' is a text or null");
  catch_up_to(store_.reached(durability::process)); // The twin may have been made just now.
  auto shard = replica_shard_of(*twin);
  if (!replicas_.alive(shard, *twin))
    return fail(errc::twin_not_found, "'" + *twin
                                          + "' is not replicated: there is no such twin, or its "
                                            "type is not among sync.types");
  if (strategy != nullptr) {
    auto wanted =
        strategy->is_text() ? std::optional{std::string{strategy->as_text()}} : std::nullopt;
    if (auto set = bridge_.set_policy(*twin, std::move(wanted), clock_.now()); !set)
      return tl::unexpected<error>(std::move(set.error()));
    commit(); // Kept before it is answered.
  }
  auto own = replicas_.own_policy(shard, *twin);
  return value{value_map{{"twin", value{*twin}}, {"strategy", own.empty() ? value{} : value{own}}}};
}

} // namespace gemel
