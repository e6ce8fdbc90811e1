#pragma once

#include "actors/sync/replicator.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gemel::soak {

/// Knows every write of a simulation and which of them each node has seen, by the rules' meaning
/// and not by the implementation's clocks; says what each replica must hold.
class replica_oracle {
public:
  explicit replica_oracle(std::size_t nodes) : nodes_(nodes) {}

  /// A write happened at `node`; the replica holds its effect. @returns what is wrong, or nothing.
  std::string wrote(std::size_t node, const own_write& what, const shard_replica& replica);
  /// The replica of `node` has a new number for what it holds now.
  void changed(std::size_t node, std::uint64_t incarnation, std::uint16_t shard,
               change_number change);
  /// `node` took the changes of another up to `change`.
  void received(std::size_t node, std::uint16_t shard, std::size_t from, std::uint64_t incarnation,
                change_number change);
  /// `node` lives again, as `own`, with what its disk holds: the last change of each shard.
  void restarted(std::size_t node, std::uint64_t disk_incarnation, std::uint64_t incarnation,
                 writer_id own, const std::map<std::uint16_t, change_number>& held);

  /// Everything of one shard. @returns what is wrong, or nothing.
  std::string check(std::size_t node, std::uint16_t shard, const shard_replica& replica) const;
  const version_vector& seen(std::size_t node, std::uint16_t shard) const;

private:
  struct event {
    std::string twin;
    std::string key;
    bool put = false;
    write_id life;
    value content;
    /// What its writer had seen.
    version_vector past;
  };
  using events = std::map<write_id, event>;
  // By what they are written to; so that a check need not look at all.
  using by_property = std::map<std::pair<std::string, std::string>, std::vector<write_id>>;
  struct node_state {
    std::map<std::uint16_t, version_vector> seen;
    std::map<std::uint64_t, std::map<std::uint16_t, std::map<change_number, version_vector>>> at;
  };

  std::vector<write_id> expected(std::uint16_t shard, const version_vector& seen,
                                 const std::pair<std::string, std::string>& property) const;
  void forget(std::uint16_t shard, write_id write);

  std::vector<node_state> nodes_;
  std::map<std::uint16_t, events> events_;
  std::map<std::uint16_t, by_property> properties_;
};

} // namespace gemel::soak
