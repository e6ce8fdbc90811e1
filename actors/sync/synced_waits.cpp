#include "actors/sync/synced_waits.hpp"

#include "actors/sync/replica_bridge.hpp"
#include "actors/sync/replicator.hpp"

#include <algorithm>

namespace gemel {

namespace {

error too_few(std::uint32_t peers, std::uint32_t wanted) {
  return {errc::timed_out, "it is written here, but only " + std::to_string(peers) + " of "
                               + std::to_string(wanted) + " peers have said that they have it"};
}

} // namespace

bool synced_waits::add(wait one) {
  if (waits_.size() >= most_)
    return false;
  waits_.push_back({std::move(one)});
  return true;
}

// Which changes of which shards are waited for; known once the log was taken in.
result<void> synced_waits::note_changes(waiting& one, const replicator& replicas) {
  for (const auto& twin : one.asked.twins) {
    auto shard = replica_shard_of(twin);
    const auto* held = replicas.replica(shard);
    // The mark of a delete may be forgotten by now, which happens when all peers have it.
    auto known =
        held != nullptr && (held->changed(twin, replica_keys::life) != 0 || held->forgotten() != 0);
    if (!known)
      return fail(errc::bad_value, twin
                                       + " is not replicated: there is no such twin, or its type "
                                         "is not among sync.types");
    one.changes.emplace_back(shard, held->last_change());
  }
  std::sort(one.changes.begin(), one.changes.end());
  one.changes.erase(std::unique(one.changes.begin(), one.changes.end()), one.changes.end());
  one.is_taken = true;
  return {};
}

bool synced_waits::ended(waiting& one, log_position taken, const replicator& replicas,
                         std::int64_t now_ns) {
  if (!one.is_taken && taken >= one.asked.written)
    if (auto noted = note_changes(one, replicas); !noted) {
      one.asked.done(tl::unexpected<error>(std::move(noted.error())));
      return true;
    }
  if (one.is_taken)
    one.peers = static_cast<std::uint32_t>(replicas.synced(one.changes));
  if (one.is_taken && one.peers >= one.asked.peers) {
    one.asked.done(one.peers);
    return true;
  }
  if (now_ns < one.asked.until_ns)
    return false;
  one.asked.done(tl::unexpected{too_few(one.peers, one.asked.peers)});
  return true;
}

void synced_waits::look(log_position taken, const replicator& replicas, std::int64_t now_ns) {
  std::erase_if(waits_, [&](waiting& one) { return ended(one, taken, replicas, now_ns); });
}

std::int64_t synced_waits::next_due() const noexcept {
  auto due = INT64_MAX;
  for (const auto& one : waits_)
    due = std::min(due, one.asked.until_ns);
  return due;
}

void synced_waits::stop() {
  for (auto& one : std::exchange(waits_, {}))
    one.asked.done(tl::unexpected{too_few(one.peers, one.asked.peers)});
}

} // namespace gemel
