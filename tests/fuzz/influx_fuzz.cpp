#include "runtime/influx_lines.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace {

// Names up to what separates them, without their backslashes.
std::vector<std::string> names_of(std::string_view line) {
  std::vector<std::string> made(1);
  for (std::size_t i = 0; i < line.size(); ++i)
    if (line[i] == '\\' && i + 1 < line.size())
      made.back() += line[++i];
    else if (line[i] == ',' || line[i] == ' ' || line[i] == '=')
      made.emplace_back();
    else
      made.back() += line[i];
  return made;
}

} // namespace

/// Any names of a type, a twin and a property (apart by zero bytes) come out of a line as they went
/// in, but for their backslashes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  std::array<std::string, 3> names;
  std::size_t which = 0;
  for (auto c : fuzz::text_of(data, size))
    if (c == '\0' && which < 2)
      ++which;
    else if (static_cast<unsigned char>(c) >= ' ')
      names[which] += c;
  influx_lines lines;
  fuzz::expect(lines.add(names[0], names[1], names[2], value{2.5}, 7), "a number is left out");
  auto text = lines.take();
  fuzz::expect(std::count(text.begin(), text.end(), '\n') == 1, "not one line");
  for (auto& one : names)
    std::replace(one.begin(), one.end(), '\\', '/');
  std::vector<std::string> expected{names[0], "twin", names[1], names[2], "2.5", "7000\n"};
  fuzz::expect(names_of(text) == expected, "names are written differently");
  return 0;
}
