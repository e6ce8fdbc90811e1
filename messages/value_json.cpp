#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "messages/text.hpp"
#include "messages/value.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

// JSON as in RFC 8259, and three objects of our own for what JSON cannot say:
//
//   {"$bytes": "<base64>"}   {"$double": "nan" | "inf" | "-inf"}   {"$map": {...}}
//
// The last one wraps a map whose first key is one of these three, so that every value survives the
// round trip. An object from outside whose first key is one of them must be of this form.

namespace gemel {

namespace {

constexpr std::string_view bytes_key = "$bytes";
constexpr std::string_view double_key = "$double";
constexpr std::string_view map_key = "$map";

bool is_reserved(std::string_view key) noexcept {
  return key == bytes_key || key == double_key || key == map_key;
}

// ---- writing

void append_escaped(std::string& out, char c) {
  switch (c) {
  case '"':
    out += "\\\"";
    return;
  case '\\':
    out += "\\\\";
    return;
  case '\n':
    out += "\\n";
    return;
  case '\r':
    out += "\\r";
    return;
  case '\t':
    out += "\\t";
    return;
  default: {
    constexpr std::string_view digits = "0123456789abcdef";
    out += "\\u00";
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  }
}

bool needs_escape(char c) noexcept {
  return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
}

// The longest well-formed character at the start of `text`, 0 if there is none.
std::size_t character_length(std::string_view text) noexcept {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length)
    if (is_utf8(text.substr(0, length)))
      return length;
  return 0;
}

// Malformed bytes become U+FFFD: what we write is JSON, whatever we were given.
void append_repaired(std::string& out, std::string_view text) {
  while (!text.empty()) {
    auto length = character_length(text);
    if (length == 0)
      append_utf8(out, 0xfffd);
    else if (needs_escape(text.front()))
      append_escaped(out, text.front());
    else
      out += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

void append_real(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "{\"$double\":\"";
    out += std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
    out += "\"}";
    return;
  }
  std::array<char, 32> digits;
  auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  std::string_view written{digits.data(), static_cast<std::size_t>(end - digits.data())};
  out += written;
  if (written.find_first_of(".e") == std::string_view::npos)
    out += ".0";
}

void append_integer(std::string& out, std::int64_t number) {
  std::array<char, 24> digits;
  out.append(digits.data(),
             std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

void append_bytes(std::string& out, std::span<const std::byte> bytes) {
  out += "{\"$bytes\":\"";
  out += to_base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  out += "\"}";
}

void append_list(std::string& out, std::span<const value> elements) {
  out += '[';
  for (const auto& element : elements) {
    if (&element != elements.data())
      out += ',';
    append_json(out, element);
  }
  out += ']';
}

void append_map(std::string& out, std::span<const map_member> members) {
  auto wrapped = !members.empty() && is_reserved(members.front().key);
  if (wrapped)
    out += "{\"$map\":";
  out += '{';
  for (const auto& member : members) {
    if (&member != members.data())
      out += ',';
    append_json_text(out, member.key);
    out += ':';
    append_json(out, member.content);
  }
  out += wrapped ? "}}" : "}";
}

// ---- reading

// Recursive descent. Every function starts at the first character of what it reads; depth is
// bounded by `value_depth_max`, so recursion is too. The first fault stays.
class json_reader {
public:
  explicit json_reader(std::string_view text) : text_(text) {}

  result<value> read() {
    value made;
    skip_space();
    if (!read_value(made, 0))
      return tl::unexpected<error>(fault_);
    skip_space();
    if (at_ < text_.size()) {
      expected("the end of the document");
      return tl::unexpected<error>(fault_);
    }
    return made;
  }

private:
  bool refuse(errc code, std::size_t at, std::string what) {
    if (fault_.code == errc::none)
      fault_ = {code, to_string(place_of(text_, at)) + ": " + std::move(what)};
    return false;
  }

  bool expected(std::string_view what) {
    auto found = at_ >= text_.size() ? std::string{"the end of the text"} : found_here();
    return refuse(errc::bad_syntax, at_, "expected " + std::string{what} + ", found " + found);
  }

  std::string found_here() const {
    auto length = character_length(text_.substr(at_));
    if (length == 0)
      return "a byte that is not UTF-8";
    if (static_cast<unsigned char>(text_[at_]) < 0x20)
      return "a control character";
    return "'" + std::string{text_.substr(at_, length)} + "'";
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool accept(char c) {
    if (at_ >= text_.size() || text_[at_] != c)
      return false;
    ++at_;
    return true;
  }

  void skip_space() {
    while (at_ < text_.size()
           && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  bool read_value(value& made, std::size_t depth) {
    switch (peek()) {
    case '{':
      return read_object(made, depth, false);
    case '[':
      return read_list(made, depth);
    case '"':
      return read_text_value(made);
    case 't':
      return read_word("true", value{true}, made);
    case 'f':
      return read_word("false", value{false}, made);
    case 'n':
      return read_word("null", value{}, made);
    default:
      return read_number(made);
    }
  }

  bool read_word(std::string_view word, value meant, value& made) {
    if (!text_.substr(at_).starts_with(word))
      return expected("a value");
    at_ += word.size();
    made = std::move(meant);
    return true;
  }

  bool read_text_value(value& made) {
    auto start = at_;
    std::string text;
    if (!read_text(text) || !fits(text, start))
      return false;
    made = value{text};
    return true;
  }

  bool fits(const std::string& text, std::size_t start) {
    return text.size() <= limits::text_bytes_max
           || refuse(errc::limit_reached, start,
                     "a text of " + std::to_string(text.size()) + " bytes, at most "
                         + std::to_string(limits::text_bytes_max) + " are allowed");
  }

  bool enter(std::size_t depth, std::size_t start) {
    return depth < limits::value_depth_max
           || refuse(errc::limit_reached, start,
                     "lists and maps inside each other deeper than "
                         + std::to_string(limits::value_depth_max));
  }

  bool one_more(std::size_t count, std::size_t start) {
    return count < limits::value_elements_max
           || refuse(errc::limit_reached, start,
                     "more than " + std::to_string(limits::value_elements_max) + " elements");
  }

  bool read_list(value& made, std::size_t depth) {
    auto start = at_++;
    if (!enter(depth, start))
      return false;
    value_list elements;
    skip_space();
    if (!accept(']')) {
      do {
        skip_space();
        if (!one_more(elements.size(), start) || !read_value(elements.emplace_back(), depth + 1))
          return false;
        skip_space();
      } while (accept(','));
      if (!accept(']'))
        return expected("',' or ']'");
    }
    made = value{std::move(elements)};
    return true;
  }

  bool read_key(std::string& key) {
    skip_space();
    auto start = at_;
    if (peek() != '"')
      return expected("a key in double quotes");
    if (!read_text(key))
      return false;
    if (key.size() > limits::key_bytes_max)
      return refuse(errc::limit_reached, start,
                    "a key of " + std::to_string(key.size()) + " bytes, at most "
                        + std::to_string(limits::key_bytes_max) + " are allowed");
    skip_space();
    if (!accept(':'))
      return expected("':'");
    skip_space();
    return true;
  }

  // `literal`: inside a `$map`, where no key has a meaning of its own.
  bool read_object(value& made, std::size_t depth, bool literal) {
    auto start = at_++;
    value_map members;
    skip_space();
    if (!accept('}')) {
      do {
        if (!one_more(members.size(), start))
          return false;
        auto key_start = (skip_space(), at_);
        auto& member = members.emplace_back();
        if (!read_key(member.key))
          return false;
        if (members.size() == 1 && !literal && is_reserved(member.key))
          return read_reserved(made, member.key, key_start, depth);
        if (!enter(depth, start) || !read_value(member.content, depth + 1))
          return false;
        skip_space();
      } while (accept(','));
      if (!accept('}'))
        return expected("',' or '}'");
    }
    if (!enter(depth, start))
      return false;
    made = value{std::move(members)};
    return true;
  }

  // After the colon of a reserved key.
  bool read_reserved(value& made, std::string_view key, std::size_t key_start, std::size_t depth) {
    if (key == map_key) {
      if (peek() != '{')
        return expected("an object in '$map'");
      if (!read_object(made, depth, true))
        return false;
    } else if (!read_tagged_text(made, key)) {
      return false;
    }
    skip_space();
    return accept('}')
           || refuse(
               errc::bad_syntax, key_start,
               "an object that begins with '" + std::string{key}
                   + "' has no other member; wrap a map with such a key in {\"$map\": {...}}");
  }

  bool read_tagged_text(value& made, std::string_view key) {
    auto start = at_;
    if (peek() != '"')
      return expected("a text in '" + std::string{key} + "'");
    std::string text;
    if (!read_text(text))
      return false;
    return key == bytes_key ? make_bytes(made, text, start) : make_double(made, text, start);
  }

  bool make_bytes(value& made, const std::string& text, std::size_t start) {
    auto bytes = from_base64(text);
    if (!bytes)
      return refuse(errc::bad_syntax, start, "'$bytes' is no padded base64");
    if (!fits(*bytes, start))
      return false;
    made = value::of_bytes(std::as_bytes(std::span{*bytes}));
    return true;
  }

  bool make_double(value& made, const std::string& text, std::size_t start) {
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    if (text == "nan")
      made = value{std::numeric_limits<double>::quiet_NaN()};
    else if (text == "inf")
      made = value{infinity};
    else if (text == "-inf")
      made = value{-infinity};
    else
      return refuse(errc::bad_syntax, start, "'$double' is \"nan\", \"inf\" or \"-inf\"");
    return true;
  }

  bool read_text(std::string& out) {
    auto start = at_++;
    while (at_ < text_.size()) {
      auto run = at_;
      while (run < text_.size() && !needs_escape(text_[run]))
        ++run;
      auto plain = text_.substr(at_, run - at_);
      if (!is_utf8(plain))
        return refuse_utf8(plain);
      out += plain;
      at_ = run;
      if (accept('"'))
        return true;
      if (at_ < text_.size() && !read_escape(out))
        return false;
    }
    return refuse(errc::bad_syntax, start, "a text without its closing '\"'");
  }

  bool refuse_utf8(std::string_view plain) {
    for (auto length = character_length(plain); length != 0; length = character_length(plain)) {
      plain.remove_prefix(length);
      at_ += length;
    }
    return refuse(errc::bad_syntax, at_, "the text is not UTF-8");
  }

  bool read_escape(std::string& out) {
    if (!accept('\\'))
      return refuse(errc::bad_syntax, at_, "a control character in a text; write it as \\u00XX");
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    auto index = letters.find(peek());
    if (at_ < text_.size() && index != std::string_view::npos) {
      out += meanings[index];
      ++at_;
      return true;
    }
    return accept('u') ? read_code_point(out) : expected("one of \" \\ / b f n r t u after '\\'");
  }

  bool read_code_point(std::string& out) {
    auto start = at_ - 2;
    unsigned code = 0;
    if (!read_hex(code))
      return false;
    auto is_low = [](unsigned unit) { return unit >= 0xdc00 && unit <= 0xdfff; };
    if (code >= 0xd800 && code <= 0xdbff && text_.substr(at_).starts_with("\\u")) {
      unsigned low = 0;
      at_ += 2;
      if (!read_hex(low))
        return false;
      if (is_low(low))
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code >= 0xd800 && code <= 0xdfff)
      return refuse(errc::bad_syntax, start, "half of a surrogate pair");
    append_utf8(out, code);
    return true;
  }

  bool read_hex(unsigned& code) {
    auto digits = text_.substr(at_, 4);
    auto end = digits.data() + digits.size();
    auto [stop, ec] = std::from_chars(digits.data(), end, code, 16);
    if (digits.size() == 4 && digits.front() != '-' && ec == std::errc{} && stop == end) {
      at_ += 4;
      return true;
    }
    return refuse(errc::bad_syntax, at_, "expected four hexadecimal digits after '\\u'");
  }

  bool read_digits() {
    auto start = at_;
    while (peek() >= '0' && peek() <= '9')
      ++at_;
    return at_ > start || expected("a digit");
  }

  bool read_number(value& made) {
    auto start = at_;
    accept('-');
    if (at_ == start && !(peek() >= '0' && peek() <= '9'))
      return expected("a value");
    if (!accept('0') && !read_digits())
      return false;
    auto whole = true;
    if (accept('.')) {
      whole = false;
      if (!read_digits())
        return false;
    }
    if (accept('e') || accept('E')) {
      whole = false;
      if (!accept('-'))
        accept('+');
      if (!read_digits())
        return false;
    }
    return make_number(made, text_.substr(start, at_ - start), whole, start);
  }

  bool make_number(value& made, std::string_view digits, bool whole, std::size_t start) {
    auto end = digits.data() + digits.size();
    if (std::int64_t number = 0;
        whole && std::from_chars(digits.data(), end, number).ec == std::errc{}) {
      made = value{number};
      return true;
    }
    double number = 0;
    auto ec = std::from_chars(digits.data(), end, number).ec;
    if (ec == std::errc::result_out_of_range && magnitude(digits) < 0) {
      number = digits.front() == '-' ? -0.0 : 0.0;
      ec = {};
    }
    if (ec != std::errc{} || !std::isfinite(number))
      return refuse(errc::bad_syntax, start, "the number is out of the range of a double");
    made = value{number};
    return true;
  }

  // Decimal places before (positive) or zeros behind (negative) the point of the first digit that
  // is not 0; only its sign is of interest, to tell too small from too large.
  static long long magnitude(std::string_view digits) {
    auto e = digits.find_first_of("eE");
    long long exponent = 0;
    if (e != std::string_view::npos) {
      auto tail = digits.substr(e + 1);
      if (tail.starts_with('+'))
        tail.remove_prefix(1);
      auto ec = std::from_chars(tail.data(), tail.data() + tail.size(), exponent).ec;
      if (ec != std::errc{})
        return tail.starts_with('-') ? -1 : 1;
    }
    auto mantissa = digits.substr(0, e);
    auto point = std::min(mantissa.find('.'), mantissa.size());
    auto first = mantissa.find_first_of("123456789");
    return exponent + static_cast<long long>(point) - static_cast<long long>(first);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  error fault_;
};

} // namespace

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  if (is_utf8(text)) {
    for (auto c : text) {
      if (needs_escape(c))
        append_escaped(out, c);
      else
        out += c;
    }
  } else {
    append_repaired(out, text);
  }
  out += '"';
}

void append_json(std::string& text, const value& content) {
  switch (content.kind()) {
  case value_kind::null:
    text += "null";
    return;
  case value_kind::boolean:
    text += content.as_bool() ? "true" : "false";
    return;
  case value_kind::integer:
    return append_integer(text, content.as_integer());
  case value_kind::real:
    return append_real(text, content.as_real());
  case value_kind::text:
    return append_json_text(text, content.as_text());
  case value_kind::bytes:
    return append_bytes(text, content.as_bytes());
  case value_kind::list:
    return append_list(text, content.as_list());
  case value_kind::map:
    return append_map(text, content.as_map());
  }
}

std::string to_json(const value& content) {
  std::string text;
  append_json(text, content);
  return text;
}

result<value> value_from_json(std::string_view text) {
  return json_reader{text}.read();
}

std::string to_string(const value& content) {
  return content.is_text() ? std::string{content.as_text()} : to_json(content);
}

} // namespace gemel
