#include "examples/factory/replay.hpp"

#include "messages/fault.hpp"
#include "messages/text.hpp"
#include "messages/value.hpp"

#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

namespace gemel::factory {

namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr const char* time_hint =
    "a time is '2013-12-02 21:15:00', with T and Z if wished, or seconds since 1970";

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

// `text` without the blanks around it, as offsets into `text`.
std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

// A piece of the file for a message: quoted, short, without what could confuse a terminal.
std::string shown(std::string_view text) {
  constexpr std::size_t bytes_max = 40;
  std::string quoted = "'";
  for (char c : text.substr(0, bytes_max))
    quoted += c >= ' ' && c <= '~' ? c : '?';
  return quoted + (text.size() > bytes_max ? "...'" : "'");
}

// A fault in a field: what, and at which byte of it.
struct problem {
  std::size_t at = 0;
  std::string what;
};

template <class T>
using parsed = tl::expected<T, problem>;

// Reads a time from left to right; after the first fault nothing more is read.
class time_reader {
public:
  explicit time_reader(std::string_view text) : text_{text} {}

  parsed<std::int64_t> read() {
    bool is_date = text_.size() > 4 && text_[4] == '-' && is_digit(text_[0]);
    auto time_us = is_date ? read_date_and_time() : read_number();
    if (!problem_ && at_ < text_.size())
      complain("unexpected " + shown(text_.substr(at_)) + " after the time");
    if (problem_)
      return tl::unexpected{*problem_};
    return time_us;
  }

private:
  void complain(std::string what) {
    if (!problem_)
      problem_ = problem{at_, std::move(what)};
  }

  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool accept(std::string_view any) noexcept {
    bool found = at_ < text_.size() && any.find(peek()) != std::string_view::npos;
    at_ += found ? 1 : 0;
    return found;
  }

  void expect(std::string_view any, const char* name) {
    if (!problem_ && !accept(any))
      complain(std::string{name} + " expected");
  }

  // Exactly `digits` digits with a number in [low, high].
  int number(std::size_t digits, int low, int high, const char* name) {
    auto start = at_;
    int value = 0;
    while (!problem_ && at_ - start < digits && is_digit(peek()))
      value = value * 10 + (text_[at_++] - '0');
    if (problem_)
      return low;
    if (at_ - start < digits) {
      complain(std::to_string(digits) + " digits of the " + name + " expected");
    } else if (value < low || value > high) {
      at_ = start;
      complain("the " + std::string{name} + " is " + std::to_string(value) + ", it must be "
               + std::to_string(low) + " to " + std::to_string(high));
    }
    return value;
  }

  std::int64_t read_date_and_time() {
    using namespace std::chrono;
    auto years = number(4, 1, 9'999, "year");
    expect("-", "'-'");
    auto months = static_cast<unsigned>(number(2, 1, 12, "month"));
    expect("-", "'-'");
    auto days_at = at_;
    auto days = static_cast<unsigned>(number(2, 1, 31, "day"));
    year_month_day date{year{years}, month{months}, day{days}};
    if (!problem_ && !date.ok())
      problem_ = problem{days_at, "this month has no day " + std::to_string(days)};
    expect(" Tt", "'T' or a blank");
    auto time_us = read_time_of_day();
    if (problem_)
      return 0;
    return duration_cast<microseconds>(sys_days{date}.time_since_epoch()).count() + time_us;
  }

  std::int64_t read_time_of_day() {
    std::int64_t hours = number(2, 0, 23, "hour");
    expect(":", "':'");
    std::int64_t minutes = number(2, 0, 59, "minute");
    std::int64_t seconds = accept(":") ? number(2, 0, 59, "second") : 0;
    std::int64_t fraction_us = accept(".,") ? read_fraction(second_us / 10) : 0;
    return ((hours * 60 + minutes) * 60 + seconds) * second_us + fraction_us - read_zone();
  }

  // Microseconds that local time is ahead of UTC.
  std::int64_t read_zone() {
    if (accept("Zz"))
      return 0;
    bool west = peek() == '-';
    if (!accept("+-"))
      return 0;
    std::int64_t hours = number(2, 0, 23, "zone's hour");
    accept(":");
    std::int64_t minutes = number(2, 0, 59, "zone's minute");
    return (west ? -1 : 1) * (hours * 60 + minutes) * 60 * second_us;
  }

  // Digits after a point, the first one worth `weight`; those worth less than one are dropped.
  std::int64_t read_fraction(std::int64_t weight) {
    if (!is_digit(peek()))
      complain("digits expected after the point");
    std::int64_t value = 0;
    for (; is_digit(peek()); ++at_, weight /= 10)
      value += weight * (text_[at_] - '0');
    return value;
  }

  // A count of the unit that its size tells.
  std::int64_t read_number() {
    bool negative = accept("-");
    std::int64_t whole = 0;
    auto rest = text_.substr(at_);
    auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), whole);
    if (!is_digit(peek()) || failure == std::errc::result_out_of_range) {
      complain(is_digit(peek()) ? "a time out of range" : "a time expected");
      return 0;
    }
    at_ += static_cast<std::size_t>(end - rest.data());
    std::int64_t unit_us = whole < 100'000'000'000       ? second_us
                           : whole < 100'000'000'000'000 ? 1'000
                                                         : 1;
    bool nanoseconds = whole >= 100'000'000'000'000'000;
    auto fraction_us = accept(".") ? read_fraction(unit_us / 10) : 0;
    auto time_us = nanoseconds ? whole / 1'000 : whole * unit_us + fraction_us;
    return negative ? -time_us : time_us;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::optional<problem> problem_;
};

parsed<double> parse_number(std::string_view text) {
  auto wrong = [&](std::size_t at, std::string what) {
    return tl::unexpected{problem{at, std::move(what)}};
  };
  if (text.empty())
    return wrong(0, "the value is empty");
  double value = 0;
  auto* last = text.data() + text.size();
  auto [end, failure] = std::from_chars(text.data(), last, value);
  auto used = static_cast<std::size_t>(end - text.data());
  if (failure == std::errc::invalid_argument)
    return wrong(0, shown(text) + " is no number");
  if (end != last)
    return wrong(used, "unexpected " + shown(text.substr(used)) + " after the number");
  if (failure != std::errc{} || !std::isfinite(value))
    return wrong(0, shown(text) + " is no finite number");
  return value;
}

} // namespace

result<std::int64_t> parse_time(std::string_view text) {
  auto time_us = time_reader{text}.read();
  if (time_us)
    return *time_us;
  return fail(errc::bad_value,
              std::to_string(time_us.error().at + 1) + ": " + time_us.error().what);
}

// ---- the series ------------------------------------------------------------------------------

result<replay> replay::open(std::istream& input, std::string name) {
  replay opened{input, std::move(name)};
  if (auto header = opened.read_header(); !header)
    return tl::unexpected{header.error()};
  return opened;
}

tl::unexpected<error> replay::fault_at(std::size_t offset, errc code, std::string what,
                                       std::string hint) const {
  auto column = place_of(text_, offset).column;
  fault found{code, name_, line_, column, {}, std::move(what), std::move(hint)};
  return fail(code, to_string(found));
}

// The next line into `text_`; false at the end. At most `line_bytes_max` bytes of it are kept.
result<bool> replay::read_line() {
  text_.clear();
  ++line_;
  char c = 0;
  std::size_t length = 0;
  while (input_->get(c) && c != '\n')
    if (++length <= line_bytes_max)
      text_ += c;
  if (input_->bad())
    return fault_at(0, errc::io_failed, "the file could not be read further");
  if (length > line_bytes_max)
    return fault_at(line_bytes_max, errc::limit_reached,
                    "the line has " + std::to_string(length) + " bytes",
                    "at most " + std::to_string(line_bytes_max) + " are allowed");
  if (text_.ends_with('\r'))
    text_.pop_back();
  return length > 0 || !input_->eof();
}

result<std::optional<std::string_view>> replay::next_filled_line() {
  for (;;) {
    auto more = read_line();
    if (!more)
      return tl::unexpected{more.error()};
    if (!*more)
      return std::nullopt;
    if (!trimmed(text_).empty())
      return std::string_view{text_};
  }
}

result<void> replay::read_header() {
  constexpr const char* hint = "the first line must be 'timestamp,value'";
  auto row = next_filled_line();
  if (!row)
    return tl::unexpected{row.error()};
  if (!*row)
    return fault_at(0, errc::missing_field, "the file is empty", hint);
  if (text_.starts_with("\xef\xbb\xbf"))
    text_.erase(0, 3);
  std::string_view header{text_};
  auto comma = header.find(',');
  auto first = trimmed(header.substr(0, comma));
  if (first != "timestamp")
    return fault_at(0, errc::missing_field, "no column 'timestamp'", hint);
  if (comma == std::string_view::npos)
    return fault_at(header.size(), errc::missing_field, "no column 'value'", hint);
  if (trimmed(header.substr(comma + 1)) != "value")
    return fault_at(comma + 1, errc::missing_field, "the second column is not 'value'", hint);
  return {};
}

result<std::optional<sample>> replay::next() {
  auto row = next_filled_line();
  if (!row)
    return tl::unexpected{row.error()};
  if (!*row)
    return std::nullopt;
  return parse_row(**row).map([](const sample& found) { return std::optional{found}; });
}

result<sample> replay::parse_row(std::string_view row) const {
  auto offset_of = [&](std::string_view part) {
    return static_cast<std::size_t>(part.data() - row.data());
  };
  auto comma = row.find(',');
  if (comma == std::string_view::npos)
    return fault_at(row.size(), errc::missing_field, "the value is missing",
                    "a row is 'timestamp,value'");
  if (auto more = row.find(',', comma + 1); more != std::string_view::npos)
    return fault_at(more, errc::bad_value, "more than two columns", "a row is 'timestamp,value'");
  auto time_field = trimmed(row.substr(0, comma));
  auto value_field = trimmed(row.substr(comma + 1));
  auto time_us = time_reader{time_field}.read();
  if (!time_us)
    return fault_at(offset_of(time_field) + time_us.error().at, errc::bad_value,
                    time_us.error().what, time_hint);
  auto value = parse_number(value_field);
  if (!value)
    return fault_at(offset_of(value_field) + value.error().at, errc::bad_value, value.error().what);
  return sample{*time_us, *value};
}

// ---- the windows -----------------------------------------------------------------------------

namespace {

result<std::string> read_all(std::istream& input, const std::string& name) {
  std::string text(windows_bytes_max + 1, '\0');
  input.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (input.bad())
    return fail(errc::io_failed, name + ": could not be read");
  text.resize(static_cast<std::size_t>(input.gcount()));
  if (text.size() > windows_bytes_max)
    return fail(errc::limit_reached,
                name + ": more than " + std::to_string(windows_bytes_max) + " bytes");
  return text;
}

// The member called `series`, or else the first whose key ends with `/series`.
const map_member* find_series(const value& document, std::string_view series) {
  const map_member* by_file = nullptr;
  for (const auto& member : document.as_map()) {
    if (member.key == series)
      return &member;
    if (!by_file && member.key.ends_with("/" + std::string{series}))
      by_file = &member;
  }
  return by_file;
}

// RFC 6901: ~ and / of a key are written ~0 and ~1.
std::string pointer_to(std::string_view key) {
  std::string pointer = "/";
  for (char c : key)
    pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return pointer;
}

tl::unexpected<error> bad_window(const std::string& name, std::string at, std::string what) {
  return fail(errc::bad_value,
              to_string(fault{errc::bad_value, name, 0, 0, std::move(at), std::move(what),
                              "a window is [\"<first time>\", \"<last time>\"]"}));
}

result<std::int64_t> read_end(const value& end, const std::string& name, const std::string& at) {
  if (!end.is_text())
    return bad_window(name, at, "no text");
  auto time_us = time_reader{end.as_text()}.read();
  if (!time_us)
    return bad_window(name, at, time_us.error().what);
  return *time_us;
}

result<time_window> read_window(const value& content, const std::string& name,
                                const std::string& at) {
  if (!content.is_list() || content.as_list().size() != 2)
    return bad_window(name, at, "no list of two times");
  auto first = read_end(content.as_list()[0], name, at + "/0");
  if (!first)
    return tl::unexpected{first.error()};
  auto last = read_end(content.as_list()[1], name, at + "/1");
  if (!last)
    return tl::unexpected{last.error()};
  if (*last < *first)
    return bad_window(name, at, "the last time is before the first");
  return time_window{*first, *last};
}

} // namespace

result<std::vector<time_window>> read_windows(std::istream& input, const std::string& name,
                                              std::string_view series) {
  auto text = read_all(input, name);
  if (!text)
    return tl::unexpected{text.error()};
  auto document = value_from_json(*text);
  if (!document)
    return fail(document.error().code, name + ": " + document.error().context);
  if (!document->is_map())
    return fail(errc::bad_value, name + ": no JSON object");
  const auto* found = find_series(*document, series);
  if (!found)
    return fail(errc::missing_field, name + ": no windows of '" + std::string{series} + "'");
  auto at = pointer_to(found->key);
  if (!found->content.is_list())
    return bad_window(name, at, "no list of windows");
  std::vector<time_window> windows;
  for (const auto& content : found->content.as_list()) {
    auto window = read_window(content, name, at + "/" + std::to_string(windows.size()));
    if (!window)
      return tl::unexpected{window.error()};
    windows.push_back(*window);
  }
  return windows;
}

} // namespace gemel::factory
