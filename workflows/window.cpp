#include "workflows/window.hpp"

#include "messages/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 11> function_names = {
    "count", "sum",    "avg",      "min",        "max",  "first",
    "last",  "stddev", "distinct", "percentile", "slope"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

// Takes `, 95` from the end of `content`.
result<double> take_rank(std::string_view& content) {
  auto comma = content.rfind(',');
  auto text = comma == std::string_view::npos ? "" : trimmed(content.substr(comma + 1));
  double rank = -1;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), rank);
  if (code != std::errc{} || end != text.data() + text.size() || !(rank >= 0 && rank <= 100))
    return fail(errc::bad_value, "'percentile' takes a value and a number from 0 to 100, such as "
                                 "percentile(vibration, 95)");
  content = trimmed(content.substr(0, comma));
  return rank;
}

bool contains(const std::vector<std::string>& words, const value& word) {
  return words.empty()
         || (word.is_text()
             && std::find(words.begin(), words.end(), word.as_text()) != words.end());
}

} // namespace

bool window_side::has(const rule_event& event) const {
  return contains(twin_types, event.twin_type) && contains(events, event.event)
         && (!where || where->test(&event, {}));
}

bool window_spec::has(const rule_event& event) const {
  return sides.empty() || std::any_of(sides.begin(), sides.end(), [&](const window_side& one) {
           return one.has(event);
         });
}

result<window_aggregate> parse_aggregate(std::string_view name, std::string_view text) {
  text = trimmed(text);
  auto open = text.find('(');
  if (open == std::string_view::npos || !text.ends_with(')'))
    return fail(errc::bad_syntax, "no aggregate such as avg(temperature)");
  auto word = trimmed(text.substr(0, open));
  auto known = std::find(function_names.begin(), function_names.end(), word);
  if (known == function_names.end()) {
    auto near = nearest_word(word, function_names);
    return fail(errc::bad_value,
                "no aggregate '" + std::string{word} + "'"
                    + (near.empty() ? "" : " (did you mean '" + std::string{near} + "'?)"));
  }
  window_aggregate made;
  made.name = name;
  made.function = static_cast<window_function>(known - function_names.begin());
  auto content = trimmed(text.substr(open + 1, text.size() - open - 2));
  if (made.function == window_function::percentile) {
    auto rank = take_rank(content);
    if (!rank)
      return tl::unexpected<error>(rank.error());
    made.rank = *rank;
  }
  if (made.function == window_function::count && (content.empty() || content == "*"))
    return made;
  auto code = expression::compile(content);
  if (!code)
    return tl::unexpected<error>(code.error());
  made.of.emplace(*code, std::span<const std::string>{});
  return made;
}

} // namespace gemel
