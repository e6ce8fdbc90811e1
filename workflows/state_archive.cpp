#include "workflows/state_archive.hpp"

#include <limits>

namespace gemel {

// ---- events -------------------------------------------------------------------------------------

void state_writer::event(const rule_event_ptr& what) {
  if (what == nullptr)
    return count(0);
  auto [at, is_new] = events_.try_emplace(what.get(), events_.size() + 1);
  count(at->second);
  if (!is_new)
    return;
  held_.push_back(what);
  body(*what);
}

void state_writer::stamp(const causal_stamp* what) {
  flag(what != nullptr);
  if (what == nullptr)
    return;
  text(what->node);
  count(what->counter);
  count(what->seen.size());
  for (const auto& [node, counter] : what->seen) {
    text(node);
    count(counter);
  }
}

void state_writer::body(const rule_event& what) {
  for (const auto* one : {&what.time, &what.twin_id, &what.twin_type, &what.parent_id, &what.event,
                          &what.properties, &what.id, &what.cause})
    content(*one);
  count(what.rule_depth);
  stamp(what.stamp.get());
  if (what.models == nullptr)
    return count(0);
  auto [at, is_new] = models_.try_emplace(what.models.get(), models_.size() + 1);
  count(at->second);
  if (!is_new)
    return;
  count(what.models->size());
  for (const auto& name : *what.models)
    text(name);
}

rule_event_ptr state_reader::event() {
  auto place = count();
  if (place == 0 || !ok())
    return nullptr;
  if (place <= events_.size())
    return events_[place - 1];
  if (place != events_.size() + 1) {
    fail("no such event");
    return nullptr;
  }
  events_.push_back(body());
  return events_.back();
}

std::shared_ptr<const causal_stamp> state_reader::stamp() {
  if (!flag())
    return nullptr;
  auto made = std::make_shared<causal_stamp>();
  made->node = text();
  made->counter = count();
  for (auto left = length(); left > 0 && ok(); --left) {
    auto node = text();
    made->seen[std::move(node)] = count();
  }
  return made;
}

rule_event_ptr state_reader::body() {
  auto made = std::make_shared<rule_event>();
  for (auto* one : {&made->time, &made->twin_id, &made->twin_type, &made->parent_id, &made->event,
                    &made->properties, &made->id, &made->cause})
    *one = content();
  if (!made->time.is_integer()) {
    fail("an event without a time");
    made->time = value{std::int64_t{0}};
  }
  made->rule_depth = static_cast<std::uint32_t>(count());
  made->stamp = stamp();
  auto place = count();
  if (place == 0 || !ok())
    return made;
  if (place > models_.size()) {
    std::vector<std::string> names;
    for (auto left = length(); left > 0 && ok(); --left)
      names.push_back(text());
    models_.push_back(std::make_shared<const std::vector<std::string>>(std::move(names)));
    place = models_.size();
  }
  made->models = models_[place - 1];
  return made;
}

// ---- chains -------------------------------------------------------------------------------------

// The place of the last link that is known; then those behind it, oldest first.
void state_writer::chain(const event_chain& what) {
  std::vector<const event_chain::link*> fresh;
  const auto* at = what.last();
  for (; at != nullptr && !links_.contains(at); at = at->before)
    fresh.push_back(at);
  count(at != nullptr ? links_.at(at) : 0);
  count(fresh.size());
  for (auto one = fresh.rbegin(); one != fresh.rend(); ++one) {
    count((*one)->stage);
    count((*one)->number);
    event((*one)->event);
    links_.emplace(*one, links_.size() + 1);
  }
  if (!fresh.empty())
    chains_.push_back(what);
}

event_chain state_reader::chain() {
  auto place = count();
  if (place > links_.size()) {
    fail("no such run");
    return {};
  }
  auto made = place > 0 ? links_[place - 1] : event_chain{};
  for (auto left = length(); left > 0 && ok(); --left) {
    auto stage = static_cast<std::uint32_t>(count());
    auto order = count();
    auto taken = event();
    if (taken == nullptr) {
      fail("a run without its event");
      break;
    }
    made = event_chain{made, stage, order, std::move(taken)};
    links_.push_back(made);
  }
  return made;
}

std::size_t state_reader::length() {
  return static_cast<std::size_t>(in_.bounded(in_.left(), "more than there are bytes"));
}

std::string state_reader::text() {
  return std::string{in_.text(std::numeric_limits<std::uint32_t>::max(), "a text")};
}

} // namespace gemel
