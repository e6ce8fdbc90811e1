#pragma once

#include "turbofan.hpp"

#include <runtime/gemel.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Engines as twins of a node, flown flight by flight until they fail or are maintained.
namespace maintenance {

/// Root of the mean of squares.
class rmse {
public:
  void add(double difference) {
    squares_ += difference * difference;
    ++count_;
  }
  double get() const { return count_ > 0 ? std::sqrt(squares_ / static_cast<double>(count_)) : 0; }

private:
  double squares_ = 0;
  std::size_t count_ = 0;
};

/// What came of a trial; lives and distances in flights.
struct findings {
  /// Of every assessment; lives above `turbofan::life_model::horizon` count as that.
  rmse all{};
  /// Of those in an engine's last 50 flights.
  rmse late{};
  /// Of each engine that was maintained: how many flights before it failed.
  std::vector<double> ahead{};
  /// Those that were not.
  std::size_t failed = 0;
};

/// A node with a twin for each engine, a workflow that assesses all that fly, a rule that sees an
/// engine near its end, and a workflow that maintains it.
class trial {
public:
  /// @param engines flown; must outlive this. @param model says how many flights are left.
  trial(std::vector<const turbofan::engine*> engines, const turbofan::life_model& model);

  /// Flies all engines to their ends.
  findings run();

private:
  void start(const turbofan::life_model& model);
  void write(const std::vector<gemel::twin_update>& updates);
  void fly(std::size_t flight);
  void assess(std::size_t flight);
  void settle();

  std::vector<const turbofan::engine*> engines_;
  std::unique_ptr<gemel::node> node_;
  findings found_;
  // Updates of engines, each of which the rule hears of.
  std::int64_t written_ = 0;
};

} // namespace maintenance
