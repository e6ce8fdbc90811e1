#pragma once

#include "runtime/program/command_line.hpp"

/// The commands, group by group. Each function adds commands to `root`; `context` lives longer.
namespace gemel {

/// `node` and `check`.
void add_node_commands(CLI::App& root, program_context& context);

/// `twin` with `create get update delete retire move lifecycle`.
void add_twin_commands(CLI::App& twin, program_context& context);

/// `twin update` alone.
void add_update_command(CLI::App& twin, program_context& context);

/// `twin` with `command` and `emit`.
void add_behave_commands(CLI::App& twin, program_context& context);

/// `twin list`.
void add_list_command(CLI::App& twin, program_context& context);

/// `twin tree`.
void add_tree_command(CLI::App& twin, program_context& context);

/// `twin watch`.
void add_watch_command(CLI::App& twin, program_context& context);

/// `bulk` with `create update delete emit export`.
void add_bulk_commands(CLI::App& root, program_context& context);

/// `bulk export`.
void add_export_command(CLI::App& bulk, program_context& context);

/// `query`.
void add_query_command(CLI::App& root, program_context& context);

/// `type` with `list` and `show`.
void add_type_commands(CLI::App& root, program_context& context);

/// `store` with `check repair stats backup restore`.
void add_store_commands(CLI::App& root, program_context& context);

/// `rule` with `test explain add replace remove list show stats`.
void add_rule_commands(CLI::App& root, program_context& context);

/// `history`.
void add_history_command(CLI::App& root, program_context& context);

/// `sync` with `status`, `conflict` with `list` and `resolve`.
void add_sync_commands(CLI::App& root, program_context& context);

/// `gemel link`: which peers a running node is linked to.
void add_link_commands(CLI::App& root, program_context& context);

/// `stats`.
void add_stats_command(CLI::App& root, program_context& context);

/// `workflow` with `run start add graph` and what `add_workflow_control` adds.
void add_workflow_commands(CLI::App& root, program_context& context);

/// `workflow` with `list show logs versions signal cancel pause resume compensate rerun`.
void add_workflow_control(CLI::App& workflows, program_context& context);

/// `compute` with `status nodes run list cancel poisoned release`, `function` with `list test`.
void add_compute_commands(CLI::App& root, program_context& context);

} // namespace gemel
