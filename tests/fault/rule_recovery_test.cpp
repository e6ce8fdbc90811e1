// The fault: the process ends at any moment, again and again, while rules find matches and carry
// their actions out. What must hold: each action that a run without crashes carries out is carried
// out exactly once.

#include "actors/rule_keeper.hpp"
#include "messages/packed.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"
#include "runtime/rule_outlet.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"
#include "tests/support/simulated_store.hpp"

#include <map>
#include <random>
#include <set>

namespace gemel {

namespace {

constexpr std::string_view applied_facts = "applied/";
// Of the first two rules, then of the one that finds what they did.
constexpr std::int64_t flush_ms[] = {3'600'000, 300'000'000};

std::shared_ptr<const rule> read(const std::string& text) {
  auto document = json_document::parse(text, "rule.json");
  REQUIRE(document);
  auto made = rule::read(*document);
  REQUIRE(made);
  return std::make_shared<const rule>(std::move(*made));
}

// The second finds what the first one's actions do.
const std::vector<std::string>& rule_texts() {
  static const std::vector<std::string> all{
      R"j({"rule":"pairs","from":{"events":["updated"],"twin_types":["machine"]},
          "partition_by":"twin_id","time":{"lateness":"10s"},
          "pattern":{"steps":[{"name":"a","where":"x > 50"},{"name":"b","where":"x > a.x"}],
                     "within":"3s"},"after_match":{"skip":"past_last"},
          "actions":[{"update_twin":{"id":"${a.twin_id}","set":{"alarm":"${b.x}"}}}]})j",
      R"j({"rule":"alarms","from":{"events":["updated"],"twin_types":["alarm"]},
          "partition_by":"twin_id","time":{"lateness":"24h"},
          "pattern":{"steps":[{"name":"a","where":"alarm > 70"}]},
          "actions":[{"update_twin":{"id":"all","set":{"last":"${a.alarm}"}}}]})j",
      R"j({"rule":"means","from":{"events":["updated"],"twin_types":["machine"]},
          "partition_by":null,"time":{"lateness":"10s"},
          "window":{"kind":"tumbling","size":"2s"},"aggregate":{"n":"count()","m":"avg(x)"},
          "having":"n > 3",
          "actions":[{"update_twin":{"id":"all","set":{"mean":"${m}"}}}]})j"};
  return all;
}

struct reading {
  std::string twin;
  std::string key;
  double content = 0;
  std::int64_t time = 0;
  dot write{};
  std::string cause{};
};

constexpr shard_id shard_of_all{7};

// A record of the log as the twin's cell would write it.
std::string record_of(const reading& from) {
  symbols names;
  symbol_cache keys{names.keys};
  symbol_cache types{names.types};
  log_record_builder builder{keys, types};
  value content{from.content};
  logged_change change{
      key_id{*names.keys.intern(from.key)}, &content, {make_hybrid_time(from.time, 0), from.write}};
  logged_event event;
  event.shard = shard_of_all;
  event.id = from.twin;
  event.version = 1;
  event.time = make_hybrid_time(from.time, 0);
  event.write = from.write;
  event.source_time_us = from.time * 1'000;
  event.changes = {&change, 1};
  builder.add(event);
  return builder.take();
}

observed_event observed(const reading& from) {
  auto made = std::make_shared<rule_event>();
  made->time = value{from.time};
  made->twin_id = value{from.twin};
  made->twin_type = value{from.key == "x" ? "machine" : "alarm"};
  made->event = value{"updated"};
  made->properties = value{value_map{{from.key, value{from.content}}}};
  made->id = value{event_id_of(static_cast<std::uint16_t>(shard_of_all),
                               static_cast<std::uint64_t>(from.write))};
  made->rule_depth = rule_depth(from.cause);
  return {std::move(made), 0, {}, std::string{action_in(from.cause)}};
}

observed_event observed(const stored_event& from, log_position at) {
  reading made;
  made.twin = from.id;
  made.key = from.changes.at(0).key;
  made.content = from.changes.at(0).content.as_real();
  made.time = from.source_time_us / 1'000;
  made.write = from.write;
  auto one = observed(made);
  one.logged_at = at;
  return one;
}

// All of a node that its rules are made of, on one thread.
class rules_at_work {
public:
  rules_at_work(test::simulated_store& store, const clock_port& clock, std::mt19937_64& random)
      : store_{store}, random_{random},
        parts_(1 + random() % 3), rules_{{.partitions = parts_.size()}},
        queues_(parts_.size()), keeper_{store},
        outlet_{std::make_shared<rule_outlet>(rule_outlet::ports{
            [this](const frame& asked, reply_function reply) { apply(asked, std::move(reply)); },
            [](const std::string&) {},
            {},
            {},
            {},
            &clock,
            true})} {}

  void start(std::int64_t now) {
    outlet_->hold();
    auto known = keeper_.open(now);
    REQUIRE(known);
    restore(*known);
    REQUIRE(keeper_.replay([&](log_position at, const rule_record& what) {
      redo(at, what);
      return result<void>{};
    }));
    for (const auto& text : rule_texts()) // The process may have ended between them.
      if (rules_.find(read(text)->name()) == nullptr)
        put(text);
    rule_record seen;
    seen.now_ms = std::max(now, rules_.now_ms());
    REQUIRE(keeper_.read_unseen([&](log_position at, const stored_event& what) {
      seen.events.push_back(observed(what, at));
      return result<void>{};
    }));
    take(std::move(seen));
    run_all();
    outlet_->release(std::move(known->effects), keeper_.done());
  }

  void deliver(const reading& what, std::int64_t now) {
    auto one = observed(what);
    if (keeper_.was_read(one.event->id.as_text()))
      return;
    rule_record seen;
    seen.now_ms = std::max(now, rules_.now_ms());
    seen.events.push_back(std::move(one));
    take(std::move(seen));
  }

  void tick(std::int64_t now) {
    now = std::max(now, rules_.now_ms());
    if (rules_.is_tick_due(now)) {
      rule_record passed;
      passed.what = rule_record::kind::tick;
      passed.now_ms = now;
      REQUIRE(keeper_.note(passed));
    }
    rules_.tick(now);
    queue();
    keeper_.note_done(outlet_->take_ended());
    keeper_.pass(now, 0);
  }

  // A partition does some of its work.
  void run_some() {
    auto which = random_() % parts_.size();
    auto& mine = queues_[which];
    auto count = std::min<std::size_t>(mine.size(), random_() % 20);
    for (std::size_t i = 0; i < count; ++i)
      parts_[which].run(mine[i], [&](const rule_finding& found) { outlet_->take(found); });
    mine.erase(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(count));
  }

  void run_all() {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      for (const auto& task : queues_[i])
        parts_[i].run(task, [&](const rule_finding& found) { outlet_->take(found); });
      queues_[i].clear();
    }
  }

  void begin_checkpoint(std::int64_t now) {
    if (missing_ > 0)
      return;
    keeper_.begin_checkpoint(now);
    ++epoch_;
    made_ = {};
    missing_ = parts_.size();
    state_writer bytes;
    rules_.save(bytes);
    made_.rules = bytes.take();
    rule_task save;
    save.what = rule_task::action::save;
    save.saved = [this](std::vector<saved_rule> states) {
      for (auto& one : states)
        made_.states.push_back(std::move(one));
      if (--missing_ == 0)
        finish_checkpoint();
    };
    for (auto& one : queues_)
      one.push_back(save);
  }

  // Whether no action is under way.
  bool is_idle() const { return outlet_->unfinished().empty(); }

  // Called when the store has written what an action did.
  std::function<void(const reading&)> on_written{};

private:
  void finish_checkpoint() {
    auto forgotten = outlet_->take_ended_before(epoch_);
    made_.effects = outlet_->unfinished();
    for (auto& one : keeper_.take_old_facts())
      forgotten.push_back(std::move(one));
    keeper_.note_done(outlet_->take_ended());
    REQUIRE(keeper_.finish_checkpoint(made_, forgotten));
  }

  // As the cell of the twin does: one entry with what changed and that it was done.
  void apply(const frame& asked, reply_function reply) {
    auto batch = asked.message().getUpdate();
    auto one = batch.getUpdates()[0];
    reading made;
    made.twin = text_of(one.getId());
    auto set = one.getSet()[0];
    made.key = text_of(batch.getKeys()[set.getKey()]);
    made.content = read_value(set).as_real();
    made.cause = text_of(batch.getCause());
    std::string action{action_in(made.cause)};
    REQUIRE_FALSE(action.empty());
    made.time = static_cast<std::int64_t>(hash_of(action) % 60'000);
    made.write = make_dot(2, hash_of(action) >> 20);
    log_entry entry;
    entry.record = record_of(made);
    entry.meta.push_back({done_fact(action), std::string{}});
    entry.meta.push_back({std::string{applied_facts} + action + "/" + std::to_string(random_()),
                          made.twin + " " + made.key});
    entry.done = [this, made, reply = std::move(reply)](const result<void>&) {
      on_written(made);
      reply(make_done_reply());
    };
    REQUIRE(store_.append(std::move(entry)));
  }

  void put(const std::string& text) {
    rule_record record;
    record.what = rule_record::kind::put;
    record.text = text;
    auto at = keeper_.note(record);
    REQUIRE(at);
    redo(*at, record);
  }

  void take(rule_record seen) {
    if (seen.events.empty())
      return;
    REQUIRE(keeper_.note(seen));
    for (const auto& one : seen.events)
      rules_.take(one, seen.now_ms);
    queue();
  }

  void redo(log_position at, const rule_record& what) {
    if (what.what == rule_record::kind::put) {
      REQUIRE(rules_.take_stored(what.text, what.file, at));
    } else if (what.what == rule_record::kind::tick) {
      rules_.tick(what.now_ms);
    } else {
      for (const auto& one : what.events)
        rules_.take(one, what.now_ms);
    }
    queue();
  }

  void restore(const rule_keeper::content& from) {
    if (from.rules.empty())
      return;
    state_reader bytes{from.rules};
    REQUIRE(rules_.restore(bytes));
    queue();
    run_all();
    for (const auto& one : from.states)
      for (std::size_t i = 0; i < parts_.size(); ++i) {
        const auto* of = rules_.find(one.name);
        REQUIRE(of != nullptr);
        restored_share share{
            [&](const std::string& key) { return rules_.place_of(*of->document, key) == i; },
            i == 0};
        REQUIRE(parts_[i].restore(of->number, one.state, share));
      }
  }

  void queue() {
    for (std::size_t i = 0; i < parts_.size(); ++i)
      for (auto& task : rules_.take_tasks(i))
        queues_[i].push_back(std::move(task));
  }

  test::simulated_store& store_;
  std::mt19937_64& random_;
  std::vector<rule_partition> parts_;
  rule_coordinator rules_;
  std::vector<std::vector<rule_task>> queues_;
  rule_keeper keeper_;
  std::shared_ptr<rule_outlet> outlet_;
  rule_keeper::content made_;
  std::size_t missing_ = 0;
  std::uint64_t epoch_ = 0;
};

// A device that sends its readings until they are acknowledged, and the rules of the node.
class simulation {
public:
  simulation(std::uint64_t seed, bool crashes) : random_{seed * 2 + 1}, crashes_{crashes} {
    std::mt19937_64 device{seed};
    for (std::uint64_t i = 0; i < readings; ++i)
      sent_.push_back(
          {"m" + std::to_string(device() % 4), "x", static_cast<double>(device() % 1'000) / 10,
           static_cast<std::int64_t>(60'000 + i * 100 + device() % 100), make_dot(1, i + 1)});
    acknowledged_.resize(readings);
  }

  // What was carried out: how often each action.
  std::map<std::string, int> run() {
    begin();
    constexpr int steps_max = 200'000;
    for (int i = 0; i < steps_max && !is_over(); ++i)
      step();
    REQUIRE(is_over());
    return applied();
  }

  int crashes() const noexcept { return count_; }
  int checkpoints() const noexcept { return checkpoints_; }

private:
  static constexpr std::uint64_t readings = 150;

  bool is_over() const { return flushes_ == std::size(flush_ms) && quiet_ > 5; }

  void begin() {
    rules_ = std::make_unique<rules_at_work>(store_, clock_, random_);
    rules_->on_written = [this](const reading& what) { inbox_.push_back(what); };
    rules_->start(now_);
    inbox_.clear(); // They are in the log.
    quiet_ = 0;
  }

  void crash() {
    ++count_;
    store_.end_process();
    inbox_.clear();
    rules_.reset();
    // What was not acknowledged is sent again.
    next_ = 0;
    flushes_ = 0;
    begin();
  }

  void send() {
    while (next_ < sent_.size() && acknowledged_[next_])
      ++next_;
    if (next_ == sent_.size())
      return settle();
    log_entry entry;
    entry.record = record_of(sent_[next_]);
    entry.done = [this, i = next_](const result<void>&) {
      acknowledged_[i] = true;
      inbox_.push_back(sent_[i]);
    };
    ++next_;
    REQUIRE(store_.append(std::move(entry)));
  }

  // All is sent: what is under way comes to its end; then time goes on, so that what waits is due.
  void settle() {
    auto was_idle = inbox_.empty() && rules_->is_idle();
    rules_->tick(now_);
    for (int i = 0; i < 2; ++i) {
      store_.write_all();
      for (const auto& one : std::exchange(inbox_, {}))
        rules_->deliver(one, now_);
      rules_->run_all();
    }
    quiet_ = was_idle && inbox_.empty() && rules_->is_idle() ? quiet_ + 1 : 0;
    if (quiet_ <= 5 || flushes_ == std::size(flush_ms))
      return;
    now_ += flush_ms[flushes_++];
    quiet_ = 0;
  }

  void step() {
    auto what = random_() % 100;
    now_ += static_cast<std::int64_t>(random_() % 30);
    if (what < 30) {
      send();
    } else if (what < 50) {
      store_.write(1 + random_() % 3);
    } else if (what < 70) {
      auto count = std::min<std::size_t>(inbox_.size(), random_() % 4);
      for (std::size_t i = 0; i < count; ++i)
        rules_->deliver(inbox_[i], now_);
      inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(count));
    } else if (what < 85) {
      rules_->run_some();
    } else if (what < 95) {
      rules_->tick(now_);
    } else if (what < 98 || !crashes_) {
      if (what % 2 == 0 && flushes_ == 0) {
        rules_->begin_checkpoint(now_);
        ++checkpoints_;
      }
    } else if (flushes_ == 0) {
      crash();
    }
  }

  std::map<std::string, int> applied() {
    std::map<std::string, int> made;
    REQUIRE(store_.read_meta_all(applied_facts, [&](std::string_view key, std::string_view) {
      key.remove_prefix(applied_facts.size());
      ++made[std::string{key.substr(0, key.find('/'))}];
      return result<void>{};
    }));
    return made;
  }

  std::mt19937_64 random_;
  bool crashes_ = false;
  test::simulated_store store_;
  test::manual_clock clock_;
  std::vector<reading> sent_;
  std::vector<bool> acknowledged_;
  std::size_t next_ = 0;
  std::size_t flushes_ = 0;
  std::unique_ptr<rules_at_work> rules_;
  std::vector<reading> inbox_;
  std::int64_t now_ = 1'000'000;
  int count_ = 0;
  int checkpoints_ = 0;
  int quiet_ = 0;
};

std::string missing(const std::map<std::string, int>& wanted,
                    const std::map<std::string, int>& from) {
  std::string made;
  for (const auto& [action, times] : wanted)
    if (auto known = from.find(action); known == from.end() || known->second != times)
      made += action + " " + std::to_string(known == from.end() ? 0 : known->second) + " ";
  return made;
}

} // namespace

TEST_CASE("each action of a rule is carried out once, however often the process ends",
          "[fault][rules]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  int crashes = 0;
  int checkpoints = 0;
  for (std::uint64_t round = 0; round < 20; ++round) {
    INFO("round " << round);
    simulation unbroken{seed + round * 1'000, false};
    simulation broken{seed + round * 1'000, true};
    auto expected = unbroken.run();
    auto found = broken.run();
    REQUIRE(expected.size() > 10);
    for (const auto& [action, times] : expected)
      CHECK(times == 1);
    CHECK(missing(expected, found) == "");
    CHECK(missing(found, expected) == "");
    crashes += broken.crashes();
    checkpoints += broken.checkpoints();
  }
  CHECK(crashes > 20);
  CHECK(checkpoints > 20);
}

} // namespace gemel
