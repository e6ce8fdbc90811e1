#pragma once

#include "actors/store_port.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Where a node keeps its workflow runs: facts by key, written in order.
namespace gemel {

struct run_fact {
  std::string key{};
  /// Nothing: the fact goes.
  std::optional<std::string> content{};
};

/// Facts that are kept in the order in which they were given: whatever a crash takes is the end of
/// that order, and of one call all or nothing.
class run_log_port {
public:
  virtual ~run_log_port() = default;

  using done_function = std::function<void(result<void>)>;
  /// @param done called once, from any thread, maybe before this returns: the facts survive the end
  ///        of the process, or never will.
  virtual void append(std::vector<run_fact> facts, done_function done) = 0;

  using fact_sink = std::function<result<void>(std::string_view key, std::string_view content)>;
  /// All facts by key. May block.
  /// @returns errc::store_corrupt, errc::store_failed; what `each` returned.
  virtual result<void> read(const fact_sink& each) const = 0;
};

/// Keeps them in memory: for tests, which look at what a crash would leave.
class memory_run_log final : public run_log_port {
public:
  void append(std::vector<run_fact> facts, done_function done) override;
  result<void> read(const fact_sink& each) const override;

  /// Facts by key.
  std::map<std::string, std::string, std::less<>> facts{};
  /// Calls of `append` so far.
  std::uint64_t appends = 0;
  /// After this many calls nothing is kept or answered any more, as if the process had ended.
  std::optional<std::uint64_t> dies_after{};
};

/// Keeps them among the small facts of a store, below `runs/`.
class store_run_log final : public run_log_port {
public:
  /// @param store must outlive this. @param wanted what is true before `done` hears of it.
  explicit store_run_log(store_port& store, durability wanted = durability::process)
      : store_{store}, wanted_{wanted} {}

  void append(std::vector<run_fact> facts, done_function done) override;
  result<void> read(const fact_sink& each) const override;

private:
  store_port& store_;
  durability wanted_;
};

} // namespace gemel
