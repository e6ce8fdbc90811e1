#include "messages/json_scan.hpp"

#include "messages/error.hpp"
#include "messages/value.hpp"

#include <algorithm>
#include <charconv>

namespace gemel {

namespace {

bool is_space(char c) noexcept {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// The next step of a pointer, unescaped; `pointer` begins with '/'.
std::string take_step(std::string_view& pointer) {
  pointer.remove_prefix(1);
  auto raw = pointer.substr(0, pointer.find('/'));
  pointer.remove_prefix(raw.size());
  std::string step;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    bool escaped = raw[i] == '~' && i + 1 < raw.size();
    step += escaped ? (raw[++i] == '1' ? '/' : '~') : raw[i];
  }
  return step;
}

// The offset of element `step` of the list at `offset`.
std::optional<std::size_t> element_offset(std::string_view text, std::size_t offset,
                                          std::string_view step) {
  std::size_t index = 0;
  auto [end, ec] = std::from_chars(step.data(), step.data() + step.size(), index);
  json_scanner scanner{text, offset};
  if (ec != std::errc{} || end != step.data() + step.size() || !scanner.accept('[')
      || scanner.accept(']'))
    return std::nullopt;
  for (std::size_t i = 0; i < index; ++i) {
    scanner.value_text();
    if (!scanner.accept(','))
      return std::nullopt;
  }
  scanner.skip_space();
  return scanner.offset();
}

std::optional<std::size_t> member_offset(std::string_view text, std::size_t offset,
                                         std::string_view step) {
  auto members = json_members(text, offset);
  auto found = std::find_if(members.rbegin(), members.rend(),
                            [&](const json_member& m) { return m.key == step; });
  if (found == members.rend())
    return std::nullopt;
  return found->value_offset;
}

} // namespace

void json_scanner::skip_space() noexcept {
  while (!done() && is_space(text_[at_]))
    ++at_;
}

bool json_scanner::accept(char c) noexcept {
  skip_space();
  if (done() || text_[at_] != c)
    return false;
  ++at_;
  return true;
}

std::string_view json_scanner::value_text() noexcept {
  skip_space();
  auto start = at_;
  if (peek() == '"')
    skip_string();
  else if (peek() == '{' || peek() == '[')
    skip_brackets();
  else
    while (!done() && std::string_view{",]}"}.find(text_[at_]) == std::string_view::npos
           && !is_space(text_[at_]))
      ++at_;
  return text_.substr(start, at_ - start);
}

void json_scanner::skip_string() noexcept {
  for (++at_; !done() && text_[at_] != '"'; ++at_)
    if (text_[at_] == '\\')
      ++at_;
  at_ = std::min(at_ + 1, text_.size());
}

void json_scanner::skip_brackets() noexcept {
  std::size_t open = 0;
  do {
    auto c = text_[at_];
    if (c == '"') {
      skip_string();
      continue;
    }
    open += c == '{' || c == '[';
    open -= c == '}' || c == ']';
    ++at_;
  } while (open != 0 && !done());
}

std::vector<json_member> json_members(std::string_view text, std::size_t offset) {
  std::vector<json_member> members;
  json_scanner scanner{text, offset};
  if (!scanner.accept('{') || scanner.accept('}'))
    return members;
  do {
    scanner.skip_space();
    auto key_offset = scanner.offset();
    auto key = value_from_json(scanner.value_text());
    GEMEL_CHECK(key.has_value());
    scanner.accept(':');
    scanner.skip_space();
    members.push_back({std::string{key->as_text()}, key_offset, scanner.offset()});
    scanner.value_text();
  } while (scanner.accept(','));
  return members;
}

std::string json_pointer_step(std::string_view key) {
  std::string step{"/"};
  for (auto c : key) {
    if (c == '~')
      step += "~0";
    else if (c == '/')
      step += "~1";
    else
      step += c;
  }
  return step;
}

std::size_t json_offset_of(std::string_view text, std::string_view pointer) {
  json_scanner start{text};
  start.skip_space();
  auto offset = start.offset();
  while (pointer.starts_with('/')) {
    auto step = take_step(pointer);
    auto next = text[offset] == '[' ? element_offset(text, offset, step)
                                    : member_offset(text, offset, step);
    if (!next)
      break;
    offset = *next;
  }
  return offset;
}

} // namespace gemel
