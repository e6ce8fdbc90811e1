#include "runtime/detail/fast_twin.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace gemel::detail {

namespace {

namespace json = simdjson::ondemand;

// Twins with more are rare, and sorting them is not what this is for.
constexpr std::size_t properties_few = 64;

std::string_view trimmed(std::string_view token) {
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

bool read_text(json::value from, std::string_view& made) {
  return from.get_string().get(made) == simdjson::SUCCESS;
}

// simdjson 3.0.1's get_number makes 0 of 92233720368.54775807, so it only tells whether a number is
// an integer.
bool read_real(std::string_view token, value& made) {
  token = trimmed(token);
  double number = 0;
  const auto* end = token.data() + token.size();
  auto [stop, failed] = std::from_chars(token.data(), end, number);
  if (failed != std::errc{} || stop != end || !std::isfinite(number))
    return false;
  made = value{number};
  return true;
}

bool read_number(json::value from, value& made) {
  auto token = from.raw_json_token();
  json::number number;
  if (from.get_number().get(number) != simdjson::SUCCESS)
    return false;
  if (!number.is_int64())
    return number.is_double() && read_real(token, made);
  made = value{number.get_int64()};
  return true;
}

// Lists, maps, and what stands for bytes and NaN are left to the other reader.
bool read_value(json::value from, value& made) {
  json::json_type type{};
  if (from.type().get(type) != simdjson::SUCCESS)
    return false;
  switch (type) {
  case json::json_type::number:
    return read_number(from, made);
  case json::json_type::string: {
    std::string_view text;
    if (!read_text(from, text) || text.size() > limits::text_bytes_max)
      return false;
    made = value{text};
    return true;
  }
  case json::json_type::boolean: {
    bool flag = false;
    if (from.get_bool().get(flag) != simdjson::SUCCESS)
      return false;
    made = value{flag};
    return true;
  }
  default:
    return false;
  }
}

bool read_properties(json::value from, properties& made) {
  json::object all;
  if (!made.empty() || from.get_object().get(all) != simdjson::SUCCESS)
    return false;
  for (auto one : all) {
    std::string_view key;
    json::value content;
    if (one.unescaped_key().get(key) != simdjson::SUCCESS || !check_key(key) || key.starts_with('$')
        || made.size() == properties_few)
      return false;
    auto& added = made.emplace_back();
    added.key = key;
    if (one.value().get(content) != simdjson::SUCCESS || !read_value(content, added.content))
      return false;
  }
  // In the order of the other reader; it tells what stands twice.
  std::sort(made.begin(), made.end(),
            [](const property& left, const property& right) { return left.key < right.key; });
  auto same = [](const property& left, const property& right) { return left.key == right.key; };
  return std::adjacent_find(made.begin(), made.end(), same) == made.end();
}

bool read_name(json::value from, result<void> (*check)(std::string_view), std::string& made) {
  std::string_view text;
  if (!made.empty() || !read_text(from, text) || !check(text))
    return false;
  made = text;
  return true;
}

// A root's parent, as a node tells it.
bool is_null(json::value from) {
  return trimmed(from.raw_json_token()) == "null";
}

bool read_member(std::string_view key, json::value content, new_twin& made) {
  if (key == "id")
    return read_name(content, check_id, made.id);
  if (key == "type")
    return read_name(content, check_type, made.type);
  if (key == "parent")
    return is_null(content) || read_name(content, check_id, made.parent);
  return key == "properties" && read_properties(content, made.properties);
}

} // namespace

struct fast_twin_reader::parts {
  json::parser parser;
  std::vector<char> text; // with the room behind it that simdjson reads
};

fast_twin_reader::fast_twin_reader() : parts_{std::make_unique<parts>()} {
}
fast_twin_reader::~fast_twin_reader() = default;
fast_twin_reader::fast_twin_reader(fast_twin_reader&&) noexcept = default;
fast_twin_reader& fast_twin_reader::operator=(fast_twin_reader&&) noexcept = default;

bool fast_twin_reader::read(std::string_view text, new_twin& made) {
  auto& padded = parts_->text;
  if (padded.size() < text.size() + simdjson::SIMDJSON_PADDING)
    padded.resize(2 * text.size() + simdjson::SIMDJSON_PADDING);
  std::memcpy(padded.data(), text.data(), text.size());
  json::document document;
  json::object object;
  if (parts_->parser.iterate(padded.data(), text.size(), padded.size()).get(document)
          != simdjson::SUCCESS
      || document.get_object().get(object) != simdjson::SUCCESS)
    return false;
  made = {};
  bool has_properties = false;
  bool has_parent = false;
  for (auto member : object) {
    std::string_view key;
    json::value content;
    if (member.unescaped_key().get(key) != simdjson::SUCCESS
        || member.value().get(content) != simdjson::SUCCESS)
      return false;
    // Empty ones that stand twice could not be told from one.
    if ((key == "properties" && std::exchange(has_properties, true))
        || (key == "parent" && std::exchange(has_parent, true)) || !read_member(key, content, made))
      return false;
  }
  bool is_end = document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  return is_end && !made.type.empty() && (made.id.empty() || made.id != made.parent);
}

} // namespace gemel::detail
