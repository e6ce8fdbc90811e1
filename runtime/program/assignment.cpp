#include "runtime/program/assignment.hpp"

#include "messages/names.hpp"
#include "registry/value_path.hpp"

#include <algorithm>

namespace gemel {

namespace {

tl::unexpected<error> refuse(std::string_view argument, const error& why) {
  return fail(why.code, "'" + std::string{argument} + "': " + why.context);
}

// VALUE is JSON if it is valid JSON, else the text itself. @param name for the error.
result<value> parse_content(std::string_view name, std::string_view text) {
  auto content = value_from_json(text);
  if (!content && content.error().code != errc::bad_syntax)
    return refuse(name, content.error());
  auto made = content ? std::move(*content) : value{text};
  if (auto checked = check_content(made); !checked)
    return refuse(name, checked.error());
  return made;
}

// The first `=` that stands in no quotes.
std::size_t find_equals(std::string_view argument) {
  bool quoted = false;
  for (std::size_t i = 0; i < argument.size(); ++i) {
    quoted = quoted != (argument[i] == '"');
    if (argument[i] == '=' && !quoted)
      return i;
  }
  return std::string_view::npos;
}

} // namespace

result<property> parse_assignment(std::string_view argument) {
  auto equals = argument.find('=');
  if (equals == std::string_view::npos)
    return refuse(argument, {errc::bad_syntax, "expected PROP=VALUE, such as temperature=20.5"});
  auto key = argument.substr(0, equals);
  auto text = argument.substr(equals + 1);
  if (auto checked = check_key(key); !checked)
    return refuse(argument, checked.error());
  return parse_content(key, text).map([&](value content) {
    return property{std::string{key}, std::move(content)};
  });
}

result<path_change> parse_path_change(std::string_view argument, path_change::action what) {
  using enum path_change::action;
  auto equals = what == unset ? argument.size() : find_equals(argument);
  if (equals == std::string_view::npos)
    return refuse(argument, {errc::bad_syntax, "expected PATH=VALUE, such as limits.high=85"});
  auto path = argument.substr(0, equals);
  if (auto parsed = parse_value_path(path); !parsed)
    return refuse(path, parsed.error());
  path_change made{std::string{path}, what, {}};
  if (what == unset)
    return made;
  auto content = parse_content(path, argument.substr(equals + 1));
  if (!content)
    return tl::unexpected<error>(std::move(content.error()));
  if (what == add && !content->is_number())
    return refuse(path, {errc::bad_value, "a number is to be added, not a "
                                              + std::string{to_string(content->kind())}});
  made.content = std::move(*content);
  return made;
}

result<properties> parse_assignments(std::span<const std::string> arguments) {
  properties made;
  for (const auto& argument : arguments) {
    auto one = parse_assignment(argument);
    if (!one)
      return tl::unexpected<error>(std::move(one.error()));
    auto is_same = [&](const property& other) { return other.key == one->key; };
    if (std::any_of(made.begin(), made.end(), is_same))
      return fail(errc::bad_value, "property '" + one->key + "' stands twice");
    made.push_back(std::move(*one));
  }
  return made;
}

} // namespace gemel
