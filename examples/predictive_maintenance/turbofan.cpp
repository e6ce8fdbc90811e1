#include "turbofan.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

namespace turbofan {

engines_file read_engines(const std::string& file) {
  std::vector<engine> made;
  std::ifstream in{file};
  if (!in)
    return {{}, file + ": cannot be read"};
  std::string line;
  for (int number_of_line = 1; std::getline(in, line); ++number_of_line) {
    std::istringstream fields{line};
    int number = 0;
    int flight = 0;
    double setting = 0;
    reading now{};
    fields >> number >> flight >> setting >> setting >> setting;
    for (auto& sensor : now)
      fields >> sensor;
    if (!fields)
      return {{},
              file + ":" + std::to_string(number_of_line)
                  + ": 26 numbers are expected: engine, flight, 3 settings, 21 sensors"};
    if (made.empty() || made.back().number != number)
      made.push_back({number, {}});
    made.back().flights.push_back(now);
  }
  if (made.empty())
    return {{}, file + ": no engine"};
  return {std::move(made), {}};
}

std::vector<engine> make_engines(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::normal_distribution<double> noise{0, 1};
  std::vector<engine> made;
  for (std::size_t i = 0; i < count; ++i) {
    auto& one = made.emplace_back();
    one.number = static_cast<int>(i) + 1;
    auto life = 130 + static_cast<std::size_t>(random() % 200);
    for (std::size_t flight = 0; flight < life; ++flight) {
      auto worn = std::exp((static_cast<double>(flight) - static_cast<double>(life)) / 40);
      auto& now = one.flights.emplace_back();
      for (std::size_t k = 0; k < sensor_count; ++k) {
        auto drift = k % 3 == 0 ? 0.0 : (k % 2 == 0 ? 4.0 : -4.0);
        now[k] = 100 + static_cast<double>(k) + drift * worn + noise(random);
      }
    }
  }
  return made;
}

reading means_until(const engine& of, std::size_t last) {
  auto first = last + 1 > life_model::window ? last + 1 - life_model::window : 0;
  reading sums{};
  for (auto i = first; i <= last; ++i)
    for (std::size_t k = 0; k < sensor_count; ++k)
      sums[k] += of.flights[i][k];
  for (auto& sum : sums)
    sum /= static_cast<double>(last - first + 1);
  return sums;
}

namespace {

constexpr std::size_t size = sensor_count + 1;
using matrix = std::array<std::array<double, size>, size>;

// Gauss with the largest pivot; the matrix is positive definite by its penalty.
std::array<double, size> solve(matrix a, std::array<double, size> b) {
  for (std::size_t i = 0; i < size; ++i) {
    auto pivot = i;
    for (auto k = i + 1; k < size; ++k)
      if (std::abs(a[k][i]) > std::abs(a[pivot][i]))
        pivot = k;
    std::swap(a[i], a[pivot]);
    std::swap(b[i], b[pivot]);
    for (auto k = i + 1; k < size; ++k) {
      auto share = a[k][i] / a[i][i];
      for (auto m = i; m < size; ++m)
        a[k][m] -= share * a[i][m];
      b[k] -= share * b[i];
    }
  }
  for (auto i = size; i-- > 0;) {
    for (auto k = i + 1; k < size; ++k)
      b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  return b;
}

} // namespace

life_model life_model::fit(const std::vector<const engine*>& engines) {
  std::vector<std::pair<reading, double>> points;
  for (const auto* one : engines)
    for (std::size_t i = 0; i < one->flights.size(); ++i)
      points.emplace_back(means_until(*one, i),
                          std::min(horizon, static_cast<double>(one->flights.size() - 1 - i)));
  life_model made;
  auto count = static_cast<double>(points.size());
  for (std::size_t k = 0; k < sensor_count; ++k) {
    double sum = 0;
    double squares = 0;
    for (const auto& [means, left] : points)
      sum += means[k];
    made.mean_[k] = sum / count;
    for (const auto& [means, left] : points)
      squares += (means[k] - made.mean_[k]) * (means[k] - made.mean_[k]);
    made.scale_[k] = std::sqrt(squares / count);
  }
  matrix a{};
  std::array<double, size> b{};
  for (const auto& [means, left] : points) {
    std::array<double, size> x{};
    x[sensor_count] = 1;
    for (std::size_t k = 0; k < sensor_count; ++k)
      x[k] = made.scale_[k] > 1e-9 ? (means[k] - made.mean_[k]) / made.scale_[k] : 0;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t k = 0; k < size; ++k)
        a[i][k] += x[i] * x[k];
      b[i] += x[i] * left;
    }
  }
  for (std::size_t i = 0; i < size; ++i)
    a[i][i] += 1;
  made.weights_ = solve(a, b);
  return made;
}

double life_model::predict(const reading& means) const {
  auto left = weights_[sensor_count];
  for (std::size_t k = 0; k < sensor_count; ++k)
    if (scale_[k] > 1e-9)
      left += weights_[k] * (means[k] - mean_[k]) / scale_[k];
  return std::clamp(left, 0.0, horizon);
}

} // namespace turbofan
