#pragma once

#include "actors/store_port.hpp"
#include "actors/sync/shard_replica.hpp"
#include "messages/value.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// Who waits until peers hold what twins are now: steps of workflows that say so, and writes of the
/// class `synced(n)`. A core: no actor, no clock, no link.
class hold_watch {
public:
  /// What the replicas say.
  struct view {
    /// The last change of the twin's shard; nothing: the twin is not replicated.
    std::function<std::optional<change_number>(std::string_view twin)> last_change{};
    /// How many peers hold the twin's shard up to this change.
    std::function<std::size_t(std::string_view twin, change_number)> holders{};
  };

  struct request {
    std::vector<std::string> twins{};
    /// Peers that each twin is wanted at.
    std::size_t replicas = 1;
    /// What the twins are now is in the log up to here.
    log_position written{};
    /// The answer is given then at the latest. Of the steady clock, nanoseconds.
    std::int64_t until_ns = 0;
    /// Called once, with a map of the twins: how many peers hold each; null: it is not replicated.
    std::function<void(value)> done{};
  };

  /// @param most requests at a time.
  explicit hold_watch(std::size_t most) : most_{most} {}

  /// False, and `done` is not called, if there are too many.
  [[nodiscard]] bool add(request wanted);

  /// Answers those for whom it is time. @param taken the log is in the replicas up to here.
  void look(const view& replicas, log_position taken, std::int64_t now_ns);

  /// So many peers are left: who waits for more is answered by the next `look`.
  void give_up_beyond(std::size_t peers) noexcept;

  /// When `look` is worth a call although nothing happened, `moment::steady_ns`.
  std::int64_t next_due() const noexcept;

  std::size_t open() const noexcept { return open_.size(); }

private:
  struct entry {
    request wanted;
    // By twin, once the log was taken up to `wanted.written`.
    std::vector<std::optional<change_number>> changes;
    bool is_marked;
  };

  static bool answer(const entry& of, const view& replicas, bool is_late);

  std::size_t most_;
  std::list<entry> open_;
};

} // namespace gemel
