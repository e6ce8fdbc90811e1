#include "trial.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <utility>

namespace maintenance {

namespace {

using gemel::value;
using gemel::value_map;

constexpr std::size_t assess_every = 5; // flights

// One step for all engines that fly; the function is ours, in C++.
constexpr const char* assess_document = R"({
  "workflow": "assess",
  "steps": [
    {"id": "life", "type": "compute", "twins": {"type": "engine", "where": "flying = true"},
     "function": "remaining_flights"}
  ]})";

// Two assessments that are this low, since one may be noise.
constexpr const char* near_its_end = R"({
  "rule": "near-its-end",
  "from": {"twin_types": ["engine"], "events": ["updated"]},
  "partition_by": "twin_id",
  "pattern": {"steps": [{"name": "first", "where": "life < 30"},
                        {"name": "again", "where": "life < 30"}]},
  "after_match": {"skip": "past_last"},
  "select": {"engine": "again.twin_id", "flight": "again.assessed_at", "life": "again.life"},
  "actions": [{"start_workflow": "maintain", "input": "${match}"}]})";

// An engine that failed meanwhile, or was maintained, is left alone. The others fly on all the
// same: their data goes on until they failed, and so what was computed can be compared with it.
constexpr const char* maintain_document =
    R"({
  "workflow": "maintain",
  "steps": [
    {"id": "look", "type": "query", "twin_ids": ["${ input.engine }"]},
    {"id": "ground", "type": "update", "twin_ids": ["${ input.engine }"], "depends_on": ["look"],
     "when": "steps.look.result.twins[0].properties.flying)"
    R"( AND steps.look.result.twins[0].properties.maintained_at IS NULL",
     "set": {"maintained_at": "${ input.flight }"}}
  ]})";

template <class T>
T must(gemel::result<T> answer) {
  if (!answer) {
    std::cerr << "gemel-maintenance: " + to_string(answer.error()) + "\n";
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>)
    return *std::move(answer);
}

std::string id_of(const turbofan::engine& of) {
  return "engine-" + std::to_string(of.number);
}

// The means of a twin's sensors to flights that are left.
gemel::function_info life_function(const turbofan::life_model& model) {
  return {"remaining_flights", "flights until an engine fails, by its sensors",
          [model](const gemel::function_input& from) -> gemel::result<value> {
            const auto* held = from.twin.find("properties");
            const auto* sensors = held != nullptr ? held->find("sensors") : nullptr;
            turbofan::reading means{};
            if (sensors == nullptr || !sensors->is_list()
                || sensors->as_list().size() != means.size())
              return gemel::fail(gemel::errc::bad_value, "the twin has no 21 sensors");
            for (std::size_t k = 0; k < means.size(); ++k)
              means[k] = sensors->as_list()[k].number().value_or(0);
            return value{model.predict(means)};
          }};
}

} // namespace

trial::trial(std::vector<const turbofan::engine*> engines, const turbofan::life_model& model)
    : engines_{std::move(engines)} {
  start(model);
}

void trial::start(const turbofan::life_model& model) {
  gemel::node_options wanted;
  wanted.functions.push_back(life_function(model));
  node_ = must(gemel::node::start(std::move(wanted)));
  for (const auto* document : {assess_document, maintain_document})
    must(node_->call({"workflows", "add", value{value_map{{"document", value{document}}}}}));
  must(node_->call({"rules", "add", value{value_map{{"document", value{near_its_end}}}}}));
  std::vector<gemel::new_twin> twins;
  for (const auto* one : engines_) {
    auto& twin = twins.emplace_back();
    twin.id = id_of(*one);
    twin.type = "engine";
    twin.properties = {{"flying", true}};
  }
  must(node_->create(twins));
}

void trial::write(const std::vector<gemel::twin_update>& updates) {
  if (updates.empty())
    return;
  auto done = must(node_->update(updates));
  written_ += static_cast<std::int64_t>(done.applied);
}

// Every engine's sensors after this flight, in one call.
void trial::fly(std::size_t flight) {
  std::vector<gemel::twin_update> updates;
  for (const auto* one : engines_) {
    if (flight >= one->flights.size())
      continue;
    gemel::value_list sensors;
    for (auto mean : turbofan::means_until(*one, flight))
      sensors.emplace_back(mean);
    auto& update = updates.emplace_back();
    update.id = id_of(*one);
    update.set = {{"sensors", value{std::move(sensors)}}};
    if (flight + 1 == one->flights.size())
      update.set.push_back({"flying", false});
  }
  write(updates);
}

// Runs the workflow and gives each engine what was found, which the rule looks at.
void trial::assess(std::size_t flight) {
  auto done = must(node_->call({"workflows", "run", value{value_map{{"workflow", "assess"}}}}));
  const auto* results = done.find("results");
  const auto* lives = results != nullptr ? results->find("life") : nullptr;
  std::vector<gemel::twin_update> updates;
  for (const auto* one : engines_) {
    const auto* life = lives != nullptr ? lives->find(id_of(*one)) : nullptr;
    if (life == nullptr || !life->is_number())
      continue;
    constexpr double late = 50;
    auto left = static_cast<double>(one->flights.size() - 1 - flight);
    auto predicted = *life->number();
    found_.all.add(predicted - std::min(left, turbofan::life_model::horizon));
    if (left <= late)
      found_.late.add(predicted - left);
    auto& update = updates.emplace_back();
    update.id = id_of(*one);
    update.set = {{"life", predicted}, {"assessed_at", static_cast<std::int64_t>(flight)}};
  }
  write(updates);
  settle();
}

// A flight takes hours and rules act within milliseconds, but here a flight takes no time: waits
// until the rule has looked at all that was written and no run is open.
void trial::settle() {
  constexpr std::chrono::milliseconds turn{2};
  constexpr int turns_max = 5'000;
  auto last = std::int64_t{-1};
  for (int i = 0, quiet = 0; i < turns_max && quiet < 3; ++i) {
    std::this_thread::sleep_for(turn);
    auto rules = must(node_->call({"rules", "stats", value{}}));
    const auto& rule = rules.find("rules")->as_list()[0];
    auto open = must(node_->call({"workflows", "list", value{value_map{{"state", "running"}}}}));
    auto actions = rule.find("actions")->as_integer();
    bool idle = rule.find("events")->as_integer() >= written_ && actions == last
                && open.find("runs")->as_list().empty();
    quiet = idle ? quiet + 1 : 0;
    last = actions;
  }
}

findings trial::run() {
  std::size_t longest = 0;
  for (const auto* one : engines_)
    longest = std::max(longest, one->flights.size());
  for (std::size_t flight = 0; flight < longest; ++flight) {
    fly(flight);
    if (flight % assess_every == 0)
      assess(flight);
  }
  for (const auto* one : engines_) {
    auto twin = must(node_->get(id_of(*one)));
    if (const auto* at = twin.find("maintained_at"))
      found_.ahead.push_back(static_cast<double>(one->flights.size() - 1) - *at->number());
    else
      ++found_.failed;
  }
  std::sort(found_.ahead.begin(), found_.ahead.end());
  node_->stop();
  return found_;
}

} // namespace maintenance
