#include "registry/value_path.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "messages/text.hpp"

#include <algorithm>
#include <charconv>

namespace gemel {

namespace {

constexpr std::string_view special = ".[]\"";

bool is_plain(char c) noexcept {
  return static_cast<unsigned char>(c) > ' ' && special.find(c) == std::string_view::npos;
}

// Reads a path from left to right.
class path_reader {
public:
  explicit path_reader(std::string_view text) : text_{text} {}

  result<value_path> read() {
    if (!is_utf8(text_))
      return refuse({errc::bad_syntax, "a path that is not UTF-8"});
    value_path made;
    auto property = name("a property");
    if (!property)
      return tl::unexpected<error>(std::move(property.error()));
    if (auto valid = check_key(*property); !valid)
      return refuse(valid.error());
    made.property = std::move(*property);
    while (at_ < text_.size()) {
      if (made.steps.size() >= limits::value_depth_max)
        return fail(errc::limit_reached, "more than " + std::to_string(limits::value_depth_max)
                                             + " steps into one property");
      auto one = step();
      if (!one)
        return tl::unexpected<error>(std::move(one.error()));
      made.steps.push_back(std::move(*one));
    }
    return made;
  }

private:
  tl::unexpected<error> refuse(const error& why) const {
    return fail(why.code, to_string(place_of(text_, at_)) + ": " + why.context);
  }
  tl::unexpected<error> expected(std::string_view what) const {
    return refuse({errc::bad_syntax, "expected " + std::string{what}});
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c)
      return false;
    ++at_;
    return true;
  }

  result<value_step> step() {
    if (take('['))
      return index().map([](std::int64_t i) { return value_step{i}; });
    if (!take('.'))
      return expected("'.', '[' or the end");
    auto key = name("the name of a member");
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    if (key->size() > limits::key_bytes_max)
      return refuse({errc::bad_name, "the name of a member is longer than "
                                         + std::to_string(limits::key_bytes_max) + " bytes"});
    return value_step{std::move(*key)};
  }

  result<std::int64_t> index() {
    std::int64_t number = 0;
    const auto* begin = text_.data() + at_;
    auto [end, fault] = std::from_chars(begin, text_.data() + text_.size(), number);
    if (fault != std::errc{})
      return expected("an index, such as 0 or -1");
    at_ += static_cast<std::size_t>(end - begin);
    if (!take(']'))
      return expected("']'");
    return number;
  }

  result<std::string> name(std::string_view what) {
    if (take('"'))
      return quoted();
    auto begin = at_;
    while (at_ < text_.size() && is_plain(text_[at_]))
      ++at_;
    if (at_ == begin)
      return expected(what);
    return std::string{text_.substr(begin, at_ - begin)};
  }

  result<std::string> quoted() {
    std::string name;
    for (;;) {
      if (at_ >= text_.size())
        return expected("a closing '\"'");
      auto c = text_[at_++];
      if (c == '"' && !take('"'))
        return name;
      name += c;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void append_name(std::string& text, std::string_view name) {
  if (!name.empty() && std::all_of(name.begin(), name.end(), is_plain)) {
    text += name;
    return;
  }
  text += '"';
  for (auto c : name) {
    if (c == '"')
      text += '"';
    text += c;
  }
  text += '"';
}

std::string text_of_prefix(const value_path& path, std::size_t steps) {
  std::string text;
  append_name(text, path.property);
  for (std::size_t i = 0; i < steps; ++i) {
    if (const auto* key = std::get_if<std::string>(&path.steps[i]))
      append_name(text += '.', *key);
    else
      text.append("[").append(std::to_string(std::get<std::int64_t>(path.steps[i]))).append("]");
  }
  return text;
}

std::size_t nesting_of(const value& content) {
  std::size_t deepest = 0;
  if (content.is_list()) {
    for (const auto& element : content.as_list())
      deepest = std::max(deepest, nesting_of(element));
    return deepest + 1;
  }
  if (content.is_map()) {
    for (const auto& member : content.as_map())
      deepest = std::max(deepest, nesting_of(member.content));
    return deepest + 1;
  }
  return 0;
}

// One change on its way down a path. Every function answers what becomes of the value at `step`
// steps; nothing: it is gone.
class inside_change {
public:
  using answer = result<std::optional<value>>;

  inside_change(const value_path& path, path_change::action what, const value& content)
      : path_{path}, what_{what}, content_{content} {}

  answer at(const value* current, std::size_t step) const {
    if (step == path_.steps.size())
      return here(current, step);
    if (const auto* key = std::get_if<std::string>(&path_.steps[step]))
      return in_map(current, step, *key);
    return in_list(current, step, std::get<std::int64_t>(path_.steps[step]));
  }

private:
  using action = path_change::action;

  tl::unexpected<error> refuse(std::size_t step, const error& why) const {
    return fail(why.code, text_of_prefix(path_, step) + ": " + why.context);
  }
  tl::unexpected<error> wrong_kind(std::size_t step, const value& found,
                                   std::string_view wanted) const {
    return refuse(step, {errc::bad_value, std::string{to_string(found.kind())} + " found, a "
                                              + std::string{wanted} + " is needed"});
  }
  static answer unchanged(const value* current) {
    return current != nullptr ? std::optional{*current} : std::nullopt;
  }
  // A map or list with `count` elements is made around what lies deeper.
  result<void> fits(std::size_t step, std::size_t count) const {
    if (count <= limits::value_elements_max)
      return {};
    return refuse(step, {errc::limit_reached,
                         "more than " + std::to_string(limits::value_elements_max) + " elements"});
  }

  answer here(const value* current, std::size_t step) const {
    switch (what_) {
    case action::set:
      return placed(content_, step);
    case action::unset:
      return std::nullopt;
    case action::add: {
      auto sum = add_numbers(current, content_);
      if (!sum)
        return refuse(step, sum.error());
      return std::optional{std::move(*sum)};
    }
    case action::append:
      return appended(current, step);
    }
    return unchanged(current);
  }

  // `made` will stand below `step` maps and lists.
  answer placed(value made, std::size_t step) const {
    if (nesting_of(made) + step > limits::value_depth_max)
      return too_deep(step);
    return std::optional{std::move(made)};
  }

  answer too_deep(std::size_t step) const {
    return refuse(step, {errc::limit_reached, "values would nest deeper than "
                                                  + std::to_string(limits::value_depth_max)});
  }

  answer appended(const value* current, std::size_t step) const {
    value_list elements;
    if (current != nullptr) {
      if (!current->is_list())
        return wrong_kind(step, *current, "list");
      elements.reserve(current->as_list().size() + 1);
      elements.assign(current->as_list().begin(), current->as_list().end());
    }
    elements.push_back(content_);
    if (auto fine = fits(step, elements.size()); !fine)
      return tl::unexpected<error>(std::move(fine.error()));
    if (nesting_of(content_) + 1 + step > limits::value_depth_max)
      return too_deep(step);
    return std::optional{value{std::move(elements)}};
  }

  answer in_map(const value* current, std::size_t step, const std::string& key) const {
    if (current != nullptr && !current->is_map())
      return wrong_kind(step, *current, "map");
    const auto* member = current != nullptr ? current->find(key) : nullptr;
    if (member == nullptr && what_ == action::unset)
      return unchanged(current);
    auto made = at(member, step + 1);
    if (!made)
      return made;
    value_map members;
    if (current != nullptr)
      members.assign(current->as_map().begin(), current->as_map().end());
    auto place = std::lower_bound(members.begin(), members.end(), key,
                                  [](const auto& m, const auto& k) { return m.key < k; });
    if (member == nullptr)
      members.insert(place, {key, std::move(**made)});
    else if (*made)
      place->content = std::move(**made);
    else
      members.erase(place);
    if (auto fine = fits(step, members.size()); !fine)
      return tl::unexpected<error>(std::move(fine.error()));
    return std::optional{value{std::move(members)}};
  }

  answer in_list(const value* current, std::size_t step, std::int64_t index) const {
    if (current != nullptr && !current->is_list())
      return wrong_kind(step, *current, "list");
    auto count = current != nullptr ? static_cast<std::int64_t>(current->as_list().size()) : 0;
    auto place = index < 0 ? index + count : index;
    if (place < 0 || place >= count) {
      if (what_ == action::unset)
        return unchanged(current);
      return refuse(step + 1, {errc::bad_value,
                               "there is no such element; the list has " + std::to_string(count)});
    }
    auto elements = current->as_list();
    auto made = at(&elements[static_cast<std::size_t>(place)], step + 1);
    if (!made)
      return made;
    value_list changed{elements.begin(), elements.end()};
    if (*made)
      changed[static_cast<std::size_t>(place)] = std::move(**made);
    else
      changed.erase(changed.begin() + place);
    return std::optional{value{std::move(changed)}};
  }

  const value_path& path_;
  path_change::action what_;
  const value& content_;
};

} // namespace

result<value_path> parse_value_path(std::string_view text) {
  return path_reader{text}.read();
}

std::string to_string(const value_path& path) {
  return text_of_prefix(path, path.steps.size());
}

result<value> add_numbers(const value* current, const value& amount) {
  if (!amount.is_number())
    return fail(errc::bad_value,
                "a number is to be added, not a " + std::string{to_string(amount.kind())});
  if (current == nullptr)
    return amount;
  if (!current->is_number())
    return fail(errc::bad_value,
                "a " + std::string{to_string(current->kind())} + " takes no number on top");
  if (!current->is_integer() || !amount.is_integer())
    return value{*current->number() + *amount.number()};
  std::int64_t sum = 0;
  if (__builtin_add_overflow(current->as_integer(), amount.as_integer(), &sum))
    return fail(errc::limit_reached, std::to_string(current->as_integer()) + " + "
                                         + std::to_string(amount.as_integer())
                                         + " does not fit 64 bits");
  return value{sum};
}

result<std::optional<value>> change_inside(const value* current, const value_path& path,
                                           path_change::action what, const value& content) {
  return inside_change{path, what, content}.at(current, 0);
}

} // namespace gemel
