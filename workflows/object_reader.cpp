#include "workflows/object_reader.hpp"

#include "messages/duration.hpp"
#include "messages/json_scan.hpp"

#include <algorithm>

namespace gemel {

namespace {

std::string list_of(std::span<const std::string_view> words) {
  std::string text;
  for (auto word : words)
    text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

std::string meant(std::string_view word, std::span<const std::string_view> words,
                  std::string_view otherwise) {
  auto near = nearest_word(word, words);
  if (!near.empty())
    return "did you mean '" + std::string{near} + "'?";
  return std::string{otherwise} + list_of(words);
}

// The codes of formats for faults that our own codes name otherwise.
std::string_view document_name(errc code) noexcept {
  return code == errc::unknown_key ? "unknown_field" : std::string_view{};
}

std::string spelt(double number) {
  return to_json(value{number});
}

} // namespace

result<std::chrono::milliseconds> duration_of(const value& content) {
  if (content.is_text())
    return parse_duration(content.as_text());
  if (!content.is_integer() || content.as_integer() < 0)
    return fail(errc::bad_value, to_json(content) + " is no duration");
  auto made = std::chrono::milliseconds{content.as_integer()};
  if (made > duration_max)
    return fail(errc::limit_reached, "longer than " + format_duration(duration_max));
  return made;
}

object_reader::object_reader(const value& content, std::string pointer, std::string_view what,
                             fault_list& faults)
    : pointer_{std::move(pointer)}, what_{what}, faults_{faults} {
  if (content.is_map())
    members_ = &content;
  else
    report({}, errc::bad_value,
           what_ + " must be an object, not " + std::string{to_string(content.kind())}, {},
           "bad_type");
}

std::string object_reader::at(std::string_view key) const {
  return key.empty() ? pointer_ : pointer_ + json_pointer_step(key);
}

const value* object_reader::find(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end())
    asked_.emplace_back(key);
  return members_ != nullptr ? members_->find(key) : nullptr;
}

void object_reader::report(std::string_view key, errc code, std::string message, std::string hint,
                           std::string_view name) {
  add_fault(faults_, {.code = code,
                      .at = at(key),
                      .message = std::move(message),
                      .hint = std::move(hint),
                      .name = name.empty() ? document_name(code) : name});
}

const value* object_reader::need_kind(std::string_view key, need how,
                                      bool (value::*is)() const noexcept, std::string_view wanted) {
  const auto* found = find(key);
  if (found == nullptr) {
    if (how == required && members_ != nullptr)
      report({}, errc::missing_field, "'" + std::string{key} + "' is missing in " + what_);
    return nullptr;
  }
  if ((found->*is)())
    return found;
  report(key, errc::bad_value,
         "'" + std::string{key} + "' must be " + std::string{wanted} + ", not "
             + std::string{to_string(found->kind())},
         {}, "bad_type");
  return nullptr;
}

std::optional<std::string> object_reader::text(std::string_view key, need how) {
  const auto* found = need_kind(key, how, &value::is_text, "a text");
  if (found == nullptr)
    return std::nullopt;
  return std::string{found->as_text()};
}

std::optional<bool> object_reader::boolean(std::string_view key) {
  const auto* found = need_kind(key, optional, &value::is_bool, "true or false");
  return found != nullptr ? std::optional{found->as_bool()} : std::nullopt;
}

std::optional<std::int64_t> object_reader::integer(std::string_view key, std::int64_t min,
                                                   std::int64_t max, need how) {
  const auto* found = need_kind(key, how, &value::is_integer, "a whole number");
  if (found == nullptr)
    return std::nullopt;
  auto number = found->as_integer();
  if (number >= min && number <= max)
    return number;
  report(key, errc::bad_value, "'" + std::string{key} + "' is " + std::to_string(number),
         std::to_string(min) + " to " + std::to_string(max));
  return std::nullopt;
}

std::optional<double> object_reader::number(std::string_view key, double min, double max,
                                            need how) {
  const auto* found = need_kind(key, how, &value::is_number, "a number");
  if (found == nullptr)
    return std::nullopt;
  auto made = *found->number();
  if (made >= min && made <= max)
    return made;
  report(key, errc::bad_value, "'" + std::string{key} + "' is " + spelt(made),
         spelt(min) + " to " + spelt(max));
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> object_reader::duration(std::string_view key, need how) {
  const auto* found = find(key);
  if (found == nullptr) {
    if (how == required && members_ != nullptr)
      report({}, errc::missing_field, "'" + std::string{key} + "' is missing in " + what_);
    return std::nullopt;
  }
  auto made = duration_of(*found);
  if (made)
    return *made;
  report(key, made.error().code, "'" + std::string{key} + "': " + made.error().context,
         std::string{duration_form});
  return std::nullopt;
}

std::optional<std::size_t>
object_reader::choice(std::string_view key, std::span<const std::string_view> words, need how) {
  auto word = text(key, how);
  if (!word)
    return std::nullopt;
  auto found = std::find(words.begin(), words.end(), *word);
  if (found != words.end())
    return static_cast<std::size_t>(found - words.begin());
  report(key, errc::bad_value, "'" + std::string{key} + "' is '" + *word + "'",
         meant(*word, words, "one of "));
  return std::nullopt;
}

std::optional<std::vector<std::string>> object_reader::texts(std::string_view key, need how) {
  const auto* found = list(key, how);
  if (found == nullptr)
    return std::nullopt;
  std::vector<std::string> made;
  bool right = true;
  for (std::size_t i = 0; i < found->as_list().size(); ++i) {
    const auto& one = found->as_list()[i];
    if (one.is_text()) {
      made.emplace_back(one.as_text());
      continue;
    }
    right = false;
    add_fault(faults_, {.code = errc::bad_value,
                        .at = at(key) + "/" + std::to_string(i),
                        .message = "must be a text, not " + std::string{to_string(one.kind())},
                        .name = "bad_type"});
  }
  return right ? std::optional{std::move(made)} : std::nullopt;
}

const value* object_reader::list(std::string_view key, need how) {
  return need_kind(key, how, &value::is_list, "a list");
}

const value* object_reader::object(std::string_view key, need how) {
  return need_kind(key, how, &value::is_map, "an object");
}

std::optional<expression> object_reader::compiled(std::string_view key,
                                                  const expression_options& options, need how) {
  auto source = text(key, how);
  if (!source)
    return std::nullopt;
  auto made = expression::compile(*source, options);
  if (made)
    return *made;
  report(key, made.error().code, "'" + std::string{key} + "': " + made.error().context);
  return std::nullopt;
}

void object_reader::finish() {
  if (members_ == nullptr)
    return;
  std::vector<std::string_view> known{asked_.begin(), asked_.end()};
  for (const auto& member : members_->as_map())
    if (std::find(known.begin(), known.end(), member.key) == known.end())
      report(member.key, errc::unknown_key, "unknown field '" + member.key + "' in " + what_,
             meant(member.key, known, "the fields are "));
}

} // namespace gemel
