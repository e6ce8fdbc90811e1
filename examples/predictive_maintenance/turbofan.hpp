#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Engines that run until they fail, in the format of NASA's turbofan data (C-MAPSS): a line for
/// each flight with the engine's number, the flight's, three settings and 21 sensors.
namespace turbofan {

inline constexpr std::size_t sensor_count = 21;

using reading = std::array<double, sensor_count>;

/// One engine from its first flight to its last before it failed.
struct engine {
  int number = 0;
  std::vector<reading> flights{};
};

struct engines_file {
  std::vector<engine> engines{};
  /// Empty, or what is wrong with the file, with its name and line.
  std::string fault{};
};
engines_file read_engines(const std::string& file);

/// Engines of our own, for where there is no file: sensors that drift ever faster towards the end,
/// with noise. The same seed gives the same engines.
std::vector<engine> make_engines(std::size_t count, std::uint64_t seed);

/// Remaining flights as a linear function of the sensors' means over the last flights, found by
/// least squares with a small penalty (ridge). What lies further ahead than `horizon` flights shows
/// in no sensor, so it is learnt as `horizon`.
class life_model {
public:
  static constexpr double horizon = 125;
  static constexpr std::size_t window = 10;

  static life_model fit(const std::vector<const engine*>& engines);

  /// Flights that are left, from the last `window` readings or fewer, at least one.
  double predict(const reading& means) const;

private:
  reading mean_{};
  reading scale_{};
  std::array<double, sensor_count + 1> weights_{};
};

/// The means of the readings up to flight `last`, at most `life_model::window` of them.
reading means_until(const engine& of, std::size_t last);

} // namespace turbofan
