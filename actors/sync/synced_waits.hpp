#pragma once

#include "actors/store_port.hpp"
#include "actors/sync/shard_replica.hpp"
#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace gemel {

class replicator;

/// Those who wait until some of the peers have, safe, what was written here: acknowledgements of
/// the class `synced(n)`. Each wait first lets the replicas take the cells' log in up to its
/// writes, then notes which change of each shard that is, then looks how many peers have
/// acknowledged it. A core: time is an argument.
class synced_waits {
public:
  struct wait {
    /// The log up to here holds what is waited for.
    log_position written{};
    /// Twins that were written, deleted ones too.
    std::vector<std::string> twins{};
    /// How many peers must have it.
    std::uint32_t peers = 1;
    /// `moment::steady_ns`.
    std::int64_t until_ns = 0;
    /// Called once with how many peers have it; errc::timed_out if they are too few by then,
    /// bad_value if a twin is not replicated. It is written here in any case.
    std::function<void(result<std::uint32_t>)> done{};
  };

  /// @param most waits at a time.
  explicit synced_waits(std::size_t most) : most_{most} {}

  /// False, and `done` is not called, if there are too many.
  [[nodiscard]] bool add(wait one);
  /// Ends what has come true, or took too long. @param taken how far the log was taken in.
  void look(log_position taken, const replicator& replicas, std::int64_t now_ns);
  /// Ends all, with what is known.
  void stop();

  /// When `look` is worth a call although nothing happened, `moment::steady_ns`.
  std::int64_t next_due() const noexcept;
  bool empty() const noexcept { return waits_.empty(); }
  std::size_t size() const noexcept { return waits_.size(); }

private:
  struct waiting {
    wait asked;
    bool is_taken = false;
    std::vector<std::pair<std::uint16_t, change_number>> changes{};
    std::uint32_t peers = 0; // that had it when somebody looked last
  };

  bool ended(waiting& one, log_position taken, const replicator& replicas, std::int64_t now_ns);
  static result<void> note_changes(waiting& one, const replicator& replicas);

  std::size_t most_;
  std::vector<waiting> waits_;
};

} // namespace gemel
