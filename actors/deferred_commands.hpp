#pragma once

#include "actors/ports.hpp"
#include "actors/timing_wheel.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace gemel {

/// The commands of one cell whose answer comes later, by number.
class deferred_commands {
public:
  struct entry {
    std::uint32_t row;
    /// Of the behaviour that owes the answer.
    std::uint64_t instance;
    reply_function reply;
    /// Of its deadline.
    timing_wheel::timer deadline;
  };

  /// Gives a number away; it may never be added.
  std::uint64_t next_number() noexcept { return ++last_number_; }

  void add(std::uint64_t number, entry waiting) {
    of_instance_[waiting.instance].push_back(number);
    waiting_.emplace(number, std::move(waiting));
  }

  /// Empty: it was answered already, or never added.
  std::optional<entry> take(std::uint64_t number);

  /// Takes those of one behaviour, the oldest first.
  std::vector<entry> take_all_of(std::uint64_t instance);

  /// Takes all of them.
  std::vector<entry> take_all();

  /// Whether the behaviour owes an answer.
  bool owes(std::uint64_t instance) const { return of_instance_.contains(instance); }

  std::size_t size() const noexcept { return waiting_.size(); }

private:
  std::uint64_t last_number_ = 0;
  boost::unordered_flat_map<std::uint64_t, entry> waiting_;
  boost::unordered_flat_map<std::uint64_t, std::vector<std::uint64_t>> of_instance_;
};

} // namespace gemel
