#include "workflows/rerun.hpp"

#include <algorithm>

namespace gemel {

namespace {

bool has_worked(step_state state) {
  return state == step_state::completed || state == step_state::completed_with_errors
         || state == step_state::caught || state == step_state::skipped;
}

// Those that a step hands over to when it ends as it did.
std::vector<std::uint32_t> reached_by(const workflow& document, const workflow_run& ended,
                                      std::uint32_t index) {
  std::vector<std::uint32_t> reached;
  const auto& about = document.steps()[index];
  const auto& step = ended.step(index);
  if (about.kind == step_kind::choose && step.outcome.result.is_text()) {
    if (auto target = document.find(step.outcome.result.as_text()))
      reached.push_back(*target);
  }
  if (step.state == step_state::caught)
    for (const auto& rule : about.catches)
      if (rule.errors.matches(step.outcome.error)) {
        reached.push_back(rule.next);
        break;
      }
  return reached;
}

class rerun_plan {
public:
  explicit rerun_plan(const workflow_run& ended)
      : ended_{ended}, document_{ended.document()}, again_(document_.steps().size()) {}

  // This step, and all that could see that it is done over.
  void mark(std::uint32_t index) {
    if (again_[index])
      return;
    again_[index] = true;
    for (auto next : document_.steps()[index].dependents)
      mark(next);
    for (auto next : reached_by(document_, ended_, index))
      mark(next);
  }

  void mark_failed() {
    for (std::uint32_t i = 0; i < again_.size(); ++i) {
      auto state = ended_.step(i).state;
      if (state == step_state::failed || state == step_state::cancelled)
        mark(i);
    }
  }

  bool is_again(std::uint32_t index) const {
    return again_[index] || !has_worked(ended_.step(index).state);
  }

  bool has_work() const {
    for (std::uint32_t i = 0; i < again_.size(); ++i)
      if (again_[i]
          || (ended_.step(i).state == step_state::not_run && !document_.steps()[i].on_demand))
        return true;
    return false;
  }

  std::vector<run_record> records(std::int64_t now_ms) const;

private:
  const workflow_run& ended_;
  const workflow& document_;
  std::vector<bool> again_;
};

std::vector<run_record> rerun_plan::records(std::int64_t now_ms) const {
  std::vector<run_record> made{{.what = run_record::kind::started, .at_ms = now_ms}};
  for (auto index : document_.order()) {
    if (is_again(index))
      continue;
    const auto& step = ended_.step(index);
    if (document_.steps()[index].kind == step_kind::set && step.state != step_state::skipped)
      made.push_back(
          {.what = run_record::kind::vars_set, .at_ms = now_ms, .outcome = step.outcome});
    for (auto next : reached_by(document_, ended_, index))
      made.push_back({.what = run_record::kind::step_reached, .step = next, .at_ms = now_ms});
    made.push_back({.what = run_record::kind::step_ended,
                    .step = index,
                    .attempt = step.attempt,
                    .state = step.state,
                    .at_ms = now_ms,
                    .outcome = step.outcome});
  }
  return made;
}

} // namespace

result<std::vector<run_record>>
rerun_records(const workflow_run& ended, std::optional<std::uint32_t> from, std::int64_t now_ms) {
  if (!is_terminal(ended.state()))
    return fail(errc::illegal_state, "run " + ended.id() + " is "
                                         + std::string{to_string(ended.state())}
                                         + "; only one that has ended can be done over");
  rerun_plan plan{ended};
  if (from)
    plan.mark(*from);
  else
    plan.mark_failed();
  if (!plan.has_work())
    return fail(errc::illegal_state,
                "run " + ended.id() + " has no step that failed; name the step to begin with");
  return plan.records(now_ms);
}

} // namespace gemel
