#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Numbers as pictures made of text.
namespace gemel::factory {

/// Colours for people; used only where a terminal shows them.
enum class style { plain, bold, dim, red, yellow, green };

/// Puts text into colours, or leaves it as it is.
class painter {
public:
  explicit painter(bool colours) noexcept : colours_{colours} {}

  std::string operator()(style as, std::string_view text) const;

private:
  bool colours_;
};

/// One block character of eight heights per value, the lowest at or below `low`, the highest at or
/// above `high`. Values that are no number are a blank. `low` must be less than `high`.
std::string sparkline(std::span<const double> values, double low, double high);

/// The values of one column of a plot, or of any stretch of a series.
struct extent {
  double low = 0;
  double high = 0;
  std::size_t count = 0;

  void add(double value) noexcept;
};

/// `values` cut into `columns` stretches of the same length, up to one value. There are never more
/// columns than values.
std::vector<extent> folded(std::span<const double> values, std::size_t columns);

/// A plot of `rows` lines, highest first, each with its value before it; a column reaches from its
/// lowest to its highest value.
std::vector<std::string> plot(std::span<const extent> columns, std::size_t rows);

} // namespace gemel::factory
