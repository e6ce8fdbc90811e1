#pragma once

#include "runtime/program/table.hpp"
#include "workflows/rule.hpp"

#include <string>

/// Rules, and what they found, for people.
namespace gemel {

/// What the rule waits for, and its states with the edges that leave them.
std::string explain_text(const rule& what, bool is_utf8);

/// A match or timeout: its line, and one below it for each event and action.
std::string match_text(const rule& of, const found_match& match);
std::string timeout_text(const rule& of, const found_match& ended);

/// The same as one line of JSON each.
std::string match_json(const rule& of, const found_match& match);
std::string timeout_json(const rule& of, const found_match& ended);

/// What a node answered to `add` or `replace`, to `list`, and to `stats` or `show`.
std::string placed_rule_text(const value& answer);
std::string rule_list_text(const value& rules, table_form form);
std::string rule_numbers_text(const value& rules);

} // namespace gemel
