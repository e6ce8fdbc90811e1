#include "bench/soak/replica_oracle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace gemel::soak {

namespace {

std::string text_of_write(write_id w) {
  return fmt::format("{:x}/{}", static_cast<std::uint64_t>(w.writer), w.number);
}

} // namespace

const version_vector& replica_oracle::seen(std::size_t node, std::uint16_t shard) const {
  static const version_vector nothing;
  auto at = nodes_[node].seen.find(shard);
  return at != nodes_[node].seen.end() ? at->second : nothing;
}

void replica_oracle::forget(std::uint16_t shard, write_id write) {
  auto& all = events_[shard];
  auto at = all.find(write);
  if (at == all.end())
    return;
  auto& of = properties_[shard][{at->second.twin, at->second.key}];
  of.erase(std::find(of.begin(), of.end(), write));
  all.erase(at);
}

std::string replica_oracle::wrote(std::size_t node, const own_write& what,
                                  const shard_replica& replica) {
  auto& known = nodes_[node].seen[what.shard];
  if (what.write.number != known.of(what.write.writer) + 1)
    return fmt::format("write {} follows {}", text_of_write(what.write),
                       known.of(what.write.writer));
  event made{std::string{what.twin}, std::string{what.key}, false, {}, {}, known};
  for (const auto& s : replica.of(what.twin, what.key))
    if (s.write == what.write) {
      made.put = true;
      made.life = s.life;
      made.content = s.content;
    }
  if (!events_[what.shard].emplace(what.write, made).second)
    return "write " + text_of_write(what.write) + " was given twice";
  properties_[what.shard][{made.twin, made.key}].push_back(what.write);
  known.advance(what.write);
  return {};
}

void replica_oracle::changed(std::size_t node, std::uint64_t incarnation, std::uint16_t shard,
                             change_number change) {
  nodes_[node].at[incarnation][shard][change] = nodes_[node].seen[shard];
}

void replica_oracle::received(std::size_t node, std::uint16_t shard, std::size_t from,
                              std::uint64_t incarnation, change_number change) {
  auto& at = nodes_[from].at[incarnation][shard];
  if (auto known = at.find(change); known != at.end())
    nodes_[node].seen[shard].join(known->second);
}

void replica_oracle::restarted(std::size_t node, std::uint64_t disk_incarnation,
                               std::uint64_t incarnation, writer_id own,
                               const std::map<std::uint16_t, change_number>& held) {
  auto& state = nodes_[node];
  auto history = state.at[disk_incarnation];
  for (auto& [shard, at] : history) {
    auto last = held.find(shard);
    at.erase(at.upper_bound(last != held.end() ? last->second : 0), at.end());
  }
  auto before = std::exchange(state.seen, {});
  for (const auto& [shard, at] : history)
    if (!at.empty())
      state.seen[shard] = at.rbegin()->second;
  // What was not on the disk was never told to anybody: its numbers are given again.
  if (disk_incarnation == incarnation)
    for (const auto& [shard, was] : before)
      for (auto n = state.seen[shard].of(own) + 1; n <= was.of(own); ++n)
        forget(shard, {own, n});
  state.at[incarnation] = std::move(history);
}

// What no known write to the same property had seen, of lives that are there.
std::vector<write_id>
replica_oracle::expected(std::uint16_t shard, const version_vector& known,
                         const std::pair<std::string, std::string>& property) const {
  std::vector<write_id> made;
  auto of_shard = properties_.find(shard);
  if (of_shard == properties_.end())
    return made;
  auto of = of_shard->second.find(property);
  if (of == of_shard->second.end())
    return made;
  const auto& all = events_.at(shard);
  for (auto w : of->second) {
    if (!known.covers(w) || !all.at(w).put)
      continue;
    auto replaced = std::any_of(of->second.begin(), of->second.end(), [&](write_id other) {
      return other != w && known.covers(other) && all.at(other).past.covers(w);
    });
    if (!replaced)
      made.push_back(w);
  }
  if (property.second != replica_keys::life && !made.empty()) {
    auto lives = expected(shard, known, {property.first, replica_keys::life});
    std::erase_if(made, [&](write_id w) {
      return std::find(lives.begin(), lives.end(), all.at(w).life) == lives.end();
    });
  }
  std::sort(made.begin(), made.end());
  return made;
}

std::string replica_oracle::check(std::size_t node, std::uint16_t shard,
                                  const shard_replica& replica) const {
  const auto& known = seen(node, shard);
  if (!(replica.clock() == known))
    return fmt::format("node {} shard {}: its clock is not what it has seen", node, shard);
  auto of_shard = properties_.find(shard);
  if (of_shard == properties_.end())
    return {};
  std::size_t held = 0;
  replica.each_twin([&](std::string_view twin) {
    replica.each_property(twin, [&](std::string_view, const sibling_set&) { ++held; });
  });
  std::size_t wanted = 0;
  for (const auto& [property, writes] : of_shard->second) {
    auto want = expected(shard, known, property);
    wanted += want.empty() ? 0 : 1;
    const auto& siblings = replica.of(property.first, property.second);
    auto same = std::equal(siblings.begin(), siblings.end(), want.begin(), want.end(),
                           [](const sibling& s, write_id w) { return s.write == w; });
    if (!same)
      return fmt::format("node {} shard {}: '{}' of {} holds {} values, {} are right{}{}", node,
                         shard, property.second, property.first, siblings.size(), want.size(),
                         siblings.empty() ? "" : "; has " + text_of_write(siblings[0].write),
                         want.empty() ? "" : "; wants " + text_of_write(want[0]));
    for (const auto& s : siblings)
      if (!(s.content == events_.at(shard).at(s.write).content))
        return fmt::format("node {} shard {}: '{}' of {} has another content than was written",
                           node, shard, property.second, property.first);
  }
  if (held != wanted)
    return fmt::format("node {} shard {}: {} properties, {} are right", node, shard, held, wanted);
  return {};
}

} // namespace gemel::soak
