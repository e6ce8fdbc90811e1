#include "actors/rule_partition.hpp"

namespace gemel {

void rule_partition::give(const rule_state& from, match_output&& output, std::int64_t written_us,
                          const sink& into) const {
  for (auto& one : output.matches)
    into({rule_finding::kind::match, from.shared(), std::move(one), written_us, epoch_});
  if (!from.of().report_timeouts())
    return;
  for (auto& one : output.timeouts)
    into({rule_finding::kind::timeout, from.shared(), std::move(one), written_us, epoch_});
}

std::vector<saved_rule> rule_partition::save() {
  std::vector<saved_rule> made;
  for (const auto& [number, one] : rules_) {
    state_writer bytes;
    one->save(bytes);
    made.push_back({one->of().name(), bytes.take()});
  }
  ++epoch_;
  return made;
}

result<void> rule_partition::restore(std::uint64_t rule, std::string_view state,
                                     const restored_share& share) {
  state_reader bytes{state};
  rules_.at(rule)->restore(bytes, share);
  if (bytes.ok() && bytes.at_end())
    return {};
  bytes.fail("there is more of it");
  return tl::unexpected<error>(bytes.why("the state of rule " + rules_.at(rule)->of().name()));
}

void rule_partition::run(const rule_task& task, const sink& into) {
  if (task.what == rule_task::action::save)
    return task.saved(save());
  auto known = rules_.find(task.rule);
  if (task.what == rule_task::action::put) {
    if (known != rules_.end())
      known->second->replace(task.document);
    else
      rules_.emplace(task.rule, std::make_unique<rule_state>(task.document));
    return;
  }
  if (known == rules_.end())
    return;
  if (task.what == rule_task::action::remove) {
    rules_.erase(known);
    return;
  }
  match_output output;
  auto& state = *known->second;
  if (task.what == rule_task::action::take)
    state.take(task.key, task.event, output);
  else
    state.advance(task.now_ms, output);
  give(state, std::move(output), task.written_us, into);
}

rule_numbers rule_partition::numbers(std::uint64_t rule) const {
  auto known = rules_.find(rule);
  if (known == rules_.end())
    return {};
  const auto& state = *known->second;
  return {state.counters(), state.keys(), state.open(), state.bytes(), state.left_out()};
}

} // namespace gemel
