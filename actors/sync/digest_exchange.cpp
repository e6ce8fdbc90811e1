#include "actors/sync/digest_exchange.hpp"

#include <string>
#include <string_view>

namespace gemel {

void digest_exchange::send() {
  sync_digest made;
  auto& host = session_.host();
  for (auto shard : host.shards()) {
    const auto* replica = host.find_shard(shard);
    made.shards.push_back(
        {shard, replica->clock().hash(), replica->digest().root(), host.shown_digest(shard)});
  }
  if (!made.shards.empty())
    session_.post(made);
}

// Different clocks are mere lag; equal ones must have equal digests, and then show the same.
void digest_exchange::take(const sync_digest& theirs) {
  std::size_t equal = 0;
  std::size_t others = 0;
  for (const auto& s : theirs.shards) {
    const auto* replica = session_.host().find_shard(s.shard);
    if (replica == nullptr || replica->clock().hash() != s.clock)
      continue;
    if (replica->digest().root() == s.root) {
      ++(session_.host().shown_digest(s.shard) == s.shown ? equal : others);
      continue;
    }
    ++session_.counts().digest_alarms;
    session_.post(sync_buckets{s.shard, s.clock, replica->digest().buckets()});
  }
  note_shown(equal, others);
}

// Nothing repairs that but whoever configures the nodes.
void digest_exchange::note_shown(std::size_t equal, std::size_t others) {
  auto& counts = session_.counts();
  constexpr std::string_view kind = "conflicts: ";
  auto is_ours = counts.trouble.starts_with(kind);
  counts.shown_alarms += others;
  if (others != 0 && (is_ours || counts.trouble.empty()))
    counts.trouble = std::string{kind} + "'" + counts.peer
                     + "' shows other values than we do of the same writes: strategies or merge "
                       "functions differ";
  else if (others == 0 && equal != 0 && is_ours)
    counts.trouble.clear();
}

void digest_exchange::take(const sync_buckets& theirs) {
  const auto* replica = session_.host().find_shard(theirs.shard);
  if (replica == nullptr || replica->clock().hash() != theirs.clock)
    return;
  const auto& rules = session_.rules();
  sync_repair made{theirs.shard, replica->clock(), {}};
  std::size_t bytes = 0;
  replica->each_twin([&](std::string_view twin) {
    auto bucket = shard_digest::bucket_of(twin);
    if (theirs.sums[bucket] == replica->digest().buckets()[bucket])
      return;
    replica->each_property(twin, [&](std::string_view key, const sibling_set& siblings) {
      made.entries.push_back({std::string{twin}, std::string{key}, siblings});
      bytes += bytes_of(made.entries.back());
      // What does not fit comes with the next comparison.
      if (bytes > rules.part_bytes || made.entries.size() > rules.part_entries)
        made.entries.pop_back();
    });
  });
  session_.post(made);
}

void digest_exchange::take(const sync_repair& theirs) {
  auto& host = session_.host();
  const auto* replica = host.find_shard(theirs.shard);
  if (replica != nullptr && replica->clock() == theirs.clock)
    host.repair(theirs.shard, theirs.entries);
}

} // namespace gemel
