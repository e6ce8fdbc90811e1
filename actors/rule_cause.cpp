#include "actors/rule_cause.hpp"

#include <charconv>

namespace gemel {

namespace {

constexpr std::size_t action_size = 16;

} // namespace

std::uint32_t rule_depth(std::string_view cause) noexcept {
  auto mark = cause.rfind('~');
  std::uint32_t depth = 0;
  if (mark != std::string_view::npos)
    std::from_chars(cause.data() + mark + 1, cause.data() + cause.size(), depth);
  return depth;
}

std::string_view plain_cause(std::string_view cause) noexcept {
  return cause.substr(0, cause.rfind('~'));
}

std::string_view action_in(std::string_view cause) noexcept {
  auto mark = cause.rfind('~');
  if (mark == std::string_view::npos)
    return {};
  auto dot = cause.find('.', mark);
  if (dot == std::string_view::npos || cause.size() - dot - 1 != action_size)
    return {};
  return cause.substr(dot + 1);
}

std::string cause_of_action(std::string_view led_to_it, std::uint32_t depth,
                            std::string_view action) {
  std::string made{led_to_it};
  made += "~" + std::to_string(depth + 1) + ".";
  made += action;
  return made;
}

std::string done_fact(std::string_view action) {
  return std::string{done_facts} + std::string{action};
}

} // namespace gemel
