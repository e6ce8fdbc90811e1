#include "runtime/program/assignment.hpp"

#include "messages/names.hpp"

#include <algorithm>

namespace gemel {

namespace {

tl::unexpected<error> refuse(std::string_view argument, const error& why) {
  return fail(why.code, "'" + std::string{argument} + "': " + why.context);
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
  auto content = value_from_json(text);
  if (!content && content.error().code != errc::bad_syntax)
    return refuse(key, content.error());
  property made{std::string{key}, content ? std::move(*content) : value{text}};
  if (auto checked = check_content(made.content); !checked)
    return refuse(key, checked.error());
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
