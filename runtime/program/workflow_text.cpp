#include "runtime/program/workflow_text.hpp"

#include "messages/duration.hpp"
#include "runtime/program/json_text.hpp"

#include <algorithm>

namespace gemel {

namespace {

std::string spent(const workflow_run::step_view& step) {
  if (step.attempt == 0)
    return "";
  return std::to_string(std::max<std::int64_t>(0, step.ended_ms - step.started_ms)) + " ms";
}

std::string why(const step_outcome& outcome) {
  if (outcome.error.empty())
    return "";
  return outcome.message.empty() ? outcome.error : outcome.error + ": " + outcome.message;
}

std::string results_text(const workflow_run& run) {
  std::string text;
  for (std::uint32_t i = 0; i < run.document().steps().size(); ++i) {
    const auto& step = run.step(i);
    if (is_terminal(step.state) && !step.outcome.result.is_null())
      text += run.document().steps()[i].id + ": " + to_json(step.outcome.result) + "\n";
  }
  return text.empty() ? text : "\n" + text;
}

std::string names_of(const workflow& of, const std::vector<std::uint32_t>& steps) {
  std::string text;
  for (auto index : steps)
    text += (text.empty() ? "" : ", ") + of.steps()[index].id;
  return text;
}

// How many steps stand before this one on the longest way.
std::vector<std::size_t> depths_of(const workflow& of) {
  std::vector<std::size_t> depths(of.steps().size());
  for (auto index : of.order())
    for (auto before : of.steps()[index].depends_on)
      depths[index] = std::max(depths[index], depths[before] + 1);
  return depths;
}

} // namespace

std::string change_line(const workflow_run& run, const run_record& record) {
  using enum run_record::kind;
  auto name = [&] { return run.document().steps()[record.step].id; };
  switch (record.what) {
  case step_started:
    return name() + ": running"
           + (record.attempt > 1 ? ", attempt " + std::to_string(record.attempt) : "") + "\n";
  case step_ended: {
    auto reason = why(record.outcome);
    return name() + ": " + std::string{to_string(record.state)}
           + (reason.empty() ? "" : " (" + reason + ")") + "\n";
  }
  case step_retry:
    return name() + ": " + why(record.outcome) + "; again in "
           + std::to_string(record.due_ms - record.at_ms) + " ms\n";
  default:
    return "";
  }
}

std::string run_text(const workflow_run& run, table_form form) {
  table drawn{{{"STEP"}, {"TYPE"}, {"STATE"}, {"ATTEMPT"}, {"TIME"}, {"ERROR"}}, form};
  std::vector<std::vector<table_cell>> rows;
  for (std::uint32_t i = 0; i < run.document().steps().size(); ++i) {
    const auto& about = run.document().steps()[i];
    const auto& step = run.step(i);
    rows.push_back({{about.id},
                    {std::string{to_string(about.kind)}},
                    {std::string{to_string(step.state)}},
                    {std::to_string(step.attempt), true},
                    {spent(step), true},
                    {why(step.outcome)}});
  }
  return "run " + run.id() + ": " + std::string{to_string(run.state())} + "\n\n" + drawn.draw(rows)
         + results_text(run);
}

std::string run_json(const workflow_run& run) {
  json_list steps;
  for (std::uint32_t i = 0; i < run.document().steps().size(); ++i) {
    const auto& about = run.document().steps()[i];
    const auto& step = run.step(i);
    json_object one;
    one.add("id", value{about.id})
        .add("type", value{to_string(about.kind)})
        .add("state", value{to_string(step.state)})
        .add("attempt", std::uint64_t{step.attempt});
    if (step.attempt > 0)
      one.add("ms", static_cast<std::uint64_t>(
                        std::max<std::int64_t>(0, step.ended_ms - step.started_ms)));
    if (!step.outcome.error.empty())
      one.add("error", value{step.outcome.error}).add("message", value{step.outcome.message});
    steps.add_json(one.text());
  }
  json_object whole;
  whole.add("id", value{run.id()});
  if (!run.document().name().empty())
    whole.add("workflow", value{run.document().name()});
  return whole.add("version", std::uint64_t{run.document().version()})
      .add("state", value{to_string(run.state())})
      .add_json("steps", steps.text())
      .add("results", run.results())
      .text();
}

std::string graph_text(const workflow& of, bool is_utf8) {
  const std::string branch = is_utf8 ? "└─ " : "`- ";
  const std::string arrow = is_utf8 ? " ← " : " <- ";
  auto depths = depths_of(of);
  std::string text;
  for (auto index : of.order()) {
    const auto& step = of.steps()[index];
    constexpr std::size_t indent = 3;
    if (depths[index] > 0)
      text += std::string((depths[index] - 1) * indent, ' ') + branch;
    text += step.id + " (" + std::string{to_string(step.kind)};
    if (!step.function.empty())
      text += " " + step.function;
    text += ")";
    if (!step.depends_on.empty())
      text += arrow + names_of(of, step.depends_on);
    if (step.on_demand)
      text += ", on demand";
    for (const auto& rule : step.catches)
      text += ", on error: " + of.steps()[rule.next].id;
    text += "\n";
  }
  return text;
}

} // namespace gemel
