#include "runtime/program/workflow_text.hpp"

#include "messages/duration.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/units.hpp"

#include <algorithm>
#include <functional>

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

namespace {

std::string draw_graph(const workflow& of, bool is_utf8,
                       const std::function<std::string(std::uint32_t)>& state) {
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
    text += ")" + state(index);
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

} // namespace

std::string graph_text(const workflow& of, bool is_utf8) {
  return draw_graph(of, is_utf8, [](std::uint32_t) { return std::string{}; });
}

std::string graph_text(const workflow_run& run, bool is_utf8) {
  return draw_graph(run.document(), is_utf8, [&](std::uint32_t index) {
    return " [" + std::string{to_string(run.step(index).state)} + "]";
  });
}

std::string run_time_text(std::int64_t unix_ms) {
  constexpr std::int64_t us_per_ms = 1'000;
  return time_text(unix_ms * us_per_ms);
}

std::string log_text(const workflow_run& run, const std::vector<run_record>& records) {
  using enum run_record::kind;
  std::string text;
  for (const auto& one : records) {
    auto line = change_line(run, one);
    if (line.empty())
      switch (one.what) {
      case started:
        line = "run started\n";
        break;
      case step_reached:
        line = run.document().steps()[one.step].id + ": reached\n";
        break;
      case vars_set:
        line = "variables set: " + to_json(one.outcome.result) + "\n";
        break;
      case paused:
        line = "run paused\n";
        break;
      case resumed:
        line = "run resumed\n";
        break;
      case compensating:
        line = "run is compensated\n";
        break;
      default:
        line = "run " + std::string{to_string(one.run)} + "\n";
        break;
      }
    text += run_time_text(one.at_ms) + "  " + line;
  }
  return text;
}

std::string gantt_text(const workflow_run& run, std::int64_t now_ms, table_form form) {
  const auto& steps = run.document().steps();
  std::int64_t first = now_ms;
  std::int64_t last = 0;
  std::size_t name_width = 0;
  auto end_of = [&](const workflow_run::step_view& step) {
    return is_terminal(step.state) ? step.ended_ms : now_ms;
  };
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    if (run.step(i).attempt == 0)
      continue;
    first = std::min(first, run.step(i).started_ms);
    last = std::max(last, end_of(run.step(i)));
    name_width = std::max(name_width, steps[i].id.size());
  }
  if (last <= first)
    last = first + 1;
  constexpr std::size_t usual_width = 80;
  constexpr std::size_t beside = 40;
  auto whole = form.width > 0 ? form.width : usual_width;
  auto width =
      std::max<std::size_t>(20, whole > name_width + beside ? whole - name_width - beside : 0);
  auto column = [&](std::int64_t at) {
    return static_cast<std::size_t>((at - first) * static_cast<std::int64_t>(width - 1)
                                    / (last - first));
  };
  const std::string mark = form.is_utf8 ? "█" : "#";
  std::string text;
  for (auto index : run.document().order()) {
    const auto& step = run.step(index);
    if (step.attempt == 0)
      continue;
    auto from = column(step.started_ms);
    auto to = std::max(from, column(end_of(step)));
    text += steps[index].id + std::string(name_width - steps[index].id.size() + 2, ' ')
            + std::string(from, ' ');
    for (auto i = from; i <= to; ++i)
      text += mark;
    text += std::string(width - 1 - to + 2, ' ') + std::string{to_string(step.state)} + ", "
            + std::to_string(end_of(step) - step.started_ms) + " ms\n";
  }
  return text + "from " + run_time_text(first) + " to " + run_time_text(last) + "\n";
}

} // namespace gemel
