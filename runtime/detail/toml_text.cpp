#include "runtime/detail/toml_text.hpp"

#include "runtime/detail/toml_scan.hpp"

#include <algorithm>
#include <stdexcept>

namespace gemel::detail {

namespace {

// A check inside the TOML library failed.
struct toml_check_failed : std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void refuse_toml(const char* condition) {
  throw toml_check_failed(condition);
}

} // namespace

} // namespace gemel::detail

// Compiled in here and with its checks on, in every build: 3.3.0 fails a check of its own on some
// malformed keys, such as `[@x]`, and where checks are off takes the condition as true. A failed
// check is a fault of the text to us. Debian's CMake target asks for the shared library instead,
// whose checks we cannot set.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#undef NDEBUG
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 1
#define TOML_ASSERT(condition)                                                                     \
  do {                                                                                             \
    if (!(condition))                                                                              \
      gemel::detail::refuse_toml(#condition);                                                      \
  } while (false)
#include <toml++/toml.h>

namespace gemel::detail {

namespace {

constexpr std::size_t path_steps_max = 5;
constexpr std::string_view blanks = " \t\r";

text_place place_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

struct syntax_fault {
  std::string description;
  text_place place;
};

using parse_outcome = tl::expected<toml::table, syntax_fault>;

bool passes_checks(std::string_view text) {
  try {
    static_cast<void>(toml::parse(text));
  } catch (const toml::parse_error&) {
    return true;
  } catch (const toml_check_failed&) {
    return false;
  }
  return true;
}

// Offset behind the line, counted from 1.
std::size_t line_end(std::string_view text, std::size_t line) {
  std::size_t end = 0;
  for (; line > 0 && end < text.size(); --line)
    end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return end;
}

// The last line of the shortest beginning of `text` that fails a check: the parser reads forwards.
std::size_t line_that_fails(std::string_view text) {
  std::size_t low = 1;
  auto high = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  while (low < high) {
    auto middle = low + (high - low) / 2;
    if (passes_checks(text.substr(0, line_end(text, middle))))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

text_place place_at(std::string_view text, std::size_t offset) {
  auto before = text.substr(0, offset);
  auto line = before.substr(before.rfind('\n') + 1);
  auto is_first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return {static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<std::size_t>(std::count_if(line.begin(), line.end(), is_first_byte)) + 1};
}

// The only place where the library's exceptions are caught. It does not see characters beyond ASCII
// outside of texts: 3.3.0 runs into what it holds for unreachable on some of them.
parse_outcome parse(std::string_view text) {
  if (auto stray = stray_character(text)) {
    if (auto before = parse(text.substr(0, text.rfind('\n', *stray) + 1)); !before)
      return before;
    return tl::unexpected(syntax_fault{"malformed key or value", place_at(text, *stray)});
  }
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& wrong) {
    return tl::unexpected(syntax_fault{std::string{wrong.description()}, place_of(wrong.source())});
  } catch (const toml_check_failed&) {
    auto line = line_that_fails(text);
    auto start = text.substr(line_end(text, line - 1));
    auto column = std::min(start.find_first_not_of(blanks), start.size()) + 1;
    return tl::unexpected(syntax_fault{"malformed key", {line, column}});
  }
}

std::string_view name_of(toml::node_type type) noexcept {
  switch (type) {
  case toml::node_type::array:
    return "a list";
  case toml::node_type::date:
  case toml::node_type::time:
  case toml::node_type::date_time:
    return "a date or time";
  default:
    return "a value of another kind";
  }
}

toml_value value_of(const toml::array& list) {
  toml_texts texts;
  for (const auto& element : list) {
    const auto* text = element.as_string();
    if (text == nullptr)
      return toml_other{name_of(toml::node_type::array)};
    texts.push_back(text->get());
  }
  return texts;
}

toml_value value_of(const toml::node& node) {
  if (node.is_table())
    return toml_table{};
  if (const auto* text = node.as_string())
    return text->get();
  if (const auto* integer = node.as_integer())
    return integer->get();
  if (const auto* real = node.as_floating_point())
    return real->get();
  if (const auto* flag = node.as_boolean())
    return flag->get();
  if (const auto* list = node.as_array())
    return value_of(*list);
  return toml_other{name_of(node.type())};
}

void flatten(const toml::table& table, const std::vector<std::string>& above,
             std::vector<toml_entry>& entries) {
  for (const auto& [key, node] : table) {
    auto path = above;
    path.emplace_back(key.str());
    entries.push_back({path, value_of(node), place_of(key.source()), place_of(node.source())});
    if (const auto* inner = node.as_table(); inner != nullptr && path.size() < path_steps_max)
      flatten(*inner, path, entries);
  }
}

std::string_view trim(std::string_view text) {
  auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start <= text.size();) {
    auto end = std::min(text.find('\n', start), text.size());
    lines.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines)
    text += line + "\n";
  return text;
}

// The key of `key = value`, or the header `[x]` as it stands, without what follows.
std::string_view head_of(std::string_view line) {
  auto text = trim(line);
  return text.starts_with('[') ? trim(text.substr(0, text.find('#')))
                               : trim(text.substr(0, text.find('=')));
}

bool is_header(std::string_view line) {
  return trim(line).starts_with('[');
}

// The line, counted from 1, where what `lines[index]` says again was said first; 0: not found. A
// key's first place is above it, before its section's header.
std::size_t first_place(const std::vector<std::string>& lines, std::size_t index) {
  auto head = head_of(lines[index]);
  for (auto i = index; i-- > 0;) {
    if (head_of(lines[i]) == head)
      return i + 1;
    if (is_header(lines[i]) && !is_header(lines[index]))
      return 0;
  }
  return 0;
}

fault twice(const std::vector<std::string>& lines, std::size_t index) {
  auto first = first_place(lines, index);
  auto column = std::min(lines[index].find_first_not_of(blanks), lines[index].size()) + 1;
  return {errc::bad_syntax,
          {},
          index + 1,
          column,
          {},
          "'" + std::string{head_of(lines[index])} + "' stands twice",
          first == 0 ? "keep one of them" : "first in line " + std::to_string(first)};
}

std::string_view hint_for(std::string_view description) {
  auto says = [&](std::string_view part) {
    return description.find(part) != std::string_view::npos;
  };
  if (says("could not determine value type"))
    return "texts stand in double quotes; others are true, false and numbers";
  if (says("parsing string"))
    return "a text ends with its quote, in the same line";
  if (says("malformed key"))
    return "names have letters, digits, '-' and '_', all others stand in double quotes";
  if (says("expected '='"))
    return "write key = value";
  if (says("utf-8") || says("UTF-8"))
    return "the file must be UTF-8";
  return {};
}

bool is_repetition(std::string_view description) {
  return description.find("cannot redefine") != std::string_view::npos;
}

// Whether the line is wrong in itself, whatever stands around it.
bool is_broken_alone(const std::string& line) {
  return !parse(line);
}

// Empties the line; of a header, its whole section, whose keys would go to the section before.
void blank(std::vector<std::string>& lines, std::size_t index) {
  auto header = is_header(lines[index]);
  lines[index].clear();
  for (auto i = index + 1; header && i < lines.size() && !is_header(lines[i]); ++i)
    lines[i].clear();
}

// Without the words that every description begins with.
std::string_view essence(std::string_view description) {
  if (description.starts_with("Error while parsing "))
    description.remove_prefix(description.find(": ") + 2);
  return description;
}

fault fault_of(const syntax_fault& wrong, const std::vector<std::string>& lines) {
  const auto& [description, place] = wrong;
  if (is_repetition(description) && place.line <= lines.size())
    return twice(lines, place.line - 1);
  return {errc::bad_syntax,
          {},
          place.line,
          place.column,
          {},
          std::string{essence(description)},
          std::string{hint_for(description)}};
}

} // namespace

std::string_view kind_name(const toml_value& content) noexcept {
  if (const auto* other = std::get_if<toml_other>(&content))
    return other->name;
  constexpr std::string_view names[] = {
      "a section", {}, "a text", "an integer", "a decimal number", "true or false", "a list"};
  return names[content.index()];
}

toml_text read_toml(std::string_view text, std::string_view file) {
  toml_text made;
  auto lines = lines_of(text);
  auto rest = lines;
  for (;;) {
    auto parsed = made.faults.empty() ? parse(text) : parse(join(rest));
    if (parsed) {
      flatten(*parsed, {}, made.entries);
      return made;
    }
    const auto& wrong = parsed.error();
    auto index = wrong.place.line - 1;
    auto known = index < rest.size() && !trim(rest[index]).empty();
    auto confined = known && (is_repetition(wrong.description) || is_broken_alone(rest[index]));
    // A later fault that is not confined may be the doing of our blanks.
    if (made.faults.empty() || confined) {
      made.faults.push_back(fault_of(wrong, lines));
      made.faults.back().file = file;
    }
    if (!confined || made.faults.size() >= faults_max)
      return made;
    blank(rest, index);
  }
}

std::optional<toml_value> read_toml_value(std::string_view text) {
  constexpr std::string_view key = "value";
  if (text.find('\n') != std::string_view::npos)
    return std::nullopt;
  auto parsed = parse(std::string{key} + " = " + std::string{text});
  if (!parsed)
    return std::nullopt;
  return value_of(*parsed->get(key));
}

} // namespace gemel::detail
