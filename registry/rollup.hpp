#pragma once

#include "messages/value.hpp"
#include "registry/exact_sum.hpp"
#include "registry/symbols.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace gemel {

/// What is known of one property of many twins. Of those only that have it as a number; a NaN is
/// none.
struct rollup_summary {
  std::uint64_t count = 0;
  exact_sum sum{};
  /// As doubles, so that integers beyond 2^53 are rounded to the nearest; a zero is +0. Not
  /// meaningful while `count` is 0.
  double min = 0;
  double max = 0;

  /// The rounded sum over the count; nothing while `count` is 0.
  std::optional<double> mean() const;
};

/// A roll-up that goes along with its numbers. Its least and greatest number may be outdated after
/// the one that it was has left; then all that is in must be shown to it again.
class rollup {
public:
  /// Null, or what is no number, does not count.
  void add(const value* content);
  /// Takes out what was added before.
  void remove(const value* content);
  /// All that `other` knows.
  void add(const rollup_summary& other);
  void remove(const rollup_summary& other);

  bool outdated() const noexcept { return outdated_; }
  /// From here all that is in must be shown, then the extremes are right again.
  void begin_showing() noexcept;
  void show(const value* content);
  void show(const rollup_summary& other);

  /// GEMEL_CHECKs that it is not outdated.
  const rollup_summary& summary();

private:
  void widen(double least, double greatest) noexcept;
  void narrow(double least, double greatest) noexcept;

  rollup_summary now_;
  bool outdated_ = false;
  // Nothing was taken into the extremes yet.
  bool blank_ = true;
};

/// The summary of one property.
struct keyed_summary {
  key_id key{};
  rollup_summary of{};
};

/// At most one for each property.
using rollup_list = std::vector<keyed_summary>;

/// Null: there is none.
const rollup_summary* find(const rollup_list& in, key_id key) noexcept;

} // namespace gemel
