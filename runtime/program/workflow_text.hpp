#pragma once

#include "runtime/program/table.hpp"
#include "workflows/run.hpp"

#include <string>

/// What the program prints of workflows.
namespace gemel {

/// One line of a run's progress, with its line feed; empty for changes that people need not see.
std::string change_line(const workflow_run& run, const run_record& record);

/// How a run ended: its state, its steps as a table, and what they resulted in.
std::string run_text(const workflow_run& run, table_form form);

/// The same as JSON, without a line feed: `id`, `workflow`, `version`, `state`, `steps` (`id`,
/// `type`, `state`, `attempt`, `ms`, `error`, `message`) and `results` by step.
std::string run_json(const workflow_run& run);

/// When each step ran, as bars on one time line. @param now_ms where a run that goes on ends.
std::string gantt_text(const workflow_run& run, std::int64_t now_ms, table_form form);

/// A run's changes with their times, one on a line.
std::string log_text(const workflow_run& run, const std::vector<run_record>& records);

/// The graph with the state of each step.
std::string graph_text(const workflow_run& run, bool is_utf8);

/// A time as people read it, in UTC, such as `2026-11-23 14:05:01.250`.
std::string run_time_text(std::int64_t unix_ms);

/// The steps in an order in which they may run, each with what it waits for, as a drawing of lines.
std::string graph_text(const workflow& of, bool is_utf8);

} // namespace gemel
