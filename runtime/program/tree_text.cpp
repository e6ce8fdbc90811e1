#include "runtime/program/tree_text.hpp"

#include "runtime/program/display.hpp"
#include "runtime/program/units.hpp"

namespace gemel {

std::string tree_label(const twin_record& twin) {
  auto made = printable(twin.id) + " (" + printable(twin.type) + ")";
  if (twin.lifecycle != lifecycle_state::active && twin.lifecycle != lifecycle_state::provisioned)
    made += " [" + std::string{to_string(twin.lifecycle)} + "]";
  return made;
}

std::string tree_lines::branch(std::size_t depth, bool is_last) {
  if (depth == 0)
    return {};
  goes_on_.resize(depth);
  goes_on_[depth - 1] = !is_last;
  std::string made;
  for (std::size_t level = 0; level + 1 < depth; ++level)
    made += !goes_on_[level] ? "    " : is_utf8_ ? "│   " : "|   ";
  if (is_utf8_)
    return made + (is_last ? "└── " : "├── ");
  return made + (is_last ? "`-- " : "|-- ");
}

std::string tree_lines::twin(const twin_record& twin, std::size_t depth, bool is_last) {
  return branch(depth, is_last) + tree_label(twin) + '\n';
}

std::string tree_lines::more(std::uint64_t count, std::size_t depth) {
  return branch(depth, true) + (is_utf8_ ? "… " : "... ") + grouped(count) + " more\n";
}

} // namespace gemel
