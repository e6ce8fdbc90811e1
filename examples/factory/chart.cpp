#include "examples/factory/chart.hpp"

#include "messages/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace gemel::factory {

std::string painter::operator()(style as, std::string_view text) const {
  constexpr std::array<std::string_view, 6> codes{"", "1", "2", "1;31", "33", "32"};
  if (!colours_ || as == style::plain)
    return std::string{text};
  return fmt::format("\x1b[{}m{}\x1b[0m", codes[static_cast<std::size_t>(as)], text);
}

std::string sparkline(std::span<const double> values, double low, double high) {
  GEMEL_CHECK(low < high);
  constexpr std::array<std::string_view, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string line;
  for (double v : values) {
    double height = std::clamp((v - low) / (high - low), 0.0, 1.0) * 7.999;
    line += std::isfinite(v) ? blocks[static_cast<std::size_t>(height)] : " ";
  }
  return line;
}

void extent::add(double value) noexcept {
  low = count == 0 ? value : std::min(low, value);
  high = count == 0 ? value : std::max(high, value);
  ++count;
}

std::vector<extent> folded(std::span<const double> values, std::size_t columns) {
  std::vector<extent> made(std::min(columns, values.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
    made[i * made.size() / values.size()].add(values[i]);
  return made;
}

std::vector<std::string> plot(std::span<const extent> columns, std::size_t rows) {
  extent all;
  for (const auto& column : columns) {
    all.add(column.low);
    all.add(column.high);
  }
  double band = (all.high - all.low) / static_cast<double>(rows);
  std::vector<std::string> lines;
  for (std::size_t row = rows; row-- > 0;) {
    double bottom = all.low + band * static_cast<double>(row);
    std::string line = fmt::format("{:8.1f} ", bottom + band / 2);
    for (const auto& column : columns)
      line += column.low <= bottom + band && column.high >= bottom ? "█" : " ";
    lines.push_back(std::move(line));
  }
  return lines;
}

} // namespace gemel::factory
