#include "messages/fault.hpp"

#include <algorithm>
#include <tuple>

namespace gemel {

std::string to_string(const fault& what) {
  auto text = what.file;
  for (auto number : {what.line, what.line == 0 ? 0 : what.column})
    if (number != 0)
      text += (text.empty() ? "" : ":") + std::to_string(number);
  if (!text.empty())
    text += ": ";
  if (what.at.starts_with('/'))
    text += what.at + ": ";
  text += what.message;
  if (!what.hint.empty())
    text += " (" + what.hint + ")";
  return text;
}

std::string to_string(const fault_list& faults) {
  std::string text;
  for (const auto& one : faults)
    text += (text.empty() ? "" : "\n") + to_string(one);
  return text;
}

void add_fault(fault_list& faults, fault found) {
  if (faults.size() < faults_max) {
    faults.push_back(std::move(found));
    return;
  }
  faults.back() = {errc::limit_reached,
                   found.file,
                   0,
                   0,
                   {},
                   "more than " + std::to_string(faults_max - 1) + " faults, the rest is not shown",
                   {},
                   {}};
}

void sort_faults(fault_list& faults) {
  // The line 0 of "there are more" and of faults of the whole document stands last.
  auto order = [](const fault& f) {
    return std::tuple{std::string_view{f.file}, f.line == 0, f.line, f.column};
  };
  std::stable_sort(faults.begin(), faults.end(),
                   [&](const fault& a, const fault& b) { return order(a) < order(b); });
}

value to_value(const fault& what) {
  auto name = what.name.empty() ? to_string(what.code) : what.name;
  value_map members{{"code", value{name}}, {"message", value{what.message}}};
  for (auto [key, text] : {std::pair{"at", &what.at}, {"hint", &what.hint}, {"file", &what.file}})
    if (!text->empty())
      members.push_back({key, value{*text}});
  for (auto [key, number] : {std::pair{"line", what.line}, {"column", what.column}})
    if (number != 0)
      members.push_back({key, value{number}});
  return value{std::move(members)};
}

} // namespace gemel
