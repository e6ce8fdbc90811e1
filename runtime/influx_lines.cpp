#include "runtime/influx_lines.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace gemel {

namespace {

constexpr std::int64_t ns_per_us = 1'000;

// 32 bytes hold every double in its shortest form.
template <class Number>
void append_number(std::string& out, Number number) {
  char made[32];
  auto end = std::to_chars(made, made + sizeof made, number).ptr;
  out.append(made, end);
}

bool fits(std::int64_t time_us) noexcept {
  constexpr auto most = std::numeric_limits<std::int64_t>::max() / ns_per_us;
  return time_us >= -most && time_us <= most;
}

bool is_field(const value& content) {
  return content.is_bool() || content.is_integer()
         || (content.is_real() && std::isfinite(content.as_real()));
}

void append_field(std::string& out, const value& content) {
  if (content.is_bool()) {
    out += content.as_bool() ? "true" : "false";
  } else if (content.is_integer()) {
    append_number(out, content.as_integer());
    out += 'i';
  } else {
    append_number(out, content.as_real());
  }
}

} // namespace

void append_influx_name(std::string& out, std::string_view name) {
  for (auto c : name) {
    if (c == ',' || c == ' ' || c == '=')
      out += '\\';
    out += c == '\\' ? '/' : c;
  }
}

bool influx_lines::add(std::string_view type, std::string_view id, std::string_view property,
                       const value& content, std::int64_t time_us) {
  if (!is_field(content) || !fits(time_us))
    return false;
  std::string head;
  append_influx_name(head, type);
  head += ",twin=";
  append_influx_name(head, id);
  if (is_open_ && (time_us != time_us_ || head != head_))
    end_line();
  text_ += is_open_ ? "," : head + " ";
  append_influx_name(text_, property);
  text_ += '=';
  append_field(text_, content);
  head_ = std::move(head);
  time_us_ = time_us;
  is_open_ = true;
  ++values_;
  return true;
}

void influx_lines::end_line() {
  text_ += ' ';
  append_number(text_, time_us_ * ns_per_us);
  text_ += '\n';
  is_open_ = false;
}

std::string influx_lines::take() {
  if (is_open_)
    end_line();
  values_ = 0;
  return std::exchange(text_, {});
}

} // namespace gemel
