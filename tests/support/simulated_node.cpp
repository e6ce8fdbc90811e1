#include "tests/support/simulated_node.hpp"

#include "messages/event_batch.hpp"
#include "messages/wire.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <future>
#include <map>
#include <numeric>
#include <thread>

namespace gemel::test {

std::string repeat_command(std::uint64_t seed) {
  return "GEMEL_SEED=" + std::to_string(seed) + " " + program_invocation_name + " \""
         + Catch::getResultCapture().getCurrentTestName() + "\"";
}

twin_address* counting_addresses::make(cell_id, std::uint32_t) {
  // Only its identity matters; one byte on the heap, so that a leak or a double end is seen.
  auto* made = reinterpret_cast<twin_address*>(new char{});
  live_.insert(made);
  return made;
}

void counting_addresses::end(twin_address* address) noexcept {
  if (live_.erase(address) == 0)
    std::terminate(); // An address that is not alive was ended.
  delete reinterpret_cast<char*>(address);
}

simulated_node::simulated_node(options wanted)
    : options_{std::move(wanted)}, random_{options_.seed},
      directory_{options_.seed ^ 0x5eed}, models_{model_table::make(options_.models).value()},
      world_{symbols_,
             directory_,
             addresses_,
             options_.behaviors,
             options_.supervision,
             models_,
             aliases_,
             options_.cells,
             options_.limits,
             [this](cell_id to, frame message) {
               runners_[static_cast<std::size_t>(to)]->push_ordered(
                   control_message{std::move(message)});
             },
             [this](cell_id to, auto job) {
               runners_[static_cast<std::size_t>(to)]->push_control(cell_job{std::move(job)});
             },
             [this](cell_id to, work item) {
               runners_[static_cast<std::size_t>(to)]->push_ordered(std::move(item));
             },
             [this](const frame& events) { ingress_->emit_unasked(events); },
             &works_} {
  store_port* stored = options_.store;
  if (stored == nullptr)
    stored = options_.real_store;
  if (stored != nullptr) {
    link_.emplace(store_link{*stored});
    link_->pass_bytes_min = options_.snapshot_pass_bytes;
    link_->active_max = options_.active_max;
    world_.stored = &*link_;
  }
  std::vector<cell_runner*> cells;
  for (std::size_t i = 0; i < options_.cells; ++i) {
    runners_.push_back(std::make_unique<cell_runner>(
        cell_id{static_cast<std::uint16_t>(i)}, world_,
        cell_runner::options{options_.inbox, options_.turn_entries_max}, clock_,
        [this, i] { ready_.push_back(i); }));
    cells.push_back(runners_.back().get());
  }
  options_.doors.cells = options_.cells;
  options_.doors.seed = options_.seed;
  options_.doors.models = &models_;
  options_.doors.aliases = &aliases_;
  ingress_ = std::make_unique<ingress>(options_.doors, directory_, clock_, std::move(cells));
  if (stored == nullptr)
    return;
  std::vector<cell*> cores;
  for (auto& runner : runners_)
    cores.push_back(&runner->core());
  recovery back{*stored, directory_, cores};
  auto found = back.run(clock_.now());
  if (!found)
    FAIL(to_string(found.error()));
  recovered_ = *found;
  auto jobs = back.first_jobs();
  for (std::size_t i = 0; i < jobs.size(); ++i)
    runners_[i]->push_ordered(cell_job{std::move(jobs[i])});
}

simulated_node::~simulated_node() {
  if (options_.store != nullptr)
    options_.store->end_process();
}

void simulated_node::trim() {
  auto up_to = static_cast<std::uint64_t>(options_.store->reached(durability::process));
  for (auto& runner : runners_)
    up_to =
        std::min(up_to, static_cast<std::uint64_t>(runner->core().journal()->oldest_needed()) - 1);
  static_cast<void>(options_.store->trim(log_position{up_to}));
}

bool manual_works::step() {
  if (waiting_.empty())
    return false;
  auto work = std::move(waiting_.front());
  waiting_.pop_front();
  work();
  return true;
}

/// Until the store has answered all that it was given so far.
void simulated_node::wait_for_store() {
  std::promise<void> answered;
  log_entry last;
  last.stream = log_stream::none;
  last.wanted = durability::disk; // those are answered last
  last.admitted = true;
  last.done = [&](const result<void>&) { answered.set_value(); };
  if (options_.real_store->append(std::move(last)))
    answered.get_future().wait();
  // One that failed takes nothing more, but may still be answering what it has.
  while (options_.real_store->count().queue_entries > 0)
    std::this_thread::yield();
}

void simulated_node::wake_due() {
  for (auto& runner : runners_)
    if (auto due = runner->next_due(); due && *due <= clock_.now().steady_ns)
      runner->wake();
}

bool simulated_node::step() {
  wake_due();
  if (ready_.empty())
    return false;
  std::swap(ready_[below(ready_.size())], ready_.back());
  auto next = ready_.back();
  ready_.pop_back();
  if (runners_[next]->turn())
    ready_.push_back(next);
  return true;
}

void simulated_node::step(std::size_t turns) {
  while (turns > 0 && step())
    --turns;
}

void simulated_node::run() {
  // So many turns that only a message that makes itself again for ever comes so far.
  constexpr std::size_t turns_max = 10'000'000;
  std::size_t turns = 0;
  auto write = [this] {
    bool more = options_.store != nullptr && options_.store->queued() > 0;
    if (more)
      options_.store->write(1 + below(4));
    return more;
  };
  auto all = [&] {
    while (step() || works_.step() || write())
      GEMEL_CHECK(++turns < turns_max);
  };
  all();
  while (options_.real_store != nullptr) {
    wait_for_store();
    if (ready_.empty())
      break;
    all();
  }
}

void simulated_node::run_for(std::chrono::nanoseconds time) {
  auto until = clock_.now().steady_ns + time.count();
  for (run(); clock_.now().steady_ns < until; run()) {
    auto next = until;
    for (auto& runner : runners_)
      if (auto due = runner->next_due())
        next = std::min(next, *due);
    clock_.advance(std::chrono::nanoseconds{next - clock_.now().steady_ns});
  }
}

/// Every frame that leaves a node must be one that its receiver takes.
frame simulated_node::seen(frame leaving) {
  auto checked = frame::check(leaving.bytes());
  GEMEL_CHECK(checked.has_value() || checked.error().code == errc::limit_reached
              || leaving.size() > limits::frame_bytes_max);
  return leaving;
}

pending simulated_node::submit(const frame& request) {
  auto answer = std::make_shared<std::optional<frame>>();
  ++unanswered_;
  ingress_->submit(request, [this, answer](frame reply) {
    GEMEL_CHECK(!answer->has_value());
    *answer = seen(std::move(reply));
    --unanswered_;
  });
  return answer;
}

frame simulated_node::answer_to(const frame& request) {
  auto answer = submit(request);
  run();
  GEMEL_CHECK(answer->has_value());
  return **answer;
}

outcome simulated_node::create(const std::vector<new_twin>& twins) {
  return expect_outcome(answer_to(make_create(twins))).value();
}

outcome simulated_node::update(const std::vector<twin_update>& updates) {
  return expect_outcome(answer_to(make_update(updates))).value();
}

errc simulated_node::set(const std::string& id, const std::string& key, value content) {
  auto done = update({{id, {{key, std::move(content)}}, {}, 0, 0}});
  return done.failures.empty() ? errc::none : done.failures[0].why.code;
}

outcome simulated_node::remove(const std::vector<std::string>& ids, child_policy children) {
  return expect_outcome(answer_to(make_remove(ids, children))).value();
}

outcome simulated_node::lifecycle(const std::vector<std::string>& ids, lifecycle_trigger trigger) {
  auto request = make_lifecycle(ids, static_cast<std::uint8_t>(trigger));
  return expect_outcome(answer_to(request)).value();
}

outcome simulated_node::retire(const std::vector<std::string>& ids, child_policy children) {
  auto trigger = static_cast<std::uint8_t>(lifecycle_trigger::retire);
  return expect_outcome(answer_to(make_lifecycle(ids, trigger, children))).value();
}

result<value> simulated_node::command(const twin_command& asked) {
  return expect_result(answer_to(make_command(asked)));
}

outcome simulated_node::emit(const std::vector<twin_emit>& events, const std::string& cause) {
  return expect_outcome(answer_to(make_emit(events, cause))).value();
}

result<twin_page> simulated_node::get(const std::vector<std::string>& ids) {
  return expect_page(answer_to(make_get(ids)));
}

std::optional<twin_record> simulated_node::find(const std::string& id) {
  auto page = get({id}).value();
  return page.twins.empty() ? std::nullopt : std::optional{std::move(page.twins[0])};
}

result<twin_page> simulated_node::query(const query_request& asked) {
  return expect_page(answer_to(make_query(asked)));
}

std::vector<twin_record> simulated_node::query_all(query_request asked) {
  std::vector<twin_record> rows;
  do {
    auto page = query(asked).value();
    std::move(page.twins.begin(), page.twins.end(), std::back_inserter(rows));
    asked.page_token = page.next;
  } while (!asked.page_token.empty());
  return rows;
}

subscriber_ptr simulated_node::subscribe(const subscription_request& asked) {
  auto who = std::make_shared<subscriber>();
  who->owner = ++last_owner_;
  std::optional<frame> answer;
  ingress_->subscribe(make_subscribe(asked),
                      {who->owner,
                       [this, who](frame events) {
                         auto batch = events.message().getEvents();
                         who->last_sequence = event_batch{events}.last_sequence();
                         who->missed.push_back(batch.getMissed());
                         for (unsigned i = 0; i < batch.getEvents().size(); ++i)
                           who->events.push_back(read_event(batch, i));
                         seen(std::move(events));
                       }},
                      [&answer](frame reply) { answer = std::move(reply); });
  run();
  GEMEL_CHECK(answer.has_value());
  auto number = expect_subscribed(seen(*answer));
  last_error_ = number ? error{} : number.error();
  if (!number)
    return nullptr;
  who->number = *number;
  return who;
}

void simulated_node::unsubscribe(const subscriber& who) {
  GEMEL_CHECK(expect_done(answer_to(make_unsubscribe(who.number))).has_value());
}

void simulated_node::grant(const subscriber& who, std::uint32_t credit) {
  GEMEL_CHECK(expect_done(answer_to(make_grant(who.number, credit))).has_value());
}

void simulated_node::cut(const subscriber& who) {
  ingress_->detach({who.number}, who.owner);
  run();
}

std::uint64_t subscriber::missed_sum() const {
  return std::accumulate(missed.begin(), missed.end(), std::uint64_t{0});
}

std::vector<twin_record> simulated_node::all() {
  std::vector<twin_record> made;
  for (auto& runner : runners_)
    runner->core().scan({}, [&](std::uint32_t row) { made.push_back(runner->core().record(row)); });
  return made;
}

cell_counters simulated_node::counters() {
  cell_counters sum;
  for (auto& runner : runners_)
    sum += runner->core().counters();
  return sum;
}

/// Compares everything that is known twice.
class simulated_node::audit {
public:
  explicit audit(simulated_node& node) : node_{node} {}

  std::vector<std::string> run() {
    for (std::size_t i = 0; i < node_.runners_.size(); ++i)
      collect(i);
    for (const auto& [id, twin] : twins_)
      check_twin(id, twin);
    check_rollups();
    check_sums();
    return std::move(faults_);
  }

private:
  struct known_twin {
    std::size_t cell;
    std::uint32_t row;
    twin_record record;
    bool pinned;
  };

  void expect(bool holds, const std::string& what) {
    if (!holds)
      faults_.push_back(what);
  }

  void collect(std::size_t cell) {
    auto& core = node_.runners_[cell]->core();
    expect(node_.runners_[cell]->backlog() == 0, "a cell's queue is not empty");
    expect(core.held().empty(), "a row is held for ever");
    rows_ += core.twins();
    groups_ += core.groups();
    core.scan({}, [&](std::uint32_t row) {
      const auto& held = core.row(row);
      auto record = core.record(row);
      expect(!held.has(twin_row::closing), record.id + " is closing for ever");
      expect(held.address != nullptr, record.id + " has no address");
      expect(!record.type.empty() && held.version > 0, record.id + " has no type or version");
      expect(times_in({record.type, {}, false}, cell, row) == 1,
             record.id + " is not once in the list of its type");
      auto id = record.id;
      bool pinned = held.has(twin_row::pinned);
      bool fresh = twins_.emplace(id, known_twin{cell, row, std::move(record), pinned}).second;
      expect(fresh, id + " lives twice");
    });
  }

  std::size_t times_in(const cell::scan_request& asked, std::size_t cell, std::uint32_t row) {
    std::size_t times = 0;
    node_.runners_[cell]->core().scan(asked, [&](std::uint32_t i) { times += i == row; });
    return times;
  }

  std::size_t children_in_groups(const std::string& parent) {
    std::size_t count = 0;
    for (auto& runner : node_.runners_)
      runner->core().scan({{}, parent, false}, [&](std::uint32_t) { ++count; });
    return count;
  }

  void check_twin(const std::string& id, const known_twin& t) {
    auto known = node_.directory_.find(id);
    expect(known == location{cell_id{static_cast<std::uint16_t>(t.cell)}, t.row, t.pinned},
           "the directory is wrong about " + id);
    auto children = children_in_groups(id);
    expect(t.record.has_children == (children > 0), id + " is wrong about having children");
    parents_ += children > 0;
    const auto& parent = t.record.parent;
    if (parent.empty()) {
      expect(t.record.path == "/" + id, id + " has the path " + t.record.path);
      return;
    }
    expect(times_in({{}, parent, false}, t.cell, t.row) == 1,
           id + " is not once in the group of " + parent);
    auto above = twins_.find(parent);
    expect(above != twins_.end(), id + " has lost its parent " + parent);
    if (above != twins_.end())
      expect(t.record.path == above->second.record.path + "/" + id,
             id + " has the path " + t.record.path);
  }

  // Every roll-up anew from the twins below, bit for bit.
  void check_rollups() {
    std::map<std::string, std::vector<std::string>> children;
    for (const auto& [id, t] : twins_)
      children[t.record.parent].push_back(id);
    for (const auto& [id, t] : twins_) {
      const auto* model = node_.models_.find(t.record.type);
      auto asked = model != nullptr ? model->rollups : std::vector<std::string>{};
      expect(t.record.rollups.size() == asked.size(), id + " has the wrong roll-ups");
      for (std::size_t i = 0; i < asked.size() && i < t.record.rollups.size(); ++i) {
        rollup anew;
        add_below(id, asked[i], children, anew);
        expect(same(t.record.rollups[i], asked[i], anew.summary()),
               "the roll-up of " + asked[i] + " below " + id + " is wrong");
      }
    }
  }

  // Numbers only come in, so that the extremes are right at any time.
  void add_below(const std::string& id, const std::string& key,
                 const std::map<std::string, std::vector<std::string>>& children, rollup& sum) {
    auto list = children.find(id);
    if (list == children.end())
      return;
    for (const auto& child : list->second) {
      sum.add(twins_.at(child).record.find(key));
      add_below(child, key, children, sum);
    }
  }

  static bool same(const rollup_record& kept, const std::string& key, const rollup_summary& anew) {
    auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };
    return kept.property == key && kept.count == anew.count
           && bits(kept.sum) == bits(anew.sum.round()) && bits(kept.min) == bits(anew.min)
           && bits(kept.max) == bits(anew.max);
  }

  void check_sums() {
    expect(rows_ == twins_.size(), "the cells' count of twins is wrong");
    expect(node_.directory_.size() == twins_.size(), "the directory's count is wrong");
    expect(groups_ == parents_,
           std::to_string(groups_) + " groups, but " + std::to_string(parents_) + " parents");
    expect(node_.addresses_.live() == twins_.size() + groups_,
           std::to_string(node_.addresses_.live()) + " live addresses");
    expect(node_.unanswered_ == 0, std::to_string(node_.unanswered_) + " requests unanswered");
  }

  simulated_node& node_;
  std::map<std::string, known_twin> twins_;
  std::uint64_t rows_ = 0;
  std::uint64_t groups_ = 0;
  std::uint64_t parents_ = 0;
  std::vector<std::string> faults_;
};

std::vector<std::string> simulated_node::broken_invariants() {
  return audit{*this}.run();
}

std::vector<errc> codes(const outcome& of, std::size_t entries) {
  std::vector<errc> made(entries, errc::none);
  for (const auto& failed : of.failures)
    made.at(failed.index) = failed.why.code;
  return made;
}

} // namespace gemel::test
