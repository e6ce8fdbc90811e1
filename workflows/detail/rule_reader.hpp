#pragma once

#include "workflows/object_reader.hpp"
#include "workflows/rule.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gemel {

using words = std::span<const std::string_view>;
using node_list = std::vector<pattern_node>;

inline std::vector<std::string> list_or_none(std::optional<std::vector<std::string>> from) {
  return from ? std::move(*from) : std::vector<std::string>{};
}

/// Reads one document. The names of all stages are known before any expression is compiled.
class rule_reader {
public:
  explicit rule_reader(const json_document& document) : document_{document} {}

  tl::expected<rule, fault_list> read();

private:
  void read_head(object_reader& head);
  void read_partition(object_reader& head);
  void read_time(object_reader& head);
  void read_limits(object_reader& head);
  void read_pattern(object_reader& head);
  void read_output(object_reader& from);
  void read_window(object_reader& head);
  void read_window_shape(object_reader& from, window_spec& into);
  void read_aggregates(const value& content, const std::string& pointer, std::uint32_t side,
                       window_spec& into);
  void read_join(object_reader& head, window_spec& into);
  void read_side(const value& content, const std::string& pointer, window_spec& into);
  void read_groups(object_reader& head, window_spec& into);
  void check_window_names(const expression& code, const std::string& pointer);
  void learn_names(const value& steps, const std::string& pointer);
  void learn_name(const value& step, const std::string& pointer);
  node_list read_steps(const value& steps, const std::string& pointer, bool is_group);
  std::optional<pattern_node> read_step(const value& content, const std::string& pointer,
                                        bool is_first, bool is_top);
  pattern_node read_group(object_reader& from, std::string_view kind, bool is_first, bool is_top);
  void read_rounds(object_reader& from, pattern_node& made, bool is_first, bool is_top);
  void read_parts(object_reader& from, std::string_view kind, pattern_node& into);
  contiguity read_every(object_reader& from, contiguity link, bool is_first, bool is_top);
  void check_group(object_reader& from, const pattern_node& made, std::string_view kind);
  pattern_node read_stage(object_reader& from, bool is_first, bool is_top);
  void check_absences(node_list& nodes, const std::string& pointer, bool is_group);
  void check_pattern(object_reader& from);
  bool may_be_empty(const pattern_node& node) const;
  bool ends_greedy(const pattern_node& node) const;
  bool is_open_at_end(const pattern_node& node) const;
  void read_link(object_reader& from, pattern_stage& stage);
  void read_times(object_reader& from, std::uint32_t& least, std::optional<std::uint32_t>& most,
                  bool& optional);
  void read_order(object_reader& from, pattern_stage& stage, std::uint32_t index);
  void relate(object_reader& from, std::string_view key, pattern_stage& stage, std::uint32_t index);
  void read_loop(object_reader& from, pattern_stage& stage, std::uint32_t index);
  void check_stage(object_reader& from, const pattern_stage& stage);
  void read_skip(object_reader& head);
  void read_select(object_reader& head);
  void read_actions(object_reader& head);
  void read_action(const value& content, const std::string& pointer);
  void check_action(object_reader& from, action_kind kind);
  void read_limit(object_reader& from, rule_action& into);
  template_value compiled_template(object_reader& from, std::string_view key);
  std::optional<rule_expression> compiled(object_reader& from, std::string_view key,
                                          std::uint32_t bound_stages);
  bool check_references(const expression& code, const std::string& pointer,
                        std::uint32_t bound_stages, bool has_event);
  void check_template(const template_value& what);
  expression_options scopes() const { return {.scopes = scopes_, .aggregates = true}; }

  const json_document& document_;
  fault_list faults_;
  rule made_;
  std::vector<std::string> window_names_; // what a window's `having` and `select` can use
  std::vector<std::string> scopes_;       // names of stages that bind events
  std::uint32_t next_stage_ = 0;          // in the order of `stage_names_`
};

} // namespace gemel
